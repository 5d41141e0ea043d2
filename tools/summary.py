"""What `make run` prints in the end: what each stream took, what went wrong, and how to open the database."""

import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from textwrap import shorten, wrap

import duckdb

from tools.progress import WIDTH, Report, Stream, shortened
from tools.query import answer

MOST_STREAMS_SHOWN = 20
MOST_REASONS_SHOWN = 3
MOST_WARNINGS_SHOWN = 2
WIDEST_NAME = 42
QUERIES = (  # the pages edited last, with their paths; and a search in the text of all pages
    """
  SELECT last_edited_time,
    array_to_string(list_append(path_titles::VARCHAR[], title), ' > ') AS page
  FROM page_markdown ORDER BY last_edited_time DESC LIMIT 2""",
    """
  SELECT left(title, 30) AS page,
    regexp_extract(plain_text, '(?i).{0,18}open.{0,18}') AS found
  FROM page_markdown WHERE plain_text ILIKE '%open%' ORDER BY page LIMIT 2""",
)

_ID = re.compile("([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def summary(report: Report, database: Path, seconds: float) -> list[str]:
    """All of it, as lines of at most 80 columns, but for the path of the database."""
    return [*_table(report, database, seconds), *_messages(report), *_how_to_open(database)]


def _table(report: Report, database: Path, seconds: float) -> list[str]:
    failed, streams = report.failed, report.streams
    shown = _shown(report)
    width = min(max(map(len, [*shown, "together"]), default=0), WIDEST_NAME)

    def line(name: str, *cells: str) -> str:
        columns = zip(cells, (10, 9, 9, 9), strict=True)
        row = shortened(name, width).ljust(width) + "".join(cell.rjust(of) for cell, of in columns)
        return row.rstrip()

    def row(name: str, stream: Stream) -> str:
        remark = "failed" if name in failed else f"{stream.warnings or ''}"
        rows = _rows(database, name)
        return line(name, f"{stream.records:,}", rows, f"{stream.seconds:.1f}", remark)

    lines = [line("stream", "read now", "rows", "seconds", "warnings")]
    lines += [row(name, streams[name]) for name in shown]
    if len(streams) > len(shown):
        lines.append(f"... and {len(streams) - len(shown)} more")
    warned = f"{report.warned or ''}"
    return [*lines, line("together", f"{report.records:,}", "", f"{seconds:.1f}", warned)]


def _shown(report: Report) -> list[str]:
    """The streams to show: those that failed or warned if not all fit, and the first of the others."""
    failed = report.failed
    by_interest = sorted(report.streams, key=lambda name: name not in failed and not report.streams[name].warnings)
    chosen = set(by_interest[:MOST_STREAMS_SHOWN])
    return [name for name in report.streams if name in chosen]


def _rows(database: Path, stream: str) -> str:
    try:
        with duckdb.connect(str(database), read_only=True) as connection:
            ((count,),) = connection.execute(f'SELECT count(*) FROM "{stream}"').fetchall()
    except duckdb.CatalogException:  # it has no table yet
        return "0"
    return f"{count:,}"


def _messages(report: Report) -> list[str]:
    """Why streams failed, in full, and the first warnings, a line each. How many there are is in the table."""
    lines = []
    for reason, names in list(report.reasons.items())[:MOST_REASONS_SHOWN]:
        streams = ", ".join([*names[:3], *(["others"] if names[3:] else [])])
        lines += wrap(f"{streams} failed: {reason}", WIDTH)
    if len(report.reasons) > MOST_REASONS_SHOWN:
        lines.append(f"... and {len(report.reasons) - MOST_REASONS_SHOWN} more reasons, in the logs.")
    for warning in list(report.warnings)[:MOST_WARNINGS_SHOWN]:
        lines.append(shorten(_ID.sub(r"\1…", warning), WIDTH, placeholder=" …"))
    return lines


def _how_to_open(database: Path) -> list[str]:
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    command = f"{shlex.quote(os.fspath(python))} -m tools.query {shlex.quote(str(database))}"
    lines = [f"The data is in {database.absolute()}. Two queries to start with:"]
    for query in QUERIES:
        lines += f'{command} "{query}"'.splitlines()
        with suppress(duckdb.Error):  # nothing of it came
            lines += answer(database, query)
    return lines
