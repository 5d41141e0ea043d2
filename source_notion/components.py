"""What the manifest cannot say: the quirks of search, and the tree of blocks.

Several threads read the partitions of a stream with one retriever, so what belongs to one read is in local variables.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Optional

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_notion.lookup import ALL_DATA_SOURCES, Lookup
from source_notion.objects import Page, edited_at, fields_of, may_have_children, reason_of, text_of_block
from source_notion.page_state import DuePage, PageState, Wanted
from source_notion.pages import PageRouter
from source_notion.retriever import Listing, NotionRetriever, RecordsOfResponse, tame, with_extra
from source_notion.shared import LOGGER
from source_notion.workspace import Discovery, FoundPage, PageFile, Place


@dataclass
class SearchRetriever(NotionRetriever):
    """Reads `POST /search` from the newest item down, only as far back as the slice reaches.

    Search has no filter by time, its index is not strictly sorted, and items move to the front when they are edited
    during the listing, which shifts the others back so that they come again. The runtime stops at the first record
    that is too old (`is_data_feed`), or reads everything.
    https://developers.notion.com/reference/search-optimizations-and-limitations
    """

    lookup: Lookup = None  # type: ignore[assignment]  # tells what is in scope; None if everything is

    # So many items in a row that are too old end the listing.
    MAX_OLDER_ITEMS_IN_A_ROW: ClassVar[int] = 50

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        for record in self.search(records_generator_fn, stream_slice):
            if self.lookup is None or self.lookup.is_in_scope(record["id"]):
                yield record

    def search(self, records_of: RecordsOfResponse, stream_slice: StreamSlice) -> Iterator[Record]:
        """The records of a listing, and then once more those at its front: what was edited meanwhile moved there."""
        since = stream_slice.cursor_slice.get("start_time", "")
        listing = Listing(self.name)
        older_in_a_row = 0
        for record in self.read_listing(listing, records_of, stream_slice):
            self.workspace.note(record)
            if edited_at(record) >= since:
                older_in_a_row = 0
                yield record
                continue
            older_in_a_row += 1
            if older_in_a_row >= self.MAX_OLDER_ITEMS_IN_A_ROW and not listing.left_in_answer:
                break
        if listing.answers > 1 and not self.is_test_read:
            yield from self._moved_to_the_front(listing, records_of, stream_slice)
        if listing.is_incomplete:
            LOGGER.warning(
                f"Notion's search gave the stream {self.name} only its newest {len(listing.versions)} items, although there "
                "are more. The others are missing until they are edited."
            )

    def _moved_to_the_front(
        self, listing: Listing, records_of: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterator[Record]:
        again = Listing(self.name)
        for record in self.read_listing(again, records_of, stream_slice):
            if listing.is_new(record):
                self.workspace.note(record)
                yield record
            elif not again.left_in_answer:
                return


@dataclass
class PageListRetriever(SearchRetriever):
    """Lists the pages edited since a time: those of search, and those that it leaves out.

    The records are the fields of `FoundPage`. Search is documented as incomplete, so the rows of each data source come
    from its query, and pages that only other pages know are asked for by their ids.
    https://developers.notion.com/reference/search-optimizations-and-limitations
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self.name = "pages"  # which people know; the manifest says `every_page`

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        self.workspace.is_test_read = self.is_test_read
        state: PageState = self.cursor.state  # type: ignore[union-attr, assignment]
        since = stream_slice.cursor_slice["start_time"]
        wanted = Wanted(
            since=min([since, *state.get("failed", {}).values()]),
            failed=state.get("failed", {}),
            owed={id: min(since, back_to) for id, back_to in state.get("owed", {}).items()},
            known_databases=state.get("discovered", {}).get("databases", []),
        )
        if str(wanted) not in self.workspace.lists:
            pages = PageFile()
            for found in self._list(records_generator_fn, wanted, since):
                pages.append(found)
            self.workspace.lists[str(wanted)] = pages
        for pages in (self.workspace.lists[str(wanted)], self.workspace.new):
            for found in pages:
                if self.lookup.is_in_scope(found.page["id"]):
                    yield Record(found._asdict(), self.name, stream_slice)

    def _list(self, records_of: RecordsOfResponse, wanted: Wanted, since: str) -> Iterator[FoundPage]:
        """All that is wanted. What this stream is to read is claimed: a page that failed may bring what is older."""
        listed: dict[str, str] = {}
        back_to = StreamSlice(partition={}, cursor_slice={"start_time": wanted.since})
        for record in self.search(records_of, back_to):
            listed[record["id"]] = max(edited_at(record), listed.get(record["id"], ""))
            self.workspace.forget(record["id"])
            yield FoundPage("search", record.data)  # type: ignore[arg-type]
        for found in self._beside_search(wanted, listed.keys()):
            id, edited = found.page["id"], edited_at(found.page)
            seen = listed.get(id, "")
            if edited > seen or (found.origin and edited == seen):  # search may show an older version, or not say why
                listed[id] = edited
                self.workspace.note(found.page)
                if found.origin or found.way == "parent":
                    self.workspace.claim(id)
                yield found
        for id, edited in listed.items():
            if edited >= since:
                self.workspace.claim(id)
        if wanted.owed:
            self.workspace.lists.clear()  # they lack what it brought

    def _beside_search(self, wanted: Wanted, listed: Set[str]) -> Iterator[FoundPage]:
        """The rows of all data sources, and what listings do not show: the scope, what was discovered, failed or owed."""
        lookup, workspace, queried = self.lookup, self.workspace, set()
        ids, databases = {*wanted.failed}, {}
        if not lookup.uses_search_only:
            ids |= {*wanted.owed, *lookup.roots, *workspace.pages} - {ALL_DATA_SOURCES}
            databases = {**workspace.databases}
            for data_source_id in [each["id"] for each in lookup.all_data_sources()]:
                queried.add(data_source_id)
                workspace.claim(data_source_id)
                if lookup.is_in_scope(data_source_id):
                    yield from self._rows(data_source_id, "", wanted)
        for id in ids - listed - queried:
            page = lookup.get("page_id", id)
            if page and not page.get("in_trash"):
                if id in wanted.owed:
                    workspace.pages[id] = None
                yield FoundPage("parent", page, id if id in workspace.pages else "")
            elif id not in workspace.unanswered and self._may_be_database(id, page, wanted):
                databases[id] = None
        for id in databases:
            yield from self._rows_left_out(id, queried, wanted)
        for id in databases.keys() & wanted.owed.keys() - queried:
            if not lookup.data_sources_of(id) and lookup.get("data_source_id", id):  # search has left it out since
                yield from self._rows(id, "", wanted)

    def _may_be_database(self, id: str, page: Optional[Page], wanted: Wanted) -> bool:
        """Forget a page that is in the trash or out of sight; whether the id may be that of a database."""
        self.workspace.forget(id)
        self.workspace.gone.add(id)
        if id in self.lookup.roots:
            self.lookup.warn_if_gone(id)
        if page is None and id in wanted.owed:
            self.workspace.remember_database(id)
        return page is None and (id in self.lookup.roots or id in wanted.owed)

    def _rows_left_out(self, id: str, queried: set[str], wanted: Wanted) -> Iterator[FoundPage]:
        """The rows of those data sources of a database that search leaves out; it is forgotten if there are none."""
        lookup, workspace = self.lookup, self.workspace
        left_out = [each for each in lookup.data_sources_of(id) if each not in queried]
        if not left_out and id not in workspace.unanswered:
            workspace.forget(id)
        discovered = id if id in workspace.databases else ""
        for data_source_id in left_out:
            queried.add(data_source_id)
            workspace.claim(data_source_id)
            yield from self._rows(data_source_id, discovered, wanted)
            if discovered not in wanted.known_databases:
                workspace.stay_unknown(discovered, data_source_id)

    def _rows(self, data_source_id: str, discovered: str, wanted: Wanted) -> Iterator[FoundPage]:
        """The rows since the last sync; from further back if they could not be asked for then, or the database is new."""
        place = self.workspace.places.get(data_source_id)
        database = (place and place.parent_id) or ""
        if database in self.workspace.databases:  # search may list what only a page knew before
            discovered = database
        origin = next((id for id in (data_source_id, database, ALL_DATA_SOURCES) if id in wanted.owed), discovered)
        since = wanted.owed.get(origin, wanted.since)
        if discovered and discovered not in wanted.known_databases:
            since = min(since, self.lookup.start)
        for row in self.lookup.rows_of(data_source_id, since):
            yield FoundPage("database", row, origin)


