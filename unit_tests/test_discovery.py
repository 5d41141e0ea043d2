"""Pages that search leaves out, the pages that are the scope, and where each page is."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from clock import Clock
from conftest import (
    CONFIG,
    Sync,
    check,
    discover,
    each_request_takes,
    on_searches_for_pages,
    serving,
    sync,
)
from loaders import requests_made, table_of

from fake_notion.entries import DataSource
from fake_notion.generated import generate
from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

SEARCH, PAGE, QUERY = "POST /v1/search", "GET /v1/pages/{id}", "POST /v1/data_sources/{id}/query"
DATABASE, CHILDREN, BLOCK = (
    "GET /v1/databases/{id}",
    "GET /v1/blocks/{id}/children",
    "GET /v1/blocks/{id}",
)
OVER_PAGES = ("pages", "blocks", "comments", "page_markdown")


def march(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000Z"


def found(result: Sync, stream: str) -> str:
    """What a stream says of the pages that it found."""
    start = f"Stream {stream} found "
    (said,) = [line for line in result.infos if line.startswith(start)]
    return said.removeprefix(start)


def blocks_of(workspace: Workspace, *pages: str) -> list[str]:
    return [placed.block["id"] for page in pages for placed in workspace.blocks_of(page)]


def rows_of(workspace: Workspace) -> list[str]:
    return [page for page in workspace.page_ids() if isinstance(workspace.find(page).parent, DataSource)]


@pytest.fixture
def gaps(workspace: Workspace, api: StandIn) -> Iterator[tuple[Workspace, StandIn, int]]:
    """120 pages, up to four deep, and 60 rows, with a comment each; how many nested ones search leaves out.

    A quarter of the rows is missing as well, and one of the three data sources.
    """
    workspace = generate(pages=120, children=4, databases=3, rows=20)
    for page in workspace.page_ids():
        workspace.add_comment(page, "Seen")
    rows = rows_of(workspace)
    nested = [page for page in workspace.page_ids() if page not in rows and workspace.find(page).parent is not None]
    chance = Random(5)
    missing = len(nested) // 4
    workspace.unsearchable |= {*chance.sample(nested, missing), *chance.sample(rows, 15)}
    workspace.unsearchable.add(workspace.data_source_ids()[0])
    with serving(workspace) as api:
        yield workspace, api, missing


@pytest.fixture
def tree(workspace: Workspace) -> dict[str, str]:
    """Home > Team > Plan, and a database on Team with a row; days apart, and a block on each."""
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    team = workspace.add_page(home, "Team", last_edited_time=march(2))
    plan = workspace.add_page(team, "Plan", last_edited_time=march(3))
    database = workspace.add_database(team, "Tasks", last_edited_time=march(4))
    tasks = workspace.add_data_source(database, "Tasks", last_edited_time=march(4))
    row = workspace.add_row(tasks, {"Name": "Write"}, last_edited_time=march(5))
    other = workspace.add_page(title="Other", last_edited_time=march(6))
    for page in (home, team, plan, row, other):
        workspace.add_block(page, text="Text")
    return {
        "home": home,
        "team": team,
        "plan": plan,
        "database": database,
        "tasks": tasks,
        "row": row,
        "other": other,
    }


# ------------------------------------------------------------------------------- complete coverage


@pytest.mark.parametrize("num_workers", [1, 10])
def test_every_page_block_and_comment_arrives_once_whatever_search_leaves_out(
    gaps: tuple[Workspace, StandIn, int], num_workers: int
) -> None:
    workspace, api, missing = gaps
    result = sync(*OVER_PAGES, num_workers=num_workers)

    pages = workspace.page_ids()
    assert result.errors == {} and result.warnings == []
    assert sorted(result.ids("pages")) == sorted(pages)
    assert sorted(result.ids("page_markdown")) == sorted(pages)
    assert sorted(result.ids("blocks")) == sorted(blocks_of(workspace, *pages))
    assert sorted(result.ids("comments")) == sorted(workspace.comment_ids())
    for stream in OVER_PAGES:
        assert found(result, stream) == (
            f"{len(pages) - 15 - missing} pages through search, 15 more through their databases, "
            f"and {missing} more within other pages."
        )
    assert api.count(PAGE) == missing


def test_a_sync_without_changes_asks_for_what_search_left_out_and_walks_none_of_it(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    _, api, missing = gaps
    first = sync("blocks")
    api.counts.clear()

    second = sync("blocks", state=first.state)

    assert second.ids("blocks") == []
    asked = {of: api.count(of) for of in (SEARCH, QUERY, DATABASE, PAGE, CHILDREN)}
    # One query for each data source, a database that its page alone knows, and each page that its parent
    # alone knows.
    assert asked == {SEARCH: 2, QUERY: 3, DATABASE: 1, PAGE: missing, CHILDREN: 0}


def test_streams_read_anew_beside_blocks_bring_all_pages_and_no_block_is_read_again(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, api, _ = gaps
    first = sync("blocks")
    api.counts.clear()

    second = sync(*OVER_PAGES, state=first.state)

    pages = workspace.page_ids()
    assert sorted(second.ids("pages")) == sorted(pages)
    assert sorted(second.ids("page_markdown")) == sorted(pages)
    assert sorted(second.ids("comments")) == sorted(workspace.comment_ids())
    assert second.ids("blocks") == [] and api.count(CHILDREN) == 0


def test_a_comment_on_a_page_that_search_leaves_out_and_that_is_not_edited_arrives(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, _, _ = gaps
    first = sync("blocks", "comments")
    commented = [
        workspace.add_comment(page, "Seen again", "2026-11-20T10:00:00.000Z")
        for page in sorted(workspace.unsearchable & set(workspace.page_ids()))
    ]

    second = sync("blocks", "comments", state=first.state)

    assert set(commented) <= set(second.ids("comments"))
    assert second.ids("blocks") == []


def test_what_only_pages_know_arrives_when_a_later_sync_walks_them_first(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, _, _ = gaps
    others = ("pages", "comments", "page_markdown")
    listed = next(page for page in workspace.page_ids() if page not in workspace.unsearchable)
    workspace.add_comment(listed, "The newest", "2026-11-20T10:00:00.000Z")
    first = sync(*others)

    second = sync(*OVER_PAGES, state=first.state)

    pages = set(workspace.page_ids())
    assert set(first.ids("pages")) < pages
    assert set(first.ids("pages") + second.ids("pages")) == pages
    assert set(first.ids("page_markdown") + second.ids("page_markdown")) == pages
    assert set(first.ids("comments") + second.ids("comments")) == set(workspace.comment_ids())


def test_a_full_refresh_brings_all_again_for_the_requests_of_a_first_sync(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    _, api, _ = gaps
    first = sync(*OVER_PAGES)
    requests = requests_made(api)
    api.counts.clear()

    again = sync(*OVER_PAGES, full_refresh=True)

    for stream in OVER_PAGES:
        assert sorted(again.ids(stream)) == sorted(first.ids(stream))
    # The data source that search leaves out is asked for where a path needs it before the walk has met it.
    either = "GET /v1/data_sources/{id}"
    assert {**requests_made(api), either: 0} == {**requests, either: 0}


def test_edits_of_pages_that_search_leaves_out_arrive(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, api, _ = gaps
    first = sync(*OVER_PAGES)
    rows = rows_of(workspace)
    row = next(page for page in rows if page in workspace.unsearchable)
    page = next(id for id in workspace.page_ids() if id in workspace.unsearchable and id not in rows)
    inner = workspace.add_page(page, "Inner")
    workspace.unsearchable.add(inner)
    workspace.add_block(inner, text="Deep")
    for each in (row, page, inner):
        workspace.edit_page(each, "2026-11-16T10:00:00.000Z")
    api.counts.clear()

    second = sync(*OVER_PAGES, state=first.state)

    changed = {row, page, inner}
    assert changed <= set(second.ids("pages"))
    assert sorted(second.ids("blocks")) == sorted(blocks_of(workspace, *changed))
    assert sorted(second.ids("page_markdown")) == sorted(changed)
    assert api.count(CHILDREN) == sum(
        1 + sum(placed.block["has_children"] for placed in workspace.blocks_of(each)) for each in changed
    )


def test_limited_to_search_no_other_way_is_asked(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, api, _ = gaps
    result = sync("pages", "blocks", page_discovery="search")

    listed = set(workspace.page_ids()) - workspace.unsearchable
    assert set(result.ids("pages")) == listed
    assert found(result, "blocks") == f"{len(listed)} pages through search only."
    assert {endpoint for _, endpoint, _ in api.counts} == {
        "/v1/search",
        "/v1/blocks/{id}/children",
    }


def test_pages_alone_finds_rows_and_says_who_finds_the_rest(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, _, missing = gaps
    result = sync("pages")

    assert len(result.ids("pages")) == len(workspace.page_ids()) - missing - len(
        [
            row
            for row in rows_of(workspace)
            if row in workspace.unsearchable and workspace.find(row).parent.id in workspace.unsearchable
        ]
    )
    assert found(result, "pages").endswith(
        "0 more within other pages. To discover pages within pages, sync the stream blocks too."
    )


def test_a_connector_that_the_runtime_builds_from_the_manifest_brings_all_pages_too(
    gaps: tuple[Workspace, StandIn, int],
) -> None:
    workspace, _, _ = gaps

    result = sync("pages", "blocks", manifest_only=True)

    assert sorted(result.ids("pages")) == sorted(workspace.page_ids())


def test_a_view_of_a_database_elsewhere_is_asked_for_once_and_no_warning(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.add_linked_database(tree["home"])

    first = sync("blocks")

    assert first.warnings == [] and first.errors == {}
    assert api.count(DATABASE) == 2  # the view, and the database of the workspace

    second = sync("blocks", state=first.state)

    assert second.warnings == [] and second.ids("blocks") == []
    assert api.count(DATABASE) == 2


def test_a_data_source_that_search_leaves_out_beside_another_one_of_its_database_is_found(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    second = workspace.add_data_source(tree["database"], "Ideas", last_edited_time=march(4))
    idea = workspace.add_row(second, {"Name": "Sing"}, last_edited_time=march(7))
    workspace.add_block(idea, text="Text")
    workspace.unsearchable |= {second, idea}

    first = sync("pages", "blocks")
    assert sorted(first.ids("pages")) == sorted(workspace.page_ids())
    assert sorted(first.ids("blocks")) == sorted(blocks_of(workspace, *workspace.page_ids()))

    workspace.edit_page(idea, march(20))
    api.counts.clear()
    again = sync("pages", "blocks", state=first.state)
    assert idea in again.ids("pages")
    assert again.ids("blocks") == blocks_of(workspace, idea)
    # The database is remembered, and not each of its rows.
    assert (api.count(DATABASE), api.count(PAGE)) == (1, 0)


def test_old_rows_that_only_comments_needs_are_in_no_other_stream_and_asked_for_once(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    old = workspace.add_row(tree["tasks"], {"Name": "Old"}, last_edited_time=march(1))
    workspace.unsearchable |= {tree["tasks"], tree["row"], old}
    comments = [workspace.add_comment(page, "New", march(9)) for page in (old, tree["row"])]

    # All hold the database, which is edited on the fourth.
    result = sync(*OVER_PAGES, start_date=march(2))

    assert sorted(result.ids("comments")) == sorted(comments)
    for stream in ("pages", "page_markdown"):
        assert tree["row"] in result.ids(stream) and old not in result.ids(stream)
    # By the walk of blocks, and for the comments.
    assert api.count(QUERY) == 2


def test_streams_that_read_from_the_same_earlier_time_on_ask_a_database_once(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable |= {tree["tasks"], tree["row"]}
    first = sync("blocks")
    api.counts.clear()

    second = sync("blocks", "pages", "page_markdown", state=first.state)

    assert tree["row"] in second.ids("pages") and tree["row"] in second.ids("page_markdown")
    # By the walk of blocks, and once for the two others.
    assert api.count(QUERY) == 2


def test_a_page_that_search_left_out_and_that_is_gone_is_forgotten(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable |= {tree["team"], tree["plan"]}
    first = sync("blocks")

    def asked_for(result: Sync) -> dict[str, int]:
        assert result.warnings == [] and result.errors == {}
        asked = {of: api.count(of) for of in (PAGE, DATABASE, CHILDREN)}
        api.counts.clear()
        return asked

    api.counts.clear()
    unchanged = sync("blocks", state=first.state)
    assert asked_for(unchanged) == {PAGE: 2, DATABASE: 0, CHILDREN: 0}

    workspace.trash_page(tree["plan"])
    workspace.unsearchable.discard(tree["team"])
    workspace.edit_page(tree["team"], march(20))
    second = sync("blocks", state=unchanged.state)
    assert asked_for(second)[CHILDREN] == 1  # of the team

    third = sync("blocks", state=second.state)
    assert asked_for(third) == {PAGE: 0, DATABASE: 0, CHILDREN: 0}


def test_a_data_source_that_vanishes_while_pages_are_looked_for_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable.add(tree["row"])
    missing = error(404, "object_not_found", "Could not find data_source.")
    api.answer(on("POST", f"/v1/data_sources/{tree['tasks']}/query", missing))

    result = sync("pages")

    assert result.ids("pages") == [tree["other"], tree["plan"], tree["team"], tree["home"]]
    assert result.errors == {}
    (warning,) = result.warnings
    assert tree["tasks"] in warning and "Could not find data_source." in warning


def test_any_state_of_a_walk_knows_the_pages_that_it_met(gaps: tuple[Workspace, StandIn, int], clock: Clock) -> None:
    workspace, api, _ = gaps
    api.answer(each_request_takes(60, clock))
    whole = sync("blocks", num_workers=2)
    everything = set(blocks_of(workspace, *workspace.page_ids()))
    assert set(whole.ids("blocks")) == everything

    for after in (0.1, 0.4, 0.7, 0.85, 0.95):
        records, states = said_until(whole, after)
        rest = sync("blocks", state=states)
        assert records | set(rest.ids("blocks")) == everything


def said_until(result: Sync, share: float) -> tuple[set[str], Any]:
    """The ids of the records, and the last states, in the first part of a sync's output."""
    lines = [line for line in result.output.splitlines() if line.startswith(('{"type":"RECORD"', '{"type":"STATE"'))]
    messages = [json.loads(line) for line in lines[: int(len(lines) * share)]]
    records = {each["record"]["data"]["id"] for each in messages if each["type"] == "RECORD"}
    states = {
        each["state"]["stream"]["stream_descriptor"]["name"]: each["state"]["stream"]["stream_state"]
        for each in messages
        if each["type"] == "STATE"
    }
    return records, states


