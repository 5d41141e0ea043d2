"""Syncs a Notion workspace into `notion.duckdb` through PyAirbyte: `python -m local.sync`.

With `NOTION_TOKEN` set it reads that workspace, otherwise the sample workspace that ships with the
project, answered by a local stand-in of the API. Run again, it reads what changed since.
"""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATABASE = Path("notion.duckdb")
SAMPLE = Path(__file__).with_name("sample_workspace.json")
SAMPLE_TOKEN = "secret_sample"
TOO_EXPENSIVE = "block_comments"  # takes a request for each block
MOST_STREAMS_SHOWN = 40
QUERY = """\
SELECT page_id, count(*) AS blocks, max(depth) AS deepest
FROM blocks GROUP BY page_id ORDER BY blocks DESC LIMIT 5"""


@contextlib.contextmanager
def _sample_workspace() -> Iterator[None]:
    """Lets the connector reach the stand-in where it expects Notion, for as long as it is needed."""
    from local.stand_in import StandIn
    from local.workspace import Workspace

    with StandIn(Workspace.load(SAMPLE), token=SAMPLE_TOKEN) as api:
        os.environ.update(api.environment())
        yield


def _sync(token: str) -> tuple[Any, list[str]]:
    """Read everything into the database; gives PyAirbyte's result and the names of all streams."""
    import airbyte
    from airbyte.caches import DuckDBCache

    source = airbyte.get_source(
        "source-notion",
        config={
            "credentials": {"auth_type": "token", "token": token},
            "start_date": os.environ.get("NOTION_START_DATE", "2020-01-01T00:00:00.000Z"),
        },
        local_executable=Path(sys.executable).with_name("source-notion"),
    )
    source.select_streams(
        [each for each in source.get_available_streams() if each != TOO_EXPENSIVE]
    )
    source.check()
    cache = DuckDBCache(db_path=DATABASE, cache_dir=Path(".airbyte-cache"))
    return source.read(cache=cache), source.get_selected_streams()


def _keep_apart(workspace: str) -> None:
    """Refuse to continue in a database that another workspace was read into."""
    import duckdb

    with duckdb.connect(str(DATABASE)) as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS _read_from AS SELECT ? AS workspace", [workspace]
        )
        ((before,),) = database.execute("SELECT workspace FROM _read_from").fetchall()
    if before != workspace:
        sys.exit(f"{DATABASE} holds {before}. Move or delete it to read {workspace}.")


def main() -> None:
    """Sync, then show what there is now and one query to try."""
    # PyAirbyte looks connectors up in Airbyte's registry and reports their use; this one is here.
    os.environ["AIRBYTE_OFFLINE_MODE"] = os.environ["DO_NOT_TRACK"] = "1"
    os.environ.setdefault("NO_LIVE_PROGRESS", "1")
    warnings.simplefilter("ignore", FutureWarning)  # what PyAirbyte imports says of Python's age
    from airbyte.exceptions import PyAirbyteError

    token = os.environ.get("NOTION_TOKEN")
    workspace = "the workspace of NOTION_TOKEN" if token else "the sample workspace"
    again = DATABASE.exists()
    _keep_apart(workspace)
    print(
        f"Reading {workspace} into {DATABASE}: "
        + (
            "an incremental sync, only what changed since the last one (delete the file to start over)."
            if again
            else "a first sync, everything."
        ),
        flush=True,
    )
    started = time.monotonic()
    try:
        with contextlib.nullcontext() if token else _sample_workspace():
            result, streams = _sync(token or SAMPLE_TOKEN)
    except PyAirbyteError as error:
        sys.exit(f"The sync failed: {error}")
    _show(result, streams, time.monotonic() - started)


def _show(result: Any, streams: list[str], seconds: float) -> None:
    progress = result._progress_tracker  # the one place that knows what each stream took
    read: dict[str, int] = progress.stream_read_counts
    shown = streams[:MOST_STREAMS_SHOWN]
    width = max(map(len, shown))
    print(f"\n{'stream':<{width}}{'read now':>10}{'rows':>10}{'seconds':>10}")
    for stream in shown:
        ((rows,),) = (
            row.values()
            for row in result.cache.run_sql_query(f'SELECT count(*) AS rows FROM "{stream}"')
        )
        took = progress.stream_read_end_times.get(stream, 0) - progress.stream_read_start_times.get(
            stream, 0
        )
        print(f"{stream:<{width}}{read.get(stream, 0):>10}{rows:>10}{took:>10.1f}")
    if len(streams) > len(shown):
        print(f"... and {len(streams) - len(shown)} more")
    print(f"{'together':<{width}}{sum(read.values()):>10}{'':>10}{seconds:>10.1f}")
    print(f"\nA query to try in {DATABASE}:\n\n{QUERY};\n")
    for row in result.cache.run_sql_query(QUERY):
        print("  ".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
