"""Databases as tables: which there are, and their rows."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Optional
from urllib.parse import unquote

from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.declarative.schema import SchemaLoader
from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.check import refuse_impossible_start_date
from source_notion.columns import MALFORMED, columns_of, rollups_of, row_of, stream_name_of, table_schema_of
from source_notion.lookup import ALL_DATA_SOURCES, HOW_TO_SHARE, Lookup
from source_notion.objects import LONG_AGO, config_error, fields_of, id_in, parent_of, reason_of, transient_error
from source_notion.retriever import Listing, NotionRetriever, RecordsOfResponse, with_extra
from source_notion.shared import LOGGER


@dataclass
class TableFinder(Retriever):
    """Finds the data sources that become tables; one record tells all that a table's stream needs.

    The shape is `{"name": of the stream, "table": the data source's id and properties, as JSON text}`. As text,
    properties pass through the manifest untouched, whatever their names hold. If the data sources cannot be listed, the
    one record is a table that fails `discover`; a read has no such stream, and goes on without tables.
    """

    config: Mapping[str, Any]
    lookup: Lookup  # lists the data sources
    all_must_be_found: bool = False  # whether to fail if a chosen database is not found, or to warn

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: Optional[StreamSlice] = None
    ) -> Iterator[dict[str, Any]]:
        refuse_impossible_start_date(self.config)  # the runtime finds tables before it builds any stream
        choice = self.config.get("databases") or {}
        takes_all = choice.get("selection", "all") == "all"
        links = choice["links"] if choice.get("selection") == "some" else []
        chosen = {id_in(link): link for link in links}
        found: set[str] = set()
        tables: dict[str, str] = {}
        listed = self.lookup.all_data_sources() if takes_all or chosen else []
        for id, data_source in {each["id"]: each for each in listed}.items():
            ids = {id, parent_of(data_source)[1] or ""}
            found |= ids
            if not (takes_all or ids & chosen.keys()):
                continue
            if not self.lookup.is_in_scope(id):
                if ids & chosen.keys():
                    LOGGER.warning(
                        f"The data source {id} is no table: it is not below any of the pages in the settings."
                    )
                continue
            name = stream_name_of(data_source)
            if tables.setdefault(name, id) != id:
                LOGGER.warning(f"The data source {id} is missing: {name} is the table of {tables[name]}. Rename one.")
                continue
            table = {"id": id, "properties": fields_of(data_source.get("properties"))}
            yield {"name": name, "table": json.dumps(table)}
        failure = self.lookup.workspace.unanswered.get(ALL_DATA_SOURCES)
        if failure and self.all_must_be_found:
            raise transient_error(failure)
        if failure:
            yield {"name": "databases_as_tables", "table": json.dumps({"failure": failure})}
            return
        for link in [chosen[each] for each in chosen.keys() - found]:
            message = f"The database {link} is not shared with this connection. {HOW_TO_SHARE}"
            if self.all_must_be_found:
                raise config_error(message)
            LOGGER.warning(message)


@dataclass
class TableSchemaLoader(SchemaLoader):
    """The schema of a table, made of the properties of its data source, as `TableFinder` gives them."""

    table: str

    def get_json_schema(self) -> Mapping[str, Any]:
        table = json.loads(self.table)
        if "failure" in table:
            raise transient_error(table["failure"])
        return table_schema_of(columns_of(table["properties"]))


@dataclass
class RowsRetriever(NotionRetriever):
    """Reads the rows of a data source to their true end: `data_source_id` of the slice's extra fields.

    A query gives its first 10,000 rows and says that it is incomplete. The next one then takes all that
    were created since the last of these, as Notion advises. The runtime could split the window of time,
    but in ten halves at most, which leaves days in one piece. Ordered by creation, rows stay where they
    are when they are edited meanwhile: https://developers.notion.com/guides/data-apis/query-large-data-sources
    """

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        listing = Listing(self.name)
        created_since = LONG_AGO
        while True:
            query = with_extra(stream_slice, created_since=created_since)
            last, listing.is_incomplete = created_since, False
            for page in self.read_listing(listing, records_generator_fn, query):
                if page.get("object") != "page":
                    continue  # wikis hold data sources among their pages
                last = page.get("created_time") or last
                yield page
            if not listing.is_incomplete:
                return
            if last == created_since:
                raise config_error(
                    f"Notion gives at most 10,000 rows of a query, and more rows of {self.name} were created in one "
                    f"minute, {last}. The stream stops here so that nothing is lost. To skip them, set a later start "
                    "date."
                )
            created_since = last


@dataclass
class TableRetriever(RowsRetriever):
    """Reads the rows of a table, typed, and with all items of their properties.

    A page shows no more than 25 items of a relation, people, or mentions in a text. If a row is at
    that limit, the items are listed, 100 in a request: https://developers.notion.com/reference/retrieve-a-page
    """

    table: str = "{}"
    property_items: Retriever = None  # type: ignore[assignment]

    MAX_ITEMS_IN_A_PAGE: ClassVar[int] = 25

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        table = json.loads(self.table)
        columns = columns_of(table["properties"])
        rollups = rollups_of(table["properties"])
        lost: Counter[str] = Counter()
        incomplete: Counter[str] = Counter()
        query = with_extra(stream_slice, data_source_id=table["id"])
        for page in super()._read_pages(records_generator_fn, query):
            for value in fields_of(page.get("properties")).values():
                if self._is_cut_short(value):
                    value[value["type"]] = self._all_items(page["id"], value)
                    incomplete.update(rollups[unquote(value["id"])])
            row, lost_in_row = row_of(page.data, columns)
            lost.update(lost_in_row)
            yield Record(row, page.stream_name, page.associated_slice)
        if lost:
            LOGGER.warning(
                f"Stream {self.name} has null in place of values that Notion did not compute, or that "
                f"are not of their property's type: {_counted(lost)}."
            )
        if incomplete:
            LOGGER.warning(
                f"Stream {self.name} has rollups that may be incomplete, because Notion computes them of the first "
                f"{self.MAX_ITEMS_IN_A_PAGE} relations of a row: {_counted(incomplete)}."
            )

    def skip_ignored(self, stream_slice: StreamSlice, response: Any) -> None:
        raise config_error(
            "This database was deleted, or is no longer shared with the connection. Share it again, or "
            "refresh the source's schema and sync again."
        )

    def _is_cut_short(self, value: Mapping[str, Any]) -> bool:
        with suppress(*MALFORMED):
            kind, items = value["type"], value.get(value["type"]) or []
            if not isinstance(value["id"], str):
                return False
            if kind == "relation":
                return value.get("has_more", False)
            if kind in ("people", "title", "rich_text"):
                counted = [item for item in items if kind == "people" or item["type"] == "mention"]
                return len(counted) >= self.MAX_ITEMS_IN_A_PAGE
        return False

    def _all_items(self, page_id: str, value: Mapping[str, Any]) -> list[Any]:
        about = {"page_id": page_id, "property_id": value["id"]}
        where = StreamSlice(partition={}, cursor_slice={}, extra_fields=about)
        items: Any = self.property_items.read_records({}, where)
        try:
            # None at all: skipped with a warning, and what the page shows of them is better than nothing.
            return [item[value["type"]] for item in items] or value[value["type"]]
        except Exception as error:
            what = f"page_id {page_id}, items of property {value['id']} beyond {self.MAX_ITEMS_IN_A_PAGE}"
            self.skipped.warn(self.name, what, "not answered", reason_of(error))
            return value[value["type"]]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} of {of}" for of, n in counts.items())
