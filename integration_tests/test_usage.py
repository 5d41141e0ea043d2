"""The blocks of docs/usage.md, run as they are, against the mock server that runs by itself."""

import asyncio
import json
import re
import shlex
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import SAMPLE
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from loaders import program, truth

from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace
from integration_tests.runs import ROOT, Program, query, run
from tools.bundle import write_bundle
from tools.sync import SAMPLE_TOKEN

USAGE = (ROOT / "docs" / "usage.md").read_text()
EXPECTED = truth(Workspace.load(SAMPLE))


def blocks(title: str, language: str) -> list[str]:
    """The blocks of a section, in their order."""
    section = re.split(r"\n##+ ", USAGE.partition(f"## {title}\n")[2])[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@dataclass
class Commands:
    """The blocks of "On the command line" in one folder, with the exports of the stand-in.

    Attributes:
        folder: where they ran.
        stand_in: the stand-in as a program, stopped in the end.
        commands: what they printed.
    """

    folder: Path
    stand_in: Program
    commands: Program


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    folder = tmp_path_factory.mktemp("commands")
    command = [sys.executable, "-m", "fake_notion.stand_in"]
    stand_in = Program(command, ROOT).start()
    stand_in.wait_for("The requests:")
    exports = re.findall(r"^(export .*)$", stand_in.printed, re.MULTILINE)
    path = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    script = "\n".join([*exports, path, *blocks("On the command line", "bash")])
    done = run(["bash", "-euo", "pipefail", "-c", script], folder)
    stand_in.interrupt()
    return Commands(folder, stand_in.end(), done)


def messages(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_commands_succeed_in_their_order(commands: Commands) -> None:
    assert commands.commands.code == 0, commands.commands.printed
    printed = messages(commands.commands.printed)
    statuses = [each["connectionStatus"] for each in printed if "connectionStatus" in each]
    assert statuses == [{"status": "SUCCEEDED"}]
    (catalog,) = [
        each["catalog"] for each in messages((commands.folder / "streams.json").read_text()) if "catalog" in each
    ]
    assert "pages" in [stream["name"] for stream in catalog["streams"]]


def test_the_first_read_gives_all_pages_and_the_second_the_newest(
    commands: Commands,
) -> None:
    def pages(text: str) -> list[str]:
        return [each["record"]["data"]["id"] for each in messages(text) if "record" in each]

    # A page that only another page knows takes the stream of blocks to be found.
    hidden = Workspace.load(SAMPLE).unsearchable
    first = pages((commands.folder / "messages.jsonl").read_text())
    assert {*first, *hidden} >= set(EXPECTED["pages"]) >= set(first)
    assert 0 < len(pages(commands.commands.printed)) < len(EXPECTED["pages"]) / 2


def test_the_stand_in_prints_each_request_and_in_the_end_how_many_there_were(
    commands: Commands,
) -> None:
    lines = commands.stand_in.printed.splitlines()
    printed = Counter(
        f"{match[1]} {match[2]}" for match in map(re.compile(r"(\w+ /v1/\S+) (\d+) \d+ ms").fullmatch, lines) if match
    )
    totals = {
        match[2]: int(match[1]) for match in map(re.compile(r"# (\d+) (\w+ /v1/\S+ \d+)").fullmatch, lines) if match
    }

    assert printed["POST /v1/search 200"] == totals["POST /v1/search 200"] > 0
    assert sum(printed.values()) == sum(totals.values())
    assert all(f"export {name}=" in commands.stand_in.printed for name in ("HTTPS_PROXY", "NOTION_TOKEN"))
    assert "Traceback" not in commands.stand_in.printed


# Each block by itself, in one process: PyAirbyte takes seconds to import.
RUN_BLOCKS = "import sys\nfor block in sys.argv[1:]:\n    exec(compile(block, 'usage.md', 'exec'), {})\n"


@pytest.fixture(scope="module")
def python_blocks(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The blocks of "With PyAirbyte", after `make bundle` and with the executable on the path."""
    folder = tmp_path_factory.mktemp("pyairbyte")
    write_bundle(folder / "dist")
    stand_in = Program([sys.executable, "-m", "fake_notion.stand_in"], ROOT).start()
    stand_in.wait_for("The requests:")
    exports = dict(re.findall(r"^export (\w+)=(.*)$", stand_in.printed, re.MULTILINE))
    offline = {
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "AIRBYTE_LOGGING_ROOT": str(folder),
    }
    path = {"PATH": f"{Path(program('source-notion')).parent}:/usr/bin:/bin"}
    done = run(
        [sys.executable, "-c", RUN_BLOCKS, *blocks("With PyAirbyte", "python")],
        folder,
        **{**exports, **offline, **path},
    )
    stand_in.interrupt()
    stand_in.end()
    return done


@pytest.mark.parametrize("file", ["notion.duckdb", "notion_from_bundle.duckdb"])
def test_the_python_blocks_bring_the_data_where_it_says(python_blocks: Program, file: str) -> None:
    assert python_blocks.code == 0, python_blocks.printed
    for stream in ("pages", "blocks"):
        ids = query(python_blocks.folder / file, f"SELECT id FROM {stream} ORDER BY id")
        assert ids == EXPECTED[stream]


def test_the_python_blocks_give_records_and_documents_without_a_database(python_blocks: Program) -> None:
    printed = dict(re.findall("^(Users|Documents): (.*)$", python_blocks.printed, re.MULTILINE))
    documents = printed["Documents"].split()

    assert printed["Users"].split() == EXPECTED["users"]
    # A page that only another page knows takes the stream of blocks to be found.
    assert {*documents, *Workspace.load(SAMPLE).unsearchable} >= set(EXPECTED["pages"]) >= set(documents)
    assert len(documents) == len(set(documents)) > 0


# ----------------------------------------------------------------------- the programs that others bring


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `make bundle` and the configuration of the command line are done."""
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(folder / "dist")
    (folder / "secrets").mkdir()
    credentials = {"auth_type": "token", "token": SAMPLE_TOKEN}
    (folder / "secrets" / "config.json").write_text(json.dumps({"credentials": credentials}))
    return folder


@pytest.fixture(scope="module")
def variables() -> Iterator[dict[str, str]]:
    """The environment of a shell with the exports of a mock server and the programs of this environment."""
    with StandIn(Workspace.load(SAMPLE), token=SAMPLE_TOKEN) as api:
        path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        yield {**api.environment(), **path, "NOTION_TOKEN": SAMPLE_TOKEN, "DO_NOT_TRACK": "1"}


def test_the_runtimes_own_program_checks_the_bundle(bundle: Path, variables: dict[str, str]) -> None:
    command, _ = blocks("With the runtime's programs", "bash")

    done = run(["bash", "-ec", command], bundle, False, **variables)

    statuses = [each["connectionStatus"] for each in messages(done.printed) if "connectionStatus" in each]
    assert statuses == [{"status": "SUCCEEDED"}], done.printed


def test_the_server_of_the_builder_reads_a_stream_of_the_bundle(bundle: Path, variables: dict[str, str]) -> None:
    _, start = blocks("With the runtime's programs", "bash")
    (ask,) = blocks("With the runtime's programs", "python")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = Program(
        ["bash", "-ec", start.replace("8000", port).replace("manifest-", "exec manifest-")], bundle, variables
    )
    server.start().wait_for("running on")

    done = run([sys.executable, "-c", ask.replace("8000", port)], bundle, False, **variables)
    server.interrupt()
    server.end()

    assert done.printed.split() == ["Users:", *EXPECTED["users"]]


def test_an_assistant_reads_a_stream_through_the_mcp_server(bundle: Path, variables: dict[str, str]) -> None:
    server, arguments = map(json.loads, blocks("From an assistant", "json"))
    (how,) = server["mcpServers"].values()
    environment = {**how["env"], **variables, "AIRBYTE_LOGGING_ROOT": str(bundle)}
    transport = StdioTransport(program(how["command"]), [], env=environment, cwd=str(bundle))

    async def read() -> Any:
        async with Client(transport) as client:
            return await client.call_tool("read_source_stream_records", {**arguments, "stream_name": "users"})

    (answer,) = asyncio.run(read()).content
    assert sorted(user["id"] for user in json.loads(answer.text)) == EXPECTED["users"]


def test_the_extra_that_the_page_installs_brings_pyairbyte() -> None:
    (extra,) = re.findall(r"`pip install '\.\[(\w+)\]'` installs", USAGE)
    text = (ROOT / "pyproject.toml").read_text().partition(f"\n{extra} = [")[2].partition("]")[0]
    assert {"airbyte", "duckdb"} <= set(re.findall(r'"(\w+)>=', text))
