"""The table of a data source: its columns, its name, and rows that fit whatever Notion answers."""

import json
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from airbyte_cdk.utils.datetime_helpers import ab_datetime_try_parse
from conftest import ROOT, Sync, cases, discover, serving, sync
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker
from under_test import Json

from fake_notion.stand_in import Answer, Request, StandIn, on
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

RECORDINGS = ROOT.parent / "shared" / "recordings"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recordings of the API lie beside the project, not in it"
)

ADA = {
    "object": "user",
    "id": "00000000-0000-4000-8000-0000000000fa",
    "name": "Ada",
    "avatar_url": None,
    "type": "person",
    "person": {"email": "ada@example.com"},
}
SOMEBODY = {"object": "user", "id": "00000000-0000-4000-8000-0000000000fb"}
EVERYBODY = {"object": "group", "id": "00000000-0000-4000-8000-0000000000fc", "name": "Everybody"}


# ------------------------------------------------------------------------------------ the shapes


def rich_text(*texts: str) -> list[Json]:
    return [{"type": "text", "plain_text": text, "href": None} for text in texts]


def property_of(name: str, property_type: str, property_id: str = "a%3Ab", **more: Any) -> Json:
    """A property as the schema of a data source has it."""
    return {
        "id": property_id,
        "name": name,
        "description": None,
        "type": property_type,
        property_type: {},
        **more,
    }


def page(**properties: Json) -> Json:
    return {
        "object": "page",
        "id": "38b9ce7b-60a4-810a-a3e0-d0c7fde33f0c",
        "created_time": "2026-06-27T17:01:00.000Z",
        "last_edited_time": "2026-06-27T17:02:00.000Z",
        "created_by": SOMEBODY,
        "last_edited_by": SOMEBODY,
        "cover": None,
        "icon": None,
        "parent": {},
        "in_trash": False,
        "is_archived": False,
        "is_locked": True,
        "properties": properties,
        "url": "https://app.notion.com/p/38b9ce7b60a4810aa3e0d0c7fde33f0c",
        "public_url": None,
    }


def data_source(
    properties: Sequence[Json] = (),
    title: Sequence[str] = ("Table",),
    source_id: str = "3839ce7b-60a4-8168-ba4d-000b1ee50a86",
) -> Json:
    """A data source as search lists it."""
    return {
        "object": "data_source",
        "id": source_id,
        "created_time": "2026-06-27T17:01:00.000Z",
        "last_edited_time": "2026-06-27T17:02:00.000Z",
        "title": rich_text(*title),
        "properties": {each["name"]: each for each in properties},
        "parent": {"type": "database_id", "database_id": "3839ce7b-60a4-8168-ba4d-00000000000d"},
        "database_parent": {"type": "workspace", "workspace": True},
    }


def answer_with(api: StandIn, *objects: Json) -> None:
    """Let search list these data sources, and the query of each give these pages."""

    def listed(*results: Json) -> Answer:
        body = {"object": "list", "results": results, "has_more": False, "next_cursor": None}
        return Answer(body=body)

    sources = [each for each in objects if each["object"] == "data_source"]
    pages = [each for each in objects if each["object"] == "page"]

    def rows(request: Request) -> Answer:
        source_id = request.path.split("/")[3]
        return listed(*(each for each in pages if each["parent"].get("data_source_id", sources[0]["id"]) == source_id))

    api.answer(on("POST", "/v1/search", listed(*sources)))
    api.answer(on("POST", "/v1/data_sources/.*/query", rows))


@dataclass
class Table:
    """What one data source gives.

    Attributes:
        schema: that of its stream.
        rows: its records; the runtime leaves null out of them.
        lost: what its warning says is null, as (property, type) with the number of rows.
    """

    schema: Json
    rows: list[Json]
    lost: dict[tuple[str, str], int]


def table(api: StandIn, properties: Sequence[Json], *pages: Json) -> Table:
    """Discover and sync a data source with these properties and pages; its rows have to fit its schema."""
    answer_with(api, data_source(properties), *pages)
    name = "table_000b1ee50a86"
    schema = discover()[name]
    result = sync(name)
    assert result.errors == {}
    rows = result.records.get(name, [])
    assert [faults(row, schema) for row in rows] == [[] for _ in pages]
    return Table(schema, rows, lost(result))


def lost(result: Sync) -> dict[tuple[str, str], int]:
    """What the warnings say is null, as (property, type) with the number of rows."""
    found: dict[tuple[str, str], int] = {}
    for warning in (each for each in result.warnings if "U+0000" not in each):
        introduction = "has null in place of values that Notion did not compute, or that are not of"
        assert introduction in warning
        for count, name, kind in re.findall(r"(\d+) of '(.+?)' \((\w+)\)", warning):
            assert (name, kind) not in found
            found[name, kind] = int(count)
    return found