def test_a_page_within_one_whose_walk_failed_comes_with_the_next_sync_in_every_stream(
    workspace: Workspace, api: StandIn, tree: dict[str, str], naps: list[float]
) -> None:
    workspace.unsearchable.add(tree["team"])
    refusal = error(500, "internal_server_error", "Unexpected error.")
    api.answer(on("GET", f"/v1/blocks/{tree['home']}/children", refusal))

    first = sync("pages", "blocks")
    assert set(first.errors) >= {"blocks"} and "pages" not in first.errors
    assert tree["team"] not in first.ids("pages")

    api.reset_rules()
    second = sync("pages", "blocks", state=first.state)
    assert tree["team"] in second.ids("pages")
    assert set(first.ids("blocks")) | set(second.ids("blocks")) == set(blocks_of(workspace, *workspace.page_ids()))


def test_a_hidden_page_edited_again_in_the_minute_of_its_sync_is_read_again(workspace: Workspace, api: StandIn) -> None:
    now = datetime.now(timezone.utc)
    written: dict[str, Any] = {"created_time": now, "last_edited_time": now}
    home = workspace.add_page(title="Home")
    hidden = workspace.add_page(home, "Hidden", **written)
    workspace.add_block(hidden, text="Text", **written)
    workspace.unsearchable.add(hidden)
    workspace.edit_page(home, now)
    first = sync("blocks")
    assert first.ids("blocks") == blocks_of(workspace, hidden)

    late = workspace.add_block(hidden, text="Written in the same minute", **written)
    workspace.edit_page(hidden, now)
    second = sync("blocks", state=first.state)

    assert late in second.ids("blocks")


