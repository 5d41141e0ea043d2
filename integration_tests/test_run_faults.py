"""`make run` when something goes wrong: a stream fails, Ctrl-C, no network, nothing to read, the wrong token."""

import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pytest
from conftest import STREAMS, TOKEN
from loaders import SmallWorkspace, tables, truth

from fake_notion.stand_in import Answer, Request, StandIn, error, on
from fake_notion.workspace import Workspace
from integration_tests.runs import ROOT, Program, clone, rows, run

SYNC = [sys.executable, "-m", "tools.sync"]
WITHOUT_USERS = "Skipped: users. Switch on 'Read user information' in the connection's settings."
PERSON_WITHOUT_USERS = "Skipped: users. Personal access tokens cannot read users."
REFUSAL = "Something about this page is wrong."


def environment(api: StandIn) -> dict[str, Any]:
    return {**api.environment(), "NOTION_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}


def waiting_for(event: Event) -> Answer | None:
    """Hold an answer back until an event."""
    assert event.wait(timeout=300)
    return None


# ---------------------------------------------------------------- a stream that dies in the middle


@dataclass
class Failure:
    """A sync in which `blocks` fails on one page, and the next one, in which nothing does.

    Attributes:
        first: the run that fails, in a pipe, without users.
        first_rows: what it brought.
        second: the run after it.
        second_rows: what is there then.
        expected: what should be there then.
    """

    broken: str
    workspace: SmallWorkspace
    first: Program
    first_rows: dict[str, list[str]]
    second: Program
    second_rows: dict[str, list[str]]
    expected: dict[str, list[str]]


@pytest.fixture(scope="module")
def failure(tmp_path_factory: pytest.TempPathFactory) -> Failure:
    folder, workspace = tmp_path_factory.mktemp("failure"), SmallWorkspace()
    workspace.capabilities.discard("read_users")
    streams = [*STREAMS[1:], *tables(workspace)]
    expected = truth(workspace) | tables(workspace)
    seen = Event()

    def refuse(request: Request) -> Answer | None:
        waiting_for(seen)
        is_broken = workspace.newest in request.path
        return error(400, "invalid_request", REFUSAL) if is_broken else None

    with StandIn(workspace, token=TOKEN) as api:
        api.answer(on("GET", "/v1/blocks/.*/children", refuse))
        first = Program(SYNC, folder, environment(api)).start()
        first.wait_for("requests/min")
        seen.set()
        first.end()
        database = next(folder.glob("small_workspace_*.duckdb"))
        first_rows = rows(database, streams)
        api.reset_rules()
        second = run(SYNC, folder, **environment(api))
        second_rows = rows(database, streams)
    return Failure(
        workspace.newest,
        workspace,
        first,
        first_rows,
        second,
        second_rows,
        {stream: expected[stream] for stream in streams},
    )


def test_if_a_stream_fails_the_rows_of_all_others_are_in_the_database(failure: Failure) -> None:
    for stream, ids in failure.expected.items():
        if stream != "blocks":
            assert failure.first_rows[stream] == ids


def test_what_a_stream_delivered_before_it_failed_is_in_the_database(failure: Failure) -> None:
    workspace = failure.workspace
    of_broken = {placed.block["id"] for placed in workspace.blocks_of(failure.broken)}

    assert set(failure.first_rows["blocks"]) == set(failure.expected["blocks"]) - of_broken
    assert of_broken


def test_the_table_shows_which_stream_failed_and_the_reason_is_said_once(failure: Failure) -> None:
    shown = failure.first.table()

    assert [name for name, cells in shown.items() if cells[-1] == "failed"] == ["blocks"]
    assert failure.first.text().count("blocks failed: Page ") == 1
    assert failure.first.text().count(f"Notion refused a request: {REFUSAL}") == 1
    assert failure.first.text().count(REFUSAL) == 1
    assert failure.first.code == 1
    assert max(len(line) for line in failure.first.screen() if "/" not in line) <= 80


def test_the_run_after_a_failure_reads_the_rest(failure: Failure) -> None:
    assert failure.second_rows == failure.expected
    assert "failed" not in failure.second.printed
    assert failure.second.code == 0


def test_in_a_pipe_progress_is_a_plain_line(failure: Failure) -> None:
    lines = [line for line in failure.first.printed.splitlines() if "requests/min" in line]

    assert lines
    assert all(re.fullmatch(r" *\d+ s  [^\r]+, \d+ requests/min", line) for line in lines)
    assert all(len(line) <= 79 for line in lines)


def test_users_that_may_not_be_read_are_said_and_left_out(failure: Failure) -> None:
    for run_of_it in (failure.first, failure.second):
        assert run_of_it.printed.count(WITHOUT_USERS) == 1
        assert "users" not in run_of_it.table()


# ------------------------------------------------------- Ctrl-C, and tokens of a person


@dataclass
class Interruption:
    """Runs with two personal access tokens of the same person, both ended with Ctrl-C on a terminal.

    Attributes:
        first: the one that was ended while the blocks of a page were being read.
        shown: how many records it said had arrived, before it was ended.
        database: where they are.
        second: the one with the other token, ended before anything was read.
    """

    first: Program
    shown: int
    database: Path
    second: Program


@pytest.fixture(scope="module")
def interruption(tmp_path_factory: pytest.TempPathFactory) -> Interruption:
    folder, workspace = clone(tmp_path_factory.mktemp("interruption")), SmallWorkspace()
    workspace.capabilities.discard("read_users")
    person = {"object": "user", "id": workspace.bot_id, "type": "person", "name": "Ada Li"}
    asked, over = Event(), Event()

    def hold(request: Request) -> Answer | None:
        if workspace.newest not in request.path:
            return None
        asked.set()
        return waiting_for(over)

    with StandIn(workspace, token=TOKEN) as api:
        api.answer(on("GET", "/v1/users/me", Answer(200, person)))
        api.answer(on("GET", "/v1/blocks/.*/children", hold))
        first = Program(["make", "run"], folder, environment(api), on_terminal=True).start()
        assert asked.wait(timeout=300), first.printed
        first.wait_for("[1-9][0-9]* records, ")
        shown = int(re.findall(r"(\d+) records, ", first.printed)[-1])
        first.press_ctrl_c()
        first.end()
        over.set()
        database = next(folder.glob("ada_li*.duckdb"))
        api.token = "ntn_another"
        variables = {**environment(api), "NOTION_TOKEN": api.token}
        second = Program(["make", "run"], folder, variables, on_terminal=True).start()
        second.wait_for(PERSON_WITHOUT_USERS)
        second.wait_for("Starting")
        second.press_ctrl_c()
        second.end()
    return Interruption(first, shown, database, second)


def message_of(program: Program) -> str:
    """What a run printed after what it reads and skips, without what make adds."""
    lines = [line for line in program.screen() if not line.startswith("make: ")]
    return " ".join(" ".join(lines).partition(PERSON_WITHOUT_USERS)[2].split())


def test_ctrl_c_keeps_what_had_arrived(interruption: Interruption) -> None:
    workspace = SmallWorkspace()
    expected = truth(workspace) | tables(workspace)
    expected["page_markdown"] = expected["pages"]

    arrived = rows(interruption.database, [each for each in expected if each != "users"])

    assert sum(map(len, arrived.values())) >= interruption.shown > 0
    assert all(set(ids) <= set(expected[stream]) for stream, ids in arrived.items())
    held = {placed.block["id"] for placed in workspace.blocks_of(workspace.newest)}
    assert not held & set(arrived["blocks"])


def test_ctrl_c_ends_with_one_message(interruption: Interruption) -> None:
    assert message_of(interruption.first) == (
        f"Stopped. What had arrived is in {interruption.database}. Run again to read the rest."
    )
    assert message_of(interruption.second) == "Stopped before anything was read."
    for program in (interruption.first, interruption.second):
        assert "Traceback" not in program.printed
        assert "Error 130" in program.printed or program.code in (130, -2)


def test_each_personal_access_token_has_a_file_of_its_own(interruption: Interruption) -> None:
    files = [
        re.findall(r"into (ada_li_[0-9a-f]{8}\.duckdb): a first sync", program.text())
        for program in (interruption.first, interruption.second)
    ]
    assert files[0] == [interruption.database.name]
    assert files[1] and files[0] != files[1]
    assert TOKEN not in interruption.first.printed


def test_a_personal_access_token_skips_users_with_a_line(interruption: Interruption) -> None:
    assert interruption.first.screen().count(PERSON_WITHOUT_USERS) == 1
    with duckdb.connect(str(interruption.database), read_only=True) as database:
        names = {name for (name,) in database.execute("SHOW TABLES").fetchall()}
    assert "users" not in names
    assert {"comments", "blocks"} <= names


# ----------------------------------------------------------------------------- before there is a sync


def test_a_proxy_that_is_not_there_is_said_in_one_message(tmp_path: Path) -> None:
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # taken, but nobody listens
        proxy = f"http://127.0.0.1:{port.getsockname()[1]}"
        done = run(SYNC, tmp_path, **without_network(proxy))

    assert done.text() == UNREACHABLE
    assert done.code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_swallows_everything_is_given_up_before_ten_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # connects, and never answers
        done = run(SYNC, tmp_path, **without_network(f"http://127.0.0.1:{nobody.getsockname()[1]}"))

    assert done.text() == UNREACHABLE
    assert done.code == 1


UNREACHABLE = (
    "Notion cannot be reached at https://api.notion.com. Check this machine's network, proxy, "
    "firewall and certificates."
)


def without_network(proxy: str) -> dict[str, Any]:
    return {
        **{name: proxy for name in ("HTTPS_PROXY", "https_proxy")},
        **{name: "" for name in ("NO_PROXY", "no_proxy")},
        "NOTION_TOKEN": TOKEN,
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture
def empty() -> Iterator[StandIn]:
    """A connection with which nothing is shared."""
    with StandIn(Workspace(), token=TOKEN) as api:
        yield api


def test_a_wrong_token_is_said_before_anything_else(empty: StandIn, tmp_path: Path) -> None:
    done = run(SYNC, tmp_path, **{**environment(empty), "NOTION_TOKEN": "secret_wrong"})

    assert done.text().startswith("Notion does not accept NOTION_TOKEN: it is wrong, expired")
    assert "secret_wrong" not in done.printed
    assert (done.code, len(empty.requests)) == (1, 1)


def test_a_token_with_a_character_that_no_token_has_goes_nowhere(empty: StandIn, tmp_path: Path) -> None:
    done = run(SYNC, tmp_path, **{**environment(empty), "NOTION_TOKEN": "secret wrong"})

    assert done.text() == "NOTION_TOKEN contains a character that no token has. Copy it again."
    assert (done.code, len(empty.requests)) == (1, 0)


def test_a_start_date_in_another_form_is_said_before_anything_is_asked(empty: StandIn, tmp_path: Path) -> None:
    done = run(SYNC, tmp_path, **environment(empty), NOTION_START_DATE="2026-01-01")

    assert done.text() == "Give NOTION_START_DATE in the form 2026-01-01T00:00:00.000Z."
    assert (done.code, len(empty.requests)) == (1, 0)


def test_a_database_that_cannot_be_opened_is_said_before_the_sync(tmp_path: Path) -> None:
    workspace = SmallWorkspace()
    (tmp_path / f"small_workspace_{workspace.id[:8]}.duckdb").write_text("no database")
    with StandIn(workspace, token=TOKEN) as api:
        done = run(SYNC, tmp_path, **environment(api))

    assert "cannot be opened. Close it if another program has it open" in done.text()
    assert "Traceback" not in done.printed
    assert done.code == 1


def test_if_nothing_is_shared_it_says_how_to_share(empty: StandIn, tmp_path: Path) -> None:
    done = run(SYNC, tmp_path, **environment(empty))

    assert "nothing is shared with this connection. In Notion, open a page" in done.text()
    assert done.code == 1
    assert list(tmp_path.glob("*.duckdb")) == []


def test_if_content_may_not_be_read_it_names_the_capability(empty: StandIn, tmp_path: Path) -> None:
    empty.workspace.capabilities.discard("read_content")

    done = run(SYNC, tmp_path, **environment(empty))

    assert "Switch on 'Read content' in the connection's settings" in done.text()
    assert done.code == 1
