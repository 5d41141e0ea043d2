"""`make bench`: this connector and the published one over the same workspaces, and ours against its bounds.

`python -m benchmarks.bench` writes `benchmarks/results.md` and the charts beside it. Every section compares runs of
one and the same call, so its figures are ratios, shares and counts, and seldom a time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

from benchmarks import peer, workspaces
from benchmarks.plots import Group, bars
from benchmarks.runs import Run, Server, configuration, execute, ours, request_log, run

HERE = Path(__file__).parent
OURS, PEER = "this connector", f"{peer.NAME} {peer.version()}"
LIMITED = f"{OURS}, search alone"
STREAMS = ("pages", "blocks", "comments")
SIZES = (100, 1_000, 10_000)
EDITED = 10
LATENCY, WINDOW, LONG_PAGES = 0.4, 60.0, 100
SEARCH_ALONE: dict[str, Any] = {"page_discovery": "search"}
WORKERS = 10

Command = list[str]


@dataclass
class Bound:
    """What this connector should reach, and what it reached.

    Attributes:
        name: what is measured.
        bound: the most or the least that is allowed.
        measured: what was measured.
        short: by how much the bound was missed, as text; empty if it was reached, None without a bound.
        why: the reason, shown if it was missed.
    """

    name: str
    bound: str
    measured: str
    short: Optional[str] = ""
    why: str = ""


@dataclass
class Section:
    """A part of the results.

    Attributes:
        lines: markdown about both connectors; empty if there is nothing to compare.
        bounds: rows of the table about ours.
        notes: markdown about ours, below that table.
    """

    lines: list[str] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def at_most(name: str, limit: float, value: float, shown: str, measured: str, why: str) -> Bound:
    """Return a row for a figure with an upper bound."""
    short = "" if value <= limit else f"{(value / limit - 1):.1%} too much"
    return Bound(name, shown, measured, short, why)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a markdown table; columns after the first are aligned to the right."""
    return [
        "| " + " | ".join(head) + " |",
        "|---" + "|---:" * (len(head) - 1) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def side_by_side(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do several things at the same time; return what each gives, in their order."""
    with ThreadPoolExecutor(max(len(tasks), 1)) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def say(text: str) -> None:
    """Tell whoever waits what happens now."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# Requests


@dataclass
class Changed:
    """An incremental sync of pages and blocks.

    Attributes:
        run: the sync.
        delivered: the share of the edited pages' blocks that were delivered, from 0 to 1.
    """

    run: Run
    delivered: float


@dataclass
class Counted:
    """One connector over one workspace: a full sync, an edit of some pages, and incremental syncs.

    The shares are those of the records that exist which were delivered, from 0 to 1. `limited` is the sync after
    the edit once more, of ours and limited to search. `newest` is how many requests the blocks of the newest page
    take, as it was in the full sync.
    """

    full: Run
    changed: Changed
    limited: Optional[Changed]
    comments: Optional[Run]
    full_bound: dict[str, int]
    changed_bound: dict[str, int]
    delivered: dict[str, float]
    newest: int


def _counted(command: Command, pages: int, with_comments: bool) -> Counted:
    with Server(workspaces.documents, pages, log=False) as server:
        exists = server.ask(workspaces.existing)
        full_bound = server.ask(workspaces.least_requests)
        full = run(command, server, *STREAMS)
        newest = server.ask(workspaces.newest_tree)
        edited = server.ask(workspaces.edit, EDITED)
        wanted = server.ask(workspaces.blocks_of, edited)
        changed = _changed(command, server, full, wanted)
        limited = _changed(command, server, full, wanted, **SEARCH_ALONE) if command == ours() else None
        comments = run(command, server, "comments", state=full.state) if with_comments else None
        return Counted(
            full,
            changed,
            limited,
            comments,
            full_bound,
            server.ask(workspaces.least_requests, edited),
            {name: _share(full, name, exists[name]) for name in STREAMS},
            newest,
        )


def _changed(command: Command, server: Server, full: Run, wanted: set[str], **config: Any) -> Changed:
    """Sync after an edit, with the state of the full sync; `wanted` are the blocks of the edited pages."""
    result = run(command, server, "pages", "blocks", state=full.state, **config)
    return Changed(result, _share(result, "blocks", wanted))


def _share(result: Run, stream: str, exists: set[str]) -> float:
    return len(result.ids.get(stream, set()) & exists) / len(exists)


def requests_section(other: Optional[Command], full: bool) -> Section:
    """Requests of full and incremental syncs over growing workspaces, and records delivered."""
    commands = {OURS: ours(), **({PEER: other} if other else {})}
    results: dict[str, dict[int, Counted]] = {name: {} for name in commands}
    for pages in SIZES:
        say(f"requests: {pages:,} pages")
        counted = side_by_side(
            [partial(_counted, command, pages, full or pages <= 1_000) for command in commands.values()]
        )
        for name, each in zip(commands, counted, strict=True):
            results[name][pages] = each
    section = Section(bounds=_request_bounds(results[OURS]))
    if other:
        section.lines = _request_lines(results) + _all_streams(commands)
    return section


def _request_bounds(results: dict[int, Counted]) -> list[Bound]:
    bounds = []
    for pages, result in results.items():
        least, total = sum(result.full_bound.values()), result.full.total
        bounds.append(
            at_most(
                f"Requests, full sync of pages, blocks and comments, {pages:,} pages",
                1.01 * least,
                total,
                f"{least:,} × 1.01",
                f"{total:,} (× {total / least:.3f})",
                "Requests that were sent twice, or that were not needed.",
            )
        )
    for pages, result in results.items():
        if pages < 1_000:
            continue
        why = (
            "The page that was the newest in the sync before is read again, edited or not. Its blocks take "
            f"{result.newest:,} requests here, which weighs much beside {EDITED} edited pages."
        )
        name = f"incremental sync of pages and blocks, {EDITED} of {pages:,} pages edited"
        least = result.changed_bound["listing"] + result.changed_bound["blocks"]
        if result.limited:
            total = result.limited.run.total
            bounds.append(
                at_most(
                    f"Requests, {name}, limited to search",
                    1.1 * least,
                    total,
                    f"{least:,} × 1.1",
                    f"{total:,} (× {total / least:.2f})",
                    why,
                )
            )
        beside, holding = result.changed_bound["beside"], result.changed_bound["holding"]
        more, total = least + beside + holding, result.changed.run.total
        bounds.append(
            at_most(
                f"Requests, {name}",
                1.1 * more,
                total,
                f"{more:,} × 1.1: those {least:,}, {beside} for the data sources, {holding} for the pages that "
                "hold the edited ones",
                f"{total:,} (× {total / more:.2f})",
                f"{why} The pages that hold that page are asked for too. So are those that hold an edited one and "
                "that the listing shows after the 50 older pages at which the connector stops to read it.",
            )
        )
        if result.comments:
            least = result.full_bound["listing"] + result.full_bound["beside"] + result.changed_bound["comments"]
            total = result.comments.total
            bounds.append(
                at_most(
                    f"Requests, incremental sync of comments, {pages:,} pages",
                    1.01 * least,
                    total,
                    f"{least:,} × 1.01: one for each page, and the listings",
                    f"{total:,} (× {total / least:.3f})",
                    "Requests that were sent twice, or that were not needed.",
                )
            )
    return bounds


def _request_lines(results: dict[str, dict[int, Counted]]) -> list[str]:
    mine, others = results[OURS], results[PEER]
    changed = {
        size: {OURS: mine[size].changed, LIMITED: mine[size].limited, PEER: others[size].changed} for size in SIZES
    }
    bars(
        HERE / "requests_full.svg",
        "Requests of a full sync",
        "Pages, blocks and comments. Logarithmic. Beside each number: the share of all blocks that arrived.",
        [OURS, PEER],
        [(f"{size:,} pages", [each[size].full.total for each in (mine, others)]) for size in SIZES],
        labels=[
            [f"for {_percent(each[size].delivered['blocks'])} of the blocks" for each in (mine, others)]
            for size in SIZES
        ],
        logarithmic=True,
    )
    bars(
        HERE / "requests_incremental.svg",
        f"Requests of an incremental sync after {EDITED} pages were edited",
        "Pages and blocks. Logarithmic.",
        [OURS, PEER, LIMITED],
        [
            (
                f"{size:,} pages",
                [each.run.total if (each := changed[size][name]) else None for name in (OURS, PEER, LIMITED)],
            )
            for size in SIZES
        ],
        logarithmic=True,
    )
    bars(
        HERE / "delivered.svg",
        "Blocks delivered of those that exist",
        "In the full sync, each block counted once.",
        [OURS, PEER],
        [
            (
                f"{size:,} pages",
                [100 * mine[size].delivered["blocks"], 100 * others[size].delivered["blocks"]],
            )
            for size in SIZES
        ],
        unit=" %",
        top=100,
    )
    lines = [
        "### Requests and records",
        "",
        "The same generated workspace for both: pages with uneven trees of blocks, and as many comments as pages. "
        "Comments on pages are counted, which is what both ask for. Read the requests of a full sync together with "
        f"the share of blocks that arrived: {PEER} counts the depth of a block up and never down, and reads no "
        "further block once it stands above 30. So it asks for few blocks. Both were measured whole at each size, "
        "not on a sample.",
        "",
        "![Requests of a full sync](requests_full.svg)",
        "",
        "![Blocks delivered](delivered.svg)",
        "",
        *table(
            [
                "full sync",
                "connector",
                "requests",
                "pages delivered",
                "blocks",
                "comments",
                "peak memory",
            ],
            [
                [
                    f"{size:,} pages",
                    name,
                    f"{result.full.total:,}",
                    _percent(result.delivered["pages"]),
                    _percent(result.delivered["blocks"]),
                    _percent(result.delivered["comments"]),
                    f"{result.full.memory:.0f} MB",
                ]
                for size in SIZES
                for name, result in ((name, results[name][size]) for name in results)
            ],
        ),
        f"The second sync, after {EDITED} pages were edited, with the state of the first. {PEER} lists all pages and "
        "begins to read the blocks of all of them again, from the page edited last, until its counter stops it: the "
        "edited pages arrive, and its requests would be many more without that fault. Beside search, this connector "
        "lists the data sources, for their rows, and asks for the pages that hold a changed one and are not among the "
        "newest, for the path of each page. Limited to search, it does neither.",
        "",
        "![Requests of an incremental sync](requests_incremental.svg)",
        "",
    ]
    rows = []
    for size in SIZES:
        for name, each in changed[size].items():
            if not each:
                continue
            comments = results[name][size].comments if name in results else None
            rows.append(
                [
                    f"{size:,} pages",
                    name,
                    f"{each.run.total:,}",
                    _percent(each.delivered),
                    f"{each.run.records['blocks']:,}",
                    f"{comments.total:,}" if comments else "",
                ]
            )
    lines += table(
        [
            "incremental sync",
            "connector",
            "requests, pages and blocks",
            "blocks of edited pages delivered",
            "block records",
            "requests, comments",
        ],
        rows,
    )
    lines += [
        f"For pages and blocks, {PEER} sends "
        + _in_words([f"{_times(changed[size], OURS):.1f}" for size in SIZES])
        + " times the requests of this connector at "
        + _in_words([f"{size:,}" for size in SIZES])
        + " pages, and "
        + _in_words([f"{_times(changed[size], LIMITED):.1f}" for size in SIZES])
        + " times those of this connector limited to search. Comments cost one request for each page in both, "
        "because a comment does not change its page"
        + (
            "."
            if results[OURS][SIZES[-1]].comments
            else f"; at {SIZES[-1]:,} pages they are measured in the full version only."
        ),
        "",
    ]
    return lines


def _times(changed: dict[str, Optional[Changed]], name: str) -> float:
    """How many times the requests of a sync after an edit the other connector sends."""
    mine, others = changed[name], changed[PEER]
    assert mine is not None and others is not None
    return others.run.total / mine.run.total


def _all_streams(commands: dict[str, Command]) -> list[str]:
    """A table of what arrives of each stream that both have."""
    streams = ("users", "pages", "databases", "blocks", "comments")
    pages = 300
    say("records: all streams")

    def delivered(command: Command) -> dict[str, float]:
        with Server(workspaces.documents_and_tables, pages, log=False) as server:
            exists = server.ask(workspaces.existing)
            result = run(command, server, *streams)
            return {name: _share(result, name, exists[name]) for name in streams}

    shares = side_by_side([partial(delivered, command) for command in commands.values()])
    return [
        f"Every stream that both have, over {pages} pages and 5 databases with 20 rows each, as the share of the "
        "records that exist:",
        "",
        *table(
            ["connector", *streams],
            [
                [name, *(_percent(each[stream]) for stream in streams)]
                for name, each in zip(commands, shares, strict=True)
            ],
        ),
    ]


def _in_words(items: list[str]) -> str:
    """Return a list as words: `1, 2 and 3`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share in (0, 1) else f"{100 * share:.1f} %"


# Complete coverage


@dataclass
class Covered:
    """One connector over a workspace of which search leaves out a part: a full sync, an edit, an incremental sync.

    Attributes:
        full: the full sync.
        delivered: the share of the records that exist which it delivered, from 0 to 1, by stream.
        changed: the sync of pages and blocks after the edit.
        existing: how many records exist, by stream.
        left_out: how many pages search leaves out.
        bound: the fewest requests of a full sync that tell all, by kind.
    """

    full: Run
    delivered: dict[str, float]
    changed: Changed
    existing: dict[str, int]
    left_out: int
    bound: dict[str, int]


def _covered(command: Command, pages: int, config: dict[str, Any]) -> Covered:
    with Server(workspaces.partly_searchable, pages, log=False) as server:
        exists = server.ask(workspaces.existing)
        bound = {
            **server.ask(workspaces.least_requests),
            **server.ask(workspaces.least_beside_search),
        }
        full = run(command, server, *STREAMS, **config)
        wanted = server.ask(workspaces.blocks_of, server.ask(workspaces.edit_both, EDITED))
        return Covered(
            full,
            {name: _share(full, name, exists[name]) for name in STREAMS},
            _changed(command, server, full, wanted, **config),
            {name: len(ids) for name, ids in exists.items()},
            server.ask(workspaces.left_out),
            bound,
        )


def coverage_section(other: Optional[Command], full: bool) -> Section:
    """Requests and records where search leaves pages out."""
    pages = 1_000
    say(f"coverage: {pages:,} pages and {pages // 2:,} rows")
    commands: dict[str, tuple[Command, dict[str, Any]]] = {
        OURS: (ours(), {}),
        LIMITED: (ours(), SEARCH_ALONE),
        **({PEER: (other, {})} if other else {}),
    }
    covered = side_by_side([partial(_covered, command, pages, config) for command, config in commands.values()])
    results: dict[str, Covered] = dict(zip(commands, covered, strict=True))
    section = Section(bounds=_coverage_bounds(results[OURS]))
    lines = _coverage_lines(results)
    if other:
        section.lines = lines
    else:
        section.notes = ["\n".join(lines).rstrip()]
    return section


def _coverage_bounds(result: Covered) -> list[Bound]:
    where = f"search leaves out {result.left_out:,} of {result.existing['pages']:,} pages"
    least, total = sum(result.bound.values()), result.full.total
    beside = sum(result.bound[name] for name in ("beside", "queries", "databases", "pages"))
    return [
        _all_delivered(
            f"Complete coverage, full sync: pages, blocks and comments delivered, where {where}",
            [result.delivered[name] for name in STREAMS],
        ),
        at_most(
            f"Complete coverage, full sync: requests, where {where}",
            1.01 * least,
            total,
            f"{least:,} × 1.01, of which {beside:,} find what search leaves out",
            f"{total:,} (× {total / least:.3f})",
            "Requests that were sent twice, or that were not needed.",
        ),
        _all_delivered(
            f"Complete coverage, incremental sync: blocks delivered of {EDITED} edited pages, of which search "
            f"leaves out {EDITED // 2}",
            [result.changed.delivered],
        ),
    ]


def _all_delivered(name: str, shares: list[float]) -> Bound:
    """Return a row for records that all have to arrive."""
    worst = min(shares)
    return Bound(
        name,
        "100 %",
        ", ".join(_percent(share) for share in shares),
        "" if worst == 1 else f"{1 - worst:.1%} missing",
        "Pages that search leaves out were not found, or not read.",
    )


def _coverage_lines(results: dict[str, Covered]) -> list[str]:
    mine, limited = results[OURS], results[LIMITED]
    more, finding = mine.full.total - limited.full.total, _finding(mine) - _finding(limited)
    arrived = {name: round((mine.delivered[name] - limited.delivered[name]) * mine.existing[name]) for name in STREAMS}
    return [
        "### Complete coverage",
        "",
        f"Search is documented as incomplete. Of the {mine.existing['pages']:,} pages of this workspace, rows of "
        f"databases among them, it leaves out {mine.left_out:,}: a quarter of the rows and a quarter of the pages "
        "under other pages. By default, this connector also asks the data sources for their rows, and follows the "
        "pages that it meets in other pages; it can be limited to search. The second sync is one of pages and "
        f"blocks, after {EDITED} pages were edited, of which search leaves out {EDITED // 2}.",
        "",
        *table(
            [
                "connector",
                "requests, full sync",
                "pages delivered",
                "blocks",
                "comments",
                "requests, second sync",
                "blocks of edited pages delivered",
            ],
            [
                [
                    name,
                    f"{result.full.total:,}",
                    *(_percent(result.delivered[stream]) for stream in STREAMS),
                    f"{result.changed.run.total:,}",
                    _percent(result.changed.delivered),
                ]
                for name, result in results.items()
            ],
        ),
        f"For {arrived['pages']:,} pages, {arrived['blocks']:,} blocks and {arrived['comments']:,} comments more, the "
        f"full sync takes {more:,} requests more than limited to search ({more / limited.full.total:.0%}): "
        f"{finding:,} find the pages, and the others read their blocks and comments. Each further sync asks again "
        "for the rows edited since, and for each page that only another page shows.",
        "",
    ]


def _finding(result: Covered) -> int:
    """The requests of a full sync that read neither blocks nor comments."""
    reading = result.full.of("GET /v1/blocks/{id}/children") + result.full.of("GET /v1/comments")
    return result.full.total - reading


# The rate limit


@dataclass
class Limited:
    """A run against a rate limit.

    Attributes:
        used: for each full window, the share of the allowed requests that were answered.
        refused: the share of all requests that were answered 429.
    """

    used: list[float]
    refused: float

    @property
    def mean(self) -> float:
        """The share used over all full windows; 0 without one."""
        return statistics.mean(self.used) if self.used else 0.0


def _limited(command: Command, build: Callable[[int], Any], pages: int, limit: int, windows: int) -> Limited:
    options = {"requests_per_minute": limit, "latency": LATENCY, "window": WINDOW}
    with Server(build, pages, **options) as server:
        result = run(command, server, *STREAMS, keep_ids=False, stop_after=windows * WINDOW + 1)
        log = server.ask(request_log)
    first, last = log[0][0], log[-1][0]
    # A run that was stopped lasted all windows, even if it waited at the end.
    whole = windows if result.exit_code else min(windows, int((last - first) // WINDOW))
    answered = [0] * (windows + 1)
    for at, status in log:
        window = int((at - first) // WINDOW)
        if status != 429 and window <= windows:
            answered[window] += 1
    refused = sum(status == 429 for _, status in log) / len(log)
    return Limited([each / limit for each in answered[:whole]], refused)


def _busy(parents: int, others: int, latency: float) -> tuple[int, float]:
    """Return the requests for one long page beside small ones, and how busy the workers were, from 0 to 1."""
    with Server(workspaces.one_long_page, parents, others, latency=latency) as server:
        run(ours(), server, "pages", "blocks", keep_ids=False)
        log = server.ask(request_log)
    seconds = log[-1][0] - log[0][0] + latency
    return len(log), len(log) * latency / (WORKERS * seconds)


def limit_section(other: Optional[Command], full: bool) -> Section:
    """How much of a rate limit is used; one long page is read at the same time, while these wait."""
    parents, others, latency = 5_000, 200, 0.02
    plans, windows = (180, 600), 3 if full else 2
    say(f"rate limit: {windows} windows of {WINDOW:.0f} seconds; one long page meanwhile")
    tasks: list[Callable[[], Any]] = [partial(_busy, parents, others, latency)]
    for limit in plans:
        tasks.append(partial(_limited, ours(), workspaces.long_documents, LONG_PAGES, limit, windows))
        tasks.append(partial(_limited, ours(), workspaces.documents, 1_000, limit, windows))
        if other:
            tasks.append(partial(_limited, other, workspaces.documents, 1_000, limit, windows))
    (requests, busy), *measured = side_by_side(tasks)
    each = 3 if other else 2
    section = Section(bounds=[])
    for number, limit in enumerate(plans):
        section.bounds += _limit_bounds(limit, measured[each * number])
    section.bounds.append(
        Bound(
            f"Time for one page with {parents:,} nested parents beside {others} small pages",
            "none; 1 is the best",
            f"{1 / busy:.2f} times {requests:,} requests × {latency} s / {WORKERS} workers: they were busy for "
            f"{busy:.0%}",
            None,
        )
    )
    if other:
        compared = {
            limit: {OURS: measured[each * number + 1], PEER: measured[each * number + 2]}
            for number, limit in enumerate(plans)
        }
        section.lines = _limit_lines(compared, windows)
    return section


def _limit_bounds(limit: int, result: Limited) -> list[Bound]:
    worst = min(result.used, default=0.0)
    shown = ", ".join(f"{each:.1%}" for each in result.used) or "no full window"
    return [
        Bound(
            f"Rate limit of {limit} a minute, {LONG_PAGES} long pages: share used of each full window",
            "at least 95 %",
            shown,
            "" if worst >= 0.95 else f"{0.95 - worst:.1%} of the window missing in the worst one",
            f"With {LATENCY} s for each answer, {WORKERS} workers send at most "
            f"{WORKERS / LATENCY * 60:.0f} requests a minute, less what the start and the listing of the pages, "
            "one request after the other, take from the first window.",
        ),
        at_most(
            f"Rate limit of {limit} a minute, {LONG_PAGES} long pages: requests answered 429",
            0.03,
            result.refused,
            "at most 3 %",
            f"{result.refused:.1%}",
            "The plan is not known before the first refusal, and the workers' requests under way are refused with it.",
        ),
    ]


def _limit_lines(compared: dict[int, dict[str, Limited]], windows: int) -> list[str]:
    groups: list[Group] = [
        (f"{limit} a minute", [100 * each[OURS].mean, 100 * each[PEER].mean]) for limit, each in compared.items()
    ]
    bars(
        HERE / "rate_limit.svg",
        "Share of the rate limit used",
        f"{LATENCY} s for each answer, default number of workers, mean of the full windows of a minute.",
        [OURS, PEER],
        groups,
        unit=" %",
        top=100,
    )
    return [
        "### The rate limit",
        "",
        f"1,000 pages, fixed windows of a minute, {LATENCY} s for each answer, the default number of workers; the "
        f"connectors are not told the plan. All ran at the same time and were stopped after {windows} windows, unless "
        "they had ended. What does not fill a window is left out.",
        "",
        "![Share of the rate limit used](rate_limit.svg)",
        "",
        *table(
            ["requests a minute", "connector", "used, window by window", "answered 429"],
            [
                [
                    str(limit),
                    name,
                    ", ".join(f"{used:.0%}" for used in result.used),
                    f"{result.refused:.1%}",
                ]
                for limit, each in compared.items()
                for name, result in each.items()
            ],
        ),
    ]


# Processor


def processor_section(other: Optional[Command], full: bool) -> Section:
    """Processor time for 1,000 requests beyond start-up."""
    small, large = (50, 2_050) if full else (50, 450)
    rounds = 5 if full else 3
    loop = [sys.executable, "-c", _plain_loop()]
    commands = {OURS: ours(), **({PEER: other} if other else {})}
    loops: dict[str, Callable[[Server], Run]] = {
        "plain loop": lambda server: execute(loop, server, {}),
        **{name: partial(_synced, command, *STREAMS) for name, command in commands.items()},
    }
    all_costs: dict[str, list[float]] = {}
    comment_costs: dict[str, list[float]] = {}
    with (
        Server(workspaces.documents, small, log=False) as few,
        Server(workspaces.documents, large, log=False) as many,
    ):

        def cost(measure: Callable[[Server], Run]) -> float:
            first, second = measure(few), measure(many)
            return 1_000 * (second.processor - first.processor) / (second.total - first.total)

        for number in range(rounds):
            say(f"processor: round {number + 1} of {rounds}")
            for name, measure in loops.items():
                all_costs.setdefault(name, []).append(cost(measure))
            for name, command in commands.items():
                comment_costs.setdefault(name, []).append(cost(partial(_synced, command, "comments")))
    medians = {name: statistics.median(values) for name, values in all_costs.items()}
    comments = {name: statistics.median(values) for name, values in comment_costs.items()}
    ratio = statistics.median(
        mine / plain for mine, plain in zip(all_costs[OURS], all_costs["plain loop"], strict=True)
    )
    section = Section(
        bounds=[
            at_most(
                "Processor for 1,000 requests beyond start-up",
                2.0,
                medians[OURS],
                "2.0 s",
                f"{medians[OURS]:.2f} s, {ratio:.1f} times a plain loop ({medians['plain loop']:.2f} s)",
                "The runtime makes records, slices and messages of each answer, and validates and logs them.",
            )
        ]
    )
    if other:
        bars(
            HERE / "processor.svg",
            "Processor time for 1,000 requests beyond start-up",
            "User and system seconds, median. A plain loop sends our requests and prints each result.",
            [OURS, PEER, "plain loop"],
            [
                ("all three streams", [medians[OURS], medians[PEER], medians["plain loop"]]),
                ("comments alone", [comments[OURS], comments[PEER]]),
            ],
            unit=" s",
        )
        section.lines = [
            "### Processor",
            "",
            f"The difference between {small} and {large:,} pages, divided by the difference in requests: the median "
            f"of {rounds} rounds, in which all take turns. With all three streams, the requests differ: ours are "
            "mostly for blocks, and those of the other mostly for comments. With comments alone, they are the same.",
            "",
            "![Processor for 1,000 requests](processor.svg)",
            "",
            *table(
                ["processor for 1,000 requests", OURS, PEER, "plain loop", "ours to the other"],
                [
                    [
                        "pages, blocks, comments",
                        f"{medians[OURS]:.2f} s",
                        f"{medians[PEER]:.2f} s",
                        f"{medians['plain loop']:.2f} s",
                        f"{medians[OURS] / medians[PEER]:.2f}",
                    ],
                    [
                        "comments",
                        f"{comments[OURS]:.2f} s",
                        f"{comments[PEER]:.2f} s",
                        "",
                        f"{comments[OURS] / comments[PEER]:.2f}",
                    ],
                ],
            ),
        ]
    return section


def _synced(command: Command, *arguments: Any) -> Run:
    """Sync the streams in `arguments`, of which the last is the stand-in's server."""
    *streams, server = arguments
    return run(command, server, *streams)


def _plain_loop() -> str:
    return (HERE / "plain_loop.py").read_text(encoding="utf-8")


# Memory


def memory_section(other: Optional[Command], full: bool) -> Section:
    """Peak memory at a small and a large workspace."""
    small, large = 1_000, 100_000
    say(f"memory: {small:,} and {large:,} pages")

    def peak(pages: int) -> float:
        with Server(workspaces.flat_documents, pages, log=False) as server:
            return run(ours(), server, "pages", "blocks", keep_ids=False).memory

    first, second = side_by_side([partial(peak, small), partial(peak, large)])
    more = second - first
    return Section(
        bounds=[
            at_most(
                f"Peak memory, pages and blocks: {large:,} pages beside {small:,}",
                60,
                more,
                "60 MB more",
                f"{more:.0f} MB more ({first:.0f} MB, {second:.0f} MB)",
                "The pages are listed before the first is read, and what is known of each is kept until then.",
            )
        ],
    )


# Start-up, check and discover


def start_section(other: Optional[Command], full: bool) -> Section:
    """Processor time of a start, and the requests of check and discover."""
    say("start-up, check and discover")
    ratios = []
    for _ in range(7):
        spec = execute([*ours(), "spec"], None, {}).processor
        runtime = execute([sys.executable, "-c", "import airbyte_cdk.entrypoint"], None, {}).processor
        ratios.append(spec / runtime)
    ratio = statistics.median(ratios)
    section = Section()
    with Server(workspaces.documents, 100, log=False) as server:
        for command in ("check", "discover"):
            result = execute([*ours(), command], server, {"config": configuration()})
            section.bounds.append(
                at_most(
                    f"Requests of `{command}`",
                    2,
                    result.total,
                    "at most 2" if command == "check" else "at most 2, may be 0",
                    str(result.total),
                    "More was asked than one page of a listing.",
                )
            )
    section.bounds.append(
        at_most(
            "Start-up: processor time of `source-notion spec` to that of importing the runtime's entry point",
            1.10,
            ratio,
            "1.10",
            f"{ratio:.2f} (median of 7)",
            "Further modules of the runtime are imported, and the manifest is read and resolved.",
        )
    )
    return section


# The results

SECTIONS: dict[str, Callable[[Optional[Command], bool], Section]] = {
    "start": start_section,
    "processor": processor_section,
    "memory": memory_section,
    "requests": requests_section,
    "coverage": coverage_section,
    "limit": limit_section,
}
# Those that measure no time run at the same time.
GROUPS = (("start",), ("processor",), ("memory", "requests", "coverage"), ("limit",))
ORDER = ("requests", "coverage", "limit", "processor", "memory", "start")


def report(sections: dict[str, Section], full: bool, minutes: float, has_peer: bool) -> str:
    """Return the results as markdown."""
    bounds = [bound for name in ORDER if name in sections for bound in sections[name].bounds]
    missed = [bound for bound in bounds if bound.short]
    lines = [
        "# Benchmark",
        "",
        f"Written by `make bench{' FULL=1' if full else ''}` on {datetime.now(timezone.utc):%Y-%m-%d} in "
        f"{minutes:.0f} minutes, on {os.cpu_count()} cores with Python {platform.python_version()}. Do not edit it.",
        "",
        "Both connectors run as their installed commands, each in an environment of its own, against the stand-in of "
        "Notion's API in `local/`: the same workspace, latency, limits and edits. A comparison is always between "
        "runs of this one call.",
        "",
        *table(
            ["connector", "version", "runtime"],
            [
                [
                    "source-notion (this connector)",
                    version("source-notion"),
                    f"airbyte-cdk {version('airbyte-cdk')}",
                ],
                [peer.NAME, peer.version(), f"airbyte-cdk {peer.runtime_version()}"],
            ],
        ),
        "## Both connectors",
        "",
    ]
    if has_peer:
        for name in ORDER:
            if name in sections:
                lines += sections[name].lines
    else:
        lines += [
            f"{PEER} needs Python 3.10 or 3.11, and none was found. Nothing was compared.",
            "",
        ]
    lines += ["## This connector and its bounds", ""]
    lines += [
        f"{sum(bound.short == '' for bound in bounds)} bounds are kept and {len(missed)} are not.",
        "",
        "| | bound | measured | reached |",
        "|---|---|---|---|",
        *(
            f"| {bound.name} | {bound.bound} | {bound.measured} | "
            + ("" if bound.short is None else f"no, {bound.short}" if bound.short else "yes")
            + " |"
            for bound in bounds
        ),
        "",
    ]
    if missed:
        lines += ["Why not:", "", *(f"- {bound.name}: {bound.why}" for bound in missed), ""]
    for name in ORDER:
        for note in sections[name].notes if name in sections else []:
            lines += [note, ""]
    return "\n".join(lines)


def main() -> None:
    """Measure and write the results, or print those of one section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=main.__doc__)
    parser.add_argument("--full", action="store_true", help="larger workspaces and more rounds")
    parser.add_argument("--only", choices=list(SECTIONS), help="print this section; write no results")
    options = parser.parse_args()
    other = peer.command()
    started = time.monotonic()
    sections: dict[str, Section] = {}
    for group in [(options.only,)] if options.only else GROUPS:
        tasks = [partial(SECTIONS[name], other, options.full) for name in group]
        sections.update(zip(group, side_by_side(tasks), strict=True))
    minutes = (time.monotonic() - started) / 60
    text = report(sections, options.full, minutes, other is not None)
    if options.only:
        print(text)
    else:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        say(f"benchmarks/results.md is written, after {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