def columns_of(schema: Json, name: str) -> list[str]:
    """The columns that a property of this name has, in order."""
    return [each for each in schema["properties"] if each == name or each.startswith(f"{name}_")]


def cells(read: Table, name: str) -> Json:
    """The columns of a property with their values in the only row."""
    (row,) = read.rows
    return {column: row.get(column) for column in columns_of(read.schema, name)}


def numbered(*types: str) -> list[Json]:
    """Properties of these types, named P0, P1 and so on; of a rollup, the function follows after a blank."""
    return [declaration(f"P{number}", each) for number, each in enumerate(types)]


def declaration(name: str, property_type: str) -> Json:
    kind, _, function = property_type.partition(" ")
    more = {"rollup": {"function": function}} if function else {}
    return property_of(name, kind, f"id%3A{name}", **more)


def page_with(properties: Sequence[Json], *values: Any) -> Json:
    """A page whose properties have these values, one after the other."""
    return page(
        **{
            each["name"]: {"id": each["id"], "type": each["type"], each["type"]: value}
            for each, value in zip(properties, values, strict=True)
        }
    )


def expected_cells(number: int, expected: Json) -> Json:
    """What a case says of `P`, for the property of that number."""
    return {f"P{number}{column.removeprefix('P')}": value for column, value in expected.items()}


# ------------------------------------------------------------------------------------- the schemas

FORMATS = FormatChecker(formats=("date",))


@FORMATS.checks("date-time")
def _is_a_point_in_time(value: Any) -> bool:
    return not isinstance(value, str) or ("T" in value and ab_datetime_try_parse(value) is not None)


def faults(row: Json, schema: Json) -> list[str]:
    """What is wrong with a row, columns that the schema does not declare included."""
    assert schema["additionalProperties"] is True
    declared = schema["properties"].items()
    never_null = [name for name, column in declared if "null" not in column["type"]]
    strict = {**schema, "additionalProperties": False, "required": never_null}
    validator = Draft7Validator(strict, format_checker=FORMATS)
    return [error.message for error in validator.iter_errors(row)]


# -------------------------------------------------------------------------------------- recordings


def recorded(kind: str) -> list[Json]:
    """All objects of a kind, with their properties, that any recorded answer holds."""

    def objects(value: Any) -> Iterator[Json]:
        if isinstance(value, dict):
            if value.get("object") == kind and "properties" in value:
                yield value
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                yield from objects(inner)

    files = (json.loads(path.read_text()) for path in sorted(RECORDINGS.glob("*.json")))
    return [each for file in files for each in objects(file)]


TABLE = "_[0-9a-f]{12}$"

# Their value is never null: it holds the type of the result, and the result may be null.
COMPUTED = ("formula", "rollup")


@needs_recordings
def test_every_recorded_data_source_gets_a_valid_schema_that_its_recorded_rows_fit(
    api: StandIn,
) -> None:
    data_sources = {each["id"]: each for each in recorded("data_source")}
    rows = [each for each in recorded("page") if each["parent"].get("data_source_id") in data_sources]
    # Some are recorded in several versions; here, each is a row.
    pages = {id: {**row, "id": id} for n, row in enumerate(rows) for id in [f"{n:08x}{row['id'][8:]}"]}
    answer_with(api, *data_sources.values(), *pages.values())
    nothing_more = {"object": "list", "results": [], "has_more": False, "next_cursor": None}
    api.answer(on("GET", "/v1/pages/.*/properties/.*", Answer(body=nothing_more)))

    schemas = {name: schema for name, schema in discover().items() if re.search(TABLE, name)}
    result = sync(*schemas)

    assert (len(schemas), len(pages)) == (57, 118)
    assert result.errors == {} and result.warnings == []
    for name, schema in schemas.items():
        Draft7Validator.check_schema(schema)
        for row in result.records.get(name, []):
            assert faults(row, schema) == []
            for of, value in pages.pop(row["id"])["properties"].items():
                if value["type"] not in COMPUTED and value[value["type"]] is not None:
                    assert any(column.startswith(of) for column in row)
    assert pages == {}


# ------------------------------------------------------------------------------------------ values

LINK = {"name": "image", "type": "external", "external": {"url": "https://example.com/image.png"}}
HOSTED = {
    "name": "a.pdf",
    "type": "file",
    "file": {"url": "https://files.example.com/a.pdf", "expiry_time": "2026-06-27T18:01:00.000Z"},
}
DAY = {"start": "2024-01-02", "end": None, "time_zone": None}
DAYS = {"start": "2024-01-02", "end": "2024-01-05", "time_zone": None}
TIMES = {
    "start": "2024-11-25T14:08:00.000+00:00",
    "end": "2024-11-25T15:08:00.000+02:00",
    "time_zone": None,
}
BERLIN = {"lat": 52.52, "lon": 13.405, "name": None, "address": "Berlin, Germany"}
TITLE = {"type": "title", "title": rich_text("Item ", "1")}

