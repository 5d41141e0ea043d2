"""The bundle: complete, valid, and the same connector as the package."""

import ast
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import AirbyteCatalog
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
    get_declarative_component_schema,
)
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import (
    ConnectorMetadataDefinitionV0,
)
from conftest import CONFIG, MANIFEST, ROOT, TOKEN, environment
from jsonschema import Draft7Validator
from loaders import (
    STREAMS_OF_THE_MANIFEST,
    SmallWorkspace,
    components_in_this_process,
    tables,
)
from under_test import with_components

from fake_notion.stand_in import StandIn
from fake_notion.storage import STORAGE_HOST
from tools.bundle import write_bundle
from tools.release import pin_base_image

# Nothing here asks Notion, unless a test says so.
WITHOUT_TABLES = {**CONFIG, "databases": {"selection": "none"}}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "source-notion"
    write_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def bundled(bundle: Path) -> Iterator[ConcurrentDeclarativeSource]:
    """The connector that the bundle's manifest and components make, as the platform injects them."""
    with components_in_this_process():
        yield ConcurrentDeclarativeSource(
            config=with_components(WITHOUT_TABLES, bundle),
            source_config=yaml.safe_load((bundle / "manifest.yaml").read_text()),
        )


@pytest.fixture(scope="module")
def package() -> YamlDeclarativeSource:
    return YamlDeclarativeSource(str(MANIFEST), config=WITHOUT_TABLES)


def catalog_by(source: ConcurrentDeclarativeSource) -> AirbyteCatalog:
    return source.discover(logging.getLogger("airbyte"), WITHOUT_TABLES)


def version_in(file: str, pattern: str) -> str:
    """The first group of a pattern's first match in a file of the project."""
    match = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
    assert match, f"{file} has no line like {pattern}"
    return match[1]


