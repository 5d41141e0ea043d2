"""What is asked for beside the records: where a page is, and pages that search does not list.

Whatever is asked for here only adds to what the streams deliver. A request that fails takes nothing away: what it would
have added is missing, one warning says so, no stream of the sync asks again, and the next sync does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Optional

from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import StreamSlice

from source_notion.objects import Page, config_error, fields_of, id_in, reason_of, transient_error
from source_notion.retriever import NotionRetriever
from source_notion.shared import LOGGER
from source_notion.workspace import Place

ALL_DATA_SOURCES = "data_sources"

# What to do about a page or database that the settings name and Notion does not show.
HOW_TO_SHARE = (
    "Open it in Notion, choose ••• > Connections, add this connection, and test again; or remove it from the list."
)


@dataclass
class Lookup(NotionRetriever):
    """Gets single pages, databases, data sources and blocks, each once in a sync, and the rows of data sources.

    The runtime has no component that asks for something on the way: its requests belong to a stream.
    """

    data_sources: NotionRetriever = None  # type: ignore[assignment]  # lists all data sources
    rows: Retriever = None  # type: ignore[assignment]  # lists those of a data source since a time
    start_date: str = ""  # from when on to read the rows of a database that is new

    ENDPOINTS: ClassVar[Mapping[Optional[str], str]] = {
        "page_id": "pages",
        "block_id": "blocks",
        "data_source_id": "data_sources",
        "database_id": "databases",
    }

    @property
    def is_test_read(self) -> bool:
        """Whether somebody waits for a sample: a lookup has no paginator of its own that would say so."""
        return self.data_sources.is_test_read

    @property
    def uses_search_only(self) -> bool:
        """Whether pages are found through search only, as in a test read of the Connector Builder."""
        return self.is_test_read or self.config.get("page_discovery") == "search"

    @cached_property
    def start(self) -> str:
        """The start date, in Notion's format."""
        return str(InterpolatedString.create(self.start_date, parameters={}).eval(self.config))

    @cached_property
    def roots(self) -> dict[str, str]:
        """The pages that the configuration names, and their links; without any, everything is in scope."""
        return {id_in(link, "page"): link for link in self.config.get("root_pages") or []}

    def get(self, kind: Optional[str], item_id: str) -> Any:
        """An item by the type of a reference to it, such as `page_id`; None if it is out of sight."""
        if kind not in self.ENDPOINTS:
            return None
        items, endpoint = self.workspace.items, self.ENDPOINTS[kind]
        what = f"{endpoint}/{item_id}"
        with self.workspace.asking[item_id]:
            if what not in items:
                items[what] = next(self._ask(item_id, what, self, endpoint=endpoint, id=item_id), None)
                if items[what]:
                    self.workspace.note(items[what])
        return items[what]

    def data_sources_of(self, database_id: str) -> list[str]:
        """The ids of a database's data sources; none if it is out of sight, or a view of another one."""
        named = fields_of(self.get("database_id", database_id)).get("data_sources")
        ids = []
        for each in map(fields_of, named if isinstance(named, list) else []):
            if isinstance(each.get("id"), str):
                self.workspace.places.setdefault(each["id"], Place(each.get("name"), "database_id", database_id))
                ids.append(each["id"])
        return ids

    def all_data_sources(self) -> list[Page]:
        """All data sources that search lists; `ALL_DATA_SOURCES` is unanswered if the listing failed."""
        if self.workspace.data_sources is None:
            data_sources = self._ask(ALL_DATA_SOURCES, "the listing of data sources", self.data_sources)
            self.workspace.data_sources = list(data_sources)
        return self.workspace.data_sources

    def rows_of(self, data_source_id: str, since: str) -> Iterator[Page]:
        """The rows of a data source that were edited since a time."""
        what = f"the rows of data source {data_source_id}"
        return self._ask(data_source_id, what, self.rows, since, data_source_id=data_source_id)

    def _ask(self, key: str, what: str, retriever: Any, since: str = "", **where: str) -> Iterator[Page]:
        if key in self.workspace.unanswered:
            return
        stream_slice = StreamSlice(partition={}, cursor_slice={"start_time": since}, extra_fields=where)
        try:
            yield from (record.data for record in retriever.read_records({}, stream_slice))
        except Exception as error:
            self.workspace.unanswered[key] = reason_of(error)
            LOGGER.warning(
                f"Could not get {what}: {reason_of(error)} What it would have added is missing. The next sync tries "
                "again."
            )

    def skip_ignored(self, stream_slice: StreamSlice, response: Any) -> None:
        """Nothing is missing: a parent may be out of sight, and a database a view of another one.

        Only of a block that the API does not support, nobody knows where it is.
        """
        if response.status_code == 400 and stream_slice.extra_fields.get("endpoint") == "blocks":
            self.workspace.unclear.add(stream_slice.extra_fields["id"])

    def path_of(self, item_id: str) -> dict[str, Any]:
        """`path`, the ids of the pages and data sources above an item, from the top down; their `path_titles`; `depth`.

        The path begins where the connection begins to see. It costs a request for each parent that no listing of the
        sync has shown; all are None if that is necessary, but only search is to be asked.
        """
        above = self._ancestors_of(item_id)
        if above is None:
            return dict.fromkeys(("path", "path_titles", "depth"))
        titles = {id: place.title for id, place in reversed(above.items()) if place.title is not None}
        return {"path": [*titles], "path_titles": [*titles.values()], "depth": len(titles)}

    def is_in_scope(self, item_id: str) -> bool:
        """Whether an item is one of the pages that the configuration names, or below one of them."""
        if not self.roots or self.is_test_read:
            return True
        above = {item_id, *(self._ancestors_of(item_id) or ())}
        unclear = {*self.workspace.unanswered, *self.workspace.unclear}
        return not above.isdisjoint({*self.roots, *unclear})  # rather too much than too little

    def _ancestors_of(self, item_id: str) -> Optional[dict[str, Place]]:
        """What is above an item, from the nearest up."""
        places, above = self.workspace.places, {}
        place = places.get(item_id)
        while place and place.parent_id and place.parent_id not in above:
            parent_id = place.parent_id
            if parent_id not in places:
                if self.is_test_read or (self.uses_search_only and not self.roots):
                    return None
                self.get(place.parent_type, parent_id)
                places.setdefault(parent_id, None)
            place = places[parent_id]
            above[parent_id] = place or Place(None)
        return above

    def check_roots(self) -> None:
        """Raise a message if a page that the configuration names cannot be seen."""
        for page_id, link in self.roots.items():
            if not any(self.get(kind, page_id) for kind in ("page_id", "database_id")):
                if page_id in self.workspace.unanswered:
                    raise transient_error(self.workspace.unanswered[page_id])
                raise config_error(f"The page {link} is not shared with this connection. {HOW_TO_SHARE}")

    def warn_if_gone(self, root: str) -> None:
        """Say that a page or database that the configuration names is out of sight by now."""
        items = [fields_of(self.get(kind, root)) for kind in ("page_id", "database_id")]
        if root not in self.workspace.unanswered and all(not item or item.get("in_trash") for item in items):
            self.skipped.say_once(
                f"The page {self.roots[root]} is in the trash, or no longer shared with this connection. Nothing below it "
                "is read. Restore it, share it again, or remove it from the list."
            )
