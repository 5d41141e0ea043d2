"""The executable `source-notion`: spec, check, discover and read."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.source import Source
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

from source_notion.objects import config_error

MANIFEST = Path(__file__).with_name("manifest.yaml")

NOT_READ = (
    "Stream {} is not read: its database was deleted, has another title, is no longer shared with this connection, is not "
    "chosen in the source's settings, or could not be listed. If no warning above says so, refresh the source's schema."
)


class SourceNotion(ConcurrentDeclarativeSource):
    """The connector of the manifest. It also says which streams of the catalog no longer exist."""

    def read(
        self, logger: logging.Logger, config: Any, catalog: ConfiguredAirbyteCatalog, state: Any = None
    ) -> Iterator[AirbyteMessage]:
        """Read the catalog. The runtime marks a stream that it does not find as incomplete, without a word; and not
        even that if it finds none.
        """
        unsaid = {each.stream.name: each.stream for each in catalog.streams}
        for message in super().read(logger, config, catalog, state):
            status = message.trace.stream_status if message.trace else None
            name = status.stream_descriptor.name if status else ""
            if unsaid.pop(name, None) and status and status.status != AirbyteStreamStatus.STARTED:
                logger.warning(NOT_READ.format(name))
            yield message
        for name, stream in unsaid.items():
            logger.warning(NOT_READ.format(name))
            yield as_airbyte_message(stream, AirbyteStreamStatus.INCOMPLETE)
        if unsaid:
            raise config_error("Nothing was read: the source has none of the catalog's streams. The warnings say why.")


def manifest() -> dict[str, Any]:
    return dict(safe_load_yaml(MANIFEST.read_text(encoding="utf-8")))


def source_notion(arguments: list[str]) -> SourceNotion:
    """The connector that the command line asks for; its arguments are those of Airbyte's protocol."""
    paths = vars(AirbyteEntrypoint.parse_args(arguments))
    return SourceNotion(
        source_config=manifest(),
        config=_read("configuration", paths.get("config"), lambda content: {**content}),
        catalog=_read("catalog", paths.get("catalog"), ConfiguredAirbyteCatalogSerializer.load),
        state=_read("state", paths.get("state"), lambda _: Source.read_state(paths["state"])),
    )


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


def run() -> None:
    """Run one command of the protocol."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the machine says
    arguments = sys.argv[1:]
    if not AirbyteEntrypoint.parse_args(arguments).command:
        raise SystemExit("Give a command: source-notion spec, check, discover or read.")
    try:
        launch(source_notion(arguments), arguments)
    except (Exception, KeyboardInterrupt):  # threads that still read or wait would hold the process
        with suppress(OSError):
            sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
        os._exit(1)


if __name__ == "__main__":
    run()
