"""The executable `source-notion`: spec, check, discover and read."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import (
    AirbyteMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)
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
    options = AirbyteEntrypoint.parse_args(arguments)
    config = _read("configuration", options.config, _settings)
    catalog = _read("catalog", getattr(options, "catalog", None), _catalog_with_json)
    state: Any = getattr(options, "state", None)
    return YamlDeclarativeSource(
        path_to_yaml=str(MANIFEST),
        catalog=catalog and catalog[0],
        config=config_of_a_read(config, catalog[1]) if catalog else config,
        state=_read("state", state, lambda _: YamlDeclarativeSource.read_state(state)),
    )


def config_of_a_read(config: dict[str, Any], catalog: dict[str, Any]) -> dict[str, Any]:
    """The configuration, with the names of the streams that the catalog holds.

    The runtime does not say them to components. With them, those tables alone are looked for that are
    to be read, and streams that wait for the walk of another know whether there will be one.
    """
    return {**config, "__streams": [each["stream"]["name"] for each in catalog["streams"]]}


def _read(kind: str, path: Optional[str], load: Callable[[Any], Any]) -> Any:
    """A file of the command line; ends the program with a message if it is missing or malformed."""
    if not path:
        return None
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"The {kind} {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SystemExit(f"The {kind} {path} is not JSON: {error}.") from None
    try:
        return load(content)
    except Exception as error:  # of which class is the runtime's choice
        reason = " ".join(str(error).split())
        raise SystemExit(f"{path} is not a {kind} of Airbyte's protocol: {reason}") from None


def _settings(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError("it has to be a JSON object")
    return content


def _catalog_with_json(content: Any) -> tuple[ConfiguredAirbyteCatalog, dict[str, Any]]:
    return ConfiguredAirbyteCatalogSerializer.load(content), content


def specification() -> AirbyteMessage:
    """The specification, read from the manifest without building the source, which takes ten times as long."""
    spec = safe_load_yaml(MANIFEST.read_text(encoding="utf-8"))["spec"]
    component = ModelToComponentFactory().create_component(Spec, spec, config={})
    return AirbyteMessage(type=Type.SPEC, spec=component.generate_spec())


def run() -> None:
    """Run one command of the protocol."""
    arguments = sys.argv[1:]
    command = AirbyteEntrypoint.parse_args(arguments).command
    if not command:
        raise SystemExit("Give a command: source-notion spec, check, discover or read.")
    if command == "spec":
        print(AirbyteEntrypoint.airbyte_message_to_string(specification()))
    else:
        launch(source_notion(arguments), arguments)


if __name__ == "__main__":
    run()