@dataclass
class PagesRetriever(PageListRetriever):
    """Reads the pages themselves, each with its place in the workspace: the fields of `Lookup.path_of`."""

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        router: PageRouter = self.partition_router  # type: ignore[assignment]
        if self.is_test_read:
            pages: Iterator[Any] = (record.data for record in self.search(records_generator_fn, stream_slice))
        else:
            pages = (found.page for found in router.due_pages())
        for page in pages:
            yield Record({**page, **self.lookup.path_of(page["id"])}, self.name, stream_slice)


@dataclass
class PageContentRetriever(NotionRetriever):
    """Reads something of each page, and tells the router when a page is done.

    A page that fails costs only itself: the state names it, and the stream ends as failed. The runtime's retriever
    would hold the state back at such a page for ever.
    """

    lookup: Lookup = None  # type: ignore[assignment]  # tells where pages are, and asks for those that nothing lists

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: Optional[StreamSlice] = None
    ) -> Iterable[StreamData]:
        """Read the pages of a partition, and after each those that it discovers."""
        assert stream_slice is not None
        router: PageRouter = self.partition_router  # type: ignore[assignment]
        failures = {}
        pages: list[DuePage] = [*reversed(stream_slice.extra_fields["pages"])]
        try:
            while pages and not router.progress.must_stop:
                page, discovery = pages.pop(), Discovery()
                of_page = with_extra(stream_slice, **page._asdict(), page_id=page.id, discovery=discovery)
                try:
                    yield from super().read_records(records_schema, of_page)
                except Exception as error:
                    failures[page.id] = error
                pages += [
                    DuePage(
                        edited_at(each.page), each.page["id"], page.may_have_gaps, each.page.get("last_edited_time")
                    )
                    for each in reversed(discovery.pages)
                ]
                router.finish(page.id, page.id in failures, discovery, self.emit_state)
        finally:
            router.give_back()
        self._finish(stream_slice, failures)

    def _finish(self, stream_slice: StreamSlice, failures: dict[str, Exception]) -> None:
        tame(self.cursor)
        news = [(id, error) for id, error in failures.items() if self.skipped.fail(self.name, id, reason_of(error))]
        if news:
            # The runtime closes no partition that failed; closed, the state goes on beyond it.
            self.cursor.close_partition(SimpleNamespace(to_slice=lambda: stream_slice))  # type: ignore[union-attr, arg-type]
            error = news[0][1]
            raise AirbyteTracedException(
                message=" ".join(f"Page {id}: {reason_of(each)}" for id, each in news),
                internal_message=getattr(error, "internal_message", None) or repr(error),
                failure_type=getattr(error, "failure_type", FailureType.system_error),
            ) from error


