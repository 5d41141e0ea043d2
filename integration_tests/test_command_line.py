"""The command `source-notion` by itself: its files, and what it says if Notion refuses everything."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from conftest import CONFIG, TOKEN, catalog_of
from loaders import Connector, Json, program
from under_test import written

from fake_notion.stand_in import Answer, StandIn, error, on
from fake_notion.workspace import Workspace
from integration_tests.runs import run

CATALOG = ConfiguredAirbyteCatalogSerializer.dump(catalog_of("pages"))
MISSING = "cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("command", "files", "message"),
    [
        ("check", {"config": None}, f"The configuration config.json {MISSING}"),
        ("check", {"config": "{"}, "The configuration config.json is not JSON: Expecting property"),
        ("discover", {"config": []}, "config.json is not a configuration of Airbyte's protocol"),
        ("read", {"config": CONFIG, "catalog": None}, f"The catalog catalog.json {MISSING}"),
        ("read", {"config": CONFIG, "catalog": ""}, "The catalog catalog.json is not JSON"),
        ("read", {"config": CONFIG, "catalog": {"streams": [{}]}}, "catalog.json is not a catalog"),
        ("read", {"config": CONFIG, "catalog": CATALOG, "state": None}, f"The state state.json {MISSING}"),
        ("read", {"config": CONFIG, "catalog": CATALOG, "state": [{}]}, "state.json is not a state"),
        ("read", {"config": CONFIG, "catalog": CATALOG, "state": {"pages": {}}}, "state.json is not"),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_or_malformed_is_one_line(
    tmp_path: Path, command: str, files: dict[str, object], message: str
) -> None:
    arguments = [program("source-notion"), command]
    for kind, content in files.items():
        arguments += [f"--{kind}", f"{kind}.json"]
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / f"{kind}.json").write_text(text)

    done = run(arguments, tmp_path)

    assert len(done.printed.splitlines()) == 1
    assert done.printed.startswith(message)
    assert TOKEN not in done.printed
    assert done.code == 1


def test_without_a_command_it_says_which_there_are(tmp_path: Path) -> None:
    done = run([program("source-notion")], tmp_path)

    assert done.printed == "Give a command: source-notion spec, check, discover or read.\n"
    assert done.code == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda variables: next(iter(variables.values())),
)
def test_utf_8_everywhere_whatever_the_machine_says(variables: dict[str, str]) -> None:
    workspace = Workspace()
    titles = ["漢字", "Größe", "🌱"]
    for title in titles:
        workspace.add_page(title=title)
    with StandIn(workspace, token=TOKEN) as api:
        connector = Connector([program("source-notion")], {**api.environment(), **variables})
        result = connector.run("read", config=CONFIG, catalog=catalog_of("page_markdown"))

    assert result.code == 0
    assert sorted(record["title"] for record in result.records("page_markdown")) == sorted(titles)


@pytest.mark.parametrize(
    ("stream", "path", "status", "reason"),
    [
        ("comments", "/v1/comments", 403, "switch on the capability 'Read comments'"),
        ("blocks", "/v1/blocks/.*", 401, "Notion does not accept the access token"),
    ],
)
def test_a_stream_whose_every_request_is_refused_says_so_once(stream: str, path: str, status: int, reason: str) -> None:
    workspace = Workspace()
    pages = [workspace.add_page(title=str(number)) for number in range(120)]
    for page in pages:
        workspace.add_comment(page, "A comment")
    code = {401: "unauthorized", 403: "restricted_resource"}[status]
    with StandIn(workspace, token=TOKEN) as api:
        api.answer(on("GET", path, error(status, code, "Refused.")))
        connector = Connector([program("source-notion")], api.environment())
        refused = connector.run("read", config=CONFIG, catalog=catalog_of("pages", stream))
        api.reset_rules()
        after = connector.run("read", config=CONFIG, catalog=catalog_of("pages", stream), state=refused.state())

    said = Counter(
        trace["error"]["stream_descriptor"]["name"]
        for trace in refused.contents("trace")
        if "error" in trace and trace["error"].get("stream_descriptor")
    )
    assert said == {stream: 1}
    # And the runtime logs the failure of the stream, with its stack.
    assert len([log for log in refused.contents("log") if reason in log["message"]]) == 1
    errors = [trace["error"] for trace in refused.contents("trace") if "error" in trace]
    assert len([error for error in errors if reason in error["message"]]) == 1
    assert refused.ids()["pages"] == sorted(pages)
    assert refused.code == 1
    # The state has not moved past what was refused.
    if stream == "comments":
        assert after.ids()["comments"] == sorted(workspace.comment_ids())
    assert statuses(refused.messages)[stream] == "INCOMPLETE"
    assert statuses(after.messages)[stream] == "COMPLETE"


def statuses(messages: list[Json]) -> dict[str, str]:
    """The last status of each stream."""
    given = [message["trace"]["stream_status"] for message in messages if "stream_status" in message.get("trace", {})]  # fmt: skip
    return {each["stream_descriptor"]["name"]: each["status"] for each in given}


def test_what_a_sync_says_last_arrives_through_a_pipe() -> None:
    with StandIn(Workspace(), token=TOKEN) as api:
        # As on most machines; empty counts as unset.
        connector = Connector([program("source-notion")], {**api.environment(), "PYTHONUNBUFFERED": ""})
        result = connector.run("read", config=CONFIG, catalog=catalog_of("tasks_0123456789ab"))

    errors = [trace["error"]["message"] for trace in result.contents("trace") if "error" in trace]
    assert errors == ["Nothing was read: the source has none of the catalog's streams. The warnings say why."]
    assert result.code == 1


@pytest.mark.parametrize("end", ["Ctrl-C", "Ctrl-C at the rate limit", "a full disk"])
def test_a_program_whose_main_thread_fails_ends(tmp_path: Path, end: str) -> None:
    workspace = Workspace()
    for number in range(100):
        workspace.add_block(workspace.add_page(title=str(number)), text="Text")
    with StandIn(workspace, token=TOKEN, latency=0.05) as api, open("/dev/full", "w") as full:
        output: Any = full if end == "a full disk" else subprocess.DEVNULL
        options = written(str(tmp_path), CONFIG, catalog_of("blocks"), None)
        command = [program("source-notion"), "read", *options]
        environment = {**os.environ, **api.environment()}
        with subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
        ) as process:
            while end != "a full disk" and len(api.requests) < 20:
                time.sleep(0.1)
            if end == "Ctrl-C at the rate limit":
                api.answer(lambda _: Answer(429, "", {"Retry-After": "900"}))
                time.sleep(1)
            if end != "a full disk":
                process.send_signal(signal.SIGINT)
            try:
                code = process.wait(timeout=90)
            finally:
                process.kill()

    assert code != 0
