"""The bounds that this connector has to keep."""

from collections.abc import Iterator
from typing import NamedTuple, Optional

from benchmarks.results import ALL_THREE, COMMENTS, LOOP, OURS, PEER, WORKERS, Results, Row

Reference = dict[str, dict[str, int]]
"""The requests of an earlier version, by connector and sync."""


class Bound(NamedTuple):
    """What is measured, what is allowed, what it was, and whether it is kept; None if unknown."""

    name: str
    allowed: str
    measured: str
    kept: Optional[bool]


def at_most(limit: float, name: str, value: float, unit: str = "") -> Bound:
    """A bound for one figure."""
    return Bound(name, f"at most {limit:,}{unit}", f"{round(value, 2):,}{unit}", value <= limit)


def percent(share: float) -> str:
    """A share as text, never rounded up."""
    return f"{int(1000 * share) / 10:g} %"


def bounds(results: Results, reference: Reference) -> Iterator[Bound]:
    """All bounds."""
    rows = results["rows"]
    for kind in ("full", "incremental", "comments"):
        yield from _requests(kind, rows[kind], reference)
    for row in rows["limit"]:
        if row["connector"] == OURS:
            yield from _limit(row)
    yield from _processor(rows["processor"])
    small, large = rows["memory"]
    name = f"Memory, {large['workload']} beside {small['workload']}"
    yield at_most(60, name, large["memory"] - small["memory"], " MB more")
    for row in rows["kills"]:
        name = f"killed after each fifth of the work, {row['workload']}"
        yield at_most(1.4, f"Requests, {name}", row["requests"] / row["undisturbed"], " times")
        yield _delivered(name, row)


def _requests(kind: str, rows: list[Row], reference: Reference) -> Iterator[Bound]:
    for row in rows:
        name = f"{kind} sync, {row['workload']}"
        before = reference.get(row["connector"], {}).get(name)
        if before is not None:
            limit = before + max(before // 100, 3)
            option = row["connector"].removeprefix(OURS)
            yield at_most(limit, f"Requests, {name}{option}", row["requests"])
        if row["connector"] == OURS and row["delivered"]:
            yield _delivered(name, row)


def _delivered(name: str, row: Row) -> Bound:
    shares = ", ".join(f"{stream} {percent(share)}" for stream, share in row["delivered"].items())
    return Bound(f"Delivered, {name}", "all", shares, min(row["delivered"].values()) == 1)


def _limit(row: Row) -> Iterator[Bound]:
    used, refused = row["used"], row["refused"]
    shown = ", ".join(map(percent, used)) or "no full window"
    name = f"Use of each full window, {row['workload']}"
    yield Bound(name, "at least 95 %", shown, min(used, default=0) >= 0.95)
    name = f"Most answers 429 in a window, {row['workload']}, {WORKERS} workers"
    yield at_most(WORKERS, name, max(refused, default=0))


def _processor(rows: list[Row]) -> Iterator[Bound]:
    seconds = {(row["workload"], row["connector"]): row["seconds"] for row in rows}
    loop = seconds[ALL_THREE, OURS] / seconds[ALL_THREE, LOOP]
    yield at_most(3.5, f"Processor beside a plain loop, {ALL_THREE}", loop, " times")
    for streams in (ALL_THREE, COMMENTS):
        name = f"Processor beside {PEER}, {streams}"
        if (streams, PEER) in seconds:
            ratio = seconds[streams, OURS] / seconds[streams, PEER]
            yield Bound(name, "below 1 times", f"{ratio:.2f} times", ratio < 1)
        else:
            yield Bound(name, "below 1 times", "it needs Python 3.10 or 3.11", None)
