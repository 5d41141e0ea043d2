"""The first half of `make bench`: measures this connector and the published one, and writes `results.json`."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import connectors, fake
from benchmarks.connectors import BOTH, INSTALLED, NEVER, Connector, Run, read
from benchmarks.fake import Server
from benchmarks.results import ALL_THREE, COMMENTS, FOLDER, HIDDEN, OURS, PEER, Results, Row, pinned

STREAMS = ALL_THREE.split(", ")
WINDOW, LATENCY = 60, 0.4
MAX_KILLS = 20  # without states, a sync would begin anew without end


class Workload(NamedTuple):
    """A workspace, and the streams that a full sync of it reads."""

    name: str
    build: Callable[[int], Any]
    pages: int
    streams: list[str]


WORKLOADS = [Workload(f"{n:,} pages", fake.documents, n, STREAMS) for n in (100, 1_000, 10_000)]
WORKLOADS.append(Workload(HIDDEN, fake.partly_searchable, 1_000, ["users", "databases", *STREAMS]))


def side_by_side(tasks: list[partial[Any]]) -> list[Any]:
    """Do several things at the same time; return what each gives, in their order.

    Each has a fresh process: a command is measured to take at least as much memory as what started it.
    """
    with ProcessPoolExecutor(len(tasks), get_context("spawn")) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def say(text: str) -> None:
    """Tell whoever waits what happens now."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def requests(full: bool) -> dict[str, list[Row]]:
    """A full sync, an edit of some pages, and the syncs after that."""
    rows: dict[str, list[Row]] = {"full": [], "incremental": [], "comments": []}
    for workload in WORKLOADS:
        say(f"requests: {workload.name}")
        more = full or workload.pages <= 1_000
        chosen = [*BOTH, connectors.LIMITED] if more else BOTH
        tasks = [partial(_requests, each, workload, more) for each in chosen]
        for found in side_by_side(tasks):
            for kind, row in found.items():
                rows[kind].append(row)
    return rows


def _requests(connector: Connector, workload: Workload, comments_again: bool) -> dict[str, Row]:
    with Server(workload.build, workload.pages) as server:
        full = read(connector, server, workload.streams, keep_ids=True)
        existing = server.ask(fake.existing, workload.streams)
        edited = server.ask(fake.edit, 10)
        changed = read(connector, server, ["pages", "blocks"], full.states, keep_ids=True)
        runs = {"full": (full, existing), "incremental": (changed, edited)}
        if comments_again:
            runs["comments"] = read(connector, server, [COMMENTS], full.states), {}
    names = Row(workload=workload.name, connector=connector.name)
    rows = {kind: names | Row(requests=run.requests, delivered=run.shares(ids)) for kind, (run, ids) in runs.items()}
    rows["full"]["memory"] = full.memory
    return rows


def limit(full: bool) -> dict[str, list[Row]]:
    """How each connector uses a rate limit that it does not know."""
    windows = 3 if full else 2
    say(f"rate limit: {windows} windows of {WINDOW} seconds")
    tasks = [partial(_limit, each, plan, windows) for plan in (180, 600) for each in BOTH]
    return {"limit": side_by_side(tasks)}


