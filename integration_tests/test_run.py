"""`make run`, as somebody runs it first: the sample, then a workspace of their own, and so on."""

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import pytest
from conftest import SAMPLE, STREAMS, TOKEN
from loaders import SmallWorkspace, requests_made, tables, truth

from fake_notion.stand_in import StandIn, on, rate_limited, times
from fake_notion.workspace import Workspace
from integration_tests.runs import ROOT, Program, clone, rows, run

SCREEN = 40  # lines
WITHOUT_USERS = "Skipped: users. Switch on 'Read user information' in the connection's settings."
README = (ROOT / "README.md").read_text()
USAGE_OF_MAKE_RUN = (ROOT / "docs" / "usage.md").read_text().split("## `make run`\n")[1].split("\n## ")[0]
WITHOUT_COMMENTS = "Skipped: comments. Switch on 'Read comments' in the connection's settings."


NEWEST_PAGES = [
    ["2026-11-15 07:40:00", "Tidewrack Studio > Planning"],
    ["2026-11-14 18:02:00", "Tidewrack Studio > Planning > Projects > Open evening"],
]
FOUND_PAGES = ["Autumn planning", "Beginners at the wheel"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("clone"))


# ------------------------------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def sample(folder: Path) -> Program:
    """`make run` without a token, in a pipe."""
    done = run(["make", "run"], folder)
    assert done.code == 0, done.printed
    return done


def test_make_run_brings_the_databases_of_the_sample_workspace_into_duckdb_as_tables(
    sample: Program,
) -> None:
    expected = tables(Workspace.load(SAMPLE))

    assert len(expected) == 8
    assert rows(sample.folder / "sample.duckdb", expected) == expected


def test_make_run_shows_what_each_stream_and_each_table_took(sample: Program) -> None:
    shown = sample.table()

    for table, ids in tables(Workspace.load(SAMPLE)).items():
        assert shown[table][:2] == [str(len(ids)), str(len(ids))]
    assert shown["users"][:2] == ["7", "7"]
    assert shown["together"]


def test_the_run_of_the_sample_fits_a_screen(sample: Program) -> None:
    lines = [line for line in sample.screen() if not re.match(r" *\d+ s  ", line)]

    assert len(lines) <= SCREEN
    assert all(len(line) <= 80 for line in lines if "The data is in /" not in line)


def test_the_last_column_counts_the_warnings_and_the_first_are_below(sample: Program) -> None:
    log = next((sample.folder / ".airbyte-cache/logs/source-notion").glob("*.log")).read_text()
    names = re.findall(r"Stream (\w+) (?:skipped|has null)", log)

    counted = {name: int(cells[-1]) for name, cells in sample.table().items() if len(cells) == 4}
    assert names
    assert counted == dict(Counter(names))
    assert sample.table()["together"][-1] == str(len(names))
    below = sample.printed.split("together")[1].splitlines()[1:3]
    assert [line.split()[1] in names for line in below] == [True, True]


def test_the_two_commands_that_it_prints_give_the_answers_that_it_shows(sample: Program) -> None:
    _, _, tail = sample.printed.partition("Two queries to start with:\n")
    commands = re.findall(r'(\S+ -m tools\.query sample\.duckdb "[^"]+")\n', tail)

    answers = [run(["sh", "-c", command], sample.folder) for command in commands]

    assert [answer.code for answer in answers] == [0, 0]
    shown = [part.printed for part in answers]
    assert tail == f"{commands[0]}\n{shown[0]}{commands[1]}\n{shown[1]}"
    newest, found = ([re.split("  +", line) for line in each.splitlines()] for each in shown)
    assert newest[0] == ["last_edited_time", "page"]
    assert newest[1:] == NEWEST_PAGES
    assert [page for page, _ in found[1:]] == FOUND_PAGES
    assert all("open" in words.lower() for _, words in found[1:])
    assert f"The data is in {sample.folder}/sample.duckdb." in sample.printed


# What the queries of destinations.md give, in their order.
ANSWERS: list[list[tuple[Any, ...]]] = [
    [("Yuki Lindqvist", 8), ("Margo Sol", 7), ("Tomasz Brandt", 7), ("All hands", 1)],
    [("Open evening", "Running", 70), ("New web shop", "Idea", 12.5)],
    [
        ("Doing", 7, "2026-10-02"),
        ("Not started", 7, "2026-10-03"),
        ("Stuck", 7, "2026-10-04"),
    ],
    [
        ("Tidewrack Studio", "Products"),
        ("Tidewrack Studio > Handbook", "House style"),
        ("Tidewrack Studio > Handbook > Kiln safety", "Firing schedules"),
        ("Tidewrack Studio > Products", "Lookbook"),
    ],
]


