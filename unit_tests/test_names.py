"""The names of columns and tables, as warehouses fold them: they stay apart, short enough and off reserved names."""

import re
import unicodedata
from collections.abc import Callable

import pytest
from conftest import cases, serving
from hypothesis import given
from hypothesis import strategies as st
from test_tables import (
    ROW_FIELDS,
    TYPES,
    Named,
    cells,
    columns_discovered,
    data_source,
    page_with,
    property_of,
    streams_discovered,
    table,
)

from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")


def pyairbyte(name: str) -> str:
    from airbyte._util.name_normalizers import LowerCaseNormalizer

    return LowerCaseNormalizer.normalize(name)


def pyairbyte_on_postgresql(name: str) -> str:
    from airbyte._processors.sql.postgres import PostgresNormalizer

    return PostgresNormalizer.normalize(name)


def airbyte_identifier(name: str) -> str:
    """What Airbyte's destinations made of names for years, and some still do."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if unicodedata.category(c)[0] != "M")
    return re.sub("[^A-Za-z0-9_]", "_", re.sub("[ \t\n\x0b\f\r]+", "_", bare))


def postgresql(name: str) -> str:
    return airbyte_identifier(name).lower()[:63]


def postgresql_quoted(name: str) -> str:
    return name.encode(errors="surrogatepass")[:63].decode(errors="replace")


def redshift(name: str) -> str:
    return airbyte_identifier(name).lower().encode()[:127].decode()


def bigquery(name: str) -> str:
    return re.sub("^(?=[0-9])", "_", airbyte_identifier(name)).lower()[:300]


def snowflake(name: str) -> str:
    return name.upper()[:255]


def all_at_once(name: str) -> str:
    """Case and accents dropped, all but letters and digits `_`, none in front, cut to 63."""
    letters = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub("[^a-z0-9]", "_", "".join(letters).lower()).lstrip("_")[:63]


FOLDS: list[Callable[[str], str]] = [
    *(pyairbyte, pyairbyte_on_postgresql, postgresql, postgresql_quoted, redshift, bigquery, snowflake),
    all_at_once,
]
SYSTEM_COLUMNS = {"cmax", "cmin", "ctid", "oid", "tableoid", "xmax", "xmin"}


def assert_warehouses_keep_apart(columns: list[str]) -> None:
    """The columns of a table beside the fields of a row."""
    for fold in FOLDS:
        kept = [fold(each) for each in (*ROW_FIELDS, *columns)]
        for names in (kept, [each.lstrip("_") for each in kept]):
            assert len({each.lower() for each in names}) == len(names), fold.__name__
        for name in kept:
            assert re.search("[a-z0-9]", name.lower()) or fold in (postgresql_quoted, snowflake), fold.__name__
            assert not re.match("_+(airbyte_|ab_|table_|file_|partition|change_type)", name.lower()), fold.__name__
            assert name.lower() not in SYSTEM_COLUMNS, fold.__name__
    for name in columns:
        assert max(len(name.encode()), len(pyairbyte(name)), len(airbyte_identifier(name))) <= 63


QUESTION = "How likely are you to recommend our ceramics courses to a friend"  # 64 letters

CASES: list[tuple[str, list[Named], list[str]]] = [
    (
        "questions of a form",
        [(f"{QUESTION}?", "select", "a"), (f"{QUESTION}, and why?", "date", "%3Ab"), (QUESTION[:63], "url", "c")],
        [
            "How likely are you to recommend our ceramics courses to a fr_61",
            "How likely are you to recommend our ceramics cours_25334162",
            "How likely are you to recommend our ceramics cours_25334162_end",
            "How likely are you to recommend our ceramics courses to a frien",
        ],
    ),
    ("numbers", [("2026", "number", "a"), ("#2026", "number", "b")], ["2026_61", "#2026_62"]),
    (
        "the platform's",
        [("_airbyte_meta", "url", "a"), ("#Airbyte raw id", "url", "b"), ("_ab_x", "date", "c"), ("(AB)", "url", "d")],
        ["airbyte_meta_61", "Airbyte raw id_62", "ab_x_63", "ab_x_63_end", "AB)_64"],
    ),
    (
        "BigQuery's",
        [
            ("#File name", "url", "a"),
            ("📄Table 1", "url", "b"),
            ("(Partition)", "url", "c"),
            ("_Change type", "url", "d"),
        ],
        ["File name_61", "Table 1_62", "Partition)_63", "Change type_64"],
    ),
    ("the platform's by their suffix", [("_AB", "date", "a")], ["AB_61", "AB_61_end"]),
    (
        "PostgreSQL's",
        [("Cmax", "number", "a"), ("xmin", "number", "b"), ("OID", "url", "c")],
        ["Cmax_61", "xmin_62", "OID_63"],
    ),
    ("accents as blanks", [("Größe", "number", "a"), ("Grüße", "number", "b")], ["Größe_61", "Grüße_62"]),
    ("accents alone", [("é", "number", "a")], ["é_61"]),
    ("an underscore in front", [("_a", "number", "a"), ("a", "number", "b")], ["_a_61", "a_62"]),
    ("blanks in a row", [("a  b", "number", "a"), ("a_b", "number", "b")], ["a  b_61", "a_b_62"]),
    ("small letters without capitals", [("Maß", "number", "a"), ("Mass", "number", "b")], ["Maß_61", "Mass_62"]),
    ("an emoji in two ways", [("A⭐", "number", "a"), ("A⭐\ufe0f", "number", "b")], ["A⭐_61", "A⭐\ufe0f_62"]),
    ("a digit in front of 62", [("1" + "a" * 62, "number", "a")], ["1" + "a" * 58 + "_61"]),
    ("between bytes", [("Ж" * 32, "number", "a")], ["Ж" * 30 + "_61"]),
    ("longer when folded", [("A" + "ﷺ" * 4, "number", "a")], ["A" + "ﷺ" * 3 + "_61"]),
    (
        "a very long id",
        [("Assign", "people", "notion%3A%2F%2Ftasks%2Fassign_property"), ("assign", "people", "b")],
        ["Assign_682bdc8782583054", "Assign_682bdc8782583054_ids", "assign_62", "assign_62_ids"],
    ),
    (
        "what needs no change",
        [
            *(("AB test", "date", "a"), ("Airbyte", "url", "b"), ("2026", "url", "c"), ("#1", "url", "d")),
            *(("a" * 63, "url", "e"), ("Q1/Q2", "url", "f"), ("Q1 / Q2", "url", "g"), ("Größe", "url", "h")),
            *(("Ж" * 30 + "a", "url", "i"), ("#AB", "url", "j"), ("x" * 59, "date", "k")),
        ],
        [
            *("AB test", "AB test_end", "Airbyte", "2026", "#1", "a" * 63, "Q1/Q2", "Q1 / Q2", "Größe"),
            *("Ж" * 30 + "a", "#AB", "x" * 59, "x" * 59 + "_end"),
        ],
    ),
]


def test_names_that_no_warehouse_would_keep_as_they_are_carry_ids_and_others_stay(api: StandIn) -> None:
    found = columns_discovered(api, *(properties for _, properties, _ in CASES))

    assert found == [expected for _, _, expected in CASES]
    for columns in found:
        assert_warehouses_keep_apart(columns)


def test_a_long_name_is_cut_in_the_same_way_whatever_columns_there_are(api: StandIn) -> None:
    question, other = (f"{QUESTION}?", "date", "a"), (f"{QUESTION}!", "url", "b")

    alone, beside, behind = columns_discovered(api, [question], [question, other], [other, question])

    assert alone == beside[:2] == behind[1:]


def test_a_value_of_a_property_with_a_long_or_reserved_name_arrives(api: StandIn) -> None:
    properties = [property_of(QUESTION, "number", "a"), property_of("_airbyte_meta", "number", "b")]

    read = table(api, properties, page_with(properties, 9, 10))

    assert cells(read, QUESTION[:60]) == {f"{QUESTION[:60]}_61": 9}
    assert cells(read, "airbyte_meta") == {"airbyte_meta_62": 10}


letters = st.sampled_from(
    [*"aAäÄeéßſıİ19_# -/\t\u00a0.", "a\u0308", "K", "①", "ﬁ", "ﷺ", "期", "Ж", "ش", "א", "⭐", "\ufe0f", "👩‍🚀"]
)
words = st.lists(letters, max_size=5).map("".join)
beginnings = st.sampled_from(
    ["x" * 57, "é" * 29, "期" * 19, "🥑" * 14, "ש" * 30, "ﷺ" * 3, f"{QUESTION[:58]}", "1" * 60]
)
reserved = st.sampled_from(
    [
        *(
            "_airbyte_meta",
            "_airbyte_raw_id",
            "_ab_cdc_lsn",
            "_AB_",
            "_airbyte",
            "_ab",
            "airbyte_meta",
            "#Airbyte meta",
        ),
        *(
            "éairbyte_x",
            "_airbyte_x",
            "__ab_x",
            "id",
            "_id",
            "Url",
            "ＩＤ",
            "xmin",
            "CTID",
            "#oid",
            "Cmax",
            "cma\u0301x",
        ),
    ]
)
names = st.one_of(
    words,
    st.text(max_size=70),
    st.tuples(words, reserved, words).map("".join),
    reserved,
    st.tuples(beginnings, words, words).map("".join),
    st.tuples(words, st.sampled_from(["", "_61", "_62", "_end", "_61_end", "_ids"])).map("".join),
)
ids = st.text(alphabet="ab%3A", min_size=1, max_size=12) | st.text(alphabet="ab/", min_size=20, max_size=40)
tables = st.lists(
    st.tuples(names, st.sampled_from(["number", "date", "people", "verification", "place", "files"]), ids),
    max_size=20,
    unique_by=(lambda each: each[0], lambda each: each[2]),
)


@cases(10)
@given(st.lists(tables, min_size=20, max_size=20))
def test_whatever_the_names_are_no_warehouse_takes_two_columns_for_one(tables: list[list[Named]]) -> None:
    with serving(Workspace()) as api:
        found = columns_discovered(api, *tables)

    for properties, columns in zip(tables, found, strict=True):
        assert len(columns) == sum(len(TYPES[kind]) for _, kind, _ in properties)
        assert_warehouses_keep_apart(columns)


@cases(3)
@given(st.lists(names, min_size=20, max_size=20))
def test_whatever_the_titles_are_no_warehouse_takes_two_tables_for_one(titles: list[str]) -> None:
    sources = [data_source((), [title], f"3839ce7b-60a4-8168-ba4d-{n:012x}") for n, title in enumerate(titles)]

    with serving(Workspace()) as api:
        found = streams_discovered(api, *sources)

    assert [each[-12:] for each in found] == [f"{n:012x}" for n in range(len(titles))]
    for fold in FOLDS:
        assert len({fold(each).lower() for each in found}) == len(titles)
    for name in found:
        assert pyairbyte(name) == airbyte_identifier(name) == name
        assert len(name) <= 53  # PyAirbyte adds ten letters while it loads
        assert not name.startswith("_")
