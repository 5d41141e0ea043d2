"""A sync that is killed goes on where its last state says: nothing is missing, and little is read twice.

Real processes, as a platform starts them, and killed without a chance to say anything.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Optional

import pytest
from conftest import CONFIG, STREAMS, TOKEN, catalog_of
from loaders import program, truth
from test_properties import (
    fewest_for_blocks,
    fewest_for_listings,
    fewest_for_rows,
    fewest_requests,
)
from under_test import written

from fake_notion.entries import Page
from fake_notion.generated import generate
from fake_notion.stand_in import Answer, Request, StandIn
from fake_notion.workspace import Workspace

Json = dict[str, Any]

# States come in seconds, which are long for a test, so this clock runs a thousand times as fast. And what is
# printed waits for a tenth of a second and for 8 KB, in which no API answers as often as the stand-in. Nothing
# else differs from the executable.
EVERY_PAGE_A_STATE = [
    sys.executable,
    "-u",
    "-c",
    "import time; now, began = time.time, time.time(); "
    "time.time = lambda: began + 1000 * (now() - began); "
    "from airbyte_cdk.logger import PRINT_BUFFER; "
    "PRINT_BUFFER.flush_interval = 0; "
    "from source_notion.run import run; run()",
]


@dataclass
class Read:
    """What processes gave that took over from each other.

    Attributes:
        ids: the ids of the records, by stream.
        states: the last state message of each stream.
        kills: how many processes were killed.
    """

    ids: dict[str, list[str]] = field(default_factory=dict)
    states: dict[str, Json] = field(default_factory=dict)
    kills: int = 0

    def take(self, line: str) -> None:
        """Take a line of output."""
        message = json.loads(line)
        if message["type"] == "RECORD":
            record = message["record"]
            self.ids.setdefault(record["stream"], []).append(record["data"]["id"])
        elif message["type"] == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            self.states[name] = {"type": "STREAM", "stream": message["state"]["stream"]}
        elif message["type"] == "TRACE":
            assert "error" not in message["trace"], line


class Output(Thread):
    """Takes what a process prints, as it prints it.

    Attributes:
        lines: the lines that came.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._from: Any = process.stdout
        self._last = time.monotonic()
        self.start()

    def run(self) -> None:
        for line in self._from:
            self.lines.append(line)
            self._last = time.monotonic()

    def wait_until_quiet(self) -> None:
        """Let it print what it has: the stand-in answers faster than any API, and printing lags behind."""
        since = time.monotonic()  # a silence before this does not count
        while time.monotonic() - max(self._last, since) < 1:
            time.sleep(0.05)


def requests_so_far(api: StandIn) -> int:
    return sum(api.counts.values())


def read_although_killed(
    command: list[str],
    streams: list[str],
    api: StandIn,
    next_kill: Callable[[], Optional[int]],
    once_quiet: bool = False,
    **config: Any,
) -> Read:
    """Read, kill the process after so many requests, and read on from the last state until one ends by itself.

    Args:
        once_quiet: before a kill, nothing is answered until the process has printed what it has.
    """
    read = Read()
    while True:
        left = next_kill()
        with TemporaryDirectory() as folder:
            files = written(folder, {**CONFIG, **config}, catalog_of(*streams), list(read.states.values()))
            arguments = [*command, "read", *files]
            process = subprocess.Popen(
                arguments,
                env={**os.environ, **api.environment()},
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

            output = Output(process)

            def kill(
                request: Request,
                process: subprocess.Popen[str] = process,
                output: Output = output,
                last: Optional[int] = left and requests_so_far(api) + left,
            ) -> Optional[Answer]:
                if last is not None and requests_so_far(api) >= last:
                    if once_quiet:
                        output.wait_until_quiet()
                    process.send_signal(signal.SIGKILL)
                return None

            api.reset_rules()
            api.answer(kill)
            process.wait(timeout=300)
            output.join()
        for line in output.lines:
            if line.endswith("\n"):  # a kill may cut the last one off
                read.take(line)
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0
            return read
        read.kills += 1


def nested_and_unsearchable(workspace: Workspace) -> list[str]:
    """The pages that nobody knows but the page holding them."""
    return [page for page in workspace.unsearchable if isinstance(workspace.find(page).parent, Page)]


def uneven_workspace(pages: int, hidden_from_search: bool = False) -> Workspace:
    """Pages with trees of blocks, and comments on some; databases with rows."""
    workspace = generate(pages, seed=7, children=6, nesting=4, databases=2, rows=5)
    if hidden_from_search:  # a fifth of the rows and of the pages that are in others
        held = [page for page in workspace.page_ids() if workspace.find(page).parent]
        workspace.unsearchable.update(held[::5])
    for number, page in enumerate(workspace.page_ids()):
        for _ in range(number % 3):
            workspace.add_comment(page, "Comment")
    return workspace


@pytest.mark.parametrize("num_workers", [1, 10])
def test_killed_at_random_moments_a_sync_that_is_resumed_each_time_leaves_no_gap(
    num_workers: int,
) -> None:
    workspace = uneven_workspace(60, hidden_from_search=True)
    chance = Random(num_workers)
    kills = [chance.randrange(1, fewest_requests(workspace)) for _ in range(2)]

    with StandIn(workspace, token=TOKEN) as api:
        read = read_although_killed(
            [program("source-notion")],
            STREAMS,
            api,
            lambda: kills.pop() if kills else None,
            num_workers=num_workers,
        )

    assert read.kills == 2
    assert {stream: sorted(set(ids)) for stream, ids in read.ids.items()} == truth(workspace)


@pytest.mark.parametrize("stream", ["blocks", "comments"])
def test_killed_after_each_fifth_of_its_work_a_sync_costs_at_most_two_fifths_more(stream: str) -> None:
    workspace = uneven_workspace(240 if stream == "blocks" else 480)
    pages = workspace.page_ids()
    undisturbed = fewest_for_listings(workspace) + fewest_for_rows(workspace)
    if stream == "blocks":
        undisturbed += sum(fewest_for_blocks(workspace, page) for page in pages)
        undisturbed += len(workspace.database_ids()) + len(nested_and_unsearchable(workspace))
    else:
        undisturbed += len(pages)
    kills = iter([undisturbed // 5] * 7)  # without states, the walk would begin anew without end

    with StandIn(workspace, token=TOKEN, latency=0.1) as api:
        read = read_although_killed(
            EVERY_PAGE_A_STATE,
            [stream],
            api,
            lambda: next(kills, None),
            once_quiet=True,
            num_workers=4,  # what each worker has begun is lost, which ten make much of so few pages
        )

    assert read.kills >= 4
    assert set(read.ids[stream]) == set(truth(workspace)[stream])
    assert requests_so_far(api) <= 1.4 * undisturbed


def test_a_sync_whose_output_nobody_takes_any_more_ends() -> None:
    api = StandIn(uneven_workspace(200), token=TOKEN, latency=0.02)
    with api, TemporaryDirectory() as folder:
        arguments = [program("source-notion"), "read", *written(folder, CONFIG, catalog_of(*STREAMS))]
        process = subprocess.Popen(
            arguments,
            env={**os.environ, **api.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if b'"stream":"blocks"' in line:
                break
        process.stdout.close()
        try:
            assert process.wait(timeout=300) != 0
        finally:
            process.kill()
