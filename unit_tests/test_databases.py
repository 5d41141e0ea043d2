"""Databases as tables: which are found, what a sync of their rows asks for, and what it delivers."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import CONFIG, LOOKBACK, STREAMS, TOKEN, Sync, catalog_of, check, discover, sync
from loaders import Connector, SmallWorkspace, program, requests_made, table_of
from test_configuration import expired_token, oauth
from under_test import BUNDLE, Json, run

from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.values import mention_page
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

# The executable says which streams of the catalog it does not read.
needs_the_executable = pytest.mark.skipif(BUNDLE is not None, reason="the executable is not in the bundle")

QUERY = "POST /v1/data_sources/{id}/query"
PROPERTY = "GET /v1/pages/{id}/properties/{property_id}"
SEARCH = "POST /v1/search"
TABLE = "_[0-9a-f]{12}$"
PROPERTIES = {"Name": "title", "Done": "checkbox"}


def add_source(workspace: Workspace, title: str = "Tasks", **properties: Any) -> str:
    return workspace.add_data_source(workspace.add_database(None, title), properties=properties or PROPERTIES)


def day(number: int) -> str:
    return f"2026-02-{number:02}T12:00:00.000Z"


def tables(**config: Any) -> dict[str, Json]:
    """What `discover` gives beside the streams that are always there: the schemas of the tables."""
    return {name: schema for name, schema in discover(**config).items() if re.search(TABLE, name)}


def rows_of(result: Sync, table: str) -> dict[str, Json]:
    """The rows by their titles."""
    return {row["Name"]: row for row in result.records.get(table, [])}


def changed(source: str, change: Any) -> Any:
    """A rule that changes each row of a data source's answers."""

    def rule(request: Request) -> Answer:
        answer = request.normal()
        for row in answer.body["results"]:
            change(row)
        return answer

    return on("POST", f"/v1/data_sources/{source}/query", rule)


# ------------------------------------------------------------------------------- more than 10,000 rows


def test_25_000_rows_behind_a_query_that_stops_at_10_000_arrive_each_once(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, Name="title")
    rows = [workspace.add_row(source) for _ in range(25_000)]  # each created a minute later
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {} and result.warnings == []
    assert result.ids(table) == rows
    # Each of the two queries that go on reads the last minute of the one before again.
    assert 250 <= api.count(QUERY) <= 250 + 2


@pytest.mark.parametrize("at_the_end_only", [False, True])
def test_rows_of_an_import_that_took_an_hour_arrive_each_once(
    workspace: Workspace, api: StandIn, at_the_end_only: bool
) -> None:
    workspace.query_limit, workspace.max_page_size = 40, 10
    source = add_source(workspace)
    rows = [
        workspace.add_row(source, created_time=f"2026-02-03T12:{minute:02}:00.000Z")
        for minute in range(60)
        for _ in range(3)
    ]

    def late(request: Request) -> Answer:
        answer = request.normal()
        if answer.body["has_more"] and at_the_end_only:
            answer.body.pop("request_status", None)
        return answer

    api.answer(on("POST", f"/v1/data_sources/{source}/query", late))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {} and result.warnings == []
    assert result.ids(table) == rows


