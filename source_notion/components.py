"""What the manifest cannot say: the quirks of search, and the tree of blocks.

The modules beside this one hold one concern each; `tools/bundle.py` joins them all into one file for
the Connector Builder. The runtime reads the partitions of a stream in several threads with one
retriever, so nothing here keeps what belongs to one read anywhere but in that read's local variables.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Optional

from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.types import Record, StreamSlice

from source_notion.known_pages import Discovery, FoundPage, KnownPages, PageFile
from source_notion.lookup import Lookup, Place, Places
from source_notion.markdown import with_block, without_marks
from source_notion.objects import Block, Page, earlier, text_of_block
from source_notion.page_state import PageState
from source_notion.pages import PageRouter
from source_notion.records import PropertiesAsArray
from source_notion.retriever import (
    Listing,
    NotionRetriever,
    RecordsOfResponse,
    tame,
    with_extra,
)

LOGGER = logging.getLogger("airbyte")


@dataclass
class SearchRetriever(NotionRetriever):
    """Reads `POST /search` from the newest item down, only as far back as the slice reaches.

    Search has no filter by time, its index is not strictly sorted, and items move to the front when
    they are edited during the listing, which shifts the others back so that they come again. The
    runtime stops at the first record that is too old (`is_data_feed`), or reads everything.
    https://developers.notion.com/reference/search-optimizations-and-limitations

    Attributes:
        lookup: tells what is in scope; without it, everything is.
    """

    lookup: Optional[Lookup] = None

    # So many items in a row that are too old end the listing.
    MAX_OLDER_ITEMS_IN_A_ROW: ClassVar[int] = 50

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.places = Places.of(self.config)

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        for record in super()._read_pages(records_generator_fn, stream_slice):
            if self.lookup is None or self.lookup.is_in_scope(record["id"]):
                yield record

    def read_listing(
        self, listing: Listing, records_of: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterator[Record]:
        since = stream_slice.cursor_slice.get("start_time", "")
        older_in_a_row = 0
        for record in super().read_listing(listing, records_of, stream_slice):
            self.places.note(record)
            if record["last_edited_time"] >= since:
                older_in_a_row = 0
                yield record
                continue
            older_in_a_row += 1
            if older_in_a_row >= self.MAX_OLDER_ITEMS_IN_A_ROW and not listing.left_in_answer:
                return
        if listing.is_incomplete:
            LOGGER.warning(
                f"Notion's search gave the stream {self.name} no more than its newest {listing.size} "
                "items, and says that there are more. They are missing until they are edited."
            )


@dataclass
class DataSourceListRetriever(SearchRetriever):
    """Lists all data sources once in a sync, and gives each stream those edited since its time.

    Their properties are an array, see `PropertiesAsArray`.
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.known = KnownPages.of(self.config)

    def read_listing(
        self, listing: Listing, records_of: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterator[Record]:
        if self.known.data_sources is None:
            everything = StreamSlice(partition={}, cursor_slice={})
            data_sources = PageFile()
            for record in super().read_listing(listing, records_of, everything):
                PropertiesAsArray().transform(record.data)  # type: ignore[arg-type]
                data_sources.append(FoundPage("search", record.data))  # type: ignore[arg-type]
                if self.is_test_read:
                    yield record
            if self.is_test_read:
                return
            self.known.data_sources = data_sources
        since = stream_slice.cursor_slice.get("start_time", "")
        for found in self.known.data_sources:
            if found.page["last_edited_time"] >= since:
                yield Record(found.page, self.name, stream_slice)


@dataclass
class PageListRetriever(SearchRetriever):
    """Lists the pages edited since a time: those of search, and those that it leaves out.

    The records are the fields of `FoundPage`. Search is documented as incomplete, so the rows of each
    data source come from its query, and what earlier syncs discovered is asked for by its id.
    https://developers.notion.com/reference/search-optimizations-and-limitations

    Attributes:
        start_date: the time from which on everything is read of what is new to the stream.
    """

    start_date: str = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.known = KnownPages.of(self.config)
        self._start_date = InterpolatedString.create(self.start_date, parameters=parameters or {})

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        since = stream_slice.cursor_slice["start_time"]
        state: PageState = self.cursor.state  # type: ignore[union-attr, assignment]
        began = state.get("began", "")
        new_databases = {id for id, at in self.known.databases.items() if at > began}
        key = f"{since} {sorted(new_databases)} {sorted(state.get('failed', []))}"
        if key not in self.known.lists:
            pages = PageFile()
            for found in self._list(records_generator_fn, since, new_databases, state):
                pages.append(found)
            self.known.lists[key] = pages
        for pages in (self.known.lists[key], self.known.new):
            for found in pages:
                if self._lookup.is_in_scope(found.page["id"]):
                    yield Record(found._asdict(), self.name, stream_slice)

    @property
    def _lookup(self) -> Lookup:
        assert self.lookup is not None
        return self.lookup

    def _list(
        self,
        records_of: RecordsOfResponse,
        since: str,
        new_databases: set[str],
        state: PageState,
    ) -> Iterator[FoundPage]:
        listed: set[str] = set()
        for page in self._searched(records_of, since):
            listed.add(page["id"])
            self.known.forget(page["id"])
            yield FoundPage("search", page)
        if self._lookup.goes_by_search_only:
            beside: Iterator[FoundPage] = iter(())
        else:
            beside = self._beside_search(since, new_databases, state, listed)
        for found in beside:
            if found.page["id"] not in listed:
                listed.add(found.page["id"])
                self.places.note(found.page)
                yield found
        for page_id in listed:
            self.known.take(page_id)

    def _searched(self, records_of: RecordsOfResponse, since: str) -> Iterator[Page]:
        listing, now = Listing("pages"), self.clock.now
        yield from self._search(listing, records_of, since)
        if listing.answers > 1 and not self.is_test_read:  # what moved to the front meanwhile
            front = earlier(now or self.clock.began)
            yield from self._search(Listing("pages"), records_of, front)

    def _search(
        self, listing: Listing, records_of: RecordsOfResponse, since: str
    ) -> Iterator[Page]:
        back_to = StreamSlice(partition={}, cursor_slice={"start_time": since})
        for record in self.read_listing(listing, records_of, back_to):
            yield record.data  # type: ignore[misc]

    def _beside_search(
        self, since: str, new_databases: set[str], state: PageState, listed: set[str]
    ) -> Iterator[FoundPage]:
        start = self._start_date.eval(self.config)
        lookup, known = self._lookup, self.known
        queried = set()
        for data_source in lookup.all_data_sources():
            self.places.note(data_source)
            queried.add(data_source["id"])
            known.take(data_source["id"])
            if lookup.is_in_scope(data_source["id"]):
                for row in lookup.rows_of(data_source["id"], since):
                    yield FoundPage("database", row)
        pages = {
            **dict.fromkeys(lookup.roots),
            **known.pages,
            **dict.fromkeys(state.get("failed", [])),
        }
        databases = dict(known.databases)
        for page_id in pages:
            if page_id in listed:
                continue
            page = lookup.get("page_id", page_id)
            if page is None:
                known.forget(page_id)
                if page_id in lookup.roots:
                    databases[page_id] = ""
            elif page.get("in_trash"):
                known.forget(page_id)
            elif page_id not in lookup.roots or page["last_edited_time"] >= since:
                yield FoundPage("parent", page, page_id if page_id in known.pages else "")
        for database_id in databases:
            left_out = [id for id in lookup.data_sources_of(database_id) if id not in queried]
            if not left_out:
                known.forget(database_id)
            for data_source_id in left_out:
                known.take(data_source_id)
                rows_since = start if database_id in new_databases else since
                for row in lookup.rows_of(data_source_id, rows_since):
                    yield FoundPage("database", row, database_id)


@dataclass
class PagesRetriever(PageListRetriever):
    """Reads the pages themselves, each with its place in the workspace.

    A page gains `path` (the ids of the pages and data sources above it, from the top down),
    `path_titles` (their titles) and `depth` (how many they are).
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.router: PageRouter = self.partition_router  # type: ignore[assignment]

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        if self.is_test_read:
            pages = self._searched(records_generator_fn, stream_slice["start_time"])
        else:
            pages = (found.page for found in self.router.due_pages())
        for page in pages:
            path = self._lookup.path_of(page["id"])
            page["path"] = None if path is None else [id for id, _ in path]
            page["path_titles"] = None if path is None else [title for _, title in path]
            page["depth"] = None if path is None else len(path)
            yield Record(page, self.name, stream_slice)
        if not self.is_test_read:
            self.router.finish("", [], Discovery())


@dataclass
class PageContentRetriever(NotionRetriever):
    """Reads something of each page, and tells the router when a page is done.

    A page that fails costs only itself: the state names it, and the stream ends as failed. The
    runtime's retriever would hold the state back at such a page for ever.

    Attributes:
        seconds_between_states: how often to emit a state; the runtime does so every ten minutes.
    """

    seconds_between_states: float = 30.0

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.router: PageRouter = self.partition_router  # type: ignore[assignment]

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: Optional[StreamSlice] = None
    ) -> Iterable[StreamData]:
        assert stream_slice is not None
        page_id = stream_slice.partition["page_id"]
        discovery = Discovery()
        failures: dict[str, Exception] = {}
        pages = deque([(page_id, stream_slice.extra_fields["last_edited_time"])])
        read = 0
        while pages:
            id, edited = pages.popleft()
            of_page = with_extra(
                stream_slice, page_id=id, last_edited_time=edited, discovery=discovery
            )
            try:
                yield from super().read_records(records_schema, of_page)
            except Exception as error:
                failures[id] = error
            for found in discovery.pages[read:]:
                pages.append((found.page["id"], found.page["last_edited_time"]))
            read = len(discovery.pages)
        self._finish(stream_slice, failures, discovery)

    def _finish(
        self, stream_slice: StreamSlice, failures: dict[str, Exception], discovery: Discovery
    ) -> None:
        cursor: Any = self.cursor
        is_last = self.router.finish(stream_slice.partition["page_id"], [*failures], discovery)
        tame(cursor, self.seconds_between_states)
        news = [
            error for id, error in failures.items() if self.skipped.fail(self.name, id, str(error))
        ]
        if is_last:
            self.skipped.summarize(self.name)
        if news:
            # The runtime closes no partition that failed; closed, the state goes on beyond it.
            cursor.close_partition(SimpleNamespace(to_slice=lambda: stream_slice))
            raise news[0]


@dataclass
class BlockTreeRetriever(PageContentRetriever):
    """Reads all blocks of a page in the order of the document: each block, then its children.

    The traversal keeps one open listing for each level, so depth costs memory but no recursion. Each
    block gains `page_id`, `page_last_edited_time`, `depth` (0 right under the page), `path` (the ids of
    the page and of the blocks above it), `plain_text` (its own) and `parent.sequence_number` (its
    place among all its siblings, from 0). Pages that only this page knows are read after it.

    Attributes:
        lookup: asks for the pages and databases that no listing has shown.
    """

    lookup: Optional[Lookup] = None

    # Pages and databases have streams of their own; the children call of an ai_block is refused:
    # https://github.com/openclaw/notcrawl/issues/59
    NOT_RECORDS: ClassVar[frozenset[str]] = frozenset({"child_page", "child_database", "ai_block"})

    # The Connector Builder limits only the pages of a listing, and somebody waits for a sample.
    MAX_LISTINGS_IN_A_TEST_READ: ClassVar[int] = 20

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.known = KnownPages.of(self.config)
        self.places = Places.of(self.config)

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        def children_of(block_id: str) -> Iterator[tuple[int, Record]]:
            of_block = with_extra(stream_slice, block_id=block_id)
            return enumerate(self.read_listing(Listing(self.name), records_generator_fn, of_block))

        page = stream_slice.extra_fields
        levels, path, read = [children_of(page["page_id"])], [page["page_id"]], {page["page_id"]}
        while levels:
            sequence_number, record = next(levels[-1], (0, None))
            if record is None:
                levels.pop()
                path.pop()
                continue
            block: Any = record.data
            if block["type"] in self.NOT_RECORDS:
                self._discover(block, path, page)
                continue
            self._add_place(block, path, page, sequence_number)
            yield record
            original = self._original_of_synced_copy(block)
            if original:
                if original not in read:
                    next(children_of(original), None)
            elif not block.get("has_children") or block["type"] == "unsupported":
                continue
            elif block["id"] in read:
                what = f"page_id {page['page_id']}, children of block_id {block['id']}"
                self.skip(what, "read already", "the block contains itself.")
            else:
                read.add(block["id"])
                levels.append(children_of(block["id"]))
                path.append(block["id"])
            if self.is_test_read and len(read) >= self.MAX_LISTINGS_IN_A_TEST_READ:
                return

    @staticmethod
    def _add_place(block: Any, path: list[str], page: Mapping[str, Any], number: int) -> None:
        block["parent"] = {**(block.get("parent") or {}), "sequence_number": number}
        block["page_id"] = page["page_id"]
        block["page_last_edited_time"] = page["last_edited_time"]
        block["depth"] = len(path) - 1
        block["path"] = path.copy()
        block["plain_text"] = text_of_block(block)

    @staticmethod
    def _original_of_synced_copy(block: Mapping[str, Any]) -> Optional[str]:
        """The block whose children a synced copy shows; None for any other block.

        The content is read with its original. A copy's own children call may answer 404, so the
        original is asked for once: if it is out of reach, that is worth a warning.
        https://github.com/openclaw/notcrawl/issues/37
        """
        if block["type"] != "synced_block" or not block.get("has_children"):
            return None
        return ((block.get("synced_block") or {}).get("synced_from") or {}).get("block_id")

    def _discover(self, block: Block, path: list[str], page: Mapping[str, Any]) -> None:
        """Take a page or database within a page, if nothing has listed it.

        One that is older than the listing reaches is not in it either. It was discovered when it was
        new, in the page that was edited by adding it: such a block has the times of its page.
        """
        self.places.known.setdefault(path[-1], Place(None, "page_id", page["page_id"]))
        discovery, since, id = page["discovery"], page["since"], block["id"]
        lookup = self.lookup
        if lookup is None or lookup.goes_by_search_only or block["last_edited_time"] < since:
            return
        if block["type"] == "child_page" and self.known.take(id):
            child = lookup.get("page_id", id)
            if child and not child.get("in_trash") and lookup.is_in_scope(id):
                discovery.pages.append(FoundPage("parent", child, id))
        elif block["type"] == "child_database" and self.known.take(id):
            left_out = [each for each in lookup.data_sources_of(id) if self.known.take(each)]
            if left_out:
                discovery.databases.append(id)
            for data_source_id in left_out:
                for row in lookup.rows_of(data_source_id, since):
                    if self.known.take(row["id"]) and lookup.is_in_scope(row["id"]):
                        discovery.pages.append(FoundPage("database", row, id))


@dataclass
class BlockCommentsRetriever(BlockTreeRetriever):
    """Reads the comments on each block of a page, which takes a request for each block.

    Attributes:
        comments: lists the comments on one block.
    """

    comments: Optional[Retriever] = None

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        for block in super()._read_pages(records_generator_fn, stream_slice):
            on_block = with_extra(stream_slice, block_id=block["id"])
            for comment in self.comments.read_records({}, on_block):  # type: ignore[union-attr]
                where = {"page_id": block["page_id"], "block_id": block["id"]}
                yield Record({**comment, **where}, block.stream_name, block.associated_slice)  # type: ignore[dict-item]


@dataclass
class MarkdownRetriever(PageContentRetriever):
    """Reads a page as markdown, and what Notion cut off of it block by block.

    Notion stops after some 20,000 blocks and lists those it left out, with a tag in their place:
    https://developers.notion.com/reference/retrieve-page-markdown

    Attributes:
        lookup: tells where a page is.
    """

    lookup: Optional[Lookup] = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.places = Places.of(self.config)

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        page_id = stream_slice.extra_fields["page_id"]

        def markdown_of(block_id: str) -> Optional[Record]:
            of_block = with_extra(stream_slice, block_id=block_id)
            listing = self.read_listing(Listing(self.name), records_generator_fn, of_block)
            return next(listing, None)

        page = markdown_of(page_id)
        if page is None:
            return
        markdown, missing = page["markdown"], []
        asked = {page_id}
        unknown = deque(page.get("unknown_block_ids") or [])
        while unknown:
            block_id = unknown.popleft()
            if block_id in asked:
                continue
            asked.add(block_id)
            block = markdown_of(block_id)
            if block is None or block_id in (block.get("unknown_block_ids") or []):
                missing.append(block_id)
                continue
            markdown = with_block(markdown, block_id, block["markdown"])
            unknown.extend(block.get("unknown_block_ids") or [])
        yield self._record_of(page, markdown, missing, stream_slice)

    def _record_of(
        self, page: Record, markdown: str, missing: list[str], stream_slice: StreamSlice
    ) -> Record:
        page_id = stream_slice.extra_fields["page_id"]
        path = self.lookup.path_of(page_id)  # type: ignore[union-attr]
        place = self.places.known.get(page_id)
        data = {
            "id": page_id,
            "last_edited_time": stream_slice.extra_fields["last_edited_time"],
            "title": place and place.title,
            "path_titles": None if path is None else [title for _, title in path],
            "markdown": markdown,
            "plain_text": without_marks(markdown),
            "truncated": bool(missing),
            "unknown_block_ids": missing,
        }
        return Record(data, page.stream_name, page.associated_slice)
