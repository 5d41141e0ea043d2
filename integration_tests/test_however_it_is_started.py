"""The executable and the runtime's own program with the bundle: the same records for the same requests."""

from collections import Counter
from pathlib import Path

import pytest
from airbyte_cdk.models import SyncMode
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from conftest import CONFIG, TOKEN
from loaders import Connector, Json, SmallWorkspace, program, requests_made, table_of
from under_test import UNSAFE

from fake_notion.stand_in import StandIn
from tools.bundle import write_bundle

# Orders that a platform may choose: it sorts streams by name, or as a person added them.
CATALOGS = [
    ["pages"],
    ["pages", "blocks"],
    ["blocks", "comments", "data_sources", "databases", "page_markdown", "pages", "users"],
    ["TASKS", "users", "comments"],
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_bundle(folder)
    return folder


def everything(connector: list[str], options: list[str], streams: list[str]) -> tuple[Json, Json, Counter[str]]:
    """The records, the last states and the requests of a first sync and one after a few edits."""
    workspace = SmallWorkspace()
    catalog = CatalogBuilder()
    for stream in streams:
        name = table_of(workspace, workspace.data_source_ids()[0]) if stream == "TASKS" else stream
        catalog = catalog.with_stream(name, SyncMode.full_refresh if name == "users" else SyncMode.incremental)
    with StandIn(workspace, token=TOKEN) as api:
        started = Connector(connector, api.environment() | UNSAFE, options)
        first = started.run("read", config=CONFIG, catalog=catalog.build())
        workspace.edit()
        second = started.run("read", config=CONFIG, catalog=catalog.build(), state=first.state())
        requests = requests_made(api)
    assert first.complaints() == second.complaints() == []
    return first.ids(), second.ids(), requests


@pytest.mark.parametrize("streams", CATALOGS, ids=", ".join)
def test_the_executable_and_the_bundle_deliver_the_same_for_the_same_requests(bundle: Path, streams: list[str]) -> None:
    paths = ["--manifest-path", f"{bundle}/manifest.yaml", "--components-path", f"{bundle}/components.py"]

    by_executable = everything([program("source-notion")], [], streams)
    by_bundle = everything([program("source-declarative-manifest")], paths, streams)

    assert by_executable == by_bundle
    first, second, _ = by_executable
    assert len(first) == len(streams) and all(first.values()) and second
