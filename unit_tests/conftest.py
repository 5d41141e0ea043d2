"""What the tests share: the stand-in of the API and a sync in this process."""

import ast
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional
from uuid import uuid4

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog, SyncMode
from airbyte_cdk.sources.declarative.interpolation.macros import duration
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.entrypoint_wrapper import AirbyteEntrypoint
from airbyte_cdk.utils.constants import ENV_REQUEST_CACHE_PATH
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from clock import Clock, moved_clock
from hypothesis import HealthCheck, Phase, settings
from under_test import BUNDLE, MANIFEST, ROOT, Json, prepared, run

from fake_notion.stand_in import Request, Rule, StandIn
from fake_notion.workspace import Workspace

__all__ = ["MANIFEST", "ROOT"]

SAMPLE = ROOT / "fake_notion" / "sample_workspace.json"
TOKEN = "secret_sample"
CONFIG: dict[str, Any] = {
    "credentials": {"auth_type": "token", "token": TOKEN},
    "start_date": "2020-01-01T00:00:00.000Z",
}
# How far behind its state an incremental sync lists.
LOOKBACK: Any = duration(safe_load_yaml(MANIFEST.read_text())["definitions"]["last_edited_time"]["lookback_window"])
STREAMS = ["users", "pages", "data_sources", "databases", "blocks", "comments"]

# These test no stream, or parts that the streams of a bundle show as well.
ON_THE_PACKAGE_ONLY = [
    "benchmarks",
    "bundle",
    "contributing",
    "documents",
    "names",
    "plain_text",
    "runtime",
    "shape",
    "standard",
]
collect_ignore = [f"test_{name}.py" for name in ON_THE_PACKAGE_ONLY] if BUNDLE else []


def _parse_again(*args: Any) -> Any:
    """`ast.literal_eval`, once more if another thread disturbed it, as in Python 3.11.0 to 3.11.7.

    The runtime parses what the manifest renders. Very rarely, a SystemError there ends a stream:
    https://github.com/python/cpython/issues/106905
    """
    while True:
        with suppress(SystemError):
            return _parse(*args)


if (3, 11) <= sys.version_info < (3, 11, 8):
    _parse = ast.literal_eval
    ast.literal_eval = _parse_again  # type: ignore[assignment]

State = dict[str, dict[str, Any]]


@dataclass
class Sync:
    """What one sync gave.

    Attributes:
        records: by stream, in the order in which they came.
        files: the references to the files that were fetched, by the ids of their records.
        state: the last state of each stream.
        states: every state message, as (stream, state).
        read: how many records had come before each of them.
        infos: the texts of what it said besides.
        warnings: the texts of the warnings.
        errors: the messages for people, by stream; "" for the sync as a whole.
        failure_types: the types of these errors, as the platform takes them.
        output: everything it printed, as text.
    """

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    states: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    failure_types: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @property
    def state(self) -> State:
        return dict(self.states)

    def ids(self, stream: str) -> list[str]:
        return [record["id"] for record in self.records.get(stream, [])]


def catalog_of(*streams: str, full_refresh: bool = False, keep_order: bool = False) -> ConfiguredAirbyteCatalog:
    """A catalog, in the order in which `discover` lists the streams unless theirs is to be kept."""
    first = ("blocks", "block_comments", "comments", "page_markdown", "pages", "files")
    builder = CatalogBuilder()
    for stream in sorted(streams, key=lambda each: first.index(each) if each in first and not keep_order else 9):
        full = full_refresh or stream == "users"
        mode = SyncMode.full_refresh if full else SyncMode.incremental
        builder = builder.with_stream(stream, mode)
    return builder.build()