# Property type, value, what the columns hold. A rollup has its function after its type.
VALUES: list[tuple[str, Any, Json]] = [
    ("title", rich_text("Fix ", "it"), {"P": "Fix it"}),
    ("title", [], {"P": ""}),
    ("rich_text", rich_text("One\n", "two"), {"P": "One\ntwo"}),
    ("url", "https://example.com", {"P": "https://example.com"}),
    ("email", "ada@example.com", {"P": "ada@example.com"}),
    ("phone_number", "123-456", {"P": "123-456"}),
    ("number", 15, {"P": 15}),
    ("number", 1.5, {"P": 1.5}),
    ("unique_id", {"prefix": "TASK", "number": 12}, {"P": "TASK-12", "P_number": 12}),
    ("unique_id", {"prefix": None, "number": 12}, {"P": "12", "P_number": 12}),
    ("unique_id", {"prefix": "TASK", "number": None}, {"P": None, "P_number": None}),
    ("checkbox", False, {"P": False}),
    ("select", {"id": "x", "name": "✶ Low", "color": "gray"}, {"P": "✶ Low"}),
    ("status", {"id": "x", "name": "Backlog", "color": "gray"}, {"P": "Backlog"}),
    ("multi_select", [{"id": "x", "name": "A"}, {"id": "y", "name": "B"}], {"P": ["A", "B"]}),
    ("multi_select", [], {"P": []}),
    ("date", DAY, {"P": "2024-01-02", "P_end": None}),
    ("date", DAYS, {"P": "2024-01-02", "P_end": "2024-01-05"}),
    ("date", TIMES, {"P": TIMES["start"], "P_end": TIMES["end"]}),
    ("created_time", "2026-06-27T17:01:00.000Z", {"P": "2026-06-27T17:01:00.000Z"}),
    ("last_edited_time", "2026-06-27T17:01:00.000Z", {"P": "2026-06-27T17:01:00.000Z"}),
    ("created_by", ADA, {"P": "Ada", "P_id": ADA["id"]}),
    ("last_edited_by", SOMEBODY, {"P": SOMEBODY["id"], "P_id": SOMEBODY["id"]}),
    ("created_by", {**SOMEBODY, "name": None}, {"P": SOMEBODY["id"], "P_id": SOMEBODY["id"]}),
    (
        "people",
        [ADA, SOMEBODY, EVERYBODY],
        {
            "P": ["Ada", SOMEBODY["id"], "Everybody"],
            "P_ids": [ADA["id"], SOMEBODY["id"], EVERYBODY["id"]],
        },
    ),
    ("relation", [{"id": "38c9ce7b"}, {"id": "38c9ce7c"}], {"P": ["38c9ce7b", "38c9ce7c"]}),
    (
        "files",
        [LINK, HOSTED],
        {
            "P": ["image", "a.pdf"],
            "P_links": ["https://example.com/image.png", "https://files.example.com/a.pdf"],
        },
    ),
    (
        "verification",
        {"state": "verified", "verified_by": ADA, "date": TIMES},
        {
            "P": "verified",
            "P_by": "Ada",
            "P_by_id": ADA["id"],
            "P_start": TIMES["start"],
            "P_end": TIMES["end"],
        },
    ),
    (
        "verification",
        {"state": "unverified", "verified_by": None, "date": None},
        {"P": "unverified", "P_by": None, "P_by_id": None, "P_start": None, "P_end": None},
    ),
    (
        "place",
        BERLIN,
        {"P": "Berlin, Germany", "P_address": "Berlin, Germany", "P_lat": 52.52, "P_lon": 13.405},
    ),
    (
        "place",
        {**BERLIN, "name": "Office"},
        {"P": "Office", "P_address": "Berlin, Germany", "P_lat": 52.52, "P_lon": 13.405},
    ),
    ("button", {}, {"P": "{}"}),
    ("formula", {"type": "string", "string": "Item 1"}, {"P": "Item 1"}),
    ("formula", {"type": "string", "string": None}, {"P": None}),
    ("formula", {"type": "number", "number": 2}, {"P": "2"}),
    ("formula", {"type": "number", "number": 2.0}, {"P": "2"}),
    ("formula", {"type": "number", "number": 0.25}, {"P": "0.25"}),
    ("formula", {"type": "boolean", "boolean": True}, {"P": "true"}),
    ("formula", {"type": "date", "date": DAY}, {"P": "2024-01-02"}),
    ("formula", {"type": "date", "date": DAYS}, {"P": "2024-01-02/2024-01-05"}),
    ("rollup max", {"type": "number", "number": 72, "function": "max"}, {"P": 72}),
    ("rollup count", {"type": "number", "number": 0, "function": "count"}, {"P": 0}),
    (
        "rollup percent_per_group",
        {"type": "number", "number": None, "function": "percent_per_group"},
        {"P": None},
    ),
    (
        "rollup earliest_date",
        {"type": "date", "date": DAY, "function": "earliest_date"},
        {"P": "2024-01-02", "P_end": None},
    ),
    (
        "rollup latest_date",
        {"type": "date", "date": None, "function": "latest_date"},
        {"P": None, "P_end": None},
    ),
    (
        "rollup date_range",
        {"type": "date", "date": TIMES, "function": "date_range"},
        {"P": TIMES["start"], "P_end": TIMES["end"]},
    ),
    (
        "rollup show_original",
        {
            "type": "array",
            "array": [
                TITLE,
                {"type": "number", "number": 42},
                {"type": "select", "select": None},
                {"type": "multi_select", "multi_select": [{"name": "A"}, {"name": "B"}]},
                {"type": "date", "date": DAYS},
                {"type": "checkbox", "checkbox": True},
                {"type": "people", "people": [ADA, SOMEBODY]},
                {"type": "formula", "formula": {"type": "number", "number": 2.0}},
                {"type": "hologram", "hologram": {"b": 1, "a": "é"}},
            ],
            "function": "show_original",
        },
        {
            "P": [
                *("Item 1", "42", None, "A", "B", "2024-01-02/2024-01-05", "true"),
                *("Ada", SOMEBODY["id"], "2", '{"a":"é","b":1}'),
            ]
        },
    ),
    (
        "rollup show_unique",
        {"type": "array", "array": [TITLE, TITLE], "function": "show_unique"},
        {"P": ["Item 1", "Item 1"]},
    ),
    ("rollup product", {"type": "number", "number": 6, "function": "product"}, {"P": "6"}),
    ("rollup", {"type": "array", "array": [TITLE, TITLE]}, {"P": "Item 1, Item 1"}),
    ("hologram", {"b": [1, 2], "a": "é"}, {"P": '{"a":"é","b":[1,2]}'}),
    ("location", {"lat": 1}, {"P": '{"lat":1}'}),
]


