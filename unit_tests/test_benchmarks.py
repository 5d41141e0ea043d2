"""The bounds of `make bench`, and its document."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from benchmarks.bounds import bounds
from benchmarks.report import fill, tables
from benchmarks.results import FOLDER, LOOP, OURS, PEER, Results, Row, load

COMPLETE = {"pages": 1.0, "blocks": 1.0}
STREAMS = "pages, blocks, comments"
REFERENCE = {OURS: {"full sync, small": 100, "full sync, large": 1_000, "comments sync, small": 10}}
AT_THE_LIMITS: Results = {
    "made": {},
    "rows": {
        "full": [
            Row(workload="small", connector=OURS, requests=103, delivered=COMPLETE),
            Row(workload="large", connector=OURS, requests=1_010, delivered=COMPLETE),
            Row(workload="small", connector=PEER, requests=999, delivered={"blocks": 0.1}),
        ],
        "incremental": [],
        "comments": [Row(workload="small", connector=OURS, requests=13, delivered={})],
        "limit": [
            Row(workload="180", connector=OURS, used=[0.95, 1.0], refused=[10, 10]),
            Row(workload="180", connector=PEER, used=[0.1, 0.1], refused=[99, 99]),
        ],
        "processor": [
            Row(workload=STREAMS, connector=LOOP, seconds=1.0),
            Row(workload=STREAMS, connector=OURS, seconds=3.5),
            Row(workload=STREAMS, connector=PEER, seconds=3.6),
            Row(workload="comments", connector=OURS, seconds=2.0),
            Row(workload="comments", connector=PEER, seconds=2.1),
        ],
        "memory": [
            Row(workload="small", connector=OURS, memory=100.0),
            Row(workload="large", connector=OURS, memory=160.0),
        ],
        "kills": [
            Row(
                workload="small",
                connector=OURS,
                undisturbed=100,
                requests=140,
                kills=5,
                delivered=COMPLETE,
            )
        ],
    },
}
BEYOND: dict[str, Callable[[Any], object]] = {
    "Requests, full sync, small": lambda rows: rows["full"][0].update(requests=104),
    "Requests, full sync, large": lambda rows: rows["full"][1].update(requests=1_011),
    "Requests, comments sync, small": lambda rows: rows["comments"][0].update(requests=14),
    "Delivered, full sync, large": lambda rows: rows["full"][1].update(delivered={"pages": 1.0, "blocks": 0.99999}),
    "Use of each full window, 180": lambda rows: rows["limit"][0].update(used=[1.0, 0.949]),
    "Most answers 429 in a window, 180, 10 workers": lambda rows: rows["limit"][0].update(refused=[0, 11]),
    f"Processor beside a plain loop, {STREAMS}": lambda rows: rows["processor"][0].update(seconds=0.99),
    f"Processor beside {PEER}, {STREAMS}": lambda rows: rows["processor"][2].update(seconds=3.5),
    f"Processor beside {PEER}, comments": lambda rows: rows["processor"][4].update(seconds=2.0),
    "Memory, large beside small": lambda rows: rows["memory"][1].update(memory=161.0),
    "Requests, killed after each fifth of the work, small": lambda rows: rows["kills"][0].update(requests=141),
    "Delivered, killed after each fifth of the work, small": lambda rows: rows["kills"][0].update(
        delivered={"blocks": 0.99999}
    ),
}


def names(results: Results, kept: bool | None) -> list[str]:
    return [bound.name for bound in bounds(results, REFERENCE) if bound.kept is kept]


def test_figures_at_their_limits_keep_the_bounds() -> None:
    assert names(AT_THE_LIMITS, kept=False) == []
    assert set(BEYOND) <= set(names(AT_THE_LIMITS, kept=True))


@pytest.mark.parametrize("bound", BEYOND)
def test_a_figure_beyond_its_limit_breaks_its_bound_and_no_other(bound: str) -> None:
    results = deepcopy(AT_THE_LIMITS)
    BEYOND[bound](results["rows"])

    assert names(results, kept=False) == [bound]


def test_a_run_that_fills_no_window_breaks_the_bound_of_its_use() -> None:
    results = deepcopy(AT_THE_LIMITS)
    results["rows"]["limit"][0].update({"used": [], "refused": []})

    assert names(results, kept=False) == ["Use of each full window, 180"]


def test_without_the_published_connector_nothing_is_compared_and_nothing_is_broken() -> None:
    results = deepcopy(AT_THE_LIMITS)
    for section, rows in results["rows"].items():
        results["rows"][section] = [row for row in rows if row["connector"] != PEER]

    assert names(results, kept=False) == []
    assert names(results, kept=None) == [
        f"Processor beside {PEER}, {STREAMS}",
        f"Processor beside {PEER}, comments",
    ]


def test_the_document_has_the_tables_of_the_results() -> None:
    results = load("results.json")
    document = (FOLDER / "results.md").read_text(encoding="utf-8")

    assert fill(document, tables(results, list(bounds(results, load("reference.json")["requests"])))) == document


def test_a_table_goes_between_its_marks_and_the_text_around_stays() -> None:
    document = "Before.\n<!-- a -->\nold\n<!-- end -->\nAfter.\n<!-- b -->\n<!-- end -->\n"

    assert fill(document, {"a": "new", "b": "other"}) == (
        "Before.\n<!-- a -->\nnew\n<!-- end -->\nAfter.\n<!-- b -->\nother\n<!-- end -->\n"
    )
    with pytest.raises(ValueError, match="<!-- c -->"):
        fill(document, {"c": "new"})
