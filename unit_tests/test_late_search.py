"""What search shows only by the next sync arrives in every stream, whatever went wrong before, and once."""

from typing import Any

import pytest
from conftest import Sync, lists_pages, sync
from test_debts import BROKEN, blocks_of, delivered, march, two_more_syncs

from fake_notion.stand_in import StandIn, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")


@pytest.fixture
def home(workspace: Workspace) -> str:
    return workspace.add_page(title="Home", last_edited_time=march(1))


def later(workspace: Workspace) -> None:
    """Let the next sync begin where it does not list what was edited so far."""
    workspace.add_page(title="Later", last_edited_time=march(20))


def hidden_page(workspace: Workspace, home: str) -> str:
    """A page on another one, both of one time, with a text and a file."""
    child = workspace.add_page(home, "Child", created_time=march(5))
    workspace.add_block(child, text="Text")
    workspace.add_block(child, "image", hosted="w/a.png")
    workspace.edit_page(home, march(5))
    workspace.unsearchable.add(child)
    return child


def hidden_rows(workspace: Workspace, home: str, day: int = 5) -> tuple[str, str, set[str]]:
    """A database on a page, its data source and its rows, all of one time."""
    database = workspace.add_database(home, "Tasks", created_time=march(day))
    source = workspace.add_data_source(database, created_time=march(day))
    rows = {workspace.add_row(source, created_time=march(day)) for _ in range(3)}
    for row in rows:
        workspace.add_block(row, text="Text")
    workspace.edit_page(home, march(5))
    workspace.unsearchable |= {source, *rows}
    return database, source, rows


