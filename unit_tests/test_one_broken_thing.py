"""One broken thing costs itself and nothing else; each test is a case that has been seen or reported."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from clock import REAL_MONOTONIC, REAL_SLEEP, Clock
from conftest import CONFIG, Sync, check, discover, on_searches_for_pages, sync
from loaders import table_of

from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

OVER_PAGES = ("blocks", "comments", "page_markdown", "pages")
BROKEN = error(500, "internal_server_error", "Unexpected error.")
RESTRICTED = error(403, "restricted_resource", "Insufficient permissions for this endpoint.")


def march(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000Z"


@pytest.fixture
def pages(workspace: Workspace) -> list[str]:
    """Six pages, edited days apart, each with a block and a comment."""
    pages = [workspace.add_page(title=str(day), last_edited_time=march(day)) for day in range(1, 7)]
    for page in pages:
        workspace.add_block(page, text="Text")
        workspace.add_comment(page, "Comment")
    return pages


def changed(change: Callable[[dict[str, Any]], None], item_id: str) -> Callable[[Request], Answer]:
    """A rule that changes an object in every answer that has it."""

    def rule(request: Request) -> Answer:
        answer = request.normal()
        body: Any = answer.body
        for each in body.get("results", [body]):
            if each.get("id") == item_id:
                change(each)
        return answer

    return rule


def assert_all_arrive(result: Sync, pages: list[str], but: int = 0) -> None:
    """Each page has a block and a comment."""
    assert sorted(result.ids("pages")) == sorted(result.ids("page_markdown")) == sorted(pages)
    assert len(result.ids("blocks")) == len(result.ids("comments")) == len(pages) - but


# ------------------------------------------------------------------- what is asked for beside the records


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "validation_error", "The schema of this data source is malformed."),
        error(504, "gateway_timeout", "Gateway timeout."),
        Answer(drop=True),
        Answer(200, '{"object": "list", "resul'),
    ],
    ids=["400", "504", "dropped", "cut off"],
)
def test_the_query_of_one_data_source_fails_for_good(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float], refusal: Answer
) -> None:
    source = workspace.add_data_source(workspace.add_database(pages[0], "Tasks"))
    rows = [workspace.add_row(source)]
    workspace.add_block(rows[0], text="Text")
    workspace.add_comment(rows[0], "Comment")
    api.answer(on("POST", f"/v1/data_sources/{source}/query", refusal))

    result = sync(*OVER_PAGES)

    assert_all_arrive(result, [*pages, *rows])
    assert result.errors == {}
    (warning,) = result.warnings
    assert f"the rows of data source {source}" in warning
    assert api.count("POST /v1/data_sources/{id}/query") <= 20 and sum(naps) < 60

    table = table_of(workspace, source)
    assert sync(table, "users").errors.keys() - {""} == {table}


@pytest.mark.parametrize("refusal", [BROKEN, RESTRICTED, Answer(drop=True)], ids=["500", "403", "dropped"])
def test_the_parent_page_of_listed_pages_cannot_be_asked_for(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float], refusal: Answer
) -> None:
    parent = workspace.add_page(title="Parent", last_edited_time=march(1))
    below = [workspace.add_page(parent, "Below", last_edited_time=march(2)) for _ in range(3)]
    for page in below:
        workspace.add_block(page, text="Text")
        workspace.add_comment(page, "Comment")
    workspace.unsearchable.add(parent)
    api.answer(on("GET", f"/v1/pages/{parent}", refusal))

    result = sync(*OVER_PAGES)

    assert_all_arrive(result, [*pages, *below])
    assert result.errors == {}
    (warning,) = result.warnings
    assert f"pages/{parent}" in warning and "Read content" not in result.errors
    assert sum(request.path == f"/v1/pages/{parent}" for request in api.requests) <= 2
    for record in result.records["pages"]:
        assert not record["path"] or parent in record["path"] or record["id"] in pages


def test_the_items_of_a_long_property_cannot_be_listed(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    people = [workspace.add_user(f"Person {number}") for number in range(30)]
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), properties={"Who": "people"})
    rows = [workspace.add_row(source, {"Who": people}), workspace.add_row(source, {"Who": people[:2]})]
    api.answer(on("GET", "/v1/pages/.*/properties/.*", BROKEN))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {}
    assert sorted(result.ids(table)) == sorted(rows)
    assert sorted(
        len(json.loads(row["Who"]) if isinstance(row["Who"], str) else row["Who"]) for row in result.records[table]
    ) == [2, 25]
    assert any(f"page_id {rows[0]}, items of property" in warning for warning in result.warnings)


@pytest.fixture
def hidden(workspace: Workspace, pages: list[str]) -> dict[str, str]:
    """What search leaves out, old enough that only an edit would bring it: a child page, and a database with a row."""
    page = workspace.add_page(pages[5], "Child", last_edited_time=march(1))
    database = workspace.add_database(pages[5], "Tasks", last_edited_time=march(1))
    source = workspace.add_data_source(database, last_edited_time=march(1))
    row = workspace.add_row(source, last_edited_time=march(1))
    workspace.edit_page(pages[5], march(6))
    workspace.unsearchable.update([page, source, row])
    return {"page": page, "database": database, "source": source, "row": row}


@pytest.mark.parametrize(
    "refused",
    ["GET /v1/pages/{page}", "GET /v1/databases/{database}", "POST /v1/data_sources/{source}/query"],
)
def test_what_a_page_discovers_and_cannot_be_asked_for_comes_with_the_next_sync_and_so_do_its_edits(
    workspace: Workspace, api: StandIn, hidden: dict[str, str], naps: list[float], refused: str
) -> None:
    method, path = refused.format(**hidden).split()
    api.answer(on(method, path, BROKEN))
    first = sync("blocks", "page_markdown")
    missing = hidden["page" if "pages" in refused else "row"]
    assert missing not in first.ids("page_markdown") and first.errors == {}
    assert len(first.warnings) == 1

    api.reset_rules()
    second = sync("blocks", "page_markdown", state=first.state)
    assert second.ids("page_markdown") == [missing]

    workspace.edit_page(missing)
    third = sync("blocks", "page_markdown", state=second.state)
    assert third.ids("page_markdown") == [missing]


def test_after_rows_that_could_not_be_asked_for_only_those_are_read_that_search_had_not_shown(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float]
) -> None:
    source = workspace.add_data_source(workspace.add_database(pages[0], "Tasks"), last_edited_time=march(1))
    rows = [workspace.add_row(source, last_edited_time=march(1)) for _ in range(5)]
    workspace.unsearchable.add(rows[0])
    api.answer(on("POST", f"/v1/data_sources/{source}/query", BROKEN))
    first = sync("page_markdown")
    assert sorted(first.ids("page_markdown")) == sorted([*pages, *rows[1:]])

    api.reset_rules()
    assert sync("page_markdown", state=first.state).ids("page_markdown") == [rows[0]]


# --------------------------------------------------------------------------------------- what is primary


@pytest.mark.parametrize(
    "refusal", [BROKEN, error(400, "validation_error", "Something about this page.")], ids=["500", "400"]
)
def test_the_blocks_of_the_page_edited_longest_ago_fail_for_good(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float], refusal: Answer
) -> None:
    api.answer(on("GET", f"/v1/blocks/{pages[0]}/children", refusal))
    first = sync("blocks")
    assert len(first.ids("blocks")) == len(pages) - 1
    assert first.errors.keys() - {""} == {"blocks"}

    api.reset_rules()
    api.requests.clear()
    second = sync("blocks", state=first.state)

    assert second.errors == {}
    assert [block["page_id"] for block in second.records["blocks"]] == [pages[0]]
    asked = [request.path for request in api.requests if request.path.endswith("/children")]
    assert asked == [f"/v1/blocks/{pages[0]}/children"]


def test_a_page_and_one_discovered_in_it_fail_for_two_reasons_and_both_are_named(
    workspace: Workspace, api: StandIn, pages: list[str], hidden: dict[str, str], naps: list[float]
) -> None:
    workspace.max_page_size = 1
    first_reason, other_reason = (error(400, "validation_error", each) for each in ("One reason.", "Another reason."))

    def without_the_database(request: Request) -> Answer:
        answer: Any = request.normal()
        return first_reason if answer.body["results"][0]["type"] == "child_database" else answer

    api.answer(on("GET", f"/v1/blocks/{pages[5]}/children", without_the_database))
    api.answer(on("GET", f"/v1/blocks/{hidden['page']}/children", other_reason))

    result = sync("blocks")

    assert f"Page {pages[5]}: " in result.errors["blocks"] and "One reason." in result.errors["blocks"]
    assert f"Page {hidden['page']}: " in result.errors["blocks"] and "Another reason." in result.errors["blocks"]


def test_a_page_that_failed_and_is_gone_by_the_next_sync_is_forgotten(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float]
) -> None:
    api.answer(on("GET", f"/v1/blocks/{pages[0]}/children", BROKEN))
    first = sync("blocks")
    api.reset_rules()
    workspace.trash_page(pages[0])

    second = sync("blocks", state=first.state)
    api.requests.clear()
    third = sync("blocks", state=second.state)

    assert third.errors == second.errors == {}
    assert f"/v1/pages/{pages[0]}" not in [request.path for request in api.requests]


@pytest.mark.parametrize("stream", ["data_sources", "databases"])
def test_a_data_source_or_database_says_that_it_was_edited_in_2031(
    workspace: Workspace, api: StandIn, stream: str
) -> None:
    databases = [workspace.add_database(None, title, last_edited_time=march(3)) for title in ("One", "Two")]
    sources = [workspace.add_data_source(each, last_edited_time=march(3)) for each in databases]
    strange, other = (sources if stream == "data_sources" else databases)[::-1]
    api.answer(changed(lambda each: each.update(last_edited_time="2031-01-01T00:00:00.000Z"), strange))
    first = sync(stream)
    assert sorted(first.ids(stream)) == sorted([strange, other])

    workspace.edit_data_source(sources[0])
    second = sync(stream, state=first.state)

    assert other in second.ids(stream)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_page_says_that_it_was_edited_in_2031(
    workspace: Workspace, api: StandIn, pages: list[str], hidden: bool
) -> None:
    later = "2031-01-01T00:00:00.000Z"
    strange = workspace.add_page(pages[0], "Strange", last_edited_time=later)
    block = workspace.add_block(strange, text="Text", last_edited_time=later)
    workspace.edit_page(strange, later)
    workspace.unsearchable.update([strange] if hidden else [])

    first = sync("blocks")
    workspace.edit_page(pages[1])
    second = sync("blocks", state=first.state)

    times = {each["id"]: each["page_last_edited_time"] for each in first.records["blocks"]}
    assert times[block] == later
    read_again = {each["page_id"] for each in second.records["blocks"]}
    assert pages[1] in read_again and pages[2] not in read_again
    assert first.warnings == second.warnings == []


@pytest.mark.parametrize("stream", ["blocks", "comments", "page_markdown", "pages", "data_sources", "databases"])
def test_a_saved_state_lies_in_the_future(workspace: Workspace, api: StandIn, pages: list[str], stream: str) -> None:
    workspace.add_data_source(workspace.add_database(pages[0], "Tasks"))
    everything = sync(stream).ids(stream)

    result = sync(stream, state={stream: {"last_edited_time": "2999-01-01T00:00:00.000Z"}})

    assert sorted(result.ids(stream)) == sorted(everything) != []
    assert any("saved state" in warning and stream in warning for warning in result.warnings)


def test_a_saved_state_is_ahead_of_this_machines_clock(workspace: Workspace, api: StandIn) -> None:
    ahead = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    workspace.add_page(title="Old", last_edited_time="2026-01-01T00:00:00.000Z")

    result = sync("blocks", "pages", state={stream: {"last_edited_time": ahead} for stream in ("blocks", "pages")})

    assert (result.warnings, result.ids("pages")) == ([], [])


MALFORMED_STATES: list[Any] = [
    {"last_edited_time": "26-01-01T00:00:00.000Z"},
    {"last_edited_time": ""},
    {"last_edited_time": None},
    {"last_edited_time": 7},
    {"states": [{"partition": {"id": "x"}, "cursor": {}}]},
    {"state": {"last_edited_time": ""}, "states": []},
    {"parent_state": None},
    {"parent_state": {"pages": {"last_edited_time": "yesterday"}}},
    None,
]


@pytest.mark.parametrize("state", MALFORMED_STATES, ids=json.dumps)
@pytest.mark.parametrize("stream", ["blocks", "pages", "data_sources"])
def test_a_saved_state_that_says_nothing(
    workspace: Workspace, api: StandIn, pages: list[str], stream: str, state: Any
) -> None:
    workspace.add_data_source(workspace.add_database(pages[0], "Tasks"))

    result = sync(stream, "users", state={stream: state})

    assert result.errors == {}
    assert result.ids("users")
    assert len(result.ids(stream)) == (1 if stream == "data_sources" else len(pages))


# ---------------------------------------------------------------------------------- objects of another shape


def without_type(page: dict[str, Any]) -> None:
    page["properties"]["title"].pop("type")


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "title is null": lambda page: page["properties"]["title"].update(title=None),
    "plain_text is null": lambda page: page["properties"]["title"]["title"][0].update(plain_text=None),
    "property is null": lambda page: page["properties"].update(title=None),
    "property has no type": without_type,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_whose_title_has_no_text(workspace: Workspace, api: StandIn, pages: list[str], shape: str) -> None:
    api.answer(changed(lambda each: SHAPES[shape](each) if each["object"] == "page" else None, pages[2]))

    result = sync(*OVER_PAGES)

    assert_all_arrive(result, pages)
    assert result.errors == {}


@pytest.mark.parametrize("field", ["parent", "properties", "one property"])
def test_a_data_source_with_a_field_that_is_null(workspace: Workspace, api: StandIn, field: str) -> None:
    database = workspace.add_database(None, "Tasks")
    sources = [
        workspace.add_data_source(database, title, {"Name": "title", "Done": "checkbox"}) for title in ("One", "Two")
    ]

    def change(source: dict[str, Any]) -> None:
        (source["properties"] if field == "one property" else source)["Done" if " " in field else field] = None

    api.answer(changed(change, sources[0]))

    found = discover()

    assert {table_of(workspace, source) for source in sources} <= found.keys()
    assert "Done" in found[table_of(workspace, sources[1])]["properties"]


def test_a_rich_text_item_without_plain_text(workspace: Workspace, api: StandIn, pages: list[str]) -> None:
    block = workspace.blocks_of(pages[0])[0].block["id"]
    workspace.add_block(pages[0], text="After")
    api.answer(changed(lambda each: each["paragraph"]["rich_text"][0].pop("plain_text"), block))

    result = sync("blocks")

    assert len(result.ids("blocks")) == len(pages) + 1
    assert result.errors == {}


def test_the_markdown_of_a_page_is_null(workspace: Workspace, api: StandIn, pages: list[str]) -> None:
    def without_markdown(request: Request) -> Answer:
        answer = request.normal()
        return Answer(200, {**answer.body, "markdown": None})

    api.answer(on("GET", f"/v1/pages/{pages[0]}/markdown", without_markdown))

    result = sync("page_markdown")

    assert result.errors == {}
    texts = {
        record["id"]: (record.get("markdown"), record.get("plain_text")) for record in result.records["page_markdown"]
    }
    assert texts[pages[0]] == (None, None) and len(texts) == len(pages)


@pytest.mark.parametrize("bot", [{}, None, 7, {"owner": None}, {"owner": {}}, {"owner": {"type": "user"}}], ids=str)
def test_a_bot_of_any_shape(workspace: Workspace, api: StandIn, bot: Any) -> None:
    api.answer(changed(lambda user: user.update(bot=bot), workspace.bot_id))

    result = sync("users")

    assert result.errors == {}
    assert result.ids("users") == [user["id"] for user in workspace.users()]


def test_the_character_u_0000_in_texts(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="A\0B")
    workspace.add_block(page, text="C\0D")

    result = sync("blocks", "pages", "page_markdown")

    assert result.records["blocks"][0]["plain_text"] == "CD"
    assert result.records["page_markdown"][0]["title"] == "AB"
    assert "\\u0000" not in result.output
    (warning,) = result.warnings
    assert "U+0000" in warning


def test_half_a_character_in_texts(workspace: Workspace, api: StandIn) -> None:
    workspace.add_block(workspace.add_page(title="A-HERE-B 🌱"), text="C-HERE-D 🌱")

    def cut(request: Request) -> Answer:
        body = json.dumps(request.normal().body).replace("HERE", "\\ud83d")
        return Answer(200, body, {"Content-Type": "application/json"})

    api.answer(cut)

    result = sync("blocks", "pages", "page_markdown")

    assert result.records["blocks"][0]["plain_text"] == "C--D 🌱"
    assert result.records["page_markdown"][0]["title"] == "A--B 🌱"
    (warning,) = result.warnings
    assert "half a character" in warning


def test_a_text_about_the_character_u_0000_stays_as_it_is(workspace: Workspace, api: StandIn) -> None:
    block = workspace.add_block(workspace.add_page(title="Home"), text=r"Write \u0000")

    result = sync("blocks")

    assert {each["id"]: each["plain_text"] for each in result.records["blocks"]} == {block: r"Write \u0000"}
    assert result.warnings == []


# ------------------------------------------------------------------------------------- answers and settings


@pytest.mark.parametrize("advice", ["0", "-1", "nan", "soon", None])
def test_429_with_a_retry_after_that_is_no_time_waits_a_second_and_longer_each_time(
    workspace: Workspace, api: StandIn, pages: list[str], clock: Clock, advice: str | None
) -> None:
    headers = {} if advice is None else {"Retry-After": advice}
    refusal = Answer(429, {"object": "error", "status": 429, "code": "rate_limited", "message": "Slow down."}, headers)
    api.answer(times(8, on("GET", "/v1/users", refusal)))

    result = sync("users", num_workers=1)

    assert result.errors == {} and result.ids("users")
    assert api.count("GET /v1/users") == 9
    waited = clock.monotonic() - REAL_MONOTONIC()
    assert waited >= 8 * 10 if advice in (None, "soon") else waited >= 1 + 2 + 4 + 8


def test_404_without_a_code_is_like_any_404(workspace: Workspace, api: StandIn, pages: list[str]) -> None:
    api.answer(on("GET", f"/v1/blocks/{pages[0]}/children", Answer(404, {"message": "Not here."})))

    result = sync("blocks")

    assert result.errors == {}
    assert len(result.ids("blocks")) == len(pages) - 1
    assert any(pages[0] in warning for warning in result.warnings)


def test_an_answer_that_drips_ends_like_one_that_is_cut_off(
    workspace: Workspace, api: StandIn, pages: list[str], clock: Clock
) -> None:
    def a_second_a_byte() -> None:
        REAL_SLEEP(0.001)  # time for the reader to take the byte
        clock.forward(1)

    blocks = f"/v1/blocks/{pages[0]}/children"
    drips = Answer(
        body={"object": "list", "results": [], "has_more": False, "padding": "x" * 500}, drip=a_second_a_byte
    )
    api.answer(times(1, on("GET", blocks, drips)))

    result = sync("blocks")

    assert result.errors == {}
    assert len(result.ids("blocks")) == len(pages)
    assert [request.path for request in api.requests].count(blocks) == 2


@pytest.mark.parametrize("credentials", ["ntn_secret", ["ntn_secret"], 7])
def test_credentials_that_are_no_object_are_never_shown(api: StandIn, credentials: Any) -> None:
    status, message = check(credentials=credentials)

    assert status == "FAILED"
    assert "ntn_secret" not in str(message)
    assert "There are no credentials in this source's settings" in str(message)


@pytest.mark.parametrize("setting", ["start_date", "databases", "root_pages", "page_discovery", "num_workers"])
def test_an_optional_setting_that_is_null_is_as_if_it_were_left_out(
    workspace: Workspace, api: StandIn, pages: list[str], setting: str
) -> None:
    from under_test import run

    output = run("check", {**CONFIG, setting: None})

    assert output.connection_status_messages[0].connectionStatus.status.value == "SUCCEEDED"


def test_a_page_within_a_block_that_the_api_does_not_support_is_in_scope(workspace: Workspace, api: StandIn) -> None:
    root = workspace.add_page(title="Root")
    toggle = workspace.add_block(root, "toggle", "Toggle")
    page = workspace.add_page(toggle, "Inside")
    refusal = error(400, "validation_error", "Block type ai_block is not supported via the API.")
    api.answer(on("GET", f"/v1/blocks/{toggle}", refusal))

    result = sync("pages", root_pages=[root])

    assert {*result.ids("pages")} == {root, page}


def test_comments_on_a_page_without_a_time_arrive(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    comment = workspace.add_comment(page, "Hello")

    def without_times(request: Request) -> Answer:
        answer: Any = request.normal()
        answer.body["results"] = [{**each, "last_edited_time": None} for each in answer.body["results"]]
        return answer

    api.answer(on_searches_for_pages(without_times))

    result = sync("comments")

    assert (result.errors, result.ids("comments")) == ({}, [comment])


@pytest.mark.parametrize("named", [[{"id": None}], [{}], [None], "none"])
def test_a_database_that_names_its_data_sources_in_no_way_costs_nothing_else(
    workspace: Workspace, api: StandIn, named: Any
) -> None:
    home = workspace.add_page(title="Home")
    database = workspace.add_database(home, "Tasks")
    workspace.unsearchable.add(workspace.add_data_source(database))

    def malformed(request: Request) -> Answer:
        answer: Any = request.normal()
        return Answer(200, {**answer.body, "data_sources": named})

    api.answer(on("GET", f"/v1/databases/{database}", malformed))

    result = sync("blocks", "pages")

    assert (result.errors, result.ids("pages")) == ({}, [home])
