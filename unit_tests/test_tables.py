"""The table of a data source: its columns, its name, and rows that fit whatever Notion answers."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.utils.datetime_helpers import ab_datetime_try_parse
from conftest import ROOT, cases
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from source_notion.columns import (
    PROPERTY_TYPES,
    ROW_FIELDS,
    _folded,
    columns_of,
    row_of,
    stream_name_of,
    table_schema_of,
)

Json = dict[str, Any]

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


def schema_of(*properties: Json) -> dict[str, Json]:
    return {each["name"]: each for each in properties}


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


class Losses(list[tuple[str, str]]):
    """Takes what a row lost."""

    def __call__(self, name: str, property_type: str) -> None:
        self.append((name, property_type))


def cells(declared: Json, value: Any, losses: Losses) -> Json:
    """The columns of one property with a value, checked against their schema."""
    held = {"id": declared["id"], "type": declared["type"], declared["type"]: value}
    columns = columns_of(schema_of(declared))
    row = row_of(page(P=held), columns, losses)
    assert faults(row, table_schema_of(columns)) == []
    return {column.name: row[column.name] for column in columns}


# ------------------------------------------------------------------------------------- the schemas

FORMATS = FormatChecker(formats=("date",))


@FORMATS.checks("date-time")
def _is_a_point_in_time(value: Any) -> bool:
    return not isinstance(value, str) or ("T" in value and ab_datetime_try_parse(value) is not None)


def faults(row: Json, schema: Json) -> list[str]:
    """What is wrong with a row, columns that the schema does not declare included."""
    assert schema["additionalProperties"] is True
    validator = Draft7Validator({**schema, "additionalProperties": False}, format_checker=FORMATS)
    missing = [f"{name} is missing" for name in schema["properties"] if name not in row]
    return missing + [error.message for error in validator.iter_errors(row)]


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


# Their value is never null: it holds the type of the result, and the result may be null.
COMPUTED = ("formula", "rollup")


@needs_recordings
def test_every_recorded_data_source_gets_a_valid_schema_that_its_recorded_rows_fit() -> None:
    data_sources = {each["id"]: each for each in recorded("data_source")}
    schemas = {
        data_source_id: table_schema_of(columns_of(data_source["properties"]))
        for data_source_id, data_source in data_sources.items()
    }
    assert len(schemas) == 57
    for schema in schemas.values():
        Draft7Validator.check_schema(schema)

    losses, checked = Losses(), 0
    for row in recorded("page"):
        if data_source := data_sources.get(row["parent"].get("data_source_id")):
            columns = columns_of(data_source["properties"])
            record = row_of(row, columns, losses)
            assert faults(record, schemas[data_source["id"]]) == []
            filled = {each.property["id"] for each in columns if record[each.name] is not None}
            assert {
                value["id"]
                for value in row["properties"].values()
                if value["type"] not in COMPUTED and value[value["type"]] is not None
            } <= filled
            checked += 1
    assert checked == 118
    assert losses == []


@needs_recordings
def test_the_streams_of_all_recorded_data_sources_have_different_names() -> None:
    data_sources = {each["id"]: each for each in recorded("data_source")}

    names = {stream_name_of(each) for each in data_sources.values()}

    assert len(names) == len(data_sources) == 57


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


def declaration(property_type: str) -> Json:
    """A property `P` of the type; of a rollup, with the function after the blank."""
    kind, _, function = property_type.partition(" ")
    return {**property_of("P", kind), **({"rollup": {"function": function}} if function else {})}


@pytest.mark.parametrize(("property_type", "value", "expected"), VALUES)
def test_a_value_of_each_type_fills_the_columns_of_its_type(
    property_type: str, value: Any, expected: Json
) -> None:
    losses = Losses()

    assert cells(declaration(property_type), value, losses) == expected
    assert losses == []


def test_the_values_above_cover_every_type_of_property() -> None:
    covered = {property_type for property_type, _, _ in VALUES}

    assert {each for each in PROPERTY_TYPES if "rollup " not in each} - covered == set()


@pytest.mark.parametrize("property_type", [*PROPERTY_TYPES, "hologram"])
def test_no_value_gives_null_in_every_column_and_nothing_is_lost(property_type: str) -> None:
    losses = Losses()

    assert set(cells(declaration(property_type), None, losses).values()) == {None}
    assert losses == []


@pytest.mark.parametrize("kind", ["unsupported", "incomplete"])
@pytest.mark.parametrize(
    "property_type", [each for each in PROPERTY_TYPES if each[:6] in "formula rollup"]
)
def test_what_notion_did_not_compute_is_null_and_reported(property_type: str, kind: str) -> None:
    losses = Losses()

    values = cells(declaration(property_type), {"type": kind, kind: {}}, losses)

    assert set(values.values()) == {None}
    assert losses == [("P", property_type.partition(" ")[0])]


@pytest.mark.parametrize(
    ("property_type", "value", "expected"),
    [
        ("number", "12", {"P": None}),
        ("number", True, {"P": None}),
        ("checkbox", 1, {"P": None}),
        ("date", {"start": "tomorrow", "end": None}, {"P": None, "P_end": None}),
        ("date", {"start": "2024-13-02", "end": "2024-01-02"}, {"P": None, "P_end": "2024-01-02"}),
        ("created_time", "2024-01-02", {"P": None}),
        ("rollup sum", {"type": "date", "date": DAY}, {"P": None}),
        ("people", [{"name": "Nobody"}], {"P": ["Nobody"], "P_ids": None}),
        ("multi_select", {"name": "A"}, {"P": None}),
    ],
)
def test_a_malformed_value_is_null_and_reported_once(
    property_type: str, value: Any, expected: Json
) -> None:
    losses = Losses()

    assert cells(declaration(property_type), value, losses) == expected
    assert losses == [("P", property_type.partition(" ")[0])]


# ------------------------------------------------------------------------------------- random values

# JSON that often has the keys and the words that the mapping looks for.
words = st.sampled_from(
    [
        *PROPERTY_TYPES,
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
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(words | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
# As above, and half of the time an object that says its type.
random_values = random_json | st.tuples(words, random_json, random_json).map(
    lambda parts: {"type": parts[0], parts[0]: parts[1], "start": parts[2], "end": None}
)


@cases(400)
@given(property_type=st.sampled_from([*PROPERTY_TYPES, "hologram"]), value=random_values)
def test_whatever_a_value_is_its_row_fits_the_schema(property_type: str, value: Any) -> None:
    cells(declaration(property_type), value, Losses())


# --------------------------------------------------------------------------------------------- rows


def test_a_row_has_its_own_fields_under_the_names_of_the_api() -> None:
    emoji = {"type": "emoji", "emoji": "🥑"}

    assert row_of({**page(), "icon": emoji}, [], Losses()) == {
        "id": "38b9ce7b-60a4-810a-a3e0-d0c7fde33f0c",
        "created_time": "2026-06-27T17:01:00.000Z",
        "last_edited_time": "2026-06-27T17:02:00.000Z",
        "created_by": SOMEBODY["id"],
        "last_edited_by": SOMEBODY["id"],
        "url": "https://app.notion.com/p/38b9ce7b60a4810aa3e0d0c7fde33f0c",
        "public_url": None,
        "in_trash": False,
        "is_archived": False,
        "is_locked": True,
        "icon": "🥑",
        "cover": None,
    }


@pytest.mark.parametrize(
    ("icon", "text"),
    [
        ({"type": "emoji", "emoji": "🥑"}, "🥑"),
        ({"type": "custom_emoji", "custom_emoji": {"id": "x", "name": "bufo", "url": "u"}}, "bufo"),
        ({"type": "icon", "icon": {"name": "pizza", "color": "blue"}}, "pizza"),
        ({"type": "external", "external": {"url": "https://example.com"}}, "https://example.com"),
        ({"type": "file", "file": {"url": "https://files", "expiry_time": "…"}}, "https://files"),
        ({"type": "hologram", "hologram": {}}, None),
    ],
)
def test_an_icon_and_a_cover_are_text(icon: Json, text: str) -> None:
    row = row_of({**page(), "icon": icon, "cover": icon}, [], Losses())

    assert (row["icon"], row["cover"]) == (text, text)


def test_fields_and_properties_that_the_page_does_not_have_are_null_and_not_lost() -> None:
    columns = columns_of(schema_of(property_of("Due", "date")))
    bare = {key: page()[key] for key in ("id", "created_time", "last_edited_time", "properties")}
    losses = Losses()

    row = row_of(bare, columns, losses)

    assert {name for name, value in row.items() if value is not None} == {
        *("id", "created_time", "last_edited_time")
    }
    assert faults(row, table_schema_of(columns)) == []
    assert losses == []


def test_a_property_that_was_renamed_since_fills_its_column() -> None:
    columns = columns_of(schema_of(property_of("Due", "date")))

    row = row_of(page(Deadline={"id": "a%3Ab", "type": "date", "date": DAY}), columns, Losses())

    assert row["Due"] == "2024-01-02" and "Deadline" not in row


def test_a_property_whose_type_was_changed_since_is_null_and_reported() -> None:
    columns = columns_of(schema_of(property_of("Due", "date")))
    changed = {"id": "a%3Ab", "type": "url", "url": "https://example.com", "date": DAY}
    losses = Losses()

    row = row_of(page(Due=changed), columns, losses)

    assert (row["Due"], row["Due_end"]) == (None, None)
    assert losses == [("Due", "date")]


# ------------------------------------------------------------------------------------------ schemas


def test_the_schema_of_a_column_says_what_a_warehouse_makes_of_it() -> None:
    columns = columns_of(
        schema_of(
            property_of("Due", "date", "1", description="When it must be done."),
            property_of("Tags", "multi_select", "2"),
            property_of("Cost", "rollup", "3", rollup={"function": "sum"}),
            property_of("Made", "created_time", "4"),
        )
    )
    date = {
        "type": ["null", "string"],
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
        "description": "When it must be done.",
    }

    schema = table_schema_of(columns)

    assert list(schema["properties"]) == [
        *ROW_FIELDS,
        *("Due", "Due_end", "Tags", "Cost", "Made"),
    ]
    assert {
        name: schema["properties"][name] for name in schema["properties"] if name[0].isupper()
    } == {
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


def test_only_the_id_and_the_times_of_a_row_are_never_null() -> None:
    fields = table_schema_of([])["properties"]

    assert {name for name in fields if "null" not in fields[name]["type"]} == {
        *("id", "created_time", "last_edited_time")
    }


# ----------------------------------------------------------------------------------- names of columns


def names(*properties: tuple[str, str, str]) -> list[str]:
    """The columns of properties given as name, type and id."""
    return [
        column.name
        for column in columns_of(schema_of(*(property_of(*each) for each in properties)))
    ]


def test_columns_have_the_names_of_their_properties_in_their_order() -> None:
    assert names(("Zoë's due date", "date", "a"), ("2nd", "url", "b"), ("Äther", "url", "c")) == [
        *("Zoë's due date", "Zoë's due date_end", "2nd", "Äther")
    ]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
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
    ],
)
def test_all_columns_of_properties_that_collide_carry_their_ids(
    properties: list[tuple[str, str, str]], expected: list[str]
) -> None:
    assert names(*properties) == expected


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
    st.tuples(
        colliding_names | st.text(max_size=6), st.sampled_from([*PROPERTY_TYPES, "x"]), property_ids
    ),
    max_size=8,
    unique_by=(lambda each: each[0], lambda each: each[2]),
)


@cases(400)
@given(properties_of_a_table, st.randoms(use_true_random=False))
def test_whatever_the_names_are_columns_differ_and_no_order_changes_them(
    properties: list[tuple[str, str, str]], chance: random.Random
) -> None:
    declared = [property_of(name, kind.partition(" ")[0], id_) for name, kind, id_ in properties]
    shuffled = declared[:]
    chance.shuffle(shuffled)

    columns = columns_of(schema_of(*declared))

    folded = [*ROW_FIELDS, *(_folded(column.name) for column in columns)]
    assert len(set(folded)) == len(folded)
    assert all(name.strip("_") for name in folded)
    assert {(c.property["id"], c.name) for c in columns} == {
        (c.property["id"], c.name) for c in columns_of(schema_of(*shuffled))
    }


# ----------------------------------------------------------------------------------- names of streams

DATA_SOURCE = "3839ce7b-60a4-8168-ba4d-000b1ee50a86"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (["Tasks & Ideas"], "tasks_ideas_000b1ee50a86"),
        (["Ta", "sks"], "tasks_000b1ee50a86"),
        (["__Zoë’s Café__"], "zoe_s_cafe_000b1ee50a86"),
        ([], "untitled_000b1ee50a86"),
        (["  "], "untitled_000b1ee50a86"),
        (["任務"], "untitled_000b1ee50a86"),
        (["🥑🥑"], "untitled_000b1ee50a86"),
        (["🥑 Food"], "food_000b1ee50a86"),
        (["2026 plan"], "t_2026_plan_000b1ee50a86"),
        (["a" * 200], "a" * 40 + "_000b1ee50a86"),
        (["a" * 39 + " b"], "a" * 39 + "_000b1ee50a86"),
    ],
)
def test_a_stream_is_named_after_its_data_source(title: list[str], name: str) -> None:
    assert stream_name_of({"id": DATA_SOURCE, "title": rich_text(*title)}) == name


def test_data_sources_whose_ids_share_their_beginning_give_different_streams() -> None:
    other = DATA_SOURCE[:-1] + "7"

    assert stream_name_of({"id": DATA_SOURCE, "title": rich_text("Tasks")}) != stream_name_of(
        {"id": other, "title": rich_text("Tasks")}
    )


@cases(300)
@given(st.lists(st.text(max_size=80), max_size=3), st.uuids())
def test_every_stream_name_is_one_that_all_warehouses_take(title: list[str], id_: Any) -> None:
    name = stream_name_of({"id": str(id_), "title": rich_text(*title)})

    assert len(name) <= 63
    assert name.isascii() and name.isidentifier() and name == name.lower()
