"""What `make run` prints in the end, for workspaces of many databases with long names."""

import json
from pathlib import Path

import duckdb

from tools.progress import Report
from tools.summary import MOST_STREAMS_SHOWN, summary

NAMES = [f"a_database_with_a_title_of_more_than_forty_letters_{number:012x}" for number in range(60)]


def report_of(tmp_path: Path, *entries: dict) -> Report:
    """A report in which all streams were read, but for what the entries say."""
    path = tmp_path / "report.jsonl"
    complete = [
        {
            "trace": {
                "type": "STREAM_STATUS",
                "emitted_at": 1_000,
                "stream_status": {"stream_descriptor": {"name": name}, "status": "COMPLETE"},
            }
        }
        for name in NAMES
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in [*complete, *entries]))
    report = Report(path)
    report.finish(NAMES)
    return report


def failure(stream: str, message: str) -> dict:
    descriptor = {"name": stream} if stream else None
    error = {"message": message, "stream_descriptor": descriptor}
    return {"trace": {"type": "ERROR", "emitted_at": 1_000, "error": error}}


def warning(stream: str) -> dict:
    message = f"Stream {stream} skipped page_id 5ba6a0cb-8c31-853a-b108-3ad9e0c784a3: gone."
    return {"log": {"level": "WARN", "message": message}}


def lines_of(tmp_path: Path, report: Report) -> list[str]:
    database = tmp_path / "many.duckdb"
    duckdb.connect(str(database)).close()
    return summary(report, database, 12.3)


def test_streams_that_failed_or_warned_are_shown_even_if_not_all_fit(tmp_path: Path) -> None:
    failed, warned = NAMES[-1], NAMES[-2]
    report = report_of(tmp_path, failure(failed, "Gone."), warning(warned), warning(warned))

    head, *shown = lines_of(tmp_path, report)

    assert head.split() == ["stream", "read", "now", "rows", "seconds", "warnings"]
    table = [line.split() for line in shown[:MOST_STREAMS_SHOWN]]
    assert [cells[0][-13:] for cells in table[-2:]] == [warned[-13:], failed[-13:]]
    assert [cells[-1] for cells in table[-2:]] == ["2", "failed"]
    assert shown[MOST_STREAMS_SHOWN] == f"... and {len(NAMES) - MOST_STREAMS_SHOWN} more"


def test_all_of_it_fits_80_columns(tmp_path: Path) -> None:
    report = report_of(tmp_path, failure(NAMES[0], "It is " + "very " * 50 + "long."), warning(NAMES[1]))

    lines = lines_of(tmp_path, report)

    paths = ("The data is in /", "-m tools.query")
    assert max(len(line) for line in lines if not any(path in line for path in paths)) <= 80
    assert " ".join(" ".join(lines).split()).count("very long.") == 1


def test_a_reason_that_streams_share_is_said_once_and_one_that_sums_up_not_at_all(
    tmp_path: Path,
) -> None:
    report = report_of(
        tmp_path,
        *[failure(name, "The token is revoked.") for name in NAMES[:5] * 3],
        failure("", "These streams did not sync successfully."),
    )

    text = " ".join(" ".join(lines_of(tmp_path, report)).split())

    assert text.count("The token is revoked.") == 1
    assert "did not sync successfully" not in text
    assert report.failed == set(NAMES[:5])


def test_the_live_line_fits_whatever_the_stream_is_called(tmp_path: Path) -> None:
    waits = {"log": {"level": "INFO", "message": "Still waiting for Notion's rate limit, 600 seconds."}}
    for number, name in enumerate([*NAMES, "blocks"]):
        report = report_of(tmp_path, {"reads": 1}, {"records": {name: 9_876, "pages": 10**number % 10**7}}, waits)
        line = report.line()
        assert len(line) <= 79 - len("1234 s  ")
        assert line.endswith("records, 0 requests/min, rate limit: wait 600 s")
