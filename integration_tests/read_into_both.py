"""Reads a workspace into DuckDB and PostgreSQL: `python -m integration_tests.read_into_both FILE PORT SCHEMA`.

It is a process of its own, because PyAirbyte takes over the logging of the one that it runs in. The token comes from
`NOTION_TOKEN`.
"""

import os
import sys
from pathlib import Path

import airbyte
from airbyte.caches import DuckDBCache, PostgresCache


def main(file: Path, port: str, schema: str) -> None:
    source = airbyte.get_source(
        "source-notion",
        config={
            "credentials": {"auth_type": "token", "token": os.environ["NOTION_TOKEN"]},
            "start_date": "2020-01-01T00:00:00.000Z",
        },
        local_executable=Path(sys.executable).with_name("source-notion"),
    )
    source.select_streams([each for each in source.get_available_streams() if each != "block_comments"])
    caches = [
        DuckDBCache(db_path=file, cache_dir=file.parent / "duckdb"),
        PostgresCache(
            host="127.0.0.1",
            port=int(port),
            username="postgres",
            password="any",
            database="postgres",
            schema_name=schema,
            cache_dir=file.parent / "postgres",
        ),
    ]
    for cache in caches:
        source.read(cache=cache)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
