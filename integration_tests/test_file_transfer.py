"""The sample's files, through the runtime's file transfer: a process, a socket, and the storage's host."""

import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog
from conftest import CONFIG, SAMPLE, TOKEN, catalog_of
from loaders import Connector, program
from under_test import UNSAFE

from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace
from tools.bundle import write_bundle

OF_THE_SAMPLE = {
    "/tidewrack/bowls-at-low-tide.jpg", "/tidewrack/delivery-terms.pdf", "/tidewrack/fees.csv", "/tidewrack/key.png",
    "/tidewrack/kiln-cooling.mp3", "/tidewrack/kiln-door.jpg", "/tidewrack/lens.png", "/tidewrack/price-list.xlsx",
    "/tidewrack/spring-lookbook.pdf",
}  # fmt: skip


def catalog(include_files: bool) -> ConfiguredAirbyteCatalog:
    """The stream files, as a platform asks for it."""
    chosen = catalog_of("files")
    chosen.streams[0].include_files = include_files
    return chosen


def executable(folder: Path) -> Connector:
    return Connector([program("source-notion")], {})


def bundle(folder: Path) -> Connector:
    write_bundle(folder)
    options = ["--manifest-path", f"{folder}/manifest.yaml", "--components-path", f"{folder}/components.py"]
    return Connector([program("source-declarative-manifest")], UNSAFE, options)


@pytest.mark.parametrize("start", [executable, bundle], ids=["executable", "bundle"])
def test_the_files_of_the_sample_arrive_byte_by_byte_and_a_second_sync_fetches_nothing(
    start: Callable[[Path], Connector], tmp_path: Path
) -> None:
    connector, staging = start(tmp_path / "bundle"), tmp_path / "staging"
    staging.mkdir()
    config = {**CONFIG, "fetch_files": True}
    with StandIn(Workspace.load(SAMPLE), token=TOKEN) as api:
        staged = {"AIRBYTE_STAGING_DIRECTORY": str(staging)}
        connector.environment = {**connector.environment, **api.environment(), **staged}
        discovered = connector.run("discover", config=config).the("catalog")["streams"]
        first = connector.run("read", config=config, catalog=catalog(True))
        downloads = list(api.downloads)
        arrived = {each: each.read_bytes() for each in staging.rglob("*") if each.is_file()}
        shutil.rmtree(staging)  # the platform has taken them
        staging.mkdir()
        second = connector.run("read", config=config, catalog=catalog(True), state=first.state())

    assert [each["name"] for each in discovered if each.get("is_file_based")] == ["files"]
    assert first.code == second.code == 0
    assert {request.path for request in downloads} == OF_THE_SAMPLE and len(downloads) == 9
    for request in downloads:
        assert "authorization" not in request.headers and TOKEN not in repr(request)

    records = [record for record in first.contents("record") if record["data"]["location"] == "notion"]
    assert {urlsplit(record["data"]["url"]).path for record in records} == OF_THE_SAMPLE
    for record in records:
        reference, path = record["file_reference"], Path(record["file_reference"]["staging_file_url"])
        content = api.storage.content(urlsplit(record["data"]["url"]).path)
        assert arrived.pop(path) == content
        assert reference["file_size_bytes"] == len(content)
        assert path == staging / reference["source_file_relative_path"]
    assert arrived == {}
    elsewhere = [record for record in first.contents("record") if record["data"]["location"] == "external"]
    assert len(elsewhere) == 7 and not any("file_reference" in each for each in elsewhere)
    assert any(path.startswith("files/Tidewrack Studio/Handbook/Kiln safety/kiln-door") for path in paths(records))

    assert second.records("files") == []
    assert api.downloads == downloads and not any(each.is_file() for each in staging.rglob("*"))


def paths(records: list[dict]) -> list[str]:
    return [record["file_reference"]["source_file_relative_path"] for record in records]
