"""The connection check: what the settings say that JSON schema cannot judge, and whether Notion shows what they name."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.components import SearchRetriever
from source_notion.objects import config_error
from source_notion.retriever import Listing, RecordsOfResponse


def refuse_impossible_start_date(config: Mapping[str, Any]) -> None:
    """Raise a message if the start date is malformed, not a real date, or in the future.

    A validator of the runtime would have to be a custom one, with which the Connector Builder resolves no manifest.
    """
    value = config.get("start_date")
    if value is None:
        return
    start = None
    with suppress(TypeError, ValueError):
        start = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    if not start or start.year < 1970:  # such as 0026
        raise config_error(
            f"The start date '{value}' is not a possible date in the form YYYY-MM-DDTHH:mm:ss.SSSZ, for example "
            "2025-11-16T00:00:00.000Z."
        )
    if start > datetime.now(timezone.utc):
        raise config_error(
            f"The start date '{value}' is in the future: nothing would be read. Choose a date in the past, or leave "
            "it out to read the last two years."
        )


@dataclass
class CheckRetriever(SearchRetriever):
    """Reads one item of whatever is shared, in scope or not, and looks for what the settings name."""

    tables: Retriever = None  # type: ignore[assignment]  # finds the tables, and fails for one that is not found
    failure_when_empty: str = ""  # the message to fail with if nothing is shared

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        refuse_impossible_start_date(self.config)
        self.lookup.check_roots()
        choice = self.config.get("databases") or {}
        if choice.get("selection") == "some":
            list(self.tables.read_records({}, stream_slice))
        listing = Listing(self.name)
        yield from self.read_listing(listing, records_generator_fn, stream_slice)
        if not listing.versions:
            raise config_error(self.failure_when_empty)
