"""What search shows only by the next sync arrives in every stream, whatever went wrong before, and once."""

from typing import Any

import pytest
from conftest import Sync, sync
from test_debts import BROKEN, blocks_of, delivered, march, two_more_syncs

from fake_notion.stand_in import StandIn, on
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")


@pytest.fixture
def home(workspace: Workspace) -> str:
    return workspace.add_page(title="Home", last_edited_time=march(1))


def later(workspace: Workspace) -> None:
    """Let the next sync begin where it does not list what was edited so far."""
    workspace.add_page(title="Later", last_edited_time=march(20))


def hidden_page(workspace: Workspace, home: str) -> str:
    """A page on another one, both of one time."""
    child = workspace.add_page(home, "Child", created_time=march(5))
    workspace.add_block(child, text="Text")
    workspace.edit_page(home, march(5))
    workspace.unsearchable.add(child)
    return child


def hidden_rows(workspace: Workspace, home: str) -> tuple[str, set[str]]:
    """A database on a page, and its rows, all of one time."""
    database = workspace.add_database(home, "Tasks", created_time=march(5))
    source = workspace.add_data_source(database, created_time=march(5))
    rows = {workspace.add_row(source, created_time=march(5)) for _ in range(3)}
    for row in rows:
        workspace.add_block(row, text="Text")
    workspace.edit_page(home, march(5))
    workspace.unsearchable |= {source, *rows}
    return database, rows


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
    database, rows = hidden_rows(workspace, home)
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
    child, (_, rows) = hidden_page(workspace, home), hidden_rows(workspace, home)
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
    child, (_, rows) = hidden_page(workspace, home), hidden_rows(workspace, home)
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
