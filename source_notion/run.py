"""The executable `source-notion`: spec, check, discover and read."""

import json
import sys
from pathlib import Path
from typing import Any, Optional

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import AirbyteMessage, ConfiguredAirbyteCatalogSerializer, Type
from airbyte_cdk.sources.declarative.models.declarative_component_schema import Spec
from airbyte_cdk.sources.declarative.parsers.model_to_component_factory import (
    ModelToComponentFactory,
)
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

MANIFEST = Path(__file__).with_name("manifest.yaml")


def source_notion(arguments: list[str]) -> YamlDeclarativeSource:
    """The connector that the command line asks for.

    Args:
        arguments: the command line without the program's name, as Airbyte's protocol has it.
    """
    catalog = _read(AirbyteEntrypoint.extract_catalog(arguments))
    config = _read(AirbyteEntrypoint.extract_config(arguments))
    state = AirbyteEntrypoint.extract_state(arguments)
    return YamlDeclarativeSource(
        path_to_yaml=str(MANIFEST),
        catalog=ConfiguredAirbyteCatalogSerializer.load(catalog) if catalog else None,
        config=config_of_a_read(config, catalog) if catalog else config,
        state=YamlDeclarativeSource.read_state(state) if state else None,
    )


def config_of_a_read(config: dict[str, Any], catalog: dict[str, Any]) -> dict[str, Any]:
    """The configuration, with the names of the streams that the catalog holds.

    The runtime does not say them to components. With them, those tables alone are looked for that are
    to be read, and streams that wait for the walk of another know whether there will be one.
    """
    return {**config, "__streams": [each["stream"]["name"] for each in catalog["streams"]]}


def _read(path: Optional[str]) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else None


def specification() -> AirbyteMessage:
    """The specification, read from the manifest without building the source, which takes ten times as long."""
    spec = safe_load_yaml(MANIFEST.read_text(encoding="utf-8"))["spec"]
    component = ModelToComponentFactory().create_component(Spec, spec, config={})
    return AirbyteMessage(type=Type.SPEC, spec=component.generate_spec())


def run() -> None:
    """Run one command of the protocol."""
    arguments = sys.argv[1:]
    if AirbyteEntrypoint.parse_args(arguments).command == "spec":
        print(AirbyteEntrypoint.airbyte_message_to_string(specification()))
    else:
        launch(source_notion(arguments), arguments)


if __name__ == "__main__":
    run()
