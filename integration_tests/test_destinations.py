"""Workspaces in DuckDB and in a real PostgreSQL, through PyAirbyte: each cell is what Notion says."""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import SAMPLE, discover, serving, sync
from psycopg2.extras import register_default_json
from under_test import Json

from fake_notion.workspace import Workspace
from integration_tests.postgres import connect, postgres
from integration_tests.runs import ROOT, run
from integration_tests.test_run import ANSWERS

DESTINATIONS = ("duckdb", "postgres")
NUMBER = r"-?\d+(\.\d+)?"

# The columns of the nasty database: the property, and its values in the three rows.
NASTY: dict[str, tuple[Any, list[Any]]] = {
    "Name": ("title", ["na\0me", "漢字 🏺 ‏שלום", ""]),
    "select": ("rich_text", ['O\'Reilly \\ "quoted" \n\t; DROP TABLE pages; --', "%s :name {x} $1", ""]),
    'He said "hi"; \'--': ("rich_text", ["x", "y", "z"]),
    "漢字 kanji": ("rich_text", ["漢", "", "字"]),
    "Number": ("number", [123456789012345678901, -0.5, None]),
    "Tiny": ("number", [1e-12, 0.1, None]),
    "Order": ("number", [9007199254740991, 0, None]),
    "Code": ("rich_text", ["007", "010", "1"]),
    "Mixed": ("rich_text", ["007", "x", ""]),
    "Seen at": ("rich_text", ["2026-01-05", "2026-01-06", "2026-01-07"]),
    "Day": ("rich_text", ["2026-01-05", "2026-01-06", "2026-01-07"]),
    "Due": ("date", ["2026-01-05", "2026-01-05T09:00:00.000+01:00", None]),
    "Tags": ({"type": "multi_select", "options": ["null", "O'Hara", '"']}, [["null", "O'Hara", '"'], [], []]),
    "Done": ("checkbox", [True, False, False]),
    "Link": ("url", ["https://example.com/?a='b'&c=\"", None, None]),
}

# Names that destinations would cut, refuse or take for one another: the property, its id and its column.
QUESTION = "How likely are you to recommend our ceramics courses to a friend, today"
NASTY_NAMES = {
    f"{QUESTION}?": ("a", "how_likely_are_you_to_recommend_our_ceramics_courses_to_a_fr_61"),
    f"{QUESTION}, and why?": ("b", "how_likely_are_you_to_recommend_our_ceramics_courses_to_a_fr_62"),
    "2026": ("c", "_2026_63"),
    "#2026": ("d", "_2026_64"),
    "_airbyte_meta": ("e", "airbyte_meta_65"),
    "Größe": ("f", "gr__e_66"),
    "Grüße": ("g", "gr__e_67"),
    "🏺": ("h", "__68"),
    "🏺🏺": ("i", "___69"),
}


def nasty_workspace() -> Workspace:
    workspace = Workspace("Nasty")
    home = workspace.add_page(title="quote ' and \" and \0")
    workspace.add_block(home, text="\0 \\ ' \" \n $1 %s 🏺")
    workspace.add_block(home, "code", "SELECT 'x'; -- \\u0000", language="sql")
    database = workspace.add_database(home, "select")
    properties = {name: kind for name, (kind, _) in NASTY.items()}
    named = {name: {"type": "rich_text", "id": id} for name, (id, _) in NASTY_NAMES.items()}
    source = workspace.add_data_source(database, properties={**properties, **named})
    for number in range(3):
        values = {name: values[number] for name, (_, values) in NASTY.items() if values[number] is not None}
        workspace.add_row(source, {**values, **{name: f"{name} of {number}" for name in NASTY_NAMES}})
    return workspace


# ------------------------------------------------------------------------------------ what is there

Rows = dict[str, Json]


@dataclass
class Synced:
    """A workspace that was read twice, with an edit in between.

    Attributes:
        schemas: by stream.
        records: what the connector gives of the workspace in the end, by stream and id.
        tables: what each destination holds, by destination, stream and id; JSON is text.
        file: the DuckDB file.
    """

    schemas: dict[str, Json]
    records: dict[str, Rows]
    tables: dict[str, dict[str, Rows]]
    file: Path