def test_a_value_of_each_type_fills_the_columns_of_its_type(api: StandIn) -> None:
    properties = numbered(*(property_type for property_type, _, _ in VALUES))

    read = table(api, properties, page_with(properties, *(value for _, value, _ in VALUES)))

    for number, (_, _, expected) in enumerate(VALUES):
        assert cells(read, f"P{number}") == expected_cells(number, expected)
    assert read.lost == {}


TEXT, TEXTS, NUMBER = ["null", "string"], ["null", "array"], ["null", "number"]
PERSON = {"P": TEXT, "P_id": TEXT}
DATES = {"P": TEXT, "P_end": TEXT}
NUMERIC_FUNCTIONS = (
    *("count", "count_values", "count_per_group", "unique", "empty", "not_empty"),
    *("checked", "unchecked", "percent_checked", "percent_unchecked"),
    *("percent_empty", "percent_not_empty", "percent_per_group"),
    *("sum", "average", "median", "min", "max", "range"),
)

# The types of properties and, of rollups, of functions, with their columns.
TYPES: dict[str, Json] = {
    "title": {"P": TEXT},
    "rich_text": {"P": TEXT},
    "url": {"P": TEXT},
    "email": {"P": TEXT},
    "phone_number": {"P": TEXT},
    "number": {"P": NUMBER},
    "unique_id": {"P": TEXT, "P_number": ["null", "integer"]},
    "checkbox": {"P": ["null", "boolean"]},
    "select": {"P": TEXT},
    "status": {"P": TEXT},
    "multi_select": {"P": TEXTS},
    "date": DATES,
    "created_time": {"P": TEXT},
    "last_edited_time": {"P": TEXT},
    "created_by": PERSON,
    "last_edited_by": PERSON,
    "people": {"P": TEXTS, "P_ids": TEXTS},
    "relation": {"P": TEXTS},
    "files": {"P": TEXTS, "P_links": TEXTS},
    "verification": {"P": TEXT, "P_by": TEXT, "P_by_id": TEXT, "P_start": TEXT, "P_end": TEXT},
    "place": {"P": TEXT, "P_address": TEXT, "P_lat": NUMBER, "P_lon": NUMBER},
    "button": {"P": TEXT},
    "formula": {"P": TEXT},
    "rollup": {"P": TEXT},
    **{f"rollup {function}": {"P": NUMBER} for function in NUMERIC_FUNCTIONS},
    **{f"rollup {function}": DATES for function in ("earliest_date", "latest_date", "date_range")},
    **{f"rollup {function}": {"P": TEXTS} for function in ("show_original", "show_unique")},
    "rollup product": {"P": TEXT},
    "hologram": {"P": TEXT},
}
COMPUTED_TYPES = [each for each in TYPES if each.startswith(COMPUTED)]