# --------------------------------------------------------------------------------------- the place


def test_pages_know_the_pages_and_databases_that_hold_them(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    toggle = workspace.add_block(tree["plan"], "toggle", "More")
    column = workspace.add_block(toggle, "toggle", "Still more")
    deep = workspace.add_page(column, "Deep", last_edited_time=march(7))

    result = sync("pages", "page_markdown")

    places = {page["id"]: (page["path"], page["path_titles"]) for page in result.records["pages"]}
    home, team, plan, tasks = (tree[name] for name in ("home", "team", "plan", "tasks"))
    assert places == {
        home: ([], []),
        team: ([home], ["Home"]),
        plan: ([home, team], ["Home", "Team"]),
        tree["row"]: ([home, team, tasks], ["Home", "Team", "Tasks"]),
        tree["other"]: ([], []),
        deep: ([home, team, plan], ["Home", "Team", "Plan"]),
    }
    assert all(page["depth"] == len(page["path"]) for page in result.records["pages"])
    titles = {page["id"]: page["path_titles"] for page in result.records["page_markdown"]}
    assert titles == {page: titles for page, (_, titles) in places.items()}
    # The listing names all but the two blocks that the last page lies in.
    assert api.count(BLOCK) == 2 and api.count(PAGE) == 0


def test_a_page_within_a_block_costs_no_request_for_the_block_where_blocks_are_read(
    workspace: Workspace, api: StandIn
) -> None:
    home = workspace.add_page(title="Home")
    toggle = workspace.add_block(home, "toggle", "More")
    inner = workspace.add_block(toggle, "toggle", "Still more")
    pages = [workspace.add_page(holder, "Inside") for holder in (toggle, inner)]
    for page in pages:
        workspace.add_block(page, text="Text")

    result = sync("pages", "blocks")

    assert {page["id"]: page["path"] for page in result.records["pages"]} == {
        home: [],
        **{page: [home] for page in pages},
    }
    assert api.count(BLOCK) == 0


def test_the_path_of_a_row_goes_through_a_data_source_that_search_leaves_out(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable.add(tree["tasks"])

    result = sync("pages")

    (row,) = [page for page in result.records["pages"] if page["id"] == tree["row"]]
    assert row["path"] == [tree["home"], tree["team"], tree["tasks"]]
    assert row["path_titles"] == ["Home", "Team", "Tasks"]
    assert api.count("GET /v1/data_sources/{id}") == 1


def test_a_path_goes_through_pages_without_a_title(workspace: Workspace, api: StandIn) -> None:
    untitled = workspace.add_page(title="")
    child = workspace.add_page(untitled, "Child")

    (page,) = (each for each in sync("pages").records["pages"] if each["id"] == child)

    assert (page["path"], page["path_titles"], page["depth"]) == ([untitled], [""], 1)


def test_a_path_begins_where_the_connection_begins_to_see(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unshared.add(tree["home"])

    result = sync("pages")

    paths = {page["id"]: page["path"] for page in result.records["pages"]}
    assert paths[tree["team"]] == []
    assert paths[tree["plan"]] == [tree["team"]]
    assert api.count(PAGE) == 1
    assert result.warnings == []


def test_an_incremental_sync_asks_for_the_pages_that_hold_a_changed_one(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    for number in range(150):  # between them, so that the listing ends before it gets to what holds the page
        time = f"2026-03-10T{number // 60:02}:{number % 60:02}:00.000Z"
        workspace.add_page(title=str(number), last_edited_time=time)
    first = sync("pages")
    workspace.edit_page(tree["plan"], march(20))
    api.counts.clear()

    second = sync("pages", state=first.state)

    (plan,) = [page for page in second.records["pages"] if page["id"] == tree["plan"]]
    assert plan["path_titles"] == ["Home", "Team"]
    assert api.count(PAGE) == 2

    limited = sync("pages", state=first.state, page_discovery="search")
    (plan,) = [page for page in limited.records["pages"] if page["id"] == tree["plan"]]
    assert "path" not in plan  # null
    assert api.count(PAGE) == 2


def test_rows_of_an_old_database_that_only_its_page_knows_arrive(workspace: Workspace, api: StandIn) -> None:
    home = workspace.add_page(title="Home", last_edited_time=march(9))
    database = workspace.add_database(home, "Old", last_edited_time=march(1))
    source = workspace.add_data_source(database, last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(day)) for day in (4, 6, 8)]
    texts = [workspace.add_block(row, text="Text", last_edited_time=march(8)) for row in rows]
    for row, day in zip(rows, (4, 6, 8), strict=True):
        workspace.edit_page(row, march(day))
    workspace.edit_page(home, march(9))
    workspace.unsearchable.update([source, *rows])

    first = sync("blocks", start_date=march(5))
    workspace.edit_page(rows[0], march(20))
    second = sync("blocks", state=first.state, start_date=march(5))

    assert {*first.ids("blocks")} >= {*texts[1:]} and texts[0] not in first.ids("blocks")
    assert second.ids("blocks") == texts[:1]


def home_of_old_pages(workspace: Workspace) -> str:
    """A page with thirty others in it, and so many newer ones that no later listing gets to them."""
    home = workspace.add_page(title="Home", last_edited_time=march(1))
    for number in range(30):
        workspace.add_page(home, str(number), last_edited_time=march(1))
    for number in range(150):
        time = f"2026-03-10T{number // 60:02}:{number % 60:02}:00.000Z"
        workspace.add_page(title=str(number), last_edited_time=time)
    return home


def test_what_an_unanswered_query_owes_makes_no_page_that_search_knows_a_hidden_one(
    workspace: Workspace, api: StandIn
) -> None:
    home = home_of_old_pages(workspace)
    source = workspace.add_data_source(workspace.add_database(None, "Broken"))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", error(400, "invalid_request", "No.")))
    first = sync("blocks")
    second = sync("blocks", state=first.state)
    workspace.edit_page(home, march(20))
    added = workspace.add_block(home, text="New")
    api.counts.clear()

    third = sync("blocks", state=second.state)

    assert third.ids("blocks") == [added]
    assert api.count(PAGE) == 0


def test_a_narrower_scope_without_edits_reads_nothing_again(workspace: Workspace, api: StandIn) -> None:
    root = workspace.add_page(title="Root", last_edited_time=march(1))
    within = [workspace.add_page(root, str(number), last_edited_time=march(2)) for number in range(5)]
    for page in within:
        workspace.add_block(page, text="Text", last_edited_time=march(2))
    workspace.add_page(title="Newest", last_edited_time=march(9))
    first = sync("blocks")
    second = sync("blocks", state=first.state, root_pages=[root])

    third = sync("blocks", state=second.state, root_pages=[root])

    assert second.ids("blocks") == third.ids("blocks") == []


def test_old_pages_within_an_edited_one_cost_no_request(workspace: Workspace, api: StandIn) -> None:
    home = home_of_old_pages(workspace)
    first = sync("blocks")
    workspace.edit_page(home, march(20))
    added = workspace.add_block(home, text="New")
    api.counts.clear()

    second = sync("blocks", state=first.state)

    assert second.ids("blocks") == [added]
    assert api.count(PAGE) == 0


# --------------------------------------------------------------------------------------- the scope


UNKNOWN = "0123456789abcdef0123456789abcdef"
LINK = "https://www.notion.so/acme/{}-{}?pvs=4"


@pytest.mark.parametrize("searchable", [True, False])
def test_only_the_pages_named_and_what_is_under_them_are_read(
    workspace: Workspace, api: StandIn, tree: dict[str, str], searchable: bool
) -> None:
    trashed = workspace.add_page(tree["plan"], "Gone", last_edited_time=march(8))
    elsewhere = workspace.add_database(tree["other"], "Elsewhere")
    unrelated = workspace.add_row(workspace.add_data_source(elsewhere, "Elsewhere"))
    workspace.trash_page(trashed)
    if not searchable:
        workspace.unsearchable |= {tree["team"], tree["plan"], tree["row"], unrelated}
    link = LINK.format("Team", tree["team"].replace("-", ""))

    streams = (*OVER_PAGES, "data_sources", "databases", "trashed_pages")
    result = sync(*streams, root_pages=[link])

    under = [tree["team"], tree["plan"], tree["row"]]
    assert result.errors == {} and result.warnings == []
    assert sorted(result.ids("pages")) == sorted(under)
    assert sorted(result.ids("page_markdown")) == sorted(under)
    assert sorted(result.ids("blocks")) == sorted(blocks_of(workspace, *under))
    assert result.ids("data_sources") == [tree["tasks"]]
    assert result.ids("databases") == [tree["database"]]
    assert result.ids("trashed_pages") == [trashed]
    asked = {request.path for request in api.requests if request.path.endswith("/query")}
    assert asked == {f"/v1/data_sources/{tree['tasks']}/query"}


def test_the_scope_may_be_what_search_leaves_out_and_a_database(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable |= {tree["plan"], tree["tasks"], tree["row"]}

    for page in (tree["plan"], tree["row"]):
        workspace.add_comment(page, "Seen", march(7))

    # More than one of these asks for rows: they read from different times on.
    result = sync(*OVER_PAGES, root_pages=[tree["plan"], tree["database"]])

    assert result.errors == {} and result.warnings == []
    under = [tree["plan"], tree["row"]]
    assert sorted(result.ids("pages")) == sorted(under)
    assert sorted(result.ids("page_markdown")) == sorted(under)
    assert sorted(result.ids("blocks")) == sorted(blocks_of(workspace, *under))
    assert {record["page_id"] for record in result.records["comments"]} == set(under)


def test_a_page_of_the_scope_that_is_gone_by_now_is_named(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    hidden = workspace.add_database(None, "Hidden", last_edited_time=march(3))
    workspace.unsearchable.add(workspace.add_data_source(hidden, last_edited_time=march(3)))
    roots = [tree["team"], tree["plan"], tree["database"], hidden, UNKNOWN]
    workspace.trash_page(tree["plan"])

    result = sync("blocks", "pages", root_pages=roots)

    gone = [each for each in roots if any(f"The page {each} is in the trash" in said for said in result.warnings)]
    assert (gone, len(result.warnings), result.errors) == ([tree["plan"], UNKNOWN], 2, {})


def test_trashed_pages_outside_the_scope_are_not_read(workspace: Workspace, api: StandIn, tree: dict[str, str]) -> None:
    inside, outside = (workspace.add_page(tree[each], "Gone") for each in ("team", "other"))
    for page in (inside, outside):
        workspace.trash_page(page)

    assert sync("trashed_pages", root_pages=[tree["team"]]).ids("trashed_pages") == [inside]


def test_a_page_of_the_scope_that_was_edited_exactly_at_the_start_date_is_read(
    workspace: Workspace, api: StandIn
) -> None:
    root = workspace.add_page(title="Root", last_edited_time=march(2))
    block = workspace.add_block(root, text="Text")
    workspace.unsearchable.add(root)

    result = sync("pages", "blocks", root_pages=[root], start_date=march(2))

    assert result.ids("pages") == [root]
    assert result.ids("blocks") == [block]


def test_what_the_scope_names_within_a_page_that_it_names_arrives_once(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable |= {tree["team"], tree["plan"], tree["tasks"], tree["row"]}
    for page in (tree["team"], tree["row"]):
        workspace.add_comment(page, "Seen", march(7))

    roots = [tree[each] for each in ("home", "plan", "team", "database")]
    result = sync(*OVER_PAGES, root_pages=roots)

    under = [tree["home"], tree["team"], tree["plan"], tree["row"]]
    assert sorted(result.ids("pages")) == sorted(under)
    assert sorted(result.ids("page_markdown")) == sorted(under)
    assert sorted(result.ids("blocks")) == sorted(blocks_of(workspace, *under))
    assert len(result.ids("comments")) == 2
    for endpoint in (CHILDREN, "GET /v1/comments", "GET /v1/pages/{id}/markdown"):
        assert api.count(endpoint) == len(under)


def test_comments_of_pages_arrive_whose_place_notion_does_not_say(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    root = workspace.add_page(title="Root", last_edited_time=march(1))
    first_page = workspace.add_page(root, "First", last_edited_time=march(2))
    toggle = workspace.add_block(root, "toggle", "Open", last_edited_time=march(1))
    second_page = workspace.add_page(toggle, "Second", last_edited_time=march(10))
    comments = [
        workspace.add_comment(first_page, "Newer", march(25)),
        workspace.add_comment(second_page, "Older", march(11)),
    ]
    refusal = error(500, "internal_server_error", "Unexpected error.")
    api.answer(on("GET", f"/v1/blocks/{toggle}", refusal))

    result = sync("comments", root_pages=[root])

    assert sorted(result.ids("comments")) == sorted(comments)
    assert result.errors == {}
    (warning,) = result.warnings
    assert f"blocks/{toggle}" in warning and "Unexpected error." in warning


def test_a_page_edited_while_rows_are_asked_for_arrives_however_long_that_takes(
    workspace: Workspace, api: StandIn, tree: dict[str, str], clock: Clock
) -> None:
    now = clock.began - timedelta(days=1)
    clock.stand_still_at(now)
    first = sync("blocks")
    edits: list[str] = []

    def edit(request: Any) -> None:
        if not edits:
            (block, *_) = blocks_of(workspace, tree["home"])
            workspace.edit_block(block, "Edited", now + timedelta(minutes=1))
            row = workspace.add_row(tree["tasks"], last_edited_time=now + timedelta(minutes=15))
            edits.extend([block, workspace.add_block(row, text="Text")])

    api.answer(on("POST", "/v1/data_sources/.*/query", edit))
    second = sync("blocks", state=first.state)
    clock.forward(30 * 60)
    third = sync("blocks", state=second.state)

    assert set(edits) <= {*second.ids("blocks"), *third.ids("blocks")}


def test_half_an_emoji_in_a_title_stops_no_stream(workspace: Workspace, api: StandIn, tree: dict[str, str]) -> None:
    half = workspace.add_page(title="Half HERE", last_edited_time=march(7))
    workspace.add_block(half, text="Text")

    def cut(request: Request) -> Answer:
        body = json.dumps(request.normal().body).replace("HERE", "\\ud83d")
        return Answer(200, body, {"Content-Type": "application/json"})

    api.answer(on("POST", "/v1/search", cut))

    result = sync("pages", "blocks")

    assert result.errors == {}
    assert set(result.ids("pages")) >= {tree["home"], tree["row"]}
    assert sorted(result.ids("blocks")) == sorted(blocks_of(workspace, *workspace.page_ids()))


def test_a_link_to_a_row_that_is_shown_beside_its_database_names_the_row(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.add_row(tree["tasks"], {"Name": "Read"})
    database, row = (tree[each].replace("-", "") for each in ("database", "row"))
    link = f"https://www.notion.so/acme/{database}?v={'f' * 32}&p={row}&pm=s"

    result = sync("pages", root_pages=[link])

    assert result.ids("pages") == [tree["row"]]


def test_what_an_earlier_sync_found_is_not_read_when_it_is_out_of_scope_by_now(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    workspace.unsearchable.add(tree["plan"])
    first = sync("pages", "blocks")
    workspace.edit_page(tree["plan"], march(20))

    second = sync("pages", "blocks", state=first.state, root_pages=[tree["other"]])

    assert second.ids("blocks") == []
    assert second.ids("pages") == [tree["other"]]


def test_what_only_a_page_knows_that_is_edited_during_the_listing_arrives_however_old_it_is(
    workspace: Workspace, api: StandIn
) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(150)]
    hidden = workspace.add_page(pages[3], "Hidden", created_time=march(1))
    inside = workspace.add_block(hidden, text="Inside")
    workspace.unsearchable.add(hidden)

    def move_to_the_front(request: Any) -> Any:
        answer = request.normal()
        workspace.edit_page(pages[3])
        return answer

    api.answer(times(1, on_searches_for_pages(move_to_the_front)))

    result = sync("pages", "blocks")

    assert sorted(result.ids("pages")) == sorted([*pages, hidden])
    assert result.ids("blocks") == [inside]


def test_tables_are_found_within_the_scope_alone(workspace: Workspace, api: StandIn, tree: dict[str, str]) -> None:
    elsewhere = workspace.add_database(tree["other"], "Elsewhere")
    workspace.add_data_source(elsewhere, "Elsewhere")

    names = discover(root_pages=[tree["team"]])

    assert table_of(workspace, tree["tasks"]) in names
    assert not [name for name in names if name.startswith("elsewhere")]


def test_check_accepts_a_page_and_a_database(workspace: Workspace, api: StandIn, tree: dict[str, str]) -> None:
    assert check(**CONFIG, root_pages=[tree["team"], tree["database"]]) == ("SUCCEEDED", None)


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("the handbook", "'the handbook' is neither a link to a page nor its id."),
        (UNKNOWN, f"The page {UNKNOWN} is not shared with this connection."),
    ],
)
def test_check_refuses_a_page_that_cannot_be_read(
    workspace: Workspace, api: StandIn, tree: dict[str, str], page: str, sentence: str
) -> None:
    status, message = check(**CONFIG, root_pages=[tree["team"], page])

    assert status == "FAILED"
    assert message and sentence in message


# ------------------------------------------------------------------------------------------- trash


def test_moving_a_page_to_the_trash_shows_up_in_the_next_sync(
    workspace: Workspace, api: StandIn, tree: dict[str, str]
) -> None:
    first = sync("pages", "trashed_pages")
    assert first.ids("trashed_pages") == []

    workspace.trash_page(tree["plan"])
    second = sync("pages", "trashed_pages", state=first.state)

    (page,) = second.records["trashed_pages"]
    assert (page["id"], page["in_trash"]) == (tree["plan"], True)


def test_check_says_that_a_page_of_the_scope_is_not_answered(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    home = workspace.add_page(title="Home")
    api.answer(on("GET", f"/v1/pages/{home}", error(500, "internal_server_error", "Unexpected.")))

    status, message = check(**CONFIG, root_pages=[home])

    assert (status, "Notion returned an error" in message, "not shared" in message) == ("FAILED", True, False)


def test_a_database_of_the_scope_that_is_not_answered_is_not_said_to_be_gone(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    database = workspace.add_database(workspace.add_page(title="Home"), "Tasks")
    workspace.add_row(workspace.add_data_source(database))
    api.answer(on("GET", f"/v1/databases/{database}", error(500, "internal_server_error", "Unexpected.")))

    result = sync("pages", root_pages=[database])

    assert any(f"Could not get databases/{database}" in each for each in result.warnings)
    assert not any("no longer shared" in each for each in result.warnings)


def test_the_path_of_a_row_costs_no_request_for_its_database(workspace: Workspace, api: StandIn) -> None:
    home = workspace.add_page(title="Home")
    row = workspace.add_row(workspace.add_data_source(workspace.add_database(home, "Tasks"), "Tasks"), {"Name": "One"})

    result = sync("pages")

    (page,) = (each for each in result.records["pages"] if each["id"] == row)
    assert page["path_titles"] == ["Home", "Tasks"]
    assert not any(request.path.startswith("/v1/databases/") for request in api.requests)