def read_twice(workspace: Workspace, page: str, name: str, port: int, folder: Path) -> Synced:
    """Read a workspace, edit the title of one of its pages, now, and read it again."""
    command = [
        sys.executable,
        "-m",
        "integration_tests.read_into_both",
        str(folder / f"{name}.duckdb"),
        str(port),
        name,
    ]
    offline = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "NO_LIVE_PROGRESS": "1"}
    with serving(workspace) as api:
        variables: dict[str, Any] = {
            **api.environment(),
            "NOTION_TOKEN": api.token,
            "AIRBYTE_LOGGING_ROOT": str(folder),
            **offline,
        }
        for read in (1, 2):
            if read == 2:
                workspace.edit_page(page, title="Edited")
            done = run(command, ROOT, **variables)
            assert done.code == 0, done.printed[-3000:]
        schemas = discover()
        del schemas["block_comments"]
        result = sync(*schemas)
    assert result.errors == {}
    records = {stream: {each["id"]: each for each in result.records.get(stream, [])} for stream in schemas}
    tables = {"duckdb": in_duckdb(folder / f"{name}.duckdb", schemas), "postgres": in_postgres(port, name, schemas)}
    return Synced(schemas, records, tables, folder / f"{name}.duckdb")


def in_duckdb(file: Path, streams: Iterable[str]) -> dict[str, Rows]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return {each: rows_of(connection.execute(f'SELECT * FROM "{each}"')) for each in streams}


def in_postgres(port: int, schema: str, streams: Iterable[str]) -> dict[str, Rows]:
    with closing(connect(port)) as connection, connection.cursor() as cursor:
        register_default_json(connection, loads=str)
        tables = {}
        for each in streams:
            cursor.execute(f'SELECT * FROM "{schema}"."{each}"')
            tables[each] = rows_of(cursor)
        return tables


def rows_of(cursor: Any) -> Rows:
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows), "each row is there once"
    return by_id


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres() as port:
        yield port


@pytest.fixture(scope="module")
def sample(server: int, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    workspace = Workspace.load(SAMPLE)
    return read_twice(workspace, workspace.page_ids()[-1], "sample", server, tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def nasty(server: int, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    workspace = nasty_workspace()
    return read_twice(workspace, workspace.page_ids()[-1], "nasty", server, tmp_path_factory.mktemp("nasty"))


# ------------------------------------------------------------------------------- what should be there


def kind_of(schema: Json) -> str:
    """What a column holds: `json`, `time`, `number`, `integer`, `boolean` or `string`."""
    types = schema.get("type", "object")
    (kind,) = {types} - {"null"} if isinstance(types, str) else set(types) - {"null"}
    if schema.get("format") == "date-time":
        return "time"
    return "json" if kind in ("object", "array") else kind


def column_of(field: str) -> str:
    """The name that PyAirbyte gives to the column of a field."""
    name = re.sub("[^a-z0-9]", "_", field.lower())
    return f"_{name}" if name[0].isdigit() else name


def plain(value: Any, kind: str) -> Any:
    """A value of the connector as any destination should have it."""
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=None)
    return comparable(round(float(value), 9) if kind == "number" else value)


def cell(value: Any, kind: str) -> Any:
    """A cell as `plain` gives values."""
    if value is None:
        return None
    if kind == "time":
        return value.replace(tzinfo=None)
    if kind == "json":
        value = json.loads(value)
    return comparable(float(value) if kind == "number" else value)


def comparable(value: Any) -> Any:
    """A value without what differs in each answer (signatures of links, when they end) and the last digits of floats."""
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items() if key != "expiry_time" and each is not None}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.14g}")
    return re.sub(r"\?X-Amz-[^\s)\"]*", "", value) if isinstance(value, str) else value


def is_changed_by_postgres_cache(column: str, expected: list[Any], there: list[Any]) -> bool:
    """Whether a column of text has just what PyAirbyte's PostgreSQL cache makes of it; see docs/destinations.md."""
    texts = [(each, cell) for each, cell in zip(expected, there, strict=True) if each is not None]
    if column.endswith("_at"):
        return all(cell == f"{text} 00:00:00" for text, cell in texts)
    return all(re.fullmatch(NUMBER, text) and float(cell) == float(text) for text, cell in texts)


def differences(synced: Synced, destination: str) -> list[str]:
    """The columns with a cell that is not the connector's value, nor a documented change, with the first such cell."""
    found = []
    for stream, schema in synced.schemas.items():
        records, rows = synced.records[stream], synced.tables[destination][stream]
        assert rows.keys() == records.keys(), stream
        for name, of_column in schema["properties"].items():
            if name == "expiry_time":  # differs in each answer
                continue
            kind, column = kind_of(of_column), column_of(name)
            expected = [plain(record.get(name), kind) for record in records.values()]
            there = [cell(rows[id][column], kind) for id in records]
            if there == expected:
                continue
            own = destination == "postgres" and kind == "string"
            if not (own and is_changed_by_postgres_cache(column, expected, there)):
                wrong = next(each for each in zip(expected, there, strict=True) if each[0] != each[1])
                found.append(f"{stream}.{name}: {wrong[0]!r} is {wrong[1]!r}")
    return found


