"""Syncs a Notion workspace into a DuckDB file through PyAirbyte: `python -m tools.sync`.

With `NOTION_TOKEN` set it reads that token's workspace, into a file named after it. Otherwise it reads the sample
workspace that ships with the project, answered by a local stand-in of the API. Run again, it reads what changed since.
"""

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill

import duckdb

from tools.notion import Access, access_of
from tools.observer import REPORT
from tools.progress import WIDTH, LiveLine, Report
from tools.summary import summary

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "fake_notion" / "sample_workspace.json"
SAMPLE_DATABASE = Path("sample.duckdb")
SAMPLE_TOKEN = "secret_sample"
CACHE = Path(".airbyte-cache")
LOGS = CACHE / "logs"
TOO_EXPENSIVE = {"block_comments", "files"}  # a request for each block; all blocks once more
STOPPED = 130  # the exit code of a program that Ctrl-C has ended


def main() -> None:
    """Sync, then show what there is now and two queries to try."""
    token = os.environ.get("NOTION_TOKEN", "").strip()
    _start_date()  # before anything is asked
    try:
        with contextlib.nullcontext() if token else _sample_workspace():
            access = access_of(token or SAMPLE_TOKEN)
            if not token:
                access.content = "the sample workspace"
            database = access.database() if token else SAMPLE_DATABASE
            code = _sync(token or SAMPLE_TOKEN, access, database)
    except KeyboardInterrupt:
        _say("Stopped before anything was read.")
        code = STOPPED
    sys.exit(code)


def _start_date() -> str:
    start_date = os.environ.get("NOTION_START_DATE", "2020-01-01T00:00:00.000Z")
    try:
        datetime.strptime(start_date, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        raise SystemExit("Give NOTION_START_DATE in the form 2026-01-01T00:00:00.000Z.") from None
    return start_date


def _say(text: str) -> None:
    print(fill(text, WIDTH, break_long_words=False, break_on_hyphens=False), flush=True)


@contextlib.contextmanager
def _sample_workspace() -> Iterator[None]:
    """Lets the connector reach the stand-in where it expects Notion, for as long as it is needed."""
    from fake_notion.stand_in import StandIn
    from fake_notion.workspace import Workspace

    with StandIn(Workspace.load(SAMPLE), token=SAMPLE_TOKEN) as api:
        os.environ.update(api.environment())
        yield


def _sync(token: str, access: Access, database: Path) -> int:
    """Sync and show what came; gives the exit code."""
    _say(f"Reading {access.content} into {database}: {_what_is_read(database)}.")
    for note in access.notes:
        _say(note)
    started = time.monotonic()
    failure, streams = "", []
    with TemporaryDirectory(prefix="notion-sync-") as folder:
        report = Report(Path(folder, "report.jsonl"))
        signal.signal(signal.SIGINT, lambda *_: _stop(report))
        try:
            with LiveLine(report, sys.stdout), _prints_in_the_log():
                streams = _read(token, access, database, folder)
        except Exception as error:  # PyAirbyte's classes of errors are about to change their names
            failure = f"{error}".partition("\n")[0] or type(error).__name__
        except KeyboardInterrupt:
            if not report.is_stopped:
                raise
            _say("Stopped while writing. What was not written arrives with the next run.")
            return STOPPED
        signal.signal(signal.SIGINT, signal.default_int_handler)
        report.finish(streams)
    if report.is_stopped and not failure:
        _say(f"Stopped. What had arrived is in {database.absolute()}. Run again to read the rest.")
        return STOPPED
    if failure:
        for reason in report.reasons or [failure]:
            _say(f"The sync failed: {reason}")
        _say(f"More is in the logs, in {LOGS}.")
        return 1
    print("\n".join(summary(report, database, time.monotonic() - started)))
    return 1 if report.reasons else 0


def _what_is_read(database: Path) -> str:
    if not database.exists():
        return "a first sync"
    try:
        with duckdb.connect(str(database)) as connection:
            tables = connection.execute("SHOW TABLES").fetchall()
    except duckdb.Error as error:
        raise SystemExit(
            f"{database} cannot be opened. Close it if another program has it open, and run again.\n{error}"
        ) from None
    return "an incremental sync" if tables else "a first sync"


def _stop(report: Report) -> None:
    """On Ctrl-C, let PyAirbyte write what has arrived; on another one, or before there is anything, end at once."""
    if report.reader is None or report.is_stopped:
        raise KeyboardInterrupt
    report.is_stopped = True
    with contextlib.suppress(ProcessLookupError):  # all was read
        os.kill(report.reader, signal.SIGTERM)


@contextlib.contextmanager
def _prints_in_the_log() -> Iterator[None]:
    LOGS.mkdir(parents=True, exist_ok=True)
    with (
        (LOGS / "pyairbyte.log").open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        yield


def _read(token: str, access: Access, database: Path, folder: str) -> list[str]:
    """Read everything into the database; gives the names of the streams."""
    launcher = _launcher(Path(folder))
    import airbyte
    from airbyte.caches import DuckDBCache

    source = airbyte.get_source(
        "source-notion",
        config={
            "credentials": {"auth_type": "token", "token": token},
            "start_date": _start_date(),
        },
        local_executable=launcher,
    )
    unread = {*TOO_EXPENSIVE, *access.skipped}
    streams = [each for each in source.get_available_streams() if each not in unread]
    source.select_streams(streams)
    with DuckDBCache(db_path=database, cache_dir=CACHE) as cache:
        source.read(cache=cache, skip_validation=True)  # the connector validates, in plain words
    return streams


def _launcher(folder: Path) -> Path:
    """Write the executable that PyAirbyte starts, and the environment of all that it starts."""
    os.environ.update(
        {
            REPORT: str(folder / "report.jsonl"),
            "TMPDIR": str(folder),  # a connector that is stopped leaves its files behind
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            # PyAirbyte looks connectors up in Airbyte's registry and reports their use; this one is here.
            "AIRBYTE_OFFLINE_MODE": "1",
            "DO_NOT_TRACK": "1",
            "NO_LIVE_PROGRESS": "1",
        }
    )
    os.environ.setdefault("AIRBYTE_LOGGING_ROOT", str(LOGS.absolute()))
    launcher = folder / "source-notion"
    observer = f"{shlex.quote(sys.executable)} -m tools.observer"
    log = shlex.quote(str(LOGS.absolute() / "connector.log"))
    # Ctrl-C is for this program, which stops the connector itself.
    launcher.write_text(f"#!/bin/sh\ntrap '' INT\nexec {observer} \"$@\" 2>>{log}\n")
    launcher.chmod(0o700)
    return launcher


if __name__ == "__main__":
    main()