def queries(file: str, heading: str) -> list[str]:
    """The queries of a document that follow what a regular expression describes."""
    text = (ROOT / "docs" / file).read_text()
    found = re.findall(rf"{heading}```sql\n(.+?)\n *```", text, re.DOTALL | re.MULTILINE)
    return [dedent(each) for each in found]


def test_the_queries_for_duckdb_give_their_answers(sample: Program) -> None:
    of_destinations = queries("destinations.md", "^DuckDB:\n\n")

    with duckdb.connect(str(sample.folder / "sample.duckdb"), read_only=True) as connection:
        answers = [connection.execute(each).fetchall() for each in of_destinations]

    assert answers == ANSWERS
    assert not any("json" in each.lower() for each in of_destinations)


def test_the_queries_of_the_guide_give_their_answers(sample: Program, tmp_path: Path) -> None:
    below, deleted, also_deleted, not_trashed, gone, links = (
        each for each in queries("notion.md", "") if "::jsonb" not in each
    )
    file = shutil.copy(sample.folder / "sample.duckdb", tmp_path)
    workspace = Workspace.load(SAMPLE)
    (handbook,) = re.findall("[0-9a-f-]{36}", below)
    with duckdb.connect(str(file)) as connection:

        def ids(query: str) -> list[str]:
            return sorted(row[0] for row in connection.execute(f"SELECT id FROM ({query.rstrip(';')})").fetchall())

        assert ids(below) == ids(f"SELECT id FROM pages WHERE path::VARCHAR LIKE '%{handbook}%'") != []
        assert ids(deleted) == ids(also_deleted) == []
        assert ids(not_trashed) == ids("SELECT id FROM pages")
        assert ids(links) == sorted(
            placed.block["id"]
            for page in workspace.page_ids()
            for placed in workspace.blocks_of(page)
            if placed.block["type"] == "image" and placed.block["image"]["type"] == "file"
        )
        # A page is edited, and the new version of it has one block less; the page of another one is gone.
        block, page = connection.execute("SELECT id, page_id FROM blocks ORDER BY id LIMIT 1").fetchall()[0]
        later = f"'2027-01-01' WHERE page_id = '{page}' AND id <> '{block}'"
        connection.execute(f"UPDATE blocks SET page_last_edited_time = {later}")
        connection.execute(f"UPDATE pages SET last_edited_time = '2027-01-01' WHERE id = '{page}'")
        connection.execute(f"CREATE TABLE pages_now AS SELECT * FROM pages WHERE id <> '{page}'")
        connection.execute(f"INSERT INTO trashed_pages (id) VALUES ('{page}')")
        assert ids(deleted) == ids(also_deleted) == [block]
        assert ids(gone) == [page]
        assert page not in ids(not_trashed)


def blocks_of_readme() -> list[str]:
    return re.findall(r"```(?:bash)?\n(.+?)```", README, re.DOTALL)


def test_the_readme_shows_what_make_run_prints(sample: Program) -> None:
    def without_times(lines: list[str]) -> list[str]:
        return [re.sub(r"\d+\.\d(?=\s|$)", "", line).rstrip().replace("/home/ada/source-notion", "") for line in lines]

    command, shown = blocks_of_readme()[:2]
    printed = [line.replace(str(sample.folder), "") for line in sample.screen()]

    assert command == "make run\n"
    lines = [line for line in shown.splitlines() if line != "..."]
    assert [line for line in without_times(lines) if line not in without_times(printed)] == []


def test_the_query_of_the_readme_gives_the_answer_that_it_shows(sample: Program) -> None:
    query, answer = blocks_of_readme()[2:4]

    assert run(["bash", "-ec", query], sample.folder).printed == answer


def test_the_queries_of_the_page_about_make_run_succeed(sample: Program) -> None:
    (block,) = re.findall(r"```bash\n(\.venv.+?)```", USAGE_OF_MAKE_RUN, re.DOTALL)

    done = run(["bash", "-ec", block], sample.folder)

    assert done.code == 0, done.printed
    assert {"Tomasz Brandt", "tasks_6da170cb0d58", "page_markdown"} <= {*re.split("  +|\n", done.printed)}


# --------------------------------------------------------------------------- a workspace after it


@dataclass
class Session:
    """A workspace that is read on a terminal, without users and comments, then again in a pipe.

    Attributes:
        first: the run without both.
        first_truth: what it should have brought.
        first_rows: what it brought.
        second: the run after an edit, with users, but without comments.
        second_requests: the requests of that run.
    """

    workspace: SmallWorkspace
    database: Path
    first: Program
    first_truth: dict[str, list[str]]
    first_rows: dict[str, list[str]]
    second: Program
    second_requests: Counter[str]