def sync(
    *streams: str,
    state: Optional[State] = None,
    full_refresh: bool = False,
    debug: bool = False,
    manifest_only: bool = False,
    keep_order: bool = False,
    **config: Any,
) -> Sync:
    """Sync streams in this process; None leaves a setting out. For the rest, see `run`."""
    output = run(
        "read",
        {key: value for key, value in {**CONFIG, **config}.items() if value is not None},
        catalog_of(*streams, full_refresh=full_refresh, keep_order=keep_order),
        [
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": name}, "stream_state": value},
            }
            for name, value in (state or {}).items()
        ],
        debug=debug,
        manifest_only=manifest_only,
    )
    result = Sync(output="\n".join(map(AirbyteEntrypoint.airbyte_message_to_string, output._messages)))
    read = 0
    for message in output.records_and_state_messages:
        if message.record:
            read += 1
            result.records.setdefault(message.record.stream, []).append(message.record.data)
            if message.record.file_reference:
                result.files[message.record.data["id"]] = message.record.file_reference
            continue
        dumped = json.loads(AirbyteEntrypoint.airbyte_message_to_string(message))
        stream = dumped["state"]["stream"]
        result.states.append((stream["stream_descriptor"]["name"], stream["stream_state"]))
        result.read.append(read)
    for texts, level in ((result.infos, "INFO"), (result.warnings, "WARN")):
        texts += [each.log.message for each in output.logs if each.log.level.value == level]
    for message in output.errors:
        error = message.trace.error
        stream = error.stream_descriptor.name if error.stream_descriptor else ""
        result.errors.setdefault(stream, error.message)
        result.failure_types.setdefault(stream, error.failure_type.value)
    return result


def check(**config: Any) -> tuple[str, Any]:
    """The connection check's answer: status and message."""
    (message,) = run("check", config).connection_status_messages
    return message.connectionStatus.status.value, message.connectionStatus.message


def discover(**config: Any) -> dict[str, Json]:
    """The streams that are discovered, with their schemas."""
    streams = run("discover", {**CONFIG, **config}).catalog.catalog.streams
    return {each.name: each.json_schema for each in streams}


def cases(number: int) -> settings:
    """So many cases, made in the same way in every run, each as slow as the machine happens to be. A few, on a bundle.

    The first that fails is shown as it is. To make it smaller takes minutes: add `Phase.shrink`.
    """
    return settings(
        max_examples=3 if BUNDLE else number,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def serving(workspace: Workspace, **how: Any) -> Iterator[StandIn]:
    """The stand-in in Notion's place, over a real socket, with a token of its own that CONFIG then holds.

    So nothing that the connector remembers of a token, as its rate limit, gets into another test.
    """
    with (
        StandIn(workspace, token=f"secret_{uuid4().hex}", **how) as api,
        environment(api.environment()),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setitem(CONFIG["credentials"], "token", api.token)
        yield api


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def api(workspace: Workspace) -> Iterator[StandIn]:
    """The stand-in in Notion's place, for the fixture's workspace."""
    with serving(workspace) as stand_in:
        yield stand_in


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of the connector and of the runtime, which the test moves."""
    with moved_clock() as clock:
        yield clock


@pytest.fixture
def naps(clock: Clock) -> list[float]:
    """The waits of retries and of the rate limit, in seconds: noted, and slept by the clock only."""
    return clock.naps


def each_request_takes(seconds: float, clock: Clock) -> Rule:
    """A rule that lets time pass with each request. States come with time: a minute is enough for one."""

    def rule(_: Request) -> None:
        clock.forward(seconds)

    return rule


def lists_pages(request: Request) -> bool:
    """Whether a request is a search for pages, and not for data sources."""
    chosen = (request.body or {}).get("filter", {})
    return request.path == "/v1/search" and chosen.get("value") == "page"


def on_searches_for_pages(rule: Rule) -> Rule:
    """A rule for them only: whether tables are searched for depends on how the connector is started."""
    return lambda request: rule(request) if lists_pages(request) else None


@pytest.fixture(scope="module")
def prepared_manifest() -> Iterator[None]:
    """Prepares the manifest once for a module of many syncs."""
    with prepared():
        yield


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What one sync leaves behind in its process, and the next would find: log level and cache.

    The runtime's entry point gives each sync a folder for the cache. A source that a test builds by itself
    would take one in memory, which lives as long as any source before it.
    """
    monkeypatch.setenv(ENV_REQUEST_CACHE_PATH, str(tmp_path))
    yield
    logging.getLogger("airbyte").setLevel(logging.INFO)
