"""What the manifest cannot say: the quirks of search, and the tree of blocks.

Several threads read the partitions of a stream with one retriever, so what belongs to one read is in local variables.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, Optional

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_notion.lookup import ALL_DATA_SOURCES, Lookup
from source_notion.objects import edited_at, fields_of, may_have_children, reason_of, text_of_block
from source_notion.page_state import DuePage, PageState
from source_notion.pages import PageRouter
from source_notion.records import PropertiesAsArray
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
        for record in self.search(Listing(self.name), records_generator_fn, stream_slice):
            if self.lookup is None or self.lookup.is_in_scope(record["id"]):
                yield record

    def search(self, listing: Listing, records_of: RecordsOfResponse, stream_slice: StreamSlice) -> Iterator[Record]:
        """The records of a listing, and then once more those at its front: what was edited meanwhile moved there."""
        since = stream_slice.cursor_slice.get("start_time", "")
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


class Wanted(NamedTuple):
    """What a stream over pages wants to have listed."""

    since: str
    failed: Mapping[str, str]
    owed: Mapping[str, str]
    known_databases: list[str]  # of those that may be asked for, the ones that the stream has read


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
        known = {id for ids in state.get("discovered", {}).values() for id in ids}
        wanted = Wanted(
            since=min([since, *state.get("failed", {}).values()]),
            failed=state.get("failed", {}),
            owed={id: min(since, back_to) for id, back_to in state.get("owed", {}).items()},
            known_databases=sorted(known & {*self.workspace.discovered_databases, *state.get("owed", {})}),
        )
        if str(wanted) not in self.workspace.lists:
            pages = PageFile()
            for found in self._list(records_generator_fn, wanted):
                pages.append(found)
            self.workspace.lists[str(wanted)] = pages
        for pages in (self.workspace.lists[str(wanted)], self.workspace.new):
            for found in pages:
                if self.lookup.is_in_scope(found.page["id"]):
                    yield Record(found._asdict(), self.name, stream_slice)

    def _list(self, records_of: RecordsOfResponse, wanted: Wanted) -> Iterator[FoundPage]:
        """All that is wanted, the pages of search first."""
        listing, unlisted = Listing(self.name), {*wanted.failed}
        if not self.lookup.uses_search_only:
            unlisted |= {*wanted.owed, *self.lookup.roots, *self.workspace.discovered_pages} - {ALL_DATA_SOURCES}
        back_to = StreamSlice(partition={}, cursor_slice={"start_time": wanted.since})
        for record in self.search(listing, records_of, back_to):
            unlisted.discard(record["id"])
            self.workspace.forget(record["id"])
            was_discovered = record["id"] in self.workspace.discovered_pages and not self.lookup.uses_search_only
            yield FoundPage("search", record.data, record["id"] if was_discovered else "")  # type: ignore[arg-type]
        for found in self._beside_search(wanted, unlisted):
            unlisted.discard(found.page["id"])
            # Search may show an older version, does not say by what it was discovered, and passes by what is too old.
            if listing.is_new(found.page) or found.origin or found.way == "parent":
                self.workspace.note(found.page)
                yield found
        if wanted.owed:
            self.workspace.lists.clear()  # they lack what it brought

    def _beside_search(self, wanted: Wanted, unlisted: Set[str]) -> Iterator[FoundPage]:
        """What search does not show: the rows of all data sources, then what failed, is owed, discovered or in the scope.

        An owed id may be that of a page, a database or a data source: it is tried in this order.
        """
        lookup, workspace, queried, databases = self.lookup, self.workspace, set(), {}
        if not lookup.uses_search_only:
            databases = {**workspace.discovered_databases}
            for data_source_id in [each["id"] for each in lookup.all_data_sources()]:
                queried.add(data_source_id)
                workspace.claim(data_source_id)
                if lookup.is_in_scope(data_source_id):
                    yield from self._rows(data_source_id, "", wanted)
        for id in unlisted - queried:
            page = lookup.get("page_id", id)
            if page and not page.get("in_trash"):
                if id in wanted.owed:
                    workspace.discovered_pages.setdefault(id, True)
                yield FoundPage("parent", page, id if id in workspace.discovered_pages else "")
            elif id not in workspace.unanswered:
                workspace.forget(id)
                if id in lookup.roots:
                    lookup.warn_if_gone(id)
                if page is None and id in wanted.owed:
                    workspace.discovered_databases[id] = databases[id] = True
                elif page is None and id in lookup.roots:
                    databases[id] = True
        for id in databases:
            yield from self._rows_left_out(id, queried, wanted)

    def _rows_left_out(self, id: str, queried: set[str], wanted: Wanted) -> Iterator[FoundPage]:
        """The rows of those data sources of a database that search leaves out; it is forgotten if there are none."""
        lookup, workspace = self.lookup, self.workspace
        data_sources = lookup.data_sources_of(id)
        left_out = [each for each in data_sources if each not in queried]
        if not left_out and id not in workspace.unanswered:
            workspace.forget(id)
        discovered = id if id in workspace.discovered_databases else ""
        for data_source_id in left_out:
            queried.add(data_source_id)
            workspace.claim(data_source_id)
            yield from self._rows(data_source_id, discovered, wanted)
        is_owed_itself = id in wanted.owed and id not in queried and not data_sources
        if is_owed_itself and lookup.get("data_source_id", id):  # which search has left out since
            yield from self._rows(id, "", wanted)

    def _rows(self, data_source_id: str, discovered: str, wanted: Wanted) -> Iterator[FoundPage]:
        """The rows since the last sync; from further back if they could not be asked for then, or the database is new."""
        workspace, known = self.workspace, wanted.known_databases
        place = workspace.places.get(data_source_id)
        database = (place and place.parent_id) or ""
        if database in workspace.discovered_databases:  # search may list what only a page knew before
            discovered = database
        origin = next((id for id in (data_source_id, database, ALL_DATA_SOURCES) if id in wanted.owed), discovered)
        since = wanted.owed.get(origin, wanted.since)
        unread = {*workspace.discovered_databases, *wanted.owed}.difference(known)
        if unread & {discovered, database}:
            since = min(since, self.lookup.start)
        for row in self.lookup.rows_of(data_source_id, since):
            yield FoundPage("database", row, origin)
        if discovered not in known:
            workspace.owe_if_unanswered(discovered, data_source_id)


@dataclass
class PagesRetriever(PageListRetriever):
    """Reads the pages themselves, each with its place in the workspace: the fields of `Lookup.path_of`."""

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        router: PageRouter = self.partition_router  # type: ignore[assignment]
        if self.is_test_read:
            found = self.search(Listing(self.name), records_generator_fn, stream_slice)
            pages: Iterator[Any] = (record.data for record in found)
        else:
            pages = (found.page for found in router.due_pages())
        for page in pages:
            PropertiesAsArray().transform(page)
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
        pages: list[DuePage] = [*reversed(stream_slice.extra_fields["pages"])]
        failures: list[tuple[str, Exception]] = []  # pages and errors, one for each reason
        try:
            while pages and not router.progress.must_stop:
                page, discovery, has_failed = pages.pop(), Discovery(), False
                of_page = with_extra(stream_slice, **page._asdict(), discovery=discovery)
                try:
                    yield from super().read_records(records_schema, of_page)
                except Exception as error:
                    has_failed = True
                    if self.skipped.fail(self.name, page.page_id, reason_of(error)):
                        failures.append((page.page_id, error))
                pages += reversed(router.finish(page, has_failed, discovery, self.emit_state))
        finally:
            router.give_back()
        tame(self.cursor)
        if failures:
            # The runtime closes no partition that failed; closed, the state goes on beyond it.
            self.cursor.close_partition(SimpleNamespace(to_slice=lambda: stream_slice))  # type: ignore[union-attr, arg-type]
            first = failures[0][1]
            raise AirbyteTracedException(
                message=" ".join(f"Page {id}: {reason_of(error)}" for id, error in failures),
                internal_message=getattr(first, "internal_message", None) or repr(first),
                failure_type=getattr(first, "failure_type", FailureType.system_error),
                exception=first,
            )


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

        A page that is older than the listing needs no request: adding it edited the page around it, so an earlier sync
        has discovered it. Such a block has the times of its page. A database may be old, and its rows new.
        """
        id, lookup, claim, discovery = block["id"], self.lookup, self.workspace.claim, page["discovery"]
        self.workspace.places.setdefault(path[-1], Place(None, "page_id", page["page_id"]))
        if lookup.uses_search_only:
            return
        progress = self.partition_router.progress  # type: ignore[union-attr]
        back_to = progress.back_to if page["may_have_gaps"] else progress.since
        is_old = edited_at(block) < back_to or progress.was_delivered(block)
        if block["type"] == "child_page" and not is_old and id not in progress.listed and claim(id):
            child = lookup.get("page_id", id)
            if child and not child.get("in_trash") and lookup.is_in_scope(id):
                discovery.pages.append(FoundPage("parent", child, id))
        elif block["type"] == "child_database" and not (is_old and id in self.workspace.places) and claim(id):
            is_new = page["may_have_gaps"] and not is_old
            left_out = [each for each in lookup.data_sources_of(id) if claim(each) or is_new]
            for row in (row for each in left_out for row in lookup.rows_of(each, lookup.start)):
                self.workspace.note(row)
                is_read = row["id"] in progress.listed or progress.was_delivered(row)
                if not is_read and claim(row["id"]) and lookup.is_in_scope(row["id"]):
                    discovery.pages.append(FoundPage("database", row, id))
            for each in left_out:
                self.workspace.owe_if_unanswered(id, each)
            if left_out and id not in self.workspace.unanswered:
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
