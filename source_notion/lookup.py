"""What is asked for beside the records: where a page is, and pages that search does not list.

Whatever is asked for here only adds to what the streams deliver.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, NamedTuple, Optional

from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import StreamSlice

from source_notion.objects import Page, config_error, id_in, parent_of, title_of
from source_notion.records import PropertiesAsArray
from source_notion.retriever import NotionRetriever
from source_notion.shared import SharedInSync

LOGGER = logging.getLogger("airbyte")


class Place(NamedTuple):
    """Where something is: its title, if a path shows it, and its parent."""

    title: Optional[str]
    parent_type: Optional[str] = None
    parent_id: Optional[str] = None


class Places(SharedInSync):
    """Where the pages, data sources, databases and blocks are that a sync has seen.

    Attributes:
        known: by id; None for what is out of sight.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.known: dict[str, Optional[Place]] = {}
        self.items: dict[tuple[str, str], Optional[Page]] = {}
        self.asking: dict[str, Lock] = defaultdict(Lock)

    def note(self, item: Mapping[str, Any]) -> None:
        """Note where an item of a listing is; a data source also tells where its database is."""
        parent_type, parent_id = parent_of(item)
        self.known[item["id"]] = Place(title_of(item), parent_type, parent_id)
        if item.get("object") == "data_source" and parent_type == "database_id":
            place = Place(None, *parent_of(item, "database_parent"))
            self.known.setdefault(parent_id, place)  # type: ignore[arg-type]


@dataclass
class Lookup(NotionRetriever):
    """Gets single pages, databases, data sources and blocks, each once in a sync.

    The runtime has no component that asks for something on the way: its requests belong to a stream.

    Attributes:
        data_sources: lists all data sources.
        rows: lists the rows of one data source that were edited since a time.
    """

    data_sources: Optional[Retriever] = None
    rows: Optional[Retriever] = None

    ENDPOINTS: ClassVar[Mapping[Optional[str], str]] = {
        "page_id": "pages",
        "block_id": "blocks",
        "data_source_id": "data_sources",
        "database_id": "databases",
    }

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.places = Places.of(self.config)

    @property
    def goes_by_search_only(self) -> bool:
        """Whether pages are found through search only; so are those of a test read in the Builder."""
        return self.is_test_read or self.config.get("page_discovery") == "search"

    @property
    def links(self) -> list[str]:
        """The links of the pages that the configuration names; without any, all pages are in scope."""
        return self.config.get("root_pages") or []

    @property
    def roots(self) -> list[str]:
        return [id_in(link, "page") for link in self.links]

    # Single items

    def get(self, kind: Optional[str], item_id: str) -> Optional[Page]:
        """An item by the type of a reference to it, such as `page_id`; None if it is out of sight."""
        if kind not in self.ENDPOINTS:
            return None
        with self.places.asking[item_id]:
            if (kind, item_id) not in self.places.items:
                item = next(
                    self._items_of(self, "", endpoint=self.ENDPOINTS[kind], id=item_id), None
                )
                self.places.items[kind, item_id] = item  # type: ignore[index]
                if item:
                    self.places.note(item)
            return self.places.items[kind, item_id]  # type: ignore[index]

    def skip_ignored(self, stream_slice: StreamSlice, response: Any) -> None:
        """Nothing is missing: a parent may be out of sight, and a database a view of another one."""

    def data_sources_of(self, database_id: str) -> list[str]:
        """The ids of a database's data sources; none if it is out of sight, or a view of another one."""
        database: Any = self.get("database_id", database_id) or {}
        for each in database.get("data_sources") or []:
            place = Place(each.get("name"), "database_id", database_id)
            self.places.known.setdefault(each["id"], place)
        return [each["id"] for each in database.get("data_sources") or []]

    # Listings

    def all_data_sources(self) -> Iterator[Page]:
        return self._items_of(self.data_sources, "")

    def rows_of(self, data_source_id: str, since: str) -> Iterator[Page]:
        """The rows of a data source that were edited since a time."""
        return self._items_of(self.rows, since, data_source_id=data_source_id)

    @staticmethod
    def _items_of(retriever: Any, since: str, **where: str) -> Iterator[Page]:
        stream_slice = StreamSlice(
            partition={}, cursor_slice={"start_time": since}, extra_fields=where
        )
        for record in retriever.read_records({}, stream_slice):
            if record.get("object") == "page":
                PropertiesAsArray().transform(record.data)
            record.data.pop("request_id", None)
            yield record.data

    # Places

    def path_of(self, item_id: str) -> Optional[list[tuple[str, str]]]:
        """The ids and titles of the pages and data sources above an item, from the top down.

        The path begins where the connection begins to see. It costs a request for each parent that
        no listing of the sync has shown; None if that is necessary, but only search is to be asked.
        """
        above = self._ancestors_of(item_id)
        if above is None:
            return None
        return [(id, place.title) for id, place in reversed(above) if place.title is not None]

    def is_in_scope(self, item_id: str) -> bool:
        """Whether an item is one of the pages that the configuration names, or below one of them."""
        if not self.links or self.is_test_read:
            return True
        above = [id for id, _ in self._ancestors_of(item_id) or []]
        return any(id in self.roots for id in (item_id, *above))

    def _ancestors_of(self, item_id: str) -> Optional[list[tuple[str, Place]]]:
        """The ids and places of all that is above an item, from the nearest up."""
        above: dict[str, Place] = {}
        place = self.places.known.get(item_id)
        while place and place.parent_id and place.parent_id not in above:
            parent_id = place.parent_id
            if parent_id not in self.places.known:
                if self.is_test_read or (self.goes_by_search_only and not self.links):
                    return None
                self.get(place.parent_type, parent_id)
                self.places.known.setdefault(parent_id, None)
            place = self.places.known[parent_id]
            above[parent_id] = place or Place(None)
        return list(above.items())

    def check_links(self) -> None:
        """Raise a message if a page that the configuration names cannot be seen."""
        for link, page_id in zip(self.links, self.roots, strict=True):
            if not any(self.get(kind, page_id) for kind in ("page_id", "database_id")):
                raise config_error(
                    f"The page {link} is not among those that this connection sees. Open it in Notion, "
                    "choose ••• > Connections, add this connection, and test again; or take it off the list."
                )
