"""The charts of `results.md` and of the README."""

from collections.abc import Callable
from operator import itemgetter
from statistics import mean
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.results import FOLDER, HIDDEN, LOOP, OURS, PEER, SEARCH_ONLY, Results, Row

COLOURS = {OURS: "#1769aa", SEARCH_ONLY: "#7fb3d9", PEER: "#8a8f98", LOOP: "#2e8b57"}
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"}


def draw(results: Results) -> None:
    """Draw all charts."""
    rows, requests, seconds = results["rows"], itemgetter("requests"), itemgetter("seconds")
    full = [row for row in rows["full"] if row["connector"] != SEARCH_ONLY]
    bars("requests_full", "Requests of a full sync (logarithmic)", full, requests, log=True)
    title = "Requests of an incremental sync after 10 pages were edited"
    bars("requests_incremental", title, rows["incremental"], requests)
    title = "Blocks delivered of those that exist"
    bars("delivered", title, full, lambda row: 100 * row["delivered"]["blocks"], "{:.3g} %")
    title, limit = "Share of the rate limit used, mean of the full windows", rows["limit"]
    bars("rate_limit", title, limit, lambda row: 100 * mean(row["used"] or [0]), "{:.0f} %")
    title = "Processor time for 1,000 requests beyond start-up"
    bars("processor", title, rows["processor"], seconds, "{:.2f} s")


def bars(
    name: str,
    title: str,
    rows: list[Row],
    length: Callable[[Row], float],
    label: str = "{:,}",
    log: bool = False,
) -> None:
    """Draw a bar for each row, with its figure, in a group for each workload."""
    rows = [row for row in rows if row["workload"] != HIDDEN]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["workload"], []).append(row)
    with matplotlib.rc_context(STYLE):
        height = 0.8 + 0.25 * len(rows) + 0.15 * len(groups)
        figure = Figure(figsize=(7.6, height), layout="constrained")
        axes = figure.add_subplot(xscale="log" if log else "linear")
        place, ticks = 0.0, []
        for group in groups.values():
            ticks.append(place + (len(group) - 1) / 2)
            for row in group:
                colour = COLOURS[row["connector"]]
                drawn = axes.barh(place, length(row), 0.85, color=colour, label=row["connector"])
                axes.bar_label(drawn, [label.format(length(row))], padding=4)
                place += 1
            place += 0.6
        axes.set_yticks(ticks, groups)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlim(left=1 if log else 0)
        axes.xaxis.set_visible(False)
        axes.tick_params(length=0)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        shown = dict(zip(labels, handles, strict=True))
        figure.legend(shown.values(), shown, loc="outside lower left", ncols=3, frameon=False)
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