@pytest.fixture(scope="module")
def session(sample: Program) -> Session:
    workspace, folder = SmallWorkspace(), sample.folder
    workspace.capabilities -= {"read_users", "read_comments"}
    database = folder / f"small_workspace_{workspace.id[:8]}.duckdb"
    read = [each for each in STREAMS if each not in ("users", "comments")]
    read += tables(workspace)
    with StandIn(workspace, token=TOKEN) as api:
        api.answer(times(1, on("GET", "/v1/blocks/.*", rate_limited(3))))
        variables: dict[str, Any] = {**api.environment(), "NOTION_TOKEN": TOKEN}
        (block,) = re.findall(r"```bash\n(.*make run\n)```", USAGE_OF_MAKE_RUN, re.DOTALL)
        first = run(["bash", "-ec", block.replace("ntn_...", TOKEN)], folder, on_terminal=True, **variables)
        assert first.code == 0, first.printed
        first_truth, first_rows = truth(workspace) | tables(workspace), rows(database, read)
        workspace.edit()
        bot: Any = workspace.user(workspace.bot_id)
        bot["bot"]["workspace_name"] = "Renamed"
        workspace.capabilities.add("read_users")
        api.counts.clear()
        second = run(["make", "run"], folder, **variables)
        assert second.code == 0, second.printed
    return Session(
        workspace,
        database,
        first,
        {each: first_truth[each] for each in read},
        first_rows,
        second,
        requests_made(api),
    )


def test_a_workspace_after_the_sample_has_a_file_of_its_own(sample: Program, session: Session) -> None:
    assert session.first_rows == session.first_truth
    assert (
        sorted(each.name for each in sample.folder.glob("*.duckdb"))
        == [
            "sample.duckdb",
            session.database.name,
        ][:: 1 if session.database.name > "sample.duckdb" else -1]
    )
    expected = truth(Workspace.load(SAMPLE))["pages"]
    assert rows(sample.folder / "sample.duckdb", ["pages"])["pages"] == expected


def test_what_the_token_may_not_read_is_said_in_a_line_each_and_left_out(session: Session) -> None:
    lines = session.first.screen()

    assert lines.count(WITHOUT_USERS) == lines.count(WITHOUT_COMMENTS) == 1
    assert "users" not in session.first.table()
    assert "comments" not in session.first.table()
    assert "failed" not in session.first.printed


def test_a_run_on_a_terminal_fits_a_screen_of_80_columns(session: Session) -> None:
    assert len(session.first.screen()) <= SCREEN
    drawn = [each for each in session.first.drawn() if "The data is in /" not in each]
    assert max(len(each) for each in drawn) <= 80
    assert len([each for each in drawn if "requests/min" in each]) > 1
    assert "requests/min" not in "\n".join(session.first.screen())


def test_the_live_line_says_how_long_the_rate_limit_makes_it_wait(session: Session) -> None:
    waits = re.findall(r"rate limit: wait (\d+) s", session.first.printed)
    assert waits
    assert set(map(int, waits)) <= {0, 1, 2, 3}


def test_the_next_run_reads_what_changed_into_the_same_file_also_if_the_workspace_was_renamed(
    session: Session,
) -> None:
    workspace, shown = session.workspace, session.second.table()
    home = [placed.block["id"] for placed in workspace.blocks_of(workspace.home)]

    beginning = f"Reading Renamed into {session.database.name}: an incremental sync."
    assert session.second.text().startswith(beginning)
    assert shown["blocks"][:2] == [str(len(home)), str(len(session.first_truth["blocks"]))]
    assert rows(session.database, ["blocks", "users"]) == {
        "blocks": session.first_truth["blocks"],
        "users": truth(workspace)["users"],
    }
    children = session.second_requests["GET /v1/blocks/{id}/children"]
    assert children == workspace.listings(workspace.home)


def test_comments_that_may_not_be_read_are_said_and_left_out_while_users_arrive(
    session: Session,
) -> None:
    assert session.second.printed.count(WITHOUT_COMMENTS) == 1
    assert WITHOUT_USERS not in session.second.printed
    assert "comments" not in session.second.table()
    assert session.second_requests["GET /v1/comments"] == 1


def test_no_run_prints_the_token(session: Session) -> None:
    for printed in (session.first.printed, session.second.printed):
        assert TOKEN not in printed
    for file in session.database.parent.glob(".airbyte-cache/**/*.log"):
        assert TOKEN not in file.read_text()