def test_a_query_that_says_incomplete_on_its_first_answer_only_gives_all_rows(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.query_limit, workspace.max_page_size = 40, 10
    source = add_source(workspace)
    rows = [workspace.add_row(source) for _ in range(60)]  # each created a minute later

    def first_only(request: Request) -> Answer:
        answer = request.normal()
        if request.body.get("start_cursor"):
            answer.body.pop("request_status", None)
        return answer

    api.answer(on("POST", f"/v1/data_sources/{source}/query", first_only))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {}
    assert result.ids(table) == rows


def test_a_row_that_is_edited_while_a_long_table_is_read_is_not_lost(workspace: Workspace, api: StandIn) -> None:
    workspace.query_limit, workspace.max_page_size = 20, 10
    source = add_source(workspace)
    rows = [workspace.add_row(source) for _ in range(50)]

    def edit(request: Request) -> Answer:
        answer = request.normal()
        workspace.edit_page(rows[15], "2026-03-03T12:00:00.000Z")
        workspace.edit_page(rows[45], "2026-03-03T12:00:00.000Z")
        return answer

    api.answer(times(2, on("POST", ".*/query", edit)))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {}
    assert set(result.ids(table)) == set(rows)


def test_the_state_is_not_later_than_the_beginning_of_the_sync_however_long_that_takes(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.max_page_size = 2
    source = add_source(workspace)
    rows = [workspace.add_row(source, last_edited_time=day(1)) for _ in range(4)]
    began = datetime.now(timezone.utc)

    def edit(request: Request) -> Answer:
        answer = request.normal()
        # The first row was read already, so its edit is for the next sync. The last one is read after its own.
        workspace.edit_page(rows[0], began + LOOKBACK / 2)
        workspace.edit_page(rows[3], began + timedelta(minutes=40))
        return answer

    api.answer(times(1, on("POST", ".*/query", edit)))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.ids(table) == rows
    # From a later one, the next sync would not go back to the edit of the first row.
    state = datetime.strptime(result.state[table]["last_edited_time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert state <= began + LOOKBACK / 2 + LOOKBACK


def test_a_long_query_whose_cursor_becomes_invalid_starts_over_and_gives_each_row_once(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.query_limit, workspace.max_page_size = 20, 10
    source = add_source(workspace)
    rows = [workspace.add_row(source) for _ in range(50)]
    seen: Counter[str] = Counter()

    def invalid(request: Request) -> Answer:
        cursor = request.body.get("start_cursor", "")
        seen[json.dumps(request.body["filter"]) + cursor] += 1
        if cursor and seen[json.dumps(request.body["filter"]) + cursor] == 1:
            return error(400, "validation_error", "The start_cursor provided is invalid: x")
        return request.normal()

    api.answer(on("POST", ".*/query", invalid))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.errors == {}
    assert result.ids(table) == rows


def test_a_minute_that_alone_holds_too_much_fails_its_stream_and_the_others_go_on(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.query_limit = 5
    crowded, other = add_source(workspace), add_source(workspace, "Other")
    for _ in range(6):
        workspace.add_row(crowded, created_time=day(3))
    row = workspace.add_row(other, created_time=day(3))
    table = table_of(workspace, crowded)

    result = sync(table, table_of(workspace, other))

    assert set(result.errors) == {table, ""}
    assert (
        f"Notion gives at most 10,000 rows of a query, and more rows of {table} were created in one "
        f"minute, {day(3)}." in result.errors[table]
    )
    assert result.state[table] == {"last_edited_time": CONFIG["start_date"]}
    assert result.ids(table_of(workspace, other)) == [row]


# --------------------------------------------------------------------- what a page cuts short


def test_a_relation_of_140_items_is_complete_and_costs_two_requests_for_that_row_alone(
    workspace: Workspace, api: StandIn
) -> None:
    people = add_source(workspace, "People")
    everybody = [workspace.add_row(people) for _ in range(140)]
    source = add_source(workspace, Name="title", Who={"type": "relation", "data_source_id": people, "id": "%3Aa%7C"})
    long = workspace.add_row(source, {"Name": "long", "Who": everybody})
    workspace.add_row(source, {"Name": "25", "Who": everybody[:25]})
    workspace.add_row(source, {"Name": "none"})

    result = sync(table_of(workspace, source))

    rows = rows_of(result, table_of(workspace, source))
    assert rows["long"]["Who"] == everybody
    assert (rows["25"]["Who"], rows["none"]["Who"]) == (everybody[:25], [])
    assert result.errors == {} and result.warnings == []
    asked = [request for request in api.requests if "/properties/" in request.path]
    # The id of the property goes out as Notion gave it, encoded once.
    assert [request.path for request in asked] == [f"/v1/pages/{long}/properties/%3Aa%7C"] * 2
    assert asked[0].query == {"page_size": "100"}
    assert set(asked[1].query) == {"page_size", "start_cursor"}


def test_a_relation_whose_items_cannot_be_listed_to_their_end_keeps_what_the_row_shows_with_a_warning(
    workspace: Workspace, api: StandIn
) -> None:
    people = add_source(workspace, "People")
    everybody = [workspace.add_row(people) for _ in range(140)]
    source = add_source(workspace, Name="title", Who={"type": "relation", "data_source_id": people})
    workspace.add_row(source, {"Name": "long", "Who": everybody})

    def expired(request: Request) -> Answer | None:
        message = f"The start_cursor provided is invalid: {request.query.get('start_cursor')}"
        return error(400, "validation_error", message) if "start_cursor" in request.query else None

    api.answer(times(1, on("GET", "/v1/pages/.*/properties/.*", expired)))
    result = sync(table_of(workspace, source))

    assert rows_of(result, table_of(workspace, source))["long"]["Who"] == everybody[:25]
    assert any("beyond 25" in warning and "rejected the cursor" in warning for warning in result.warnings)


def test_more_than_25_people_and_mentions_are_complete(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, Name="title", Notes="rich_text", People="people")
    users = [workspace.add_user(f"User {n}") for n in range(30)]
    text: list[Any] = ["See "]
    for n in range(30):
        text += [mention_page(workspace.add_page(title=str(n)), f"page {n}"), ", "]
    whole = "See " + "".join(f"page {n}, " for n in range(30))
    workspace.add_row(source, {"Name": text, "Notes": text, "People": users})
    workspace.add_row(source, {"Name": text[:30], "Notes": "Short", "People": users[:5]})

    result = sync(table_of(workspace, source))

    rows = rows_of(result, table_of(workspace, source))
    assert rows[whole]["Notes"] == whole
    assert rows[whole]["People"] == [f"User {n}" for n in range(30)]
    assert rows[whole]["People_ids"] == users
    assert len(rows) == 2 and result.errors == {} and result.warnings == []
    assert api.count(PROPERTY) == 3


def test_more_than_25_people_are_complete_where_the_token_was_refreshed_first(
    workspace: Workspace, api: StandIn
) -> None:
    source = add_source(workspace, Name="title", People="people")
    users = [workspace.add_user(f"User {n}") for n in range(30)]
    workspace.add_row(source, {"Name": "long", "People": users})
    credentials = oauth(expired_token(), refresh_token=api.refresh_token)

    result = sync(table_of(workspace, source), credentials=credentials)

    (row,) = result.records[table_of(workspace, source)]
    assert row["People_ids"] == users
    assert result.errors == {} and result.warnings == []


def test_where_the_items_cannot_be_read_those_of_the_page_stay_and_a_warning_names_the_place(
    workspace: Workspace, api: StandIn
) -> None:
    people = add_source(workspace, "People")
    everybody = [workspace.add_row(people) for _ in range(30)]
    source = add_source(workspace, Name="title", Who={"type": "relation", "data_source_id": people, "id": "a%3Ab"})
    row = workspace.add_row(source, {"Name": "long", "Who": everybody})
    api.answer(on("GET", "/v1/pages/.*", error(404, "object_not_found", "Could not find it.")))
    table = table_of(workspace, source)

    result = sync(table)

    assert rows_of(result, table)["long"]["Who"] == everybody[:25]
    assert result.errors == {}
    (warning,) = result.warnings
    assert f"page_id {row}, property_id a%3Ab: Could not find it." in warning


# ------------------------------------------------------------------------------ cost and increments


def test_a_second_sync_costs_one_listing_and_one_query_a_table_and_brings_the_edited_row(
    workspace: Workspace, api: StandIn
) -> None:
    sources = [add_source(workspace, title) for title in ("Tasks", "Projects")]
    names = [table_of(workspace, source) for source in sources]
    rows = [[workspace.add_row(source, last_edited_time=day(n)) for n in range(1, 20)] for source in sources]
    first = sync(*names)
    assert [first.ids(name) for name in names] == rows
    assert first.state[names[0]] == {"last_edited_time": day(19)}
    workspace.edit_page(rows[0][3], "2026-03-03T12:00:00.000Z", properties={"Done": True})
    api.counts.clear()

    second = sync(*names, state=first.state)

    assert requests_made(api) == {SEARCH: 1, QUERY: 2}
    # The newest row of before comes again, because Notion rounds times down to the minute.
    assert [second.ids(name) for name in names] == [[rows[0][3], rows[0][18]], [rows[1][18]]]
    assert second.records[names[0]][0]["Done"] is True


def test_a_full_refresh_brings_each_row_of_a_table_again(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, "Tasks")
    name = table_of(workspace, source)
    rows = [workspace.add_row(source, last_edited_time=day(n)) for n in range(1, 20)]

    assert sync(name).ids(name) == rows
    assert sync(name, full_refresh=True).ids(name) == rows


def test_rows_come_in_the_order_of_their_creation_and_the_request_holds_nothing_else(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.max_page_size = 4
    source = add_source(workspace)
    rows = [workspace.add_row(source, last_edited_time=day(1 + (7 * n) % 10)) for n in range(10)]
    table = table_of(workspace, source)

    result = sync(table)

    assert result.ids(table) == rows
    assert result.state[table] == {"last_edited_time": day(10)}
    first, second, third = (request for request in api.requests if request.path.endswith("/query"))
    assert first.query == second.query == {}
    assert first.body == {
        "filter": {
            "and": [
                {
                    "timestamp": "last_edited_time",
                    "last_edited_time": {"on_or_after": CONFIG["start_date"]},
                },
                {
                    "timestamp": "created_time",
                    "created_time": {"on_or_after": "2000-01-01T00:00:00.000Z"},
                },
            ]
        },
        "sorts": [{"timestamp": "created_time", "direction": "ascending"}],
        "page_size": 100,
    }
    for request in (second, third):
        assert request.body.keys() - first.body.keys() == {"start_cursor"}
        assert {key: request.body[key] for key in first.body} == first.body


def test_the_start_date_holds_for_rows(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace)
    rows = [workspace.add_row(source, last_edited_time=day(n)) for n in (1, 5, 9)]
    table = table_of(workspace, source)

    assert sync(table, start_date=day(5)).ids(table) == rows[1:]


def test_the_data_sources_among_the_rows_of_a_wiki_are_no_rows(workspace: Workspace, api: StandIn) -> None:
    wiki = add_source(workspace, "Wiki")
    page = workspace.add_row(wiki, {"Name": "A page"})
    inner = workspace.add_data_source(workspace.add_database(wiki, "Keys"))
    key = workspace.add_row(inner)
    names = [table_of(workspace, source) for source in (wiki, inner)]

    result = sync(*names)

    assert [result.ids(name) for name in names] == [[page], [key]]
    assert result.errors == {} and result.warnings == []


def test_the_six_streams_cost_not_one_request_more_than_without_tables() -> None:
    made = []
    for choice in (None, {"selection": "all"}, {"selection": "none"}):
        workspace = SmallWorkspace()
        with StandIn(workspace, token=TOKEN) as api:
            read = Connector([program("source-notion")], api.environment()).run(
                "read",
                config={**CONFIG, "databases": choice} if choice else CONFIG,
                catalog=catalog_of(*STREAMS),
            )
            assert read.complaints() == []
            made.append(requests_made(api))

    assert made[0] == made[1] == made[2]


def test_the_six_streams_make_the_same_requests_whatever_the_choice(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace)
    workspace.add_block(workspace.add_row(source), text="Text")
    made = []
    for choice in (None, {"selection": "all"}, {"selection": "none"}):
        api.requests.clear()
        assert sync(*STREAMS, databases=choice).errors == {}
        made.append(Counter((r.method, r.path, json.dumps([r.query, r.body])) for r in api.requests))

    assert made[0] == made[1] == made[2]


def test_tables_and_the_discovery_of_pages_share_the_listing_of_data_sources(
    workspace: Workspace, api: StandIn
) -> None:
    source = add_source(workspace)
    table = table_of(workspace, source)

    sync("blocks", "pages", table)

    assert [request.body["filter"]["value"] for request in api.requests if request.path == "/v1/search"] == [
        "data_source",
        "page",
    ]


# ---------------------------------------------------------------------------------------- discovery


def test_500_data_sources_of_the_same_title_are_found_in_six_requests(workspace: Workspace, api: StandIn) -> None:
    sources = [add_source(workspace) for _ in range(500)]

    found = tables()

    assert requests_made(api) == {SEARCH: 6}  # the last is a second look at the first
    assert set(found) == {table_of(workspace, each) for each in sources}
    assert len(found) == 500


def test_tables_keep_their_names_and_columns_when_another_is_added(workspace: Workspace, api: StandIn) -> None:
    for title in ("Tasks", "Tasks", "", ""):
        add_source(workspace, title, **{"Name": "title", "Cost €": "number", "Cost $": "number"})
    before = tables()
    assert len(before) == 4

    another = add_source(workspace, "Tasks")
    after = tables()
    assert set(after) - set(before) == {table_of(workspace, another)}
    assert {name: after[name] for name in before} == before


NAMES = [
    *("{{ 1 + 1 }}", "{{ config['credentials'] }}", "{% raw %}", "{{ nothing", "{# note #}"),
    *("$ref", "$parameters", "#/definitions/table", "*ref(definitions)", "\\u0041\\n", "%3A"),
    *("\"double\" and 'single'", "two\nlines", "🥑", "type", "object", "[1, 2]", "None", "true"),
]


def test_names_that_look_like_code_pass_through_discovery_and_sync(workspace: Workspace, api: StandIn) -> None:
    source = workspace.add_data_source(
        workspace.add_database(None, "{{ 1 + 1 }} $ref"),
        properties={
            "Name": {"type": "title", "description": "{{ 1 + 1 }}"},
            **dict.fromkeys(NAMES, "rich_text"),
            "Choice": {"type": "select", "options": ["{{ 2 + 2 }}"]},
        },
    )
    values = {name: name for name in NAMES}
    workspace.add_row(source, {"Name": "{{ 3 + 3 }}", "Choice": "{{ 2 + 2 }}", **values})
    table = table_of(workspace, source)

    schema = tables()[table]["properties"]
    (row,) = sync(table).records[table]

    assert schema["Name"]["description"] == "{{ 1 + 1 }}"
    # Nothing of 🥑 would be left in a warehouse, so its property's id stands after it.
    columns = {name.split("_")[0]: name for name in schema if name.split("_")[0] in NAMES}
    assert set(columns) == set(NAMES)
    assert {name: row[column] for name, column in columns.items()} == values
    assert (row["Name"], row["Choice"]) == ("{{ 3 + 3 }}", "{{ 2 + 2 }}")
    assert set(row) == {name for name in schema if name not in ("public_url", "icon", "cover")}


# ------------------------------------------------------------------------------------------- choice


@pytest.fixture
def two_databases(workspace: Workspace) -> dict[str, Any]:
    """Ids in all forms, and the names of the tables: `Stock` has two data sources, `Tasks` one."""
    stock = workspace.add_database(None, "Stock")
    clays = workspace.add_data_source(stock, "Clays")
    glazes = workspace.add_data_source(stock, "Glazes")
    tasks = add_source(workspace)
    return {
        "stock": stock,
        "clays": clays,
        "both": {table_of(workspace, clays), table_of(workspace, glazes)},
        "first": {table_of(workspace, clays)},
        "all": {table_of(workspace, each) for each in (clays, glazes, tasks)},
    }


def some(*links: str) -> Json:
    return {"selection": "some", "links": list(links)}


def test_check_with_a_wrong_token_speaks_of_the_token_and_not_of_the_databases_that_are_chosen(api: StandIn) -> None:
    status, message = check(credentials={"auth_type": "token", "token": "wrong"}, databases=some("0" * 32))

    assert status == "FAILED"
    assert "Notion does not accept the access token" in message and "not shared" not in message


@pytest.mark.parametrize("choice", [{}, {"databases": {"selection": "all"}}])
def test_all_databases_are_tables_where_nothing_else_is_chosen(two_databases: Json, api: StandIn, choice: Json) -> None:
    assert set(tables(**choice)) == two_databases["all"]


def test_none_finds_no_tables_and_asks_for_none(two_databases: Json, api: StandIn) -> None:
    assert tables(databases={"selection": "none"}) == {}
    assert api.requests == []


def link_with_a_view(database_id: str) -> str:
    view = "fedcba9876543210fedcba9876543210"
    return f"https://www.notion.so/acme/Stock-of-2026-{database_id.replace('-', '')}?v={view}"


@pytest.mark.parametrize(
    "form",
    [
        link_with_a_view,
        lambda id_: link_with_a_view(id_) + "&pvs=4#top",
        lambda id_: link_with_a_view(id_) + "&p=0123456789abcdef0123456789abcdef",
        lambda id_: f"https://app.notion.com/p/{id_.replace('-', '')}",
        lambda id_: f"  https://www.notion.so/{id_.replace('-', '')}/ ",
        lambda id_: id_,
        lambda id_: id_.replace("-", ""),
        lambda id_: id_.upper(),
    ],
    ids=["view", "view and more", "view and a row", "app", "blanks", "id", "digits", "capitals"],
)
def test_a_database_is_chosen_by_link_or_id_with_all_its_data_sources(
    two_databases: Json, api: StandIn, form: Any
) -> None:
    choice = some(form(two_databases["stock"]))

    assert set(tables(databases=choice)) == two_databases["both"]
    assert check(**CONFIG, databases=choice) == ("SUCCEEDED", None)


def test_a_data_source_is_chosen_by_its_own_id(two_databases: Json, api: StandIn) -> None:
    assert set(tables(databases=some(two_databases["clays"]))) == two_databases["first"]


def test_the_check_of_a_choice_costs_at_most_two_requests(two_databases: Json, api: StandIn) -> None:
    assert check(**CONFIG, databases=some(two_databases["stock"])) == ("SUCCEEDED", None)
    assert len(api.requests) <= 2


@pytest.mark.parametrize(
    "link", ["Tasks", "https://www.notion.so/acme/Tasks", "https://[acme].notion.site/Tasks", "", "0123"]
)
def test_a_link_that_cannot_be_read_is_refused_by_check_and_discover(
    two_databases: Json, api: StandIn, link: str
) -> None:
    sentence = f"'{link}' is neither a link to a database nor its id."

    status, message = check(**CONFIG, databases=some(two_databases["stock"], link))

    assert status == "FAILED"
    assert sentence in message
    output = run("discover", {**CONFIG, "databases": some(link)})
    assert any(sentence in each.trace.error.message for each in output.errors)


def test_a_database_out_of_reach_is_refused_by_check_and_a_warning_elsewhere(two_databases: Json, api: StandIn) -> None:
    link = link_with_a_view("01234567-89ab-4def-8123-456789abcdef")
    sentence = f"The database {link} is not shared with this connection."

    status, message = check(**CONFIG, databases=some(two_databases["stock"], link))

    assert status == "FAILED"
    assert sentence in message
    assert set(tables(databases=some(two_databases["stock"], link))) == two_databases["both"]
    result = sync(*two_databases["first"], databases=some(two_databases["stock"], link))
    assert result.errors == {}
    assert any(sentence in warning for warning in result.warnings)


@pytest.mark.parametrize("links", [None, ["what was chosen before"]])
def test_links_beside_another_choice_are_not_looked_at(two_databases: Json, api: StandIn, links: Any) -> None:
    for selection, expected in (("all", two_databases["all"]), ("none", set())):
        choice = {"selection": selection, "links": links}
        assert set(tables(databases=choice)) == expected
        assert check(**CONFIG, databases=choice) == ("SUCCEEDED", None)


def test_a_choice_without_links_is_refused(api: StandIn) -> None:
    assert check(**CONFIG, databases={"selection": "some", "links": []})[0] == "FAILED"
    assert check(**CONFIG, databases={"selection": "some"})[0] == "FAILED"
    assert check(**CONFIG, databases={"selection": "most"})[0] == "FAILED"


def test_a_refreshed_token_leaves_the_choice_as_it_was(
    two_databases: Json, api: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = some(link_with_a_view(two_databases["stock"]))
    for streams in (two_databases["first"], {"users"}):
        credentials = oauth(expired_token(), refresh_token=api.refresh_token)

        assert sync(*streams, credentials=credentials, databases=choice).errors == {}

        (control,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"CONNECTOR_CONFIG"' in line]
        assert control["control"]["connectorConfig"]["config"] == {
            **CONFIG,
            "credentials": oauth(api.token, refresh_token=api.refresh_token),
            "databases": choice,
        }


# ------------------------------------------------------------------------------ the stream databases


def test_a_database_has_the_properties_of_all_its_data_sources(workspace: Workspace, api: StandIn) -> None:
    database = workspace.add_database(None, "Stock")
    workspace.add_data_source(database, "Clays", {"Name": "title", "Firing": "number"})
    workspace.add_data_source(database, "Glazes", {"Name": "title", "Colour": "select"})

    (record,) = sync("databases").records["databases"]

    names = [each["name"] for each in record["properties"]]
    assert sorted(names) == ["Colour", "Firing", "Name", "Name"]
    assert [each["name"] for each in record["data_sources"]] == ["Clays", "Glazes"]


def test_a_time_without_a_fraction_is_a_time_too(workspace: Workspace, api: StandIn) -> None:
    database = workspace.add_database(None, "Stock", last_edited_time=day(4))
    workspace.add_data_source(database)

    def without_fraction(request: Request) -> Answer:
        answer = request.normal()
        answer.body["last_edited_time"] = "2026-07-04T09:08:57+00:00"
        return answer

    api.answer(on("GET", "/v1/databases/.*", without_fraction))

    first = sync("databases")
    again = sync("databases", state=first.state)

    assert first.errors == again.errors == {}
    assert first.ids("databases") == again.ids("databases") == [database]
    assert first.state["databases"]["state"] == {"last_edited_time": "2026-07-04T09:08:57.000Z"}


# ------------------------------------------------------------------------------- databases that change


def test_a_property_that_was_renamed_is_a_column_of_the_new_name(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, Name="title", Points="number")
    page = workspace.add_row(source, {"Name": "A row", "Points": 3})
    table = table_of(workspace, source)
    assert "Points" in tables()[table]["properties"]

    declared = workspace.find(source).properties
    declared["Score"] = {**declared.pop("Points"), "name": "Score"}
    values = workspace.find(page).properties
    values["Score"] = values.pop("Points")

    assert "Score" in tables()[table]["properties"]
    assert "Points" not in tables()[table]["properties"]
    (row,) = sync(table).records[table]
    assert row["Score"] == 3 and "Points" not in row


def test_a_property_that_was_removed_is_no_column(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, Name="title", Points="number")
    page = workspace.add_row(source, {"Name": "A row", "Points": 3})
    table = table_of(workspace, source)
    del workspace.find(source).properties["Points"]
    del workspace.find(page).properties["Points"]

    assert "Points" not in tables()[table]["properties"]
    result = sync(table)
    assert "Points" not in result.records[table][0]
    assert result.warnings == []


def test_what_changes_between_the_schema_and_the_rows_is_null_and_a_type_is_warned_of(
    workspace: Workspace, api: StandIn
) -> None:
    source = add_source(workspace, Name="title", Points="number", Gone="url", Old="checkbox")
    workspace.add_row(source, {"Name": "A row", "Points": 3, "Gone": "x", "Old": True})
    workspace.add_row(source, {"Name": "Another", "Points": 4})
    table = table_of(workspace, source)

    def change(row: Json) -> None:
        points = row["properties"]["Points"]
        row["properties"]["Points"] = {"id": points["id"], "type": "url", "url": "three"}
        del row["properties"]["Gone"]
        row["properties"]["New"] = row["properties"].pop("Old")

    api.answer(changed(source, change))

    result = sync(table)

    row = rows_of(result, table)["A row"]
    # What is null the runtime leaves out of a record.
    assert {name: row.get(name) for name in ("Points", "Gone", "Old", "New")} == {
        **dict.fromkeys(("Points", "Gone", "New")),
        "Old": True,
    }
    assert result.errors == {}
    (warning,) = result.warnings
    assert warning.startswith(f"Stream {table} has null in place of values")
    assert warning.endswith("2 of 'Points' (number).")


@pytest.mark.parametrize(
    "broken",
    [None, {}, {"id": "title"}, {"id": "title", "type": "title", "title": [None]}],
    ids=["null", "empty", "no type", "null in a text"],
)
def test_a_value_with_parts_missing_is_null_and_the_row_arrives(
    workspace: Workspace, api: StandIn, broken: Any
) -> None:
    source = add_source(workspace, Name="title", Points="number")
    workspace.add_row(source, {"Name": "A row", "Points": 3})
    api.answer(changed(source, lambda row: row["properties"].update(Name=broken)))

    result = sync(table_of(workspace, source))

    (row,) = result.records[table_of(workspace, source)]
    assert (row.get("Name"), row["Points"]) == (None, 3)
    assert result.errors == {}


@needs_the_executable
def test_a_database_that_vanished_before_the_sync_stops_no_other_stream(workspace: Workspace, api: StandIn) -> None:
    gone, other = add_source(workspace, "Gone"), add_source(workspace, "Other")
    row = workspace.add_row(other)
    names = [table_of(workspace, each) for each in (gone, other)]
    workspace.trash_page(workspace.find(gone).parent.id)

    result = sync("users", *names)

    assert result.ids(names[1]) == [row]
    assert result.records["users"]
    assert result.errors == {}
    (warning,) = result.warnings
    assert warning.startswith(f"Stream {names[0]} is not read: its database was deleted")
    # The runtime itself says no more of it than the status.
    statuses = [line for line in result.output.splitlines() if '"INCOMPLETE"' in line]
    assert len(statuses) == 1 and names[0] in statuses[0]


def test_a_chosen_database_that_is_not_below_the_chosen_pages_is_said_to_be_no_table(
    workspace: Workspace, api: StandIn
) -> None:
    root, source = workspace.add_page(title="Root"), add_source(workspace, "Elsewhere")

    result = sync("users", root_pages=[root], databases=some(source))

    assert any(source in warning and "not below any of the pages" in warning for warning in result.warnings)


@needs_the_executable
def test_a_catalog_of_nothing_but_a_database_that_vanished_says_so(workspace: Workspace, api: StandIn) -> None:
    gone = add_source(workspace, "Gone")
    name = table_of(workspace, gone)
    workspace.trash_page(workspace.find(gone).parent.id)

    result = sync(name)

    assert [warning.startswith(f"Stream {name} is not read: ") for warning in result.warnings] == [True]
    (status,) = [line for line in result.output.splitlines() if '"STREAM_STATUS"' in line]
    assert name in status and '"INCOMPLETE"' in status


@needs_the_executable
def test_a_database_of_another_title_is_another_stream(workspace: Workspace, api: StandIn) -> None:
    source = add_source(workspace, "Tasks")
    row = workspace.add_row(source)
    before = table_of(workspace, source)
    workspace.edit_data_source(source, title="Chores")
    after = table_of(workspace, source)
    assert before != after

    result = sync(before, after)

    assert (result.ids(before), result.ids(after)) == ([], [row])
    assert [before in warning for warning in result.warnings] == [True]


def test_a_database_that_vanishes_during_the_sync_fails_its_stream_and_says_what_to_do(
    workspace: Workspace, api: StandIn
) -> None:
    gone, other = add_source(workspace, "Gone"), add_source(workspace, "Other")
    row = workspace.add_row(other)
    names = [table_of(workspace, each) for each in (gone, other)]
    missing = error(404, "object_not_found", "Could not find data_source.")
    api.answer(on("POST", f"/v1/data_sources/{gone}/query", missing))

    result = sync(*names)

    assert result.ids(names[1]) == [row]
    assert set(result.errors) == {names[0], ""}
    assert (
        "This database was deleted, or is no longer shared with the connection. Share it again, or refresh "
        "the source's schema and sync again." in result.errors[names[0]]
    )


def test_a_query_that_notion_cannot_make_in_time_is_asked_for_in_smaller_pages(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    source = add_source(workspace)
    rows = [workspace.add_row(source, last_edited_time=day(1 + n % 28)) for n in range(120)]
    table = table_of(workspace, source)
    api.answer(times(1, on("POST", ".*/query", error(504, "gateway_timeout", "Too slow."))))

    result = sync(table)

    assert sorted(result.ids(table)) == sorted(rows)
    assert result.errors == {}
    sizes = [r.body["page_size"] for r in api.requests if r.path.endswith("/query")]
    assert sizes == [100, 50, 100]


def test_a_row_of_which_notion_gives_the_id_alone_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn
) -> None:
    source = add_source(workspace)
    hidden, shown = (workspace.add_row(source, {"Name": name}) for name in ("Hidden", "Shown"))

    def partial(request: Request) -> Answer:
        answer = request.normal()
        results = answer.body["results"]
        results[0] = {"object": "page", "id": results[0]["id"]}
        return answer

    api.answer(on("POST", "/v1/data_sources/.*/query", partial))
    table = table_of(workspace, source)

    result = sync(table)

    assert result.ids(table) == [shown]
    assert result.errors == {}
    (warning,) = result.warnings
    assert hidden in warning and "only its id" in warning


def test_a_database_edited_exactly_at_the_start_date_is_read(workspace: Workspace, api: StandIn) -> None:
    database = workspace.add_database(None, "Tasks", last_edited_time=day(5))
    workspace.add_data_source(database, last_edited_time=day(5))

    assert sync("databases", start_date=day(5)).ids("databases") == [database]


def test_discover_fails_if_data_sources_cannot_be_listed(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    workspace.add_data_source(workspace.add_database(None, "Tasks"))
    api.answer(on("POST", "/v1/search", error(500, "internal_server_error", "Unexpected.")))

    output = run("discover", CONFIG)

    assert any("Notion returned an error" in each.trace.error.message for each in output.errors)


def test_a_row_that_does_not_say_when_it_was_made_arrives(workspace: Workspace, api: StandIn) -> None:
    source = workspace.add_data_source(workspace.add_database(None, "Tasks"), "Tasks")
    rows = [workspace.add_row(source) for _ in range(3)]

    def undated(request: Request) -> Any:
        answer: Any = request.normal()
        del answer.body["results"][1]["created_time"]
        return answer

    api.answer(on("POST", ".*/query", undated))
    table = table_of(workspace, source)

    assert sync(table).ids(table) == rows
