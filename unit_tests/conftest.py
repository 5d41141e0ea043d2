"""What the tests share: the stand-in of the API and a sync in this process."""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import backoff._sync
import pytest
from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    SyncMode,
)
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.retrievers import page_size_reducer
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.sources.streams.http import rate_limiting
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.test.models import ExpectedOutcome
from airbyte_cdk.utils.constants import ENV_REQUEST_CACHE_PATH
from hypothesis import HealthCheck, Phase, settings

from local.stand_in import StandIn
from source_notion.run import SourceNotion, parse_one_at_a_time
from local.workspace import Workspace

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "source_notion" / "manifest.yaml"
SAMPLE = ROOT / "local" / "sample_workspace.json"
TOKEN = "secret_sample"
CONFIG: dict[str, Any] = {
    "credentials": {"auth_type": "token", "token": TOKEN},
    "start_date": "2020-01-01T00:00:00.000Z",
}
STREAMS = ["blocks", "comments", "pages", "users", "data_sources", "databases"]
parse_one_at_a_time()

State = dict[str, dict[str, Any]]


@dataclass
class Sync:
    """What one sync gave.

    Attributes:
        records: by stream, in the order in which they came.
        state: the last state of each stream.
        states: every state message, as (stream, state).
        infos: the texts of what it said besides.
        warnings: the texts of the warnings.
        errors: the messages for people, by stream; "" for the sync as a whole.
        output: everything it printed, as text.
    """

    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    states: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @property
    def state(self) -> State:
        return dict(self.states)

    def ids(self, stream: str) -> list[str]:
        return [record["id"] for record in self.records.get(stream, [])]


def catalog_of(*streams: str, full_refresh: bool = False) -> ConfiguredAirbyteCatalog:
    """A catalog in the order in which `discover` lists the streams."""
    first = ("blocks", "block_comments", "comments", "page_markdown", "pages")
    builder = CatalogBuilder()
    for stream in sorted(streams, key=lambda each: first.index(each) if each in first else 9):
        full = full_refresh or stream == "users"
        mode = SyncMode.full_refresh if full else SyncMode.incremental
        builder = builder.with_stream(stream, mode)
    return builder.build()


def state_messages(state: Optional[State]) -> list[AirbyteStateMessage]:
    """The state as the platform hands it back, through its JSON."""
    return [
        AirbyteStateMessageSerializer.load(
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": name}, "stream_state": value},
            }
        )
        for name, value in json.loads(json.dumps(state or {})).items()
    ]


def sync(
    *streams: str,
    state: Optional[State] = None,
    full_refresh: bool = False,
    debug: bool = False,
    **config: Any,
) -> Sync:
    """Sync streams in this process, with the runtime's own entry point; None leaves a setting out."""
    catalog, messages = catalog_of(*streams, full_refresh=full_refresh), state_messages(state)
    config = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    source = SourceNotion(str(MANIFEST), catalog=catalog, config=config, state=messages)
    output = entrypoint_wrapper.read(
        source,
        config,
        catalog,
        messages,
        expected_outcome=ExpectedOutcome.ALLOW_ANY,
        debug=debug,
    )
    result = Sync(
        output="\n".join(
            entrypoint_wrapper.AirbyteEntrypoint.airbyte_message_to_string(message)
            for message in output._messages
        )
    )
    for message in output.records:
        result.records.setdefault(message.record.stream, []).append(message.record.data)
    for message in output.state_messages:
        dumped = json.loads(
            entrypoint_wrapper.AirbyteEntrypoint.airbyte_message_to_string(message)
        )["state"]["stream"]
        result.states.append((dumped["stream_descriptor"]["name"], dumped["stream_state"]))
    for texts, level in ((result.infos, "INFO"), (result.warnings, "WARN")):
        texts += [each.log.message for each in output.logs if each.log.level.value == level]
    for message in output.errors:
        error = message.trace.error
        stream = error.stream_descriptor.name if error.stream_descriptor else ""
        result.errors.setdefault(stream, error.message)
    return result


def cases(number: int) -> settings:
    """So many cases, made in the same way in every run, each as slow as the machine happens to be.

    The first that fails is shown as it is. To make it smaller takes minutes: add `Phase.shrink`.
    """
    return settings(
        max_examples=number,
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


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def api(workspace: Workspace) -> Iterator[StandIn]:
    """The stand-in in Notion's place, over a real socket, for the fixture's workspace."""
    with StandIn(workspace, token=TOKEN) as stand_in, environment(stand_in.environment()):
        yield stand_in


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of retries and of the rate limit, in seconds: noted, and slept by the clock alone."""
    waits: list[float] = []
    clock = SimpleNamespace(
        time=lambda: time.time() + sum(waits),
        monotonic=lambda: time.monotonic() + sum(waits),
        sleep=lambda seconds: waits.append(seconds) if seconds else None,
    )
    from source_notion import rate_limit
    for module in (backoff._sync, rate_limiting, page_size_reducer, rate_limit):
        monkeypatch.setattr(module, "time", clock)
    now = SimpleNamespace(now=lambda: datetime.now() + timedelta(seconds=sum(waits)))
    monkeypatch.setattr(backoff._sync, "datetime", SimpleNamespace(datetime=now))
    return waits


@pytest.fixture(scope="module")
def prepared_manifest() -> Iterator[None]:
    """Reads, resolves and validates the manifest and its schemas once for a module of many syncs."""
    prepared = YamlDeclarativeSource(str(MANIFEST)).resolved_manifest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(YamlDeclarativeSource, "_read_and_parse_yaml_file", lambda *_: prepared)
        patch.setattr(YamlDeclarativeSource, "_pre_process_manifest", lambda _, manifest: manifest)
        patch.setattr(YamlDeclarativeSource, "_validate_source", lambda _: None)
        patch.setattr(concurrent_declarative_source, "get_declarative_component_schema", dict)
        patch.setattr(JsonFileSchemaLoader, "get_json_schema", lambda _: {})
        yield


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What one sync leaves behind in its process, and the next would find: log level, rate limit, cache.

    The runtime's entry point gives each sync a folder for the cache. A source that a test builds by itself
    would take one in memory, which lives as long as any source before it.
    """
    monkeypatch.setenv(ENV_REQUEST_CACHE_PATH, str(tmp_path))
    yield
    logging.getLogger("airbyte").setLevel(logging.INFO)