def _limit(connector: Connector, plan: int, windows: int) -> Row:
    options = {"requests_per_minute": plan, "window": WINDOW, "latency": LATENCY, "log": True}
    with Server(fake.documents, 1_000, **options) as server:
        run = read(connector, server, STREAMS, kill_after_seconds=windows * WINDOW)
        log = server.ask(fake.request_log)
    first, last = log[0][0], log[-1][0]
    passed = range(windows if run.was_killed else int((last - first) // WINDOW))
    counts = Counter((int((at - first) // WINDOW), status == 429) for at, status in log)
    return Row(
        workload=f"{plan} requests a minute",
        connector=connector.name,
        used=[counts[window, False] / plan for window in passed],
        refused=[counts[window, True] for window in passed],
    )


def processor(full: bool) -> dict[str, list[Row]]:
    """Processor time for 1,000 requests, from a small workspace to a larger one.

    Other load on the machine only adds to it, so the best of some rounds counts, in which all take turns.
    """
    cases = [(ALL_THREE, connectors.PLAIN_LOOP), *product((ALL_THREE, COMMENTS), BOTH)]
    found, rows = [], []
    with Server(fake.documents, 50) as few, Server(fake.documents, 2_050) as many:
        for number in range(rounds := 5 if full else 3):
            say(f"processor: round {number + 1} of {rounds}")
            found.append([[read(each, on, names.split(", ")) for on in (few, many)] for names, each in cases])
    for (names, connector), *runs in zip(cases, *found, strict=True):
        less, more = (min(each, key=attrgetter("processor")) for each in zip(*runs, strict=True))
        seconds = (more.processor - less.processor) / (more.requests - less.requests) * 1_000
        rows.append(Row(workload=names, connector=connector.name, seconds=seconds))
    return {"processor": rows}


def memory(full: bool) -> dict[str, list[Row]]:
    """The peak at a small and at a large workspace."""
    say("memory")
    return {"memory": side_by_side([partial(_memory, pages) for pages in (1_000, 100_000)])}


def _memory(pages: int) -> Row:
    with Server(fake.flat_documents, pages) as server:
        run = read(INSTALLED, server, ["pages", "blocks"])
    return Row(workload=f"{pages:,} pages", connector=OURS, memory=run.memory)


def kills(full: bool) -> dict[str, list[Row]]:
    """A sync that is killed after each fifth of its requests, and goes on from its last states."""
    say("kills")
    workloads = [each for each in WORKLOADS if each.pages == 1_000]
    return {"kills": side_by_side([partial(_kills, each) for each in workloads])}


def _kills(workload: Workload) -> Row:
    states: dict[str, Any] = {}
    runs: list[Run] = []
    with (
        tempfile.TemporaryDirectory(prefix="notion-bench-") as folder,
        Server(workload.build, workload.pages, latency=0.1) as server,
    ):
        connector = connectors.with_frequent_states(Path(folder))
        whole = read(connector, server, STREAMS).requests
        while not runs or runs[-1].was_killed:
            kill = whole / 5 if len(runs) < MAX_KILLS else NEVER
            run = read(connector, server, STREAMS, states, keep_ids=True, kill_after_requests=kill)
            runs.append(run)
            states.update(run.states)
        existing = server.ask(fake.existing, STREAMS)
    ids = {name: set().union(*(run.ids.get(name, set()) for run in runs)) for name in STREAMS}
    return Row(
        workload=workload.name,
        connector=connector.name,
        undisturbed=whole,
        requests=sum(run.requests for run in runs),
        kills=len(runs) - 1,
        delivered=Run(ids).shares(existing),
    )


def made(full: bool, minutes: float) -> dict[str, str]:
    """How the results came to be."""
    return {
        "command": f"make bench{' FULL=1' if full else ''}",
        "date": f"{date.today()}",
        "minutes": f"{minutes:.1f}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        OURS: f"{version('source-notion')}, airbyte-cdk {version('airbyte-cdk')}",
        PEER: f"airbyte-cdk {pinned('airbyte-cdk')}",
    }


SECTIONS = {each.__name__: each for each in (requests, limit, processor, memory, kills)}
AT_A_TIME = (("processor",), ("memory", "requests"), ("limit", "kills"))
"""Those that measure or need the processor run without those that keep it busy."""


def main() -> None:
    """Measure and write `results.json`, or print what one section gives."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=main.__doc__)
    parser.add_argument("--full", action="store_true", help="larger workspaces and more rounds")
    parser.add_argument("--only", choices=SECTIONS, help="print this section, write nothing")
    options = parser.parse_args()
    started = time.monotonic()
    rows: dict[str, list[Row]] = {}
    for names in [[options.only]] if options.only else AT_A_TIME:
        for section in side_by_side([partial(SECTIONS[name], options.full) for name in names]):
            rows.update(section)
    minutes = (time.monotonic() - started) / 60
    text = json.dumps(Results(made=made(options.full, minutes), rows=rows), indent=1)
    if options.only:
        print(text)
    else:
        (FOLDER / "results.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
