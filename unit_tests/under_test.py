"""The connector that the tests run in their own process, and the one place that says which it is.

That is the package's, built as its executable builds it. With `SOURCE_NOTION_BUNDLE=<folder>` it is the
bundle in that folder: its manifest, with its components injected, as the Connector Builder and PyAirbyte do.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

import pytest
from airbyte_cdk.models import (
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.models import ExpectedOutcome
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "source_notion" / "manifest.yaml"
BUNDLE = Path(os.environ["SOURCE_NOTION_BUNDLE"]) if "SOURCE_NOTION_BUNDLE" in os.environ else None

# The runtime runs components that are injected with a manifest only if this is set.
UNSAFE = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
if BUNDLE:
    os.environ.update(UNSAFE)


def with_components(config: Mapping[str, Any], bundle: Path) -> Json:
    """A configuration that carries a bundle's components to the runtime, beside what it says itself."""
    components = (bundle / "components.py").read_text()
    return {
        **config,
        "__injected_components_py": components,
        "__injected_components_py_checksums": {"md5": hashlib.md5(components.encode()).hexdigest()},
    }


def written(
    folder: str,
    config: Optional[Mapping[str, Any]] = None,
    catalog: Optional[ConfiguredAirbyteCatalog] = None,
    state: Optional[list[Json]] = None,
) -> list[str]:
    """Write the files of a command into a folder; gives the arguments that name them."""
    files = {
        "config": config,
        "catalog": catalog and ConfiguredAirbyteCatalogSerializer.dump(catalog),
        "state": state,
    }
    arguments = []
    for name, content in files.items():
        if content is not None:
            path = Path(folder, f"{name}.json")
            path.write_text(json.dumps(content))
            arguments += [f"--{name}", str(path)]
    return arguments


def run(
    command: str,
    config: Optional[Mapping[str, Any]] = None,
    catalog: Optional[ConfiguredAirbyteCatalog] = None,
    state: Optional[list[Json]] = None,
    *,
    debug: bool = False,
    manifest_only: bool = False,
) -> Any:
    """Run a command of Airbyte's protocol in this process, with the runtime's own entry point; gives its output.

    Args:
        command: `spec`, `check`, `discover` or `read`.
        config: the configuration, for all but `spec`.
        catalog: what to read.
        state: what to read on from, as messages.
        debug: whether to log all there is to log.
        manifest_only: whether the runtime builds the connector from its manifest, without the executable.
    """
    if BUNDLE and config is not None:
        config = with_components(config, BUNDLE)
    arguments = [command, *(["--debug"] if debug else [])]
    with TemporaryDirectory() as folder:
        arguments += written(folder, config, catalog, state)
        if BUNDLE or manifest_only:
            messages = [AirbyteStateMessageSerializer.load(each) for each in state or []]
            source = ConcurrentDeclarativeSource(catalog, config, messages, source_config=_manifest(BUNDLE))
        else:
            source = _executables_source(arguments)
        return entrypoint_wrapper._run_command(source, arguments, expected_outcome=ExpectedOutcome.ALLOW_ANY)


def _executables_source(arguments: list[str]) -> ConcurrentDeclarativeSource:
    from source_notion.run import source_notion

    return source_notion(arguments)


@cache
def _manifest(bundle: Optional[Path]) -> Json:
    path = bundle / "manifest.yaml" if bundle else MANIFEST
    return dict(safe_load_yaml(path.read_text(encoding="utf-8")))


@contextmanager
def prepared() -> Iterator[None]:
    """Resolves and validates the manifest and its schemas once, for many syncs: it takes longer than they do."""
    resolved = ConcurrentDeclarativeSource(source_config=_manifest(BUNDLE)).resolved_manifest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(YamlDeclarativeSource, "_read_and_parse_yaml_file", lambda *_: resolved)
        patch.setattr(ConcurrentDeclarativeSource, "_pre_process_manifest", lambda *_: resolved)
        patch.setattr(ConcurrentDeclarativeSource, "_validate_source", lambda _: None)
        patch.setattr(concurrent_declarative_source, "get_declarative_component_schema", dict)
        patch.setattr(JsonFileSchemaLoader, "get_json_schema", lambda _: {})
        yield