def test_no_value_gives_null_in_every_column_of_its_type_and_nothing_is_lost(api: StandIn) -> None:
    properties = numbered(*TYPES)

    read = table(api, properties, page_with(properties, *[None] * len(TYPES)))

    declared = read.schema["properties"]
    for number, columns in enumerate(TYPES.values()):
        types = {each: declared[each]["type"] for each in columns_of(read.schema, f"P{number}")}
        assert types == expected_cells(number, columns)
        assert set(cells(read, f"P{number}").values()) == {None}
    assert read.lost == {}


@pytest.mark.parametrize("kind", ["unsupported", "incomplete"])
def test_what_notion_did_not_compute_is_null_and_reported(api: StandIn, kind: str) -> None:
    properties = numbered(*COMPUTED_TYPES)
    not_computed = [{"type": kind, kind: {}}] * len(properties)

    read = table(api, properties, page_with(properties, *not_computed))

    for number in range(len(properties)):
        assert set(cells(read, f"P{number}").values()) == {None}
    assert read.lost == {(each["name"], each["type"]): 1 for each in properties}


MALFORMED: list[tuple[str, Any, Json]] = [
    ("number", "12", {"P": None}),
    ("number", True, {"P": None}),
    ("checkbox", 1, {"P": None}),
    ("date", {"start": "tomorrow", "end": None}, {"P": None, "P_end": None}),
    ("date", {"start": "2024-13-02", "end": "2024-01-02"}, {"P": None, "P_end": "2024-01-02"}),
    ("created_time", "2024-01-02", {"P": None}),
    ("rollup sum", {"type": "date", "date": DAY}, {"P": None}),
    ("people", [{"name": "Nobody"}], {"P": ["Nobody"], "P_ids": None}),
    ("multi_select", {"name": "A"}, {"P": None}),
]


def test_a_malformed_value_is_null_and_reported_once_for_each_row(api: StandIn) -> None:
    properties = numbered(*(property_type for property_type, _, _ in MALFORMED))
    malformed = page_with(properties, *(value for _, value, _ in MALFORMED))
    another = {**malformed, "id": malformed["id"].replace("38b9", "38ba")}

    read = table(api, properties, malformed, another)

    assert read.lost == {(each["name"], each["type"]): 2 for each in properties}
    del read.rows[1]
    for number, (_, _, expected) in enumerate(MALFORMED):
        assert cells(read, f"P{number}") == expected_cells(number, expected)


@pytest.mark.parametrize(
    ("properties", "lost"),
    [
        (None, {("Name", "title"), ("Cost", "number")}),
        ({"Name": None, "Cost": {"id": "b", "type": "number", "number": 7}}, {("Name", "title")}),
        ({"Name": {"type": "title", "title": rich_text("x")}, "Cost": {"type": "number", "number": 7}}, set()),
    ],
    ids=["none at all", "one is null", "values without ids"],
)
def test_properties_of_another_shape_arrive_or_are_reported(
    api: StandIn, properties: Any, lost: set[tuple[str, str]]
) -> None:
    columns = [property_of("Name", "title", "title"), property_of("Cost", "number", "b")]

    read = table(api, columns, {**page(), "properties": properties})

    assert read.lost == dict.fromkeys(lost, 1)
    assert (cells(read, "Name"), cells(read, "Cost")) == (
        {"Name": None if ("Name", "title") in lost else "x"},
        {"Cost": None if ("Cost", "number") in lost else 7},
    )


@pytest.mark.parametrize("item", [{"text": {"content": "x"}}, {"type": "equation", "equation": {"expression": "x"}}])
def test_rich_text_without_plain_text_has_its_content(api: StandIn, item: Json) -> None:
    columns = [property_of("Name", "title", "title")]

    read = table(api, columns, page_with(columns, [item, *rich_text("y")]))

    assert (read.lost, cells(read, "Name")) == ({}, {"Name": "xy"})


@pytest.mark.parametrize(("number", "is_kept"), [(9.9e28, True), (10**29, False), (-1e29, False)])
def test_a_number_that_most_warehouses_refuse_is_null_and_reported(api: StandIn, number: float, is_kept: bool) -> None:
    columns = [property_of("Cost", "number", "b")]

    read = table(api, columns, page_with(columns, number))

    assert cells(read, "Cost") == {"Cost": number if is_kept else None}
    assert read.lost == ({} if is_kept else {("Cost", "number"): 1})