def test_an_owed_row_that_search_shows_in_the_same_version(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    database = workspace.add_database(None, "Tasks", last_edited_time=march(1))
    source = workspace.add_data_source(database, "Tasks", last_edited_time=march(1))
    row = workspace.add_row(source, last_edited_time=march(1))
    before = sync("page_markdown")
    workspace.edit_page(row, march(5))
    workspace.edit_page(home, march(4))
    workspace.unsearchable.add(row)
    later(workspace)
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    api.answer(on("GET", f"/v1/pages/{home}/markdown", BROKEN))
    owing = sync("page_markdown", state=before.state)
    workspace.unsearchable.clear()

    first, second = two_more_syncs(api, owing, "page_markdown")

    assert (first.ids("page_markdown").count(row), row in second.ids("page_markdown")) == (1, False)


@pytest.mark.parametrize("shown", ["all", "the rows"])
def test_rows_of_an_owed_database_that_search_shows(
    workspace: Workspace, api: StandIn, naps: list[float], home: str, shown: str
) -> None:
    before = sync("blocks")
    database, _, rows = hidden_rows(workspace, home)
    later(workspace)
    api.answer(on("GET", f"/v1/databases/{database}", BROKEN))
    owing = sync("blocks", state=before.state)
    workspace.unsearchable -= rows if shown == "the rows" else workspace.unsearchable

    syncs = two_more_syncs(api, owing, "blocks")

    assert delivered("blocks", *syncs) >= blocks_of(workspace, *rows)


def test_a_page_and_rows_in_a_page_that_failed(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    before = sync("blocks")
    child, (_, _, rows) = hidden_page(workspace, home), hidden_rows(workspace, home)
    later(workspace)
    api.answer(on("GET", f"/v1/blocks/{home}/children", BROKEN))
    failing = sync("blocks", state=before.state)
    workspace.unsearchable.clear()

    syncs = two_more_syncs(api, failing, "blocks")

    assert delivered("blocks", *syncs) >= blocks_of(workspace, child, *rows)


def test_no_stream_reads_a_page_again_that_another_one_found_through_search(
    workspace: Workspace, api: StandIn, home: str
) -> None:
    child = hidden_page(workspace, home)
    later(workspace)
    streams = ("blocks", "comments", "page_markdown", "files")
    first = sync(*streams)
    workspace.unsearchable.clear()

    second = sync(*streams, state=first.state)
    third = sync(*streams, state=second.state)

    assert child in first.ids("page_markdown")
    assert (third.ids("page_markdown"), third.ids("blocks")) == ([], [])


@pytest.mark.parametrize("order", [("pages", "blocks"), ("blocks", "pages")])
@pytest.mark.parametrize("fails", [False, True])
def test_what_blocks_discovered_after_pages_had_ended(
    workspace: Workspace, api: StandIn, naps: list[float], home: str, order: tuple[str, str], fails: bool
) -> None:
    broken = workspace.add_page(title="Broken", last_edited_time=march(1))
    child, (_, _, rows) = hidden_page(workspace, home), hidden_rows(workspace, home)
    later(workspace)
    if fails:
        api.answer(on("GET", f"/v1/blocks/{broken}/children", BROKEN))
    syncs: list[Sync] = [sync("pages", "blocks", keep_order=True)]
    api.reset_rules()
    workspace.unsearchable.clear()

    for _ in range(2):
        syncs.append(sync(*order, state=syncs[-1].state, keep_order=True))

    pages: Any = delivered("pages", *syncs)
    assert pages >= {child, *rows}
    assert not {child, *rows} & {*syncs[-1].ids("pages")}


def test_no_stream_reads_rows_again_and_again_that_one_of_them_did_not_know(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    streams = ("blocks", "page_markdown", "files")
    hidden_rows(workspace, home)
    later(workspace)
    api.answer(times(8, on("GET", f"/v1/blocks/{home}/children", BROKEN)))  # as often as `blocks` tries
    last = sync(*streams)
    workspace.unsearchable.clear()

    for _ in range(3):
        last = sync(*streams, state=last.state)
    api.requests.clear()
    last = sync(*streams, state=last.state)

    assert [last.ids(stream) for stream in streams] == [[], [], []]
    assert not [request for request in api.requests if request.path.endswith("/children")]


@pytest.mark.parametrize("order", [("blocks", "comments"), ("comments", "blocks")])
def test_an_old_comment_on_a_page_that_blocks_discovered_late(
    workspace: Workspace, api: StandIn, naps: list[float], home: str, order: tuple[str, str]
) -> None:
    before = sync(*order, keep_order=True)
    child = hidden_page(workspace, home)
    comment = workspace.add_comment(child, "On the child", march(5))
    later(workspace)
    workspace.add_comment(home, "Newer", march(20))
    if order[0] == "blocks":  # else it is late in any case
        api.answer(on("GET", f"/v1/blocks/{home}/children", BROKEN))
    syncs = [sync(*order, state=before.state, keep_order=True)]
    api.reset_rules()
    workspace.unsearchable.clear()

    for _ in range(2):
        syncs.append(sync(*order, state=syncs[-1].state, keep_order=True))

    assert comment in delivered("comments", *syncs)


def test_a_page_within_an_owed_row_that_was_edited_once_more(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    source = workspace.add_data_source(workspace.add_database(home, "Tasks"), "Tasks", last_edited_time=march(1))
    row = workspace.add_row(source, last_edited_time=march(1))
    workspace.unsearchable.add(row)
    before = sync("blocks", "pages")
    inside = workspace.add_page(row, "Inside", created_time=march(5))
    workspace.add_block(inside, text="Text")
    workspace.unsearchable.add(inside)
    workspace.edit_page(row, march(5))
    later(workspace)
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    owing = sync("blocks", "pages", state=before.state)
    workspace.edit_page(row, march(21))
    workspace.unsearchable.remove(row)

    syncs = two_more_syncs(api, owing, "blocks", "pages")

    assert delivered("blocks", *syncs) >= blocks_of(workspace, inside)


@pytest.mark.parametrize("stream", ["files", "blocks", "block_comments"])
def test_a_page_in_one_that_failed_although_the_listing_of_comments_has_it(
    workspace: Workspace, api: StandIn, naps: list[float], home: str, stream: str
) -> None:
    before = sync("comments", stream, keep_order=True)
    child = hidden_page(workspace, home)
    text, image = (placed.block["id"] for placed in workspace.blocks_of(child))
    expected = {
        "blocks": {text, image},
        "files": {image},
        "block_comments": {workspace.add_comment(text, "Here", march(5))},
    }
    later(workspace)
    api.answer(on("GET", f"/v1/blocks/{home}/children", BROKEN))
    syncs = [sync("comments", stream, state=before.state, keep_order=True)]
    api.reset_rules()
    workspace.unsearchable.clear()

    for _ in range(2):
        syncs.append(sync("comments", stream, state=syncs[-1].state, keep_order=True))

    assert delivered(stream, *syncs) >= expected[stream]


def test_a_page_that_was_listed_but_not_read_does_not_count_as_delivered(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks", last_edited_time=march(1))
    before = sync("blocks")
    child = hidden_page(workspace, home)
    later(workspace)
    api.answer(on("GET", f"/v1/blocks/{home}/children", BROKEN))
    failing = sync("blocks", state=before.state)
    workspace.unsearchable.clear()
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    owing = sync("blocks", state=failing.state)

    syncs = two_more_syncs(api, owing, "blocks")

    assert delivered("blocks", *syncs) >= blocks_of(workspace, child)


@pytest.mark.parametrize("broken", ["database", "query"])
@pytest.mark.parametrize("stream", ["page_markdown", "pages"])
def test_rows_that_are_not_answered_when_a_stream_first_asks_for_them(
    workspace: Workspace, api: StandIn, naps: list[float], home: str, stream: str, broken: str
) -> None:
    before = sync(stream, "blocks", keep_order=True)
    database, source, rows = hidden_rows(workspace, home)
    later(workspace)
    syncs = [sync(stream, "blocks", state=before.state, keep_order=True)]  # `blocks` discovers them too late
    if broken == "query":
        workspace.unsearchable.remove(source)
        api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    else:
        api.answer(on("GET", f"/v1/databases/{database}", BROKEN))
    syncs.append(sync(stream, "blocks", state=syncs[-1].state, keep_order=True))
    api.reset_rules()

    for _ in range(2):
        syncs.append(sync(stream, "blocks", state=syncs[-1].state, keep_order=True))

    assert delivered(stream, *syncs) >= rows
    assert syncs[-1].warnings == []


def test_old_rows_of_an_owed_database_that_was_moved_here(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    later(workspace)
    before = sync("blocks", "pages")
    _, source, rows = hidden_rows(workspace, home, day=2)
    workspace.edit_page(home, march(25))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    owing = sync("blocks", "pages", state=before.state)
    workspace.unsearchable.remove(source)

    syncs = two_more_syncs(api, owing, "blocks", "pages")

    assert delivered("pages", *syncs) >= rows


def test_a_row_that_failed_and_is_older_than_the_state(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    later(workspace)
    before = sync("blocks")
    _, _, rows = hidden_rows(workspace, home, day=2)
    workspace.edit_page(home, march(25))
    row = min(rows)
    api.answer(on("GET", f"/v1/blocks/{row}/children", BROKEN))
    failing = sync("blocks", state=before.state)
    workspace.unsearchable.remove(row)

    syncs = two_more_syncs(api, failing, "blocks")

    assert row in failing.state["blocks"]["parent_state"]["every_page"]["failed"]
    assert delivered("blocks", *syncs) >= blocks_of(workspace, row)


def test_a_page_that_search_shows_while_the_first_of_two_streams_is_under_way(
    workspace: Workspace, api: StandIn, home: str
) -> None:
    streams = ("page_markdown", "blocks")
    hidden_page(workspace, home)
    later(workspace)
    before = sync(*streams, keep_order=True)
    other = workspace.add_page(home, "Other", created_time=march(21))
    workspace.edit_page(home, march(21))
    workspace.unsearchable.add(other)
    workspace.add_page(title="Latest", last_edited_time=march(25))
    api.answer(on("GET", f"/v1/pages/{home}/markdown", lambda _: workspace.unsearchable.discard(other)))
    api.requests.clear()
    during = sync(*streams, state=before.state, keep_order=True)

    assert len([request for request in api.requests if lists_pages(request)]) == 1  # for both streams
    assert other in delivered("page_markdown", during, *two_more_syncs(api, during, *streams))


def test_an_owed_page_on_one_that_failed_is_read_once(
    workspace: Workspace, api: StandIn, naps: list[float], home: str
) -> None:
    before = sync("blocks")
    child = hidden_page(workspace, home)
    for _ in range(3):
        workspace.add_block(home, text="Text")
    workspace.edit_page(home, march(5))
    later(workspace)
    workspace.max_page_size = 1
    api.answer(on("GET", f"/v1/pages/{child}", BROKEN))
    api.answer(
        on("GET", f"/v1/blocks/{home}/children", lambda request: BROKEN if request.query.get("start_cursor") else None)
    )
    failing = sync("blocks", state=before.state)
    workspace.unsearchable.clear()

    first, second = two_more_syncs(api, failing, "blocks")

    ids = [*first.ids("blocks"), *second.ids("blocks")]
    assert [ids.count(block) for block in blocks_of(workspace, child)] == [1, 1]
