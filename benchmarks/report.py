"""The second half of `make bench`: fills the tables of `results.md`, draws the charts and checks the bounds."""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.bounds import Bound, bounds, percent
from benchmarks.charts import draw
from benchmarks.results import FOLDER, HIDDEN, Results, load

VERDICTS = {True: "kept", False: "**not kept**", None: "not measured"}
FORMATS = {"memory": "{:.0f} MB", "seconds": "{:.2f} s"}
HEADINGS = {"memory": "peak memory", "refused": "answers 429", "seconds": "processor"}


def cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The figures of a row as text, by the heading of their column."""
    found: dict[str, str] = {}
    for name, value in row.items():
        if name == "delivered":
            found.update({stream: percent(share) for stream, share in value.items()})
        elif isinstance(value, list):
            text = ", ".join(percent(each) if name == "used" else str(each) for each in value)
            found[HEADINGS.get(name, name)] = text
        else:
            form = FORMATS.get(name, "{:,}" if isinstance(value, int) else "{}")
            found[HEADINGS.get(name, name)] = form.format(value)
    return found


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a table in Markdown; the first row has all columns."""
    filled = [cells(row) for row in rows]
    head = list(filled[0])
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[row.get(name, "") for name in head] for row in filled]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(results: Results, checked: list[Bound]) -> dict[str, str]:
    """All tables of `results.md`, by name."""
    sections: dict[str, Any] = {**results["rows"]}
    sections["made"] = [{"": name, "this run": text} for name, text in results["made"].items()]
    sections["bounds"] = [each._asdict() | {"kept": VERDICTS[each.kept]} for each in checked]
    for name in ("full", "incremental"):
        rows = sections[name]
        sections[name] = [row for row in rows if row["workload"] != HIDDEN]
        sections[f"{name}, hidden"] = [row for row in rows if row["workload"] == HIDDEN]
    return {name: table(rows) for name, rows in sections.items()}


def fill(document: str, tables: dict[str, str]) -> str:
    """Put each table between its marks, `<!-- name -->` and `<!-- end -->`."""
    for name, text in tables.items():
        start, mark, rest = document.partition(f"<!-- {name} -->\n")
        if not mark:
            raise ValueError(f"results.md has no <!-- {name} --> to put a table after.")
        document = start + mark + text + re.sub(r"(?s)^.*?(?=<!-- end -->)", "\n", rest, count=1)
    return document


def main() -> None:
    """Write `results.md` and the charts from `results.json`; exit with 1 if a bound is not kept."""
    results = load("results.json")
    checked = list(bounds(results, load("reference.json")["requests"]))
    document = FOLDER / "results.md"
    text = fill(document.read_text(encoding="utf-8"), tables(results, checked))
    document.write_text(text, encoding="utf-8")
    draw(results)
    for bound in checked:
        verdict = VERDICTS[bound.kept].strip("*")
        print(f"{verdict:12} {bound.name}: {bound.measured} ({bound.allowed})")
    broken = sum(bound.kept is False for bound in checked)
    print(f"{broken} of {len(checked)} bounds are not kept. All figures: benchmarks/results.md")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