@pytest.mark.parametrize("workspace", ["sample", "nasty"])
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_each_cell_is_what_the_connector_gives(
    destination: str, workspace: str, request: pytest.FixtureRequest
) -> None:
    synced = request.getfixturevalue(workspace)

    assert all(synced.records[stream] for stream in ("pages", "blocks", "page_markdown"))
    assert differences(synced, destination) == []


def nasty_rows(synced: Synced, destination: str) -> list[Json]:
    """The rows of the nasty database, in the order in which they were added."""
    (stream,) = (each for each in synced.schemas if each.startswith("select_"))
    return sorted(synced.tables[destination][stream].values(), key=lambda row: row["created_time"])


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_the_nasty_values_arrive(nasty: Synced, destination: str) -> None:
    rows = nasty_rows(nasty, destination)

    assert len(rows) == 3
    for name in ("select", 'He said "hi"; \'--', "漢字 kanji", "Mixed", "Day", "Due", "Done", "Link"):
        assert [row[column_of(name)] for row in rows] == NASTY[name][1], name
    assert [json.loads(row["tags"]) for row in rows] == NASTY["Tags"][1]
    assert rows[0]["name"] == "name"
    assert float(rows[0]["number"]) == pytest.approx(NASTY["Number"][1][0], rel=1e-14)
    assert [row["number"] for row in rows[1:]] == NASTY["Number"][1][1:]
    assert [each and int(each) for each in (row["order"] for row in rows)] == [9007199254740991, 0, None]


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_the_values_of_nasty_names_arrive_each_in_its_own_column(nasty: Synced, destination: str) -> None:
    rows = nasty_rows(nasty, destination)

    found = {name: [row.get(column) for row in rows] for name, (_, column) in NASTY_NAMES.items()}
    assert found == {name: [f"{name} of {number}" for number in range(3)] for name in NASTY_NAMES}


def test_pyairbyte_changes_what_the_documents_say_and_nothing_else(nasty: Synced) -> None:
    ours, theirs = nasty_rows(nasty, "duckdb"), nasty_rows(nasty, "postgres")

    assert [row["code"] for row in ours] == ["007", "010", "1"]
    assert [row["code"] for row in theirs] == ["7", "10", "1"]
    assert [row["seen_at"] for row in ours] == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert [row["seen_at"] for row in theirs] == ["2026-01-05 00:00:00", "2026-01-06 00:00:00", "2026-01-07 00:00:00"]
    assert [float(row["tiny"] or 0) for row in ours] == [float(row["tiny"] or 0) for row in theirs] == [0, 0.1, 0]
    covers = [{row["cover"] for row in nasty.tables[each]["pages"].values()} for each in DESTINATIONS]
    assert covers == [{None}, {"null"}]


def queries(file: str, dialect: str) -> list[str]:
    """The queries of a document under the line that names their dialect."""
    return re.findall(rf"^{dialect}:\n\n```sql\n(.+?)```", (ROOT / "docs" / file).read_text(), re.DOTALL | re.MULTILINE)


def test_the_queries_of_the_documents_give_the_answers_of_the_readme_in_duckdb(sample: Synced) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        assert [connection.execute(each).fetchall() for each in queries("destinations.md", "DuckDB")] == ANSWERS


def test_the_queries_of_the_documents_give_the_answers_of_the_readme_in_postgresql(sample: Synced, server: int) -> None:
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path TO sample")
        answers = []
        for query in queries("destinations.md", "PostgreSQL"):
            cursor.execute(query)
            answers.append(cursor.fetchall())
    assert answers == ANSWERS


def test_the_query_of_the_pages_under_a_page_runs_on_postgresql(sample: Synced, server: int) -> None:
    (query,) = queries("notion.md", "PostgreSQL")
    (parent,) = re.findall("[0-9a-f-]{36}", query)
    paths = {id: page["path"] for id, page in sample.records["pages"].items()}
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path TO sample")
        cursor.execute(query)
        found = {row[0] for row in cursor.fetchall()}
    assert found == {id for id, path in paths.items() if parent in path} != set()
