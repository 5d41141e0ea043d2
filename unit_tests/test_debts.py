"""What one sync could not ask, failed at or never came to, later ones bring, whatever happens in between."""

from datetime import timedelta
from typing import Any

import pytest
from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import ConcurrentPerPartitionCursor
from clock import Clock
from conftest import CONFIG, Sync, each_request_takes, on_searches_for_pages, sync

from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

BROKEN = error(500, "internal_server_error", "Unexpected error.")


def march(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000Z"


def blocks_of(workspace: Workspace, *pages: str) -> set[str]:
    return {placed.block["id"] for page in pages for placed in workspace.blocks_of(page)}


def two_more_syncs(api: StandIn, before: Sync, *streams: str) -> list[Sync]:
    """What comes once nothing is broken any more; the second is silent."""
    api.reset_rules()
    first = sync(*streams, state=before.state)
    second = sync(*streams, state=first.state)
    assert (first.errors, second.errors, second.warnings) == ({}, {}, [])
    return [first, second]


def delivered(stream: str, *syncs: Sync) -> set[str]:
    return {id for each in syncs for id in each.ids(stream)}


@pytest.fixture
def team(workspace: Workspace) -> tuple[str, str]:
    """Pages that search leaves out, one within the other, on a page; and a page that is edited later."""
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    child = workspace.add_page(home, "Child", created_time=march(2))
    grandchild = workspace.add_page(child, "Grandchild", created_time=march(2))
    for page in (child, grandchild):
        workspace.add_block(page, text="Text")
    workspace.edit_page(home, march(2))
    workspace.unsearchable |= {child, grandchild}
    workspace.add_page(title="Later", last_edited_time=march(20))
    return child, grandchild


@pytest.fixture
def hidden_row(workspace: Workspace) -> tuple[str, str]:
    """A data source, and a row that search leaves out."""
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    database = workspace.add_database(home, "Tasks", last_edited_time=march(1))
    source = workspace.add_data_source(database, "Tasks", last_edited_time=march(1))
    row = workspace.add_row(source, last_edited_time=march(1))
    workspace.unsearchable.add(row)
    return source, row


@pytest.fixture
def hidden_database(workspace: Workspace) -> tuple[str, str, str, set[str]]:
    """A page, and a database on it that search leaves out, with its data source and its rows."""
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    database = workspace.add_database(home, "Tasks", last_edited_time=march(2))
    source = workspace.add_data_source(database, last_edited_time=march(2))
    rows = {workspace.add_row(source, last_edited_time=march(2)) for _ in range(5)}
    workspace.edit_page(home, march(2))
    workspace.unsearchable |= {source, *rows}
    workspace.add_page(title="Later", last_edited_time=march(20))
    return home, database, source, rows


def stopped_among_comments(workspace: Workspace, api: StandIn) -> tuple[Sync, set[str]]:
    """A sync that stops after a few pages, and the comments of all; the newest is on the first page."""
    pages = [workspace.add_page(title=str(number)) for number in range(150)]
    comments = {workspace.add_comment(pages[0], "Newest", "2026-11-20T10:00:00.000Z")}
    comments |= {workspace.add_comment(page, "Older", march(1)) for page in pages[1:]}
    asked: list[str] = []

    def expire(request: Request) -> Any:
        asked.append(request.path)
        return error(401, "unauthorized", "API token is invalid.") if len(asked) > 10 else None

    api.answer(on("GET", "/v1/comments", expire))
    stopped = sync("comments", num_workers=1)
    assert stopped.errors and len(asked) < 150
    return stopped, comments


def test_comments_on_pages_that_a_stopped_sync_never_came_to_arrive(workspace: Workspace, api: StandIn) -> None:
    stopped, comments = stopped_among_comments(workspace, api)

    assert delivered("comments", stopped, *two_more_syncs(api, stopped, "comments")) == comments


def test_comments_on_pages_that_a_failed_sync_never_came_to_arrive(
    workspace: Workspace, api: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime fails in the thread that makes the partitions, as it may in Python 3.11.0 to 3.11.7."""
    pages = [workspace.add_page(title=str(number)) for number in range(60)]
    comments = {workspace.add_comment(page, "Older", march(1)) for page in pages}
    comments |= {workspace.add_comment(page, "Newest", "2026-11-20T10:00:00.000Z") for page in pages[:1]}
    create, made = ConcurrentPerPartitionCursor._create_cursor, []

    def fail_once(self: Any, *given: Any) -> Any:
        made.append(self)
        if len(made) == 20:
            raise SystemError("AST constructor recursion depth mismatch")
        return create(self, *given)

    monkeypatch.setattr(ConcurrentPerPartitionCursor, "_create_cursor", fail_once)
    first = sync("comments", num_workers=2)

    assert first.errors and len(first.ids("comments")) < len(comments)
    assert delivered("comments", first, *two_more_syncs(api, first, "comments")) == comments


def test_an_owed_page_brings_the_pages_that_only_it_knows(
    workspace: Workspace, api: StandIn, team: tuple[str, str], naps: Any
) -> None:
    child, _ = team
    api.answer(on("GET", f"/v1/pages/{child}", BROKEN))
    first = sync("blocks", "pages")

    rest = two_more_syncs(api, first, "blocks", "pages")

    assert delivered("blocks", *rest) >= blocks_of(workspace, *team)
    assert delivered("pages", *rest) >= {*team}


def test_an_owed_page_that_then_fails_brings_them_too(
    workspace: Workspace, api: StandIn, team: tuple[str, str], naps: Any
) -> None:
    child, _ = team
    api.answer(on("GET", f"/v1/pages/{child}", BROKEN))
    first = sync("blocks")
    api.reset_rules()
    api.answer(on("GET", f"/v1/blocks/{child}/children", BROKEN))
    second = sync("blocks", state=first.state)

    assert delivered("blocks", *two_more_syncs(api, second, "blocks")) >= blocks_of(workspace, *team)


def test_an_owed_row_brings_the_pages_that_only_it_knows(
    workspace: Workspace, api: StandIn, hidden_row: tuple[str, str], naps: Any
) -> None:
    source, row = hidden_row
    before = sync("blocks", "pages")
    inside = workspace.add_page(row, "Inside", created_time=march(5))
    workspace.add_block(inside, text="Text")
    workspace.unsearchable.add(inside)
    workspace.edit_page(row, march(5))
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    first = sync("blocks", "pages", state=before.state)

    rest = two_more_syncs(api, first, "blocks", "pages")

    assert row in delivered("pages", *rest)
    assert delivered("blocks", *rest) >= blocks_of(workspace, inside)


@pytest.mark.parametrize("query_fails_first", [True, False])
def test_a_row_that_is_missed_for_two_reasons_in_turn_arrives(
    workspace: Workspace, api: StandIn, hidden_row: tuple[str, str], naps: Any, query_fails_first: bool
) -> None:
    source, row = hidden_row
    results = [sync("pages")]
    workspace.edit_page(row, march(5))
    workspace.add_page(title="Later", last_edited_time=march(20))
    listing = on("POST", "/v1/search", lambda of: BROKEN if of.body["filter"]["value"] == "data_source" else None)
    query = on("POST", f"/v1/data_sources/{source}/query", BROKEN)
    for rule in (query, listing) if query_fails_first else (listing, query):
        api.reset_rules()
        api.answer(rule)
        results.append(sync("pages", state=results[-1].state))
    results += two_more_syncs(api, results[-1], "pages")

    assert row in delivered("pages", *results[1:])


@pytest.mark.parametrize("refused", ["/v1/databases/{database}", "/v1/blocks/{home}/children"])
def test_the_rows_of_a_new_database_arrive_if_first_it_or_its_page_and_then_they_are_not_answered(
    api: StandIn, hidden_database: tuple[str, str, str, set[str]], naps: Any, refused: str
) -> None:
    home, database, source, rows = hidden_database
    api.answer(on("GET", refused.format(home=home, database=database), BROKEN))
    first = sync("blocks", "pages")
    api.reset_rules()
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    second = sync("blocks", "pages", state=first.state)

    assert delivered("pages", *two_more_syncs(api, second, "blocks", "pages")) >= rows


def test_owed_rows_arrive_although_search_leaves_out_their_data_source_by_now(
    workspace: Workspace, api: StandIn, hidden_row: tuple[str, str], naps: Any
) -> None:
    source, row = hidden_row
    before = sync("pages")
    workspace.edit_page(row, march(5))
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    first = sync("pages", state=before.state)
    workspace.unsearchable.add(source)

    assert row in delivered("pages", *two_more_syncs(api, first, "pages"))


def test_a_known_database_that_was_not_answered_once_stays_known(
    workspace: Workspace, api: StandIn, hidden_database: tuple[str, str, str, set[str]]
) -> None:
    _, database, _, rows = hidden_database
    before = sync("blocks", "pages")
    api.answer(on("GET", f"/v1/databases/{database}", BROKEN))
    owing = sync("blocks", "pages", state=before.state)
    after = two_more_syncs(api, owing, "blocks", "pages")[1]
    assert after.state["blocks"]["parent_state"]["every_page"]["owed"] == {}
    edited = max(rows)
    workspace.edit_page(edited, march(21))

    last = sync("blocks", "pages", state=after.state)

    assert edited in last.ids("pages")


def test_an_owed_page_arrives_in_a_stream_that_would_read_the_list_of_one_before(
    workspace: Workspace, api: StandIn, team: tuple[str, str]
) -> None:
    child, _ = team
    api.answer(on("GET", f"/v1/pages/{child}", BROKEN))
    owing = sync("blocks")
    api.reset_rules()

    # Those around `blocks` ask for the same; only `blocks` asks for what it owes.
    result = sync("pages", "blocks", "page_markdown", state=owing.state, keep_order=True)

    assert (result.errors, child in result.ids("page_markdown")) == ({}, True)


def test_a_page_that_another_stream_discovered_arrives_although_the_sync_that_is_to_read_it_is_cut_off(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    early = [workspace.add_page(title=str(number), last_edited_time=march(1)) for number in range(6)]
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    child = workspace.add_page(home, "Child", created_time=march(2))
    for page in (*early, child):
        workspace.add_block(page, text="Text")
    workspace.edit_page(home, march(2))
    workspace.unsearchable.add(child)
    workspace.add_page(title="Later", last_edited_time=march(20))
    broken = {f"/v1/blocks/{page}/children": 8 for page in (*early, home)}

    def fail_for_the_first_stream(request: Request) -> Any:
        broken[request.path] = broken.get(request.path, 0) - 1
        return BROKEN if broken[request.path] >= 0 else None

    api.answer(on("GET", "/v1/blocks/.*/children", fail_for_the_first_stream))
    first = sync("blocks", "files", num_workers=1)
    assert child in first.state["files"]["parent_state"]["every_page"]["discovered"]["pages"]
    assert child not in first.state["blocks"]["parent_state"]["every_page"]["discovered"]["pages"]
    api.reset_rules()
    api.answer(each_request_takes(60, clock))
    whole = sync("blocks", state=first.state, num_workers=1)
    (_, under_way), read = whole.states[0], whole.read[0]
    before = {block["id"] for block in whole.records["blocks"][:read]}
    assert not before & blocks_of(workspace, child)

    rest = sync("blocks", state={**first.state, "blocks": under_way})

    assert rest.errors == {} and blocks_of(workspace, child) <= {*rest.ids("blocks")}


def test_a_stream_that_is_cut_off_goes_on_where_it_was_although_others_discovered_all_its_pages(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    within = [workspace.add_page(home, f"{day}", last_edited_time=march(day)) for day in range(2, 12)]
    workspace.edit_page(home, march(1))
    workspace.unsearchable.update(within)
    before = sync("blocks")
    api.answer(each_request_takes(60, clock))
    whole = sync("blocks", "page_markdown", state=before.state, num_workers=1)
    under_way, read = next(
        (state, read)
        for (stream, state), read in zip(whole.states, whole.read, strict=True)
        if stream == "page_markdown" and read >= 6
    )

    rest = sync("blocks", "page_markdown", state={**whole.state, "page_markdown": under_way}, num_workers=1)

    pages = whole.ids("page_markdown")
    assert {*pages} == {home, *within}
    again = rest.ids("page_markdown")
    assert {*again} >= {*pages[read:]}
    assert len(again) <= len(pages) - read + 2  # those that were open


def cut_off(result: Sync, stream: str, after: int) -> tuple[Any, list[str]]:
    """The first state of a stream that came after so many of its records, and the ids of those."""
    before = sum(len(result.records.get(name, [])) for name in result.records if name != stream)
    return next(
        (state, result.ids(stream)[: read - before])
        for (name, state), read in zip(result.states, result.read, strict=True)
        if name == stream and read - before >= after
    )


@pytest.mark.parametrize("why", ["owed", "discovered"])
def test_rows_that_are_new_to_a_stream_that_is_cut_off_twice_arrive(
    workspace: Workspace, api: StandIn, clock: Clock, naps: list[float], why: str
) -> None:
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    database = workspace.add_database(home, "Tasks", last_edited_time=march(1))
    source = workspace.add_data_source(database, "Tasks", last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(day)) for day in range(2, 10)]
    workspace.unsearchable |= {*rows, *([source] if why == "discovered" else [])}
    for day in range(10, 20):
        workspace.add_page(title=f"{day}", last_edited_time=march(day))
    if why == "owed":
        api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    api.answer(each_request_takes(60, clock))
    first, _ = cut_off(sync("page_markdown", num_workers=1), "page_markdown", after=6)
    api.reset_rules()
    api.answer(each_request_takes(60, clock))
    resumed = sync("blocks", "page_markdown", state={"page_markdown": first}, num_workers=1)
    second, read = cut_off(resumed, "page_markdown", after=2)
    api.reset_rules()

    last = sync("blocks", "page_markdown", state={**resumed.state, "page_markdown": second}, num_workers=1)

    assert {*rows} <= {*read, *last.ids("page_markdown")}
    # What was read is not read again, but for what was open.
    assert len({*rows} & {*read} & {*last.ids("page_markdown")}) <= 2


def test_owed_rows_of_a_query_that_breaks_once_more_arrive_although_the_sync_in_between_is_cut_off(
    workspace: Workspace, api: StandIn, clock: Clock, naps: list[float]
) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks", last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(1)) for _ in range(150)]
    workspace.unsearchable.update(rows)
    for day in range(10, 16):
        workspace.add_page(title=f"{day}", last_edited_time=march(day))
    query = f"/v1/data_sources/{source}/query"

    def cut_off_with(broken: Any, state: Any, after: int) -> tuple[Any, list[str]]:
        api.reset_rules()
        api.answer(on("POST", query, broken))
        api.answer(each_request_takes(60, clock))
        return cut_off(sync("page_markdown", state=state, num_workers=1), "page_markdown", after)

    def break_late(request: Request) -> Any:
        return BROKEN if (request.body or {}).get("start_cursor") else None

    first, read = cut_off_with(BROKEN, None, after=4)
    second, read_then = cut_off_with(break_late, {"page_markdown": first}, after=10)
    api.reset_rules()

    last = sync("page_markdown", state={"page_markdown": second}, num_workers=1)

    assert {*rows} <= {*read, *read_then, *last.ids("page_markdown")}


def test_a_failed_page_that_is_deleted_since_is_forgotten_by_a_sync_that_is_limited_to_search(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    page, _ = (workspace.add_page(title=title, last_edited_time=march(2)) for title in ("Broken", "Other"))
    api.answer(on("GET", f"/v1/pages/{page}/markdown", BROKEN))
    failing = sync("page_markdown", page_discovery="search")
    api.reset_rules()
    workspace.trash_page(page)

    after = sync("page_markdown", state=failing.state, page_discovery="search")

    states = [each.state["page_markdown"]["parent_state"]["every_page"]["failed"] for each in (failing, after)]
    assert states == [{page: CONFIG["start_date"]}, {}]


def test_a_failed_page_that_is_not_answered_by_a_sync_that_is_limited_to_search_stays_due(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    page = workspace.add_page(title="Home", last_edited_time=march(1))
    text = workspace.add_block(page, text="Text")
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(on("GET", f"/v1/blocks/{page}/children", BROKEN))
    failing = sync("blocks")
    workspace.unsearchable.add(page)
    api.reset_rules()
    api.answer(on("GET", f"/v1/pages/{page}", BROKEN))
    unanswered = sync("blocks", state=failing.state, page_discovery="search")
    api.reset_rules()

    last = sync("blocks", state=unanswered.state, page_discovery="search")

    assert (unanswered.ids("blocks"), last.ids("blocks")) == ([], [text])


def test_a_row_of_which_search_shows_an_older_version_arrives_as_its_query_shows_it(
    workspace: Workspace, api: StandIn
) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks", last_edited_time=march(1))
    row = workspace.add_row(source, {"Name": "New"}, last_edited_time=march(5))

    def show_an_older_version(request: Request) -> Answer:
        answer: Any = request.normal()
        (found,) = (each for each in answer.body["results"] if each["id"] == row)
        found["last_edited_time"] = march(4)
        return answer

    api.answer(on_searches_for_pages(show_an_older_version))

    result = sync("pages")

    (page,) = (each for each in result.records["pages"] if each["id"] == row)
    assert page["last_edited_time"] == march(5)


def test_pages_that_are_discovered_too_late_for_a_stream_are_named_and_arrive_with_the_next_sync(
    workspace: Workspace, api: StandIn, team: tuple[str, str]
) -> None:
    first = sync("pages", "blocks", keep_order=True)

    assert not {*team} & {*first.ids("pages")}
    (warning,) = first.warnings
    assert "blocks discovered 2 pages after pages had ended" in warning and "until the next sync" in warning
    second = sync("pages", "blocks", state=first.state, keep_order=True)
    assert {*second.ids("pages")} >= {*team} and second.warnings == []


def test_a_page_edited_again_in_its_minute_after_a_cut_arrives_with_the_sync_that_goes_on(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    now = clock.began.replace(second=0)
    clock.stand_still_at(now + timedelta(seconds=10))
    pages = [workspace.add_page(title=str(number), last_edited_time=now) for number in range(6)]
    for page in pages:
        workspace.add_block(page, text="Text", last_edited_time=now)
    api.answer(on("GET", ".*/children", lambda _: clock.forward(60)))
    state, read = cut_off(sync("blocks", num_workers=1), "blocks", after=2)
    (page,) = (each for each in pages if read[0] in blocks_of(workspace, each))
    added = workspace.add_block(page, text="More", last_edited_time=now)
    workspace.edit_page(page, now)

    last = sync("blocks", state={"blocks": state}, num_workers=1)

    assert added in last.ids("blocks")


def test_of_pages_edited_in_one_minute_none_is_passed_by_after_a_cut(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    pages = {workspace.add_page(title=str(number), last_edited_time=march(1)) for number in range(12)}
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(each_request_takes(60, clock))
    state, read = cut_off(sync("page_markdown", num_workers=1), "page_markdown", after=3)

    last = sync("page_markdown", state={"page_markdown": state}, num_workers=1)

    assert len(read) < len(pages) and pages <= {*read, *last.ids("page_markdown")}


def test_a_sync_that_is_cut_off_twice_reads_only_what_was_open_again(
    workspace: Workspace, api: StandIn, clock: Clock, naps: list[float]
) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks", last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(1)) for _ in range(8)]
    workspace.unsearchable.update(rows)
    for day in range(2, 20):
        workspace.add_page(title=f"{day}", last_edited_time=march(day))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    api.answer(each_request_takes(60, clock))
    first, read = cut_off(sync("page_markdown", num_workers=1), "page_markdown", after=10)
    api.reset_rules()
    api.answer(each_request_takes(60, clock))
    resumed = sync("page_markdown", state={"page_markdown": first}, num_workers=1)
    second, read_then = cut_off(resumed, "page_markdown", after=2)

    last = sync("page_markdown", state={"page_markdown": second}, num_workers=1)

    assert {*rows} <= {*read_then, *last.ids("page_markdown")}
    assert len({*read} & {*last.ids("page_markdown")}) <= 3


def test_owed_rows_arrive_although_the_sync_that_reads_them_is_cut_off(
    workspace: Workspace, api: StandIn, clock: Clock, naps: list[float]
) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks", last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(day)) for day in range(2, 10)]
    workspace.unsearchable.update(rows)
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    owing = sync("page_markdown")
    api.reset_rules()
    api.answer(each_request_takes(60, clock))
    state, read = cut_off(sync("page_markdown", state=owing.state, num_workers=1), "page_markdown", after=3)

    last = sync("page_markdown", state={"page_markdown": state}, num_workers=1)

    assert len(read) < len(rows) and {*rows} <= {*read, *last.ids("page_markdown")}


def test_comments_on_pages_that_a_stopped_sync_never_came_to_arrive_although_the_next_one_is_cut_off(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    stopped, comments = stopped_among_comments(workspace, api)
    api.reset_rules()
    api.answer(each_request_takes(60, clock))
    state, read = cut_off(sync("comments", state=stopped.state, num_workers=1), "comments", after=5)
    api.reset_rules()

    last = sync("comments", state={"comments": state})

    assert {*stopped.ids("comments"), *read, *last.ids("comments")} == comments


def test_pages_two_levels_within_one_that_failed_arrive(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    before = sync("blocks")
    child = workspace.add_page(home, "Child", created_time=march(5))
    grandchild = workspace.add_page(child, "Grandchild", created_time=march(5))
    workspace.add_block(grandchild, text="Text")
    for page in (child, home):
        workspace.edit_page(page, march(5))
    workspace.unsearchable |= {child, grandchild}
    workspace.add_page(title="Later", last_edited_time=march(20))
    api.answer(on("GET", f"/v1/blocks/{home}/children", BROKEN))
    failing = sync("blocks", state=before.state)

    syncs = two_more_syncs(api, failing, "blocks")

    assert delivered("blocks", *syncs) >= blocks_of(workspace, grandchild)


def test_a_stream_that_discovers_what_another_one_could_not_gives_no_advice_about_the_catalog(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    child = workspace.add_page(home, "Child", created_time=march(2))
    workspace.add_block(child, "image", hosted="w/a.png")
    workspace.edit_page(home, march(2))
    workspace.unsearchable.add(child)
    api.answer(times(8, on("GET", f"/v1/blocks/{home}/children", BROKEN)))  # as often as `blocks` tries

    result = sync("blocks", "files")

    assert len(result.ids("files")) == 1 and "blocks" in result.errors
    assert not any("the top of the catalog" in each for each in result.warnings)