def test_rollups_over_more_than_25_relations_are_counted(api: StandIn) -> None:
    columns = [
        property_of("Tasks", "relation", "%3Ar%5D"),
        property_of("Hours", "rollup", "h", rollup={"function": "sum", "relation_property_id": ":r]"}),
        property_of("Other", "rollup", "o", rollup={"function": "sum", "relation_property_id": "x"}),
    ]
    ids = [{"id": f"38c9ce7b-60a4-8168-ba4d-{number:012x}"} for number in range(25)]
    few, many = (page_with(columns, ids, *2 * [{"type": "number", "number": 25}]) for _ in range(2))
    many["id"] = many["id"].replace("38b9", "38ba")
    many["properties"]["Tasks"]["has_more"] = True
    answer_with(api, data_source(columns), few, many)
    items = [{"object": "property_item", "id": "%3Ar%5D", "type": "relation", "relation": each} for each in ids]
    body = {"object": "list", "type": "property_item", "results": items, "has_more": False, "next_cursor": None}
    api.answer(on("GET", "/v1/pages/.*/properties/.*", Answer(body=body)))

    result = sync("table_000b1ee50a86")

    assert [row["Hours"] for row in result.records["table_000b1ee50a86"]] == [25, 25]
    (warning,) = result.warnings
    assert warning.endswith("computes them of the first 25 relations of a row: 1 of 'Hours'.")


# ------------------------------------------------------------------------------------- random values

