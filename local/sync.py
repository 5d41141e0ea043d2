"""Syncs a Notion workspace into `notion.duckdb` through PyAirbyte: `python -m local.sync`.

With `NOTION_TOKEN` set it reads that workspace, otherwise the sample workspace that ships with the
project, answered by a local stand-in of the API. Run again, it reads what changed since.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATABASE = Path("notion.duckdb")
SAMPLE = Path(__file__).with_name("sample_workspace.json")
SAMPLE_TOKEN = "secret_sample"
STREAMS = ["users", "pages", "data_sources", "databases", "blocks", "comments"]
QUERY = """\
SELECT page_id, count(*) AS blocks, max(depth) AS deepest
FROM notion.blocks GROUP BY page_id ORDER BY blocks DESC LIMIT 5"""


@contextlib.contextmanager
def _sample_workspace() -> Iterator[None]:
    """Lets the connector reach the stand-in where it expects Notion, for as long as it is needed."""
    from local.stand_in import StandIn
    from local.workspace import Workspace

    with StandIn(Workspace.load(SAMPLE), token=SAMPLE_TOKEN) as api:
        os.environ.update(api.environment())
        yield


def _sync(token: str) -> tuple[Any, dict[str, float]]:
    """Read everything into the database; gives PyAirbyte's result and seconds by stream."""
    import airbyte
    from airbyte.caches import DuckDBCache
    from airbyte.progress import ProgressStyle, ProgressTracker

    source = airbyte.get_source(
        "source-notion",
        config={
            "credentials": {"auth_type": "token", "token": token},
            "start_date": os.environ.get("NOTION_START_DATE", "2020-01-01T00:00:00.000Z"),
        },
        local_executable=Path(sys.executable).with_name("source-notion"),
        streams=STREAMS,
    )
    source.check()
    cache = DuckDBCache(db_path=DATABASE, schema_name="notion", cache_dir=Path(".airbyte-cache"))
    result = source.read(cache=cache)
    progress: ProgressTracker = result._progress_tracker
    seconds = {
        stream: progress.stream_read_end_times[stream] - start
        for stream, start in progress.stream_read_start_times.items()
        if stream in progress.stream_read_end_times
    }
    return progress.stream_read_counts, seconds


def main() -> None:
    """Sync, then show what there is now and one query to try."""
    # PyAirbyte reports its use to its makers unless told not to; a sync on your machine is yours.
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ.setdefault("NO_LIVE_PROGRESS", "1")
    token = os.environ.get("NOTION_TOKEN")
    again = DATABASE.exists()
    print(
        f"Reading {'the workspace of NOTION_TOKEN' if token else 'the sample workspace'} into {DATABASE}: "
        + (
            "an incremental sync, only what changed since the last one (delete the file to start over)."
            if again
            else "a first sync, everything."
        )
    )
    started = time.monotonic()
    with contextlib.nullcontext() if token else _sample_workspace():
        read, seconds = _sync(token or SAMPLE_TOKEN)
    _show(read, seconds, time.monotonic() - started)


def _show(read: dict[str, int], seconds: dict[str, float], total: float) -> None:
    import duckdb

    with duckdb.connect(str(DATABASE), read_only=True) as database:
        rows = {
            stream: database.execute(f"SELECT count(*) FROM notion.{stream}").fetchone()[0]
            for stream in STREAMS
        }
        answer = database.execute(QUERY)
        columns = [column[0] for column in answer.description]
        example = answer.fetchall()
    print(f"\n{'stream':<14}{'read now':>10}{'rows':>10}{'seconds':>10}")
    for stream in STREAMS:
        print(
            f"{stream:<14}{read.get(stream, 0):>10}{rows[stream]:>10}{seconds.get(stream, 0.0):>10.1f}"
        )
    print(f"{'together':<14}{sum(read.values()):>10}{sum(rows.values()):>10}{total:>10.1f}")
    print(f"\nA query to try (duckdb {DATABASE}):\n\n{QUERY};\n")
    print("  ".join(f"{column:<36}" if column == "page_id" else column for column in columns))
    for row in example:
        print("  ".join(str(value).ljust(len(column)) for value, column in zip(row, columns)))


if __name__ == "__main__":
    main()