def test_the_bundle_has_all_files_that_the_platform_takes(bundle: Path) -> None:
    files = {path.name for path in bundle.iterdir()}

    copied = {"metadata.yaml", "icon.svg", "README.md", "acceptance-test-config.yml"}
    assert files == {"manifest.yaml", "components.py", *copied}
    for name in files - {"manifest.yaml", "components.py"}:
        assert (bundle / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_manifest_fits_the_runtimes_schema_of_components(
    bundled: ConcurrentDeclarativeSource,
) -> None:
    schema = Draft7Validator(get_declarative_component_schema())

    assert [error.message for error in schema.iter_errors(bundled.resolved_manifest)] == []


def test_the_manifest_uses_no_field_that_the_runtime_deprecates(
    bundled: ConcurrentDeclarativeSource,
) -> None:
    catalog_by(bundled)

    assert bundled.deprecation_warnings() == []


def test_the_manifest_names_nothing_of_the_package(bundle: Path) -> None:
    manifest = (bundle / "manifest.yaml").read_text()

    assert "source_notion" not in manifest
    assert "JsonFileSchemaLoader" not in manifest
    prefix = "source_declarative_manifest.components."
    classes = re.findall(r"class_name: (\S+)", manifest)
    assert classes and all(name.startswith(prefix) for name in classes)
    components = ast.parse((bundle / "components.py").read_text()).body
    defined = {each.name for each in components if isinstance(each, ast.ClassDef)}
    assert {name.removeprefix(prefix) for name in classes} <= defined


@pytest.mark.parametrize("stream", STREAMS_OF_THE_MANIFEST)
def test_each_inline_schema_is_the_packaged_one(
    bundled: ConcurrentDeclarativeSource, package: YamlDeclarativeSource, stream: str
) -> None:
    (loader,) = (each["schema_loader"] for each in bundled.resolved_manifest["streams"] if each.get("name") == stream)
    (packaged,) = (each.json_schema for each in catalog_by(package).streams if each.name == stream)

    assert loader["type"] == "InlineSchemaLoader"
    assert loader["schema"] == packaged
    assert packaged["properties"]["id"]


def test_the_bundle_discovers_the_same_catalog_as_the_package(
    bundled: ConcurrentDeclarativeSource, package: YamlDeclarativeSource
) -> None:
    assert catalog_by(bundled) == catalog_by(package)
    assert [stream.name for stream in catalog_by(bundled).streams] == STREAMS_OF_THE_MANIFEST


def test_the_bundle_discovers_the_same_tables_as_the_package(bundle: Path) -> None:
    workspace = SmallWorkspace()
    with StandIn(workspace, token=TOKEN) as api, environment(api.environment()):
        packaged = YamlDeclarativeSource(str(MANIFEST), config=CONFIG)
        with components_in_this_process():
            bundled = ConcurrentDeclarativeSource(
                config=with_components(CONFIG, bundle),
                source_config=yaml.safe_load((bundle / "manifest.yaml").read_text()),
            )
            catalog = catalog_by(bundled)
        assert catalog == catalog_by(packaged)

    names = {stream.name for stream in catalog.streams} - set(STREAMS_OF_THE_MANIFEST)
    assert names == set(tables(workspace))


@pytest.mark.filterwarnings("error")
def test_the_metadata_is_valid(bundle: Path) -> None:
    metadata = yaml.safe_load((bundle / "metadata.yaml").read_text())

    ConnectorMetadataDefinitionV0.model_validate(metadata)
    assert metadata["data"]["allowedHosts"]["hosts"] == ["api.notion.com", STORAGE_HOST]
    assert metadata["data"]["suggestedStreams"]["streams"] == [
        *("users", "pages", "data_sources", "databases", "blocks", "comments")
    ]


def test_the_versions_agree() -> None:
    version = version_in("pyproject.toml", r'^version = "(.+)"$')

    assert version_in("metadata.yaml", r"^  dockerImageTag: (.+)$") == version
    assert version_in("CHANGELOG.md", r"^## \[?v?(\d+\.\d+\.\d+)") == version


def test_the_bundle_runs_on_the_runtime_that_it_was_written_for() -> None:
    runtime = version_in("source_notion/manifest.yaml", r"^version: (.+)$")

    image = version_in("metadata.yaml", r"^    baseImage: (.+)$")
    assert image.split("@")[0] == f"docker.io/airbyte/source-declarative-manifest:{runtime}"
    assert version_in("pyproject.toml", r'"airbyte-cdk==([\d.]+)",') == runtime


def test_components_import_the_runtime_and_the_standard_library_only(bundle: Path) -> None:
    tree = ast.parse((bundle / "components.py").read_text())
    imported: list[Any] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the file is injected alone: nothing is relative to it"
            imported.append(node.module)

    packages = {name.split(".")[0] for name in imported}
    assert "airbyte_cdk" in packages
    assert packages - {"airbyte_cdk"} <= sys.stdlib_module_names


def docker_that(folder: Path, does: str) -> dict[str, str]:
    """An environment in which the only `docker` is a script."""
    (folder / "docker").write_text(f"#!/bin/sh\n{does}\n")
    (folder / "docker").chmod(0o700)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_a_release_pins_its_base_image_by_the_digest_that_docker_tells(tmp_path: Path) -> None:
    digest = f"sha256:{'0a' * 32}"
    write_bundle(tmp_path)
    with environment(docker_that(tmp_path, f'echo "$4" > {tmp_path}/asked; echo {digest}')):
        pinned = pin_base_image(tmp_path)

    image = version_in("metadata.yaml", r"^    baseImage: (.+)$")
    assert (tmp_path / "asked").read_text().strip() == image
    assert pinned == f"{image}@{digest}"
    metadata = yaml.safe_load((tmp_path / "metadata.yaml").read_text())
    assert metadata["data"]["connectorBuildOptions"]["baseImage"] == pinned


@pytest.mark.parametrize("docker", ["echo no network >&2; exit 1", "echo latest"])
def test_there_is_no_release_without_the_digest(tmp_path: Path, docker: str) -> None:
    write_bundle(tmp_path)
    before = (tmp_path / "metadata.yaml").read_text()

    with environment(docker_that(tmp_path, docker)), pytest.raises(SystemExit, match=r"no network|latest"):
        pin_base_image(tmp_path)

    assert (tmp_path / "metadata.yaml").read_text() == before