# JSON that often has the keys and the words that the mapping looks for.
words = st.sampled_from(
    [
        *TYPES,
        *("id", "name", "type", "start", "end", "plain_text", "url", "array", "string", "boolean"),
        *("unsupported", "incomplete", "prefix", "state", "verified_by", "lat", "lon"),
    ]
)
random_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
    | st.text(max_size=5)
    | st.sampled_from(["2024-01-02", "2024-01-02T03:04:05Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
# As above, and half of the time an object that says its type.
random_values = random_json | st.tuples(words, random_json, random_json).map(
    lambda parts: {"type": parts[0], parts[0]: parts[1], "start": parts[2], "end": None}
)


@cases(6)
@given(st.lists(st.tuples(st.sampled_from([*TYPES]), random_values), min_size=50, max_size=50))
def test_whatever_its_values_are_a_row_fits_the_schema(values: list[tuple[str, Any]]) -> None:
    properties = numbered(*(property_type for property_type, _ in values))
    with serving(Workspace()) as api:
        table(api, properties, page_with(properties, *(value for _, value in values)))


# --------------------------------------------------------------------------------------------- rows


def test_a_row_has_its_own_fields_under_the_names_of_the_api(api: StandIn) -> None:
    read = table(api, [], {**page(), "icon": {"type": "emoji", "emoji": "🥑"}})

    assert read.rows == [
        {
            "id": "38b9ce7b-60a4-810a-a3e0-d0c7fde33f0c",
            "created_time": "2026-06-27T17:01:00.000Z",
            "last_edited_time": "2026-06-27T17:02:00.000Z",
            "created_by": SOMEBODY["id"],
            "last_edited_by": SOMEBODY["id"],
            "url": "https://app.notion.com/p/38b9ce7b60a4810aa3e0d0c7fde33f0c",
            "in_trash": False,
            "is_archived": False,
            "is_locked": True,
            "icon": "🥑",
        }
    ]
    assert {*read.schema["properties"]} == {*read.rows[0], "public_url", "cover"}


ICONS: list[tuple[Json, str | None]] = [
    ({"type": "emoji", "emoji": "🥑"}, "🥑"),
    ({"type": "custom_emoji", "custom_emoji": {"id": "x", "name": "bufo", "url": "u"}}, "bufo"),
    ({"type": "icon", "icon": {"name": "pizza", "color": "blue"}}, "pizza"),
    ({"type": "external", "external": {"url": "https://example.com"}}, "https://example.com"),
    ({"type": "file", "file": {"url": "https://files", "expiry_time": "…"}}, "https://files"),
    ({"type": "hologram", "hologram": {}}, None),
]


def test_an_icon_and_a_cover_are_text(api: StandIn) -> None:
    pages = [
        {**page(), "id": f"38b9ce7b-60a4-810a-a3e0-00000000000{n}", "icon": icon, "cover": icon}
        for n, (icon, _) in enumerate(ICONS)
    ]

    read = table(api, [], *pages)

    texts = [text for _, text in ICONS]
    assert [row.get("icon") for row in read.rows] == texts
    assert [row.get("cover") for row in read.rows] == texts


def test_fields_and_properties_that_the_page_does_not_have_are_null_and_not_lost(
    api: StandIn,
) -> None:
    fields = ("object", "id", "parent", "created_time", "last_edited_time", "properties")

    read = table(api, [property_of("Due", "date")], {key: page()[key] for key in fields})

    (row,) = read.rows
    assert set(row) == {"id", "created_time", "last_edited_time"}
    assert read.lost == {}


def test_a_property_that_was_renamed_since_fills_its_column(api: StandIn) -> None:
    renamed = {"id": "a%3Ab", "type": "date", "date": DAY}

    (row,) = table(api, [property_of("Due", "date")], page(Deadline=renamed)).rows

    assert row["Due"] == "2024-01-02" and "Deadline" not in row


def test_a_property_whose_type_was_changed_since_is_null_and_reported(api: StandIn) -> None:
    changed = {"id": "a%3Ab", "type": "url", "url": "https://example.com", "date": DAY}

    read = table(api, [property_of("Due", "date")], page(Due=changed))

    assert cells(read, "Due") == {"Due": None, "Due_end": None}
    assert read.lost == {("Due", "date"): 1}


# ------------------------------------------------------------------------------------------ schemas


ROW_FIELDS = [
    *("id", "created_time", "last_edited_time", "created_by", "last_edited_by", "url"),
    *("public_url", "in_trash", "is_archived", "is_locked", "icon", "cover"),
]


def test_the_schema_of_a_column_says_what_a_warehouse_makes_of_it(api: StandIn) -> None:
    properties = [
        property_of("Due", "date", "1", description="When it must be done."),
        property_of("Tags", "multi_select", "2"),
        property_of("Cost", "rollup", "3", rollup={"function": "sum"}),
        property_of("Made", "created_time", "4"),
    ]
    date = {
        "type": ["null", "string"],
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
        "description": "When it must be done.",
    }

    schema = table(api, properties).schema

    assert list(schema["properties"]) == [
        *ROW_FIELDS,
        *("Due", "Due_end", "Tags", "Cost", "Made"),
    ]
    assert {name: schema["properties"][name] for name in schema["properties"] if name[0].isupper()} == {
        "Due": date,
        "Due_end": date,
        "Tags": {
            "type": ["null", "array"],
            "items": {"type": ["null", "string"]},
            "description": "Property of the type multi_select.",
        },
        "Cost": {"type": ["null", "number"], "description": "Property of the type rollup."},
        "Made": {
            "type": ["null", "string"],
            "format": "date-time",
            "description": "Property of the type created_time.",
        },
    }


def test_only_the_id_and_the_times_of_a_row_are_never_null(api: StandIn) -> None:
    fields = table(api, []).schema["properties"]

    assert {name for name in fields if "null" not in fields[name]["type"]} == {
        *("id", "created_time", "last_edited_time")
    }


# ----------------------------------------------------------------------------------- names of columns

Named = tuple[str, str, str]  # a property's name, type and id


def source_id_of(number: int) -> str:
    return f"3839ce7b-60a4-8168-ba4d-{number:012x}"


def columns_discovered(api: StandIn, *tables: Sequence[Named]) -> list[list[str]]:
    """The columns of each data source beside the fields of a row, in order; its properties are given."""
    api.reset_rules()
    answer_with(
        api,
        *(
            data_source([property_of(*each) for each in properties], source_id=source_id_of(n))
            for n, properties in enumerate(tables)
        ),
    )
    schemas = discover()
    columns = [[*schemas[f"table_{n:012x}"]["properties"]] for n in range(len(tables))]
    assert all(each[: len(ROW_FIELDS)] == ROW_FIELDS for each in columns)
    return [each[len(ROW_FIELDS) :] for each in columns]


COLUMNS: list[tuple[list[Named], list[str]]] = [
    (
        [("Zoë's due date", "date", "a"), ("2nd", "url", "b"), ("Äther", "url", "c")],
        ["Zoë's due date", "Zoë's due date_end", "2nd", "Äther"],
    ),
    ([("Cost €", "number", "a"), ("Cost $", "number", "b")], ["Cost €_61", "Cost $_62"]),
    ([("Zoë", "url", "a"), ("zoe", "url", "b")], ["Zoë_61", "zoe_62"]),
    ([("URL", "url", "a")], ["URL_61"]),
    ([("Created by", "people", "%3A")], ["Created by_253341", "Created by_253341_ids"]),
    (
        [("Due", "date", "a"), ("Due end", "url", "b")],
        ["Due_61", "Due_61_end", "Due end_62"],
    ),
    ([("", "date", "a")], ["_61", "_61_end"]),
    ([("期日", "date", "a"), ("名前", "url", "b")], ["期日_61", "期日_61_end", "名前_62"]),
    ([("…", "url", "a"), ("Name", "url", "b")], ["…_61", "Name"]),
    # The id makes the first two collide with the third, which collides with nothing by itself.
    (
        [("A", "url", "a"), ("a", "url", "b"), ("A 61", "url", "c")],
        ["A_61", "a_62", "A 61_63"],
    ),
]


def test_columns_have_the_names_of_their_properties_and_those_that_collide_carry_ids(
    api: StandIn,
) -> None:
    found = columns_discovered(api, *(properties for properties, _ in COLUMNS))

    assert found == [expected for _, expected in COLUMNS]


colliding_names = st.text(alphabet="aAä_ 61е期", max_size=4) | st.sampled_from(
    [
        "id",
        "Url",
        "a_end",
        "a_61",
        "a_61_61",
        "a_6161",
        "_61",
        "A 61_end",
        "a_id",
        "a_number",
        "x_by",
    ]
)
property_ids = st.text(alphabet="a%b1", min_size=1, max_size=3)
properties_of_a_table = st.lists(
    st.tuples(colliding_names | st.text(max_size=6), st.sampled_from([*TYPES, "x"]), property_ids),
    max_size=8,
    unique_by=(lambda each: each[0], lambda each: each[2]),
)


def in_a_warehouse(name: str) -> str:
    """A name as plain as any warehouse makes it."""
    letters = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub("[^a-z0-9]", "_", "".join(letters).lower())


@cases(4)
@given(
    st.lists(properties_of_a_table, min_size=30, max_size=30),
    st.randoms(use_true_random=False),
)
def test_whatever_the_names_are_columns_differ_and_no_order_changes_them(
    tables: list[list[Named]], chance: random.Random
) -> None:
    tables = [[(name, kind.partition(" ")[0], id_) for name, kind, id_ in each] for each in tables]
    shuffled = [chance.sample(each, len(each)) for each in tables]

    with serving(Workspace()) as api:
        found = columns_discovered(api, *tables, *shuffled)

    for columns, others in zip(found[:30], found[30:], strict=True):
        plain = [*ROW_FIELDS, *map(in_a_warehouse, columns)]
        assert len(set(plain)) == len(plain)
        assert all(name.strip("_") for name in plain)
        assert sorted(columns) == sorted(others)


# ----------------------------------------------------------------------------------- names of streams


def streams_discovered(api: StandIn, *sources: Json) -> list[str]:
    """The names of the streams of data sources, in their order."""
    answer_with(api, *sources)
    return [name for name in discover() if re.search(TABLE, name)]


TITLES = [
    (["Tasks & Ideas"], "tasks_ideas"),
    (["Ta", "sks"], "tasks"),
    (["__Zoë’s Café__"], "zoe_s_cafe"),
    ([], "untitled"),
    (["  "], "untitled"),
    (["任務"], "untitled"),
    (["🥑🥑"], "untitled"),
    (["🥑 Food"], "food"),
    (["2026 plan"], "t_2026_plan"),
    (["a" * 200], "a" * 40),
    (["a" * 39 + " b"], "a" * 39),
]


def test_a_stream_is_named_after_its_data_source(api: StandIn) -> None:
    sources = [data_source((), title, source_id_of(n)) for n, (title, _) in enumerate(TITLES)]

    names = streams_discovered(api, *sources)

    assert names == [f"{name}_{n:012x}" for n, (_, name) in enumerate(TITLES)]


def test_data_sources_whose_ids_share_their_beginning_give_different_streams(api: StandIn) -> None:
    sources = [data_source(source_id=source_id_of(number)) for number in (6, 7)]

    first, second = streams_discovered(api, *sources)

    assert first != second


def test_of_two_data_sources_that_would_be_one_stream_a_warning_names_the_one_that_is_missing(api: StandIn) -> None:
    first, second = source_id_of(7), "00000000-0000-8000-0000-000000000007"
    answer_with(api, *(data_source(source_id=each) for each in (first, second, first)))

    result = sync("table_000000000007")

    assert result.errors == {}
    assert [each.path for each in api.requests] == ["/v1/search", f"/v1/data_sources/{first}/query"]
    assert result.warnings == [
        f"The data source {second} is missing: table_000000000007 is the table of {first}. Rename one."
    ]


@cases(3)
@given(st.lists(st.lists(st.text(max_size=80), max_size=3), min_size=50, max_size=50), st.uuids())
def test_every_stream_name_is_one_that_all_warehouses_take(titles: list[list[str]], some_id: Any) -> None:
    ids = [f"{str(some_id)[:-12]}{(some_id.int + n) % 16**12:012x}" for n in range(len(titles))]

    with serving(Workspace()) as api:
        names = streams_discovered(api, *(data_source((), *of) for of in zip(titles, ids, strict=True)))

    assert len(set(names)) == len(titles)
    for name in names:
        assert len(name) <= 63
        assert name.isascii() and name.isidentifier() and name == name.lower()