@dataclass
class BlockTreeRetriever(PageContentRetriever):
    """Reads all blocks of a page in the order of the document: each block, then its children.

    It keeps one open listing for each level, so depth costs memory but no recursion. Each block gains `page_id`,
    `page_last_edited_time`, `depth` (0 right under the page), `path` (the ids of the page and of the blocks above it),
    `plain_text` (its own) and `parent.sequence_number` (its place among all its siblings, from 0).
    """

    # Pages and databases have streams of their own; the children call of an ai_block is refused:
    # https://github.com/openclaw/notcrawl/issues/59
    NOT_RECORDS: ClassVar[frozenset[str]] = frozenset({"child_page", "child_database", "ai_block"})

    # The Connector Builder limits only the pages of a listing, and somebody waits for a sample.
    MAX_LISTINGS_IN_A_TEST_READ: ClassVar[int] = 20

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
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
            if block.get("type") in self.NOT_RECORDS:
                self._discover(block, path, page)
                continue
            block |= self._place(block, path, page, sequence_number)
            yield record
            original = self._original_of_synced_copy(block)
            if original:
                if original not in read:
                    self._check_original(original, children_of)
            elif not may_have_children(block):
                continue
            elif block["id"] in read:
                what = f"page_id {page['page_id']}, children of block_id {block['id']}"
                self.skipped.warn(self.name, what, "read already", "the block contains itself.")
            else:
                read.add(block["id"])
                levels.append(children_of(block["id"]))
                path.append(block["id"])
            if self.is_test_read and len(read) >= self.MAX_LISTINGS_IN_A_TEST_READ:
                return

    @staticmethod
    def _place(block: Mapping[str, Any], path: list[str], page: Mapping[str, Any], number: int) -> dict[str, Any]:
        return {
            "parent": {**fields_of(block.get("parent")), "sequence_number": number},
            "page_id": page["page_id"],
            "page_last_edited_time": page["last_edited_time"],
            "depth": len(path) - 1,
            "path": path.copy(),
            "plain_text": text_of_block(block),
        }

    @staticmethod
    def _original_of_synced_copy(block: Mapping[str, Any]) -> Optional[str]:
        """The block whose children a synced copy shows; None for any other block.

        The content is read with its original. A copy's own children call may answer 404, so the original is asked for,
        once for each copy: if it is out of reach, that is worth a warning. https://github.com/openclaw/notcrawl/issues/37
        """
        if block.get("type") != "synced_block" or block.get("has_children") is False:
            return None
        return fields_of(fields_of(block.get("synced_block")).get("synced_from")).get("block_id")

    def _check_original(self, block_id: str, children_of: Callable[[str], Iterator[Any]]) -> None:
        try:
            next(children_of(block_id), None)
        except Exception as error:
            self.skipped.warn(self.name, f"block_id {block_id}", "not answered", reason_of(error))

    def _discover(self, block: Mapping[str, Any], path: list[str], page: Mapping[str, Any]) -> None:
        """Take a page or database within a page, if no listing has shown it; it is read after the page.

        A page that is older than the listing is not in it either. It was discovered when it was new, in the page that
        was edited by adding it: such a block has the times of its page. A database may be old, and its rows new.
        """
        id, lookup, claim, discovery = block["id"], self.lookup, self.workspace.claim, page["discovery"]
        self.workspace.places.setdefault(path[-1], Place(None, "page_id", page["page_id"]))
        if lookup.uses_search_only:
            return
        progress = self.partition_router.progress  # type: ignore[union-attr]
        back_to = progress.back_to if page["may_have_gaps"] else progress.since
        is_old = edited_at(block) < back_to or progress.was_delivered(block)
        if block["type"] == "child_page" and not is_old and claim(id):
            child = lookup.get("page_id", id)
            if child and not child.get("in_trash") and lookup.is_in_scope(id):
                discovery.pages.append(FoundPage("parent", child, id))
        elif block["type"] == "child_database" and not (is_old and id in self.workspace.places) and claim(id):
            is_new = page["may_have_gaps"] and not is_old
            left_out = [each for each in lookup.data_sources_of(id) if claim(each) or is_new]
            for row in (row for each in left_out for row in lookup.rows_of(each, lookup.start)):
                self.workspace.note(row)
                if claim(row["id"]) and lookup.is_in_scope(row["id"]) and not progress.was_delivered(row):
                    discovery.pages.append(FoundPage("database", row, id))
            if left_out and not any(self.workspace.stay_unknown(id, each) for each in left_out):
                discovery.databases.append(id)


@dataclass
class BlockCommentsRetriever(BlockTreeRetriever):
    """Reads the comments on each block of a page, which takes a request for each block."""

    comments: Retriever = None  # type: ignore[assignment]  # lists the comments on one block

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        for block in super()._read_pages(records_generator_fn, stream_slice):
            on_block = with_extra(stream_slice, block_id=block["id"])
            for comment in self.comments.read_records({}, on_block):
                where = {"page_id": block["page_id"], "block_id": block["id"]}
                yield Record({**comment, **where}, block.stream_name, block.associated_slice)  # type: ignore[dict-item]
