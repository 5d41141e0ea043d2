"""Shows the answer to a query: `python -m tools.query FILE "SELECT ..."`. Without a query, it lists the tables."""

import argparse
import sys
from pathlib import Path
from typing import Any

import duckdb

WIDEST_CELL = 56


def answer(file: Path, query: str) -> list[str]:
    """The answer to a query, as lines of text."""
    with duckdb.connect(str(file), read_only=True) as database:
        result = database.execute(query)
        names = [column[0] for column in result.description or ()]
        rows = [[_cell(value) for value in row] for row in result.fetchall()]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [names, *rows]
    ]


def _cell(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 1] + "…"


def main() -> None:
    """Print the answer to the query of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.query", description=__doc__)
    parser.add_argument("file", type=Path, help="the database, such as sample.duckdb")
    parser.add_argument("query", nargs="?", default="SHOW TABLES", help="in SQL")
    options = parser.parse_args()
    try:
        print("\n".join(answer(options.file, options.query)))
    except duckdb.Error as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
