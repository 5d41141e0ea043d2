"""What the manifest cannot say: walking the block tree, pages beside search, tables, waiting and signing in.

The Connector Builder injects this file as text, so it stands alone: it imports `airbyte_cdk` and the
standard library. The runtime reads the partitions of a stream in several threads with one retriever,
so nothing here keeps what belongs to one read anywhere but in that read's local variables.
"""

import json
import logging
import re
import sqlite3
import sys
import time
import unicodedata
from base64 import b64encode
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as threads_of_the_runtime
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property, wraps
from heapq import merge
from itertools import chain, islice
from math import inf
from threading import Condition, Lock, RLock
from typing import Any, ClassVar, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.oauth import (
    DeclarativeSingleUseRefreshTokenOauth2Authenticator,
)
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import (
    ConcurrentPerPartitionCursor,
)
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.interpolation.jinja import JinjaInterpolation
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    SubstreamPartitionRouter,
)
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import (
    DefaultErrorHandler,
)
from airbyte_cdk.sources.declarative.requesters.paginators.default_paginator import (
    PaginatorTestReadDecorator,
)
from airbyte_cdk.sources.declarative.retrievers.page_size_reducer import (
    PageSizeReduction,
    PageSizeResetPolicy,
)
from airbyte_cdk.sources.declarative.retrievers.pagination_tracker import PaginationTracker
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.declarative.schema import SchemaLoader
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.http_logger import format_http_message
from airbyte_cdk.sources.streams.concurrent.cursor import ConcurrentCursor, Cursor
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    SUCCESS_RESOLUTION,
    ErrorResolution,
    ResponseAction,
)
from airbyte_cdk.sources.streams.http.exceptions import BaseBackoffException
from airbyte_cdk.sources.streams.http.tcp_keepalive import TcpKeepaliveHTTPAdapter
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte")

# Records that are listed together, each with its place among them.
Siblings = Iterator[tuple[int, Record]]

# What the runtime hands a retriever to make records of a response (a `requests.Response`).
RecordsOfResponse = Callable[[Any], Iterable[Record]]

# So long the index of search may be late, and a time may be rounded; the manifest's lookback window.
UNSETTLED = timedelta(minutes=10)


# ----------------------------------------------------------------------------------------- answers


@dataclass
class NotionErrorHandler(DefaultErrorHandler):
    """The runtime's error handler, which also looks at answers that call themselves a success.

    An answer 200 that is cut off, or not the object expected, would be taken for an empty page. It goes
    through the same filters as an error, and is tried again where none of them matches.

    Attributes:
        expected_objects: what a good answer may be: a `list`, or the single object asked for.
    """

    expected_objects: Sequence[str] = ("list",)

    def interpret_response(self, response_or_exception: Any) -> ErrorResolution:
        if getattr(response_or_exception, "ok", False):
            if self._is_whole(response_or_exception):
                return SUCCESS_RESOLUTION
            resolution = super().interpret_response(response_or_exception)
            if resolution is not SUCCESS_RESOLUTION:
                return resolution
            return ErrorResolution(
                ResponseAction.RETRY,
                FailureType.transient_error,
                "The answer is not the one expected of Notion's API: it may be cut off.",
            )
        return super().interpret_response(response_or_exception)

    def _is_whole(self, response: Any) -> bool:
        try:
            body = _body_of(response)
        except ValueError:
            return False
        if not isinstance(body, dict) or body.get("object") not in self.expected_objects:
            return False
        return body["object"] != "list" or (
            isinstance(body.get("results"), list) and isinstance(body.get("has_more"), bool)
        )


class ResultsExtractor(RecordExtractor):
    """The `results` of a list. The runtime's DpathExtractor visits every leaf of the body to find them."""

    def extract_records(self, response: Any) -> Iterable[MutableMapping[str, Any]]:
        yield from _body_of(response).get("results", [])


def _is_incomplete(body: Mapping[str, Any]) -> bool:
    """Whether Notion says that a list ends before its end, because it holds more than 10,000 results.

    https://developers.notion.com/guides/data-apis/query-large-data-sources
    """
    return (body.get("request_status") or {}).get("type") == "incomplete"


def _body_of(response: Any) -> Any:
    """The JSON of a response; each call of its `json` would parse it anew."""
    if not hasattr(response, "body_as_json"):
        response.body_as_json = response.json()
    return response.body_as_json


# ------------------------------------------------------------------------------------- retrievers


class Listing:
    """One listing on its way from page to page: what came already, and whether it gets anywhere."""

    # Pages may be empty or short, but this many in a row without anything new lead nowhere:
    # https://github.com/dust-tt/dust/pull/8486
    MOST_PAGES_WITHOUT_NEWS = 50

    def __init__(self, stream_name: str) -> None:
        self.stream_name = stream_name
        # Hashes take a quarter of the memory. Two of 100,000 are the same once in billions of syncs.
        self.emitted: set[int] = set()
        self._cursors: set[str] = set()
        self._met: set[int] = set()
        self._news = False
        self._pages_without_news = 0
        self.is_incomplete = False
        self.is_read_far_enough = False
        self.looks_again_down_to = ""

    def look_again(self, down_to: str) -> bool:
        """Begin the listing anew, for what moved to its front meanwhile; False where it was a single answer.

        Args:
            down_to: a page without news, whose last item is older than this, is the last to be read.
        """
        self._news = self.is_read_far_enough = False
        if self._cursors:
            self.looks_again_down_to = down_to
        return bool(self._cursors)

    def is_new(self, record: Record) -> bool:
        """Whether this version of the record comes for the first time."""
        if record.get("object") == "property_item":  # its id is that of the property
            self._news = True
            return True
        version = hash((record["id"], record.get("last_edited_time")))
        if version in self.emitted:
            return False
        self.emitted.add(version)
        self._news = True
        return True

    def go_on(self, page: Mapping[str, Any], cursor: Optional[str]) -> bool:
        """Take a page that says there is more; raises where the listing would not end, or end too early.

        Args:
            page: the list as Notion answered it.
            cursor: the cursor that led to it; None for the first page of the listing.

        Returns:
            whether to read the next page.
        """
        if self.is_read_far_enough:
            return False
        if self.looks_again_down_to and not self._news:
            last = page["results"][-1:]
            if last and "" < last[0].get("last_edited_time", "") < self.looks_again_down_to:
                return False
        if cursor is None:
            self._cursors.clear()
            self._met.clear()
            self._pages_without_news = 0
        following = page.get("next_cursor")
        if not following:
            raise self._failure("says that there is more, but not where")
        if following in self._cursors:
            raise self._failure("leads back to a page that was read already")
        self._cursors.add(following)
        if not self._news:  # a filter may keep all that is new from being emitted
            ids = {hash(result["id"]) for result in page["results"]}
            self._news = bool(ids - self._met)
            self._met |= ids
        self._pages_without_news = 0 if self._news else self._pages_without_news + 1
        self._news = False
        if self._pages_without_news == self.MOST_PAGES_WITHOUT_NEWS:
            raise self._failure(f"does not end: {self._pages_without_news} pages held nothing new")
        return True

    def _failure(self, what: str) -> AirbyteTracedException:
        return AirbyteTracedException(
            message=f"Notion's listing for the stream {self.stream_name} {what}. To lose nothing, the "
            "stream stops here; the next sync reads it again.",
            failure_type=FailureType.transient_error,
        )


class Restarts(PaginationTracker):
    """Lets a listing start over when Notion no longer knows its cursor, a few times."""

    MOST_RESTARTS_WITHOUT_PROGRESS = 3

    def __init__(
        self, stream_name: str, before_a_restart: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self._stream_name = stream_name
        self._before_a_restart = before_a_restart
        self._furthest = 0
        self._restarts = 0

    def reduce_slice_range_if_possible(
        self, previous_stream_slice: StreamSlice, original_stream_slice: StreamSlice
    ) -> StreamSlice:
        if self._record_count > self._furthest:
            self._furthest = self._record_count
            self._restarts = 0
        self._restarts += 1
        if self._restarts > self.MOST_RESTARTS_WITHOUT_PROGRESS:
            raise AirbyteTracedException(
                message=f"Notion called the cursor of a listing for the stream {self._stream_name} "
                f"invalid {self._restarts} times, each time after the listing had started over. The "
                "next sync reads it again.",
                failure_type=FailureType.transient_error,
            )
        self._reset()
        self._before_a_restart()
        return previous_stream_slice


class LeftOut:
    """Counts what a stream had to leave out, by reason: streams with a `PartitionsCursor` end with the sum."""

    def __init__(self, stream_name: str) -> None:
        self._stream_name = stream_name
        self._reasons: Counter[str] = Counter()
        self._lock = Lock()

    def warn(self, what: str, reason: str, explanation: str) -> None:
        with self._lock:
            self._reasons[reason] += 1
        LOGGER.warning(f"Stream {self._stream_name} left out {what}: {explanation}")

    def summarise(self) -> None:
        if self._reasons:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.items())
            LOGGER.warning(
                f"Stream {self._stream_name} left out {sum(self._reasons.values())} in all: {reasons}."
            )


@dataclass
class NotionRetriever(SimpleRetriever):
    """Reads a listing to its true end, each record once, and says aloud what it had to leave out.

    Attributes:
        cursor: the stream's cursor, as the runtime built it.
        partition_router: the stream's partition router, if it has one.
        workers: how many requests may be under way at once, in all streams together.
        smaller_pages: how far to reduce the page size when Notion cannot make a page; the fields of the
            runtime's `PageSizeReduction`, which it accepts from its own retriever only.
        failure_when_empty: a sentence to fail with where a listing holds nothing at all.
    """

    workers: str = "2"
    cursor: Optional[Cursor] = None
    partition_router: Optional[PartitionRouter] = None
    smaller_pages: Optional[Mapping[str, Any]] = None
    failure_when_empty: Optional[str] = None

    # What says when it was created, unless Notion gives no more of it than its id.
    DATED: ClassVar[frozenset[str]] = frozenset(
        {"page", "data_source", "database", "block", "comment"}
    )

    # What the error handler ignores, as it stands in the summary.
    REASONS: ClassVar[Mapping[str, str]] = {
        "object_not_found": "deleted or not shared",
        "validation_error": "not supported by the API",
    }

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        _refuse_impossible_start_date(self.config.get("start_date"))
        self.pagination_tracker_factory = lambda: Restarts(self.name)
        if self.smaller_pages:
            self.page_size_reduction = PageSizeReduction(
                **self.smaller_pages, reset_policy=PageSizeResetPolicy.AFTER_SUCCESSFUL_PAGE
            )
        # The runtime gives its own retriever this, but no custom one. Only the Builder's log is so
        # detailed that it is ever called: the Builder shows the requests of a test read from it.
        self.log_formatter = lambda response: format_http_message(
            response, f"Stream '{self.name}' request", "Reads one page of records", self.name
        )
        logging.getLogger(f"airbyte.HttpRequester.{self.name}").addFilter(_without_signatures)
        workers = InterpolatedString.create(self.workers, parameters=parameters or {})
        self.connection.most_at_once = workers.eval(self.config)
        session = self.session
        session.mount("https://", RateLimitedAdapter(lambda: self.connection))
        # Proxies and certificates of the environment: looked up once, and not for each request.
        environment = session.merge_environment_settings(
            "https://api.notion.com", {}, None, None, None
        )
        session.proxies, session.verify = environment["proxies"], environment["verify"]
        session.trust_env = False
        self.left_out = LeftOut(self.name)
        if isinstance(self.cursor, ConcurrentPerPartitionCursor):
            PartitionsCursor.take_over(self.cursor, at_the_end=self.left_out.summarise)
            if isinstance(self.partition_router, PageRouter):
                self.partition_router.resume(self.cursor)  # type: ignore[arg-type]

    @property
    def session(self) -> Any:
        """The `requests.Session` of the requester, which the runtime keeps to itself."""
        return self.requester._http_client._session  # type: ignore[attr-defined]

    @property
    def connection(self) -> "Connection":
        return self.requester.get_authenticator().connection  # type: ignore[attr-defined]

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: Optional[StreamSlice] = None
    ) -> Iterable[StreamData]:
        if not isinstance(self.cursor, PartitionsCursor):
            yield from super().read_records(records_schema, stream_slice)
            return
        try:
            with self.connection.partition():
                self.cursor.fail_if_hopeless()
                yield from super().read_records(records_schema, stream_slice)
                self.cursor.failures_in_a_row = 0
        except AirbyteTracedException as error:
            is_shared = error.failure_type == FailureType.config_error
            if not is_shared and not self.connection.refresh_failure:
                raise
            if self.cursor.is_news(error):
                raise
            stream_slice.extra_fields["is_unread"] = True  # type: ignore[index,union-attr]
        finally:
            self.cursor.one_was_read()

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        listing = stream_slice.extra_fields.get("listing") or Listing(self.name)
        listing.is_incomplete = False
        stream_slice = _with_extra(stream_slice, listing=listing)
        for record in super()._read_pages(records_generator_fn, stream_slice):
            if not listing.is_new(record):
                continue
            # Any list may hold such, see `isFullPage` in https://github.com/makenotion/notion-sdk-js
            if record.get("object") in self.DATED and "created_time" not in record:
                self.left_out.warn(
                    f"{record['object']}_id {record['id']}",
                    "without content",
                    "Notion gave its id alone.",
                )
                continue
            yield record
        if self.failure_when_empty and not listing.emitted:
            raise _bad_configuration(self.failure_when_empty)

    def _next_page_token(
        self,
        response: Any,
        last_page_size: int,
        last_record: Optional[Record],
        last_page_token_value: Optional[Any],
        page_size_override: Optional[int] = None,
        stream_slice: Optional[StreamSlice] = None,
    ) -> Optional[Mapping[str, Any]]:
        body = _body_of(response)
        if stream_slice is not None and _is_incomplete(body):  # on any page of the list
            stream_slice.extra_fields["listing"].is_incomplete = True
        if not body.get("has_more"):  # as the paginator would find, after parsing the body again
            return None
        listing = stream_slice and stream_slice.extra_fields["listing"]
        if listing and not listing.go_on(body, last_page_token_value):
            return None
        return super()._next_page_token(
            response, last_page_size, last_record, last_page_token_value, page_size_override
        )

    def _fetch_next_page(
        self,
        stream_slice: StreamSlice,
        next_page_token: Optional[Mapping[str, Any]] = None,
        page_size_override: Optional[int] = None,
    ) -> Any:
        try:
            response = super()._fetch_next_page(stream_slice, next_page_token, page_size_override)
        except AirbyteTracedException as error:
            failure = error.__context__
            if isinstance(failure, BaseBackoffException) and failure.response is None:
                raise AirbyteTracedException(
                    message="Notion cannot be reached at https://api.notion.com. Check that this machine "
                    "may connect to it: network, proxy, firewall, certificates.",
                    internal_message=error.message,
                    failure_type=FailureType.transient_error,
                ) from error
            raise
        if response is not None and not response.ok:  # what the error handler ignores
            self._leave_out({**stream_slice.partition, **stream_slice.extra_fields}, response)
        return response

    def _leave_out(self, where: Mapping[str, Any], response: Any) -> None:
        """Say what an answer does not give that the error handler ignores."""
        body = _body_of(response)
        self.left_out.warn(
            ", ".join(f"{key} {where[key]}" for key in _PLACES if key in where),
            self.REASONS.get(body["code"], body["code"]),
            body["message"],
        )


@dataclass
class SearchRetriever(NotionRetriever):
    """Reads `POST /search` from the newest item down, only as far back as the slice reaches.

    Search has no filter by time, its index is not strictly sorted, and items move to the front when
    they are edited during the listing, which shifts the others back so that they come again:
    https://developers.notion.com/reference/search-optimizations-and-limitations
    So a listing of several answers ends with a second look at its front.

    Several streams need the same listing, also at the same time. It is read once: the runtime's cache
    of requests, which would keep no POST by itself, holds its pages on disk for the sync.

    Attributes:
        only_in_scope: True to leave out what is not under the pages that the configuration names.
    """

    # So many items in a row that are too old end the listing: an item is found as long as fewer
    # older ones stand before it. One alone would do only if the index were sorted.
    OLDER_ITEMS_THAT_END_THE_LISTING: ClassVar[int] = 50

    # Another size than that of the listing, for the runtime's cache would give its first answer again.
    PAGE_SIZE_OF_A_SECOND_LOOK: ClassVar[int] = 99

    only_in_scope: bool = False

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        if hasattr(self.session, "cache"):  # the Connector Builder goes without
            self.session.settings.allowable_methods = ("POST",)
            self.session.settings.filter_fn = self._is_a_listing
            # A listing that starts over would find the invalid cursor in the cache.
            self.pagination_tracker_factory = lambda: Restarts(self.name, self.session.cache.clear)

    @staticmethod
    def _is_a_listing(response: Any) -> bool:
        try:
            return isinstance(response.json()["results"], list)
        except (ValueError, KeyError, TypeError):
            return False

    def _fetch_next_page(
        self,
        stream_slice: StreamSlice,
        next_page_token: Optional[Mapping[str, Any]] = None,
        page_size_override: Optional[int] = None,
    ) -> Any:
        if stream_slice.extra_fields["listing"].looks_again_down_to:
            page_size_override = page_size_override or self.PAGE_SIZE_OF_A_SECOND_LOOK
        with self.connection.listing:
            return super()._fetch_next_page(stream_slice, next_page_token, page_size_override)

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        listing = Listing(self.name)
        stream_slice = _with_extra(stream_slice, listing=listing)
        began = datetime.now(timezone.utc)
        yield from self._read_down(records_generator_fn, stream_slice)
        is_test_read = isinstance(self.paginator, PaginatorTestReadDecorator)
        if not is_test_read and listing.look_again(_in_notions_format(began - UNSETTLED)):
            yield from self._read_down(records_generator_fn, stream_slice)

    def _read_down(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterator[Record]:
        """Read from the front of the listing until the items are too old."""
        listing = stream_slice.extra_fields["listing"]
        oldest = stream_slice.cursor_slice.get("start_time", "")
        older_in_a_row = 0
        known = KnownPages.of(self.config)
        for record in super()._read_pages(records_generator_fn, stream_slice):
            if record["last_edited_time"] >= oldest:
                older_in_a_row = 0
                if self.only_in_scope:
                    known.note([record.data])
                    if not known.is_in_scope(record["id"]):
                        continue
                yield record
            else:
                known.note([record.data])  # it may hold a page that is new
                older_in_a_row += 1
                if older_in_a_row == self.OLDER_ITEMS_THAT_END_THE_LISTING:
                    listing.is_read_far_enough = True  # but for the rest of the answer
        is_to_be_complete = not (listing.is_read_far_enough or listing.looks_again_down_to)
        if listing.is_incomplete and is_to_be_complete:
            LOGGER.warning(
                f"Notion's search gave the stream {self.name} no more than its newest {len(listing.emitted)} "
                "items, and says that there are more. They are missing until they are edited."
            )


@dataclass
class PagesRetriever(SearchRetriever):
    """Reads the pages that search lists, then those that it leaves out, each with its place in the workspace.

    Each page gains `path` (the ids of the pages and data sources that hold it, from the root down),
    `path_titles` (their titles) and `depth` (how many they are). What holds a page mostly comes after it
    in the listing, so the listing is kept until its end.
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        ListingCursor.take_over(self.cursor)

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        known = KnownPages.of(self.config)
        for records in _in_batches(super()._read_pages(records_generator_fn, stream_slice)):
            pages = [record.data for record in records]
            known.note(pages, listed_by=self.name)
            known.keep(LISTED, "search", pages)
        since = stream_slice.cursor_slice.get("start_time", "")
        ways: Counter[str] = Counter()
        placeless: dict[str, None] = {}  # in order, and once if it comes in two versions
        for found in chain(known.kept(LISTED), known.rows_beside_search(since, self.name)):
            if known.is_in_scope(found.page["id"]):
                ways[found.way] += 1
                path = known.path_of(found.page["id"], ask=False)
                if path is None:
                    placeless[found.page["id"]] = None  # a walk may say more of what holds it
                else:
                    yield self._with_place(found.page, path, stream_slice)
        for found in known.found_in_walks(self.name, since):
            if found.is_new or found.page["last_edited_time"] >= since:
                ways[found.way] += 1
                yield self._with_place(found.page, known.path_of(found.page["id"]), stream_slice)
        for page in filter(None, map(known.page, placeless)):
            yield self._with_place(page, known.path_of(page["id"]), stream_slice)
        known.say_what_was_found(self.name, ways)

    def _with_place(
        self,
        page: MutableMapping[str, Any],
        path: Optional[list[tuple[str, str]]],
        stream_slice: StreamSlice,
    ) -> Record:
        page["path"] = None if path is None else [id for id, _ in path]
        page["path_titles"] = None if path is None else [title for _, title in path]
        page["depth"] = None if path is None else len(path)
        return Record(page, self.name, stream_slice)


@dataclass
class BlockTreeRetriever(NotionRetriever):
    """Walks all blocks of a page in document order: each block, then its children, then the next.

    The walk keeps one open listing for each level, so depth costs memory but no recursion. Each block
    gains `page_id`, `page_last_edited_time`, `depth` (0 right under the page), `path` (the ids of the
    page and of the blocks that hold it), `plain_text` (its own) and `parent.sequence_number` (its place
    among all its siblings, from 0).
    """

    # Pages and databases have streams of their own; the children call of an ai_block is refused:
    # https://github.com/openclaw/notcrawl/issues/59
    NOT_RECORDS: ClassVar[frozenset[str]] = frozenset({"child_page", "child_database", "ai_block"})

    # The Connector Builder, where somebody waits for a sample, limits the pages of a listing alone.
    LISTINGS_IN_A_TEST_READ: ClassVar[int] = 20

    # Listings that may be begun before the walk gets to them, on each level. One page with thousands
    # of nested blocks would otherwise keep a single worker busy, for the order is that of the document.
    LISTINGS_AHEAD: ClassVar[int] = 20

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._ahead = ThreadPoolExecutor(self.connection.most_at_once, "ahead")
        if isinstance(self.partition_router, PageRouter):
            self.partition_router.walks = True

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        page_id = stream_slice.partition["page_id"]
        page_last_edited_time = stream_slice.extra_fields["last_edited_time"]
        connection = self.connection
        is_test_read = isinstance(self.paginator, PaginatorTestReadDecorator)
        walked = {page_id}
        begun: dict[str, tuple[Siblings, Future[Optional[tuple[int, Record]]]]] = {}

        def children_of(block_id: str) -> Siblings:
            listing = _with_extra(stream_slice, block_id=block_id)
            return enumerate(
                super(BlockTreeRetriever, self)._read_pages(records_generator_fn, listing)
            )

        def begin(block: Any) -> None:
            if not connection.has_room or block["id"] in begun or block["id"] in walked:
                return
            if self._has_listing(block):
                children = children_of(block["id"])
                begun[block["id"]] = children, self._ahead.submit(next, children, None)

        def looking_ahead(siblings: Siblings) -> Siblings:
            nearest: deque[tuple[int, Record]] = deque()
            for place, record in siblings:
                nearest.append((place, record))
                for _, each in nearest:
                    begin(each.data)
                if len(nearest) > self.LISTINGS_AHEAD:
                    yield nearest.popleft()
            yield from nearest

        def level_below(block_id: str) -> Siblings:
            children, first = begun.pop(block_id, (None, None))
            if children is None or first is None:
                children = children_of(block_id)
            elif child := first.result():
                children = chain([child], children)
            return children if is_test_read else looking_ahead(children)

        levels = [level_below(page_id)]
        path = [page_id]
        try:
            while levels:
                sequence_number, record = next(levels[-1], (None, None))
                if record is None:
                    levels.pop()
                    path.pop()
                    continue
                block: Any = record.data
                if block["type"] in self.NOT_RECORDS:
                    if isinstance(self.partition_router, PageRouter):
                        self.partition_router.meet(block, page_id, path[-1])
                    continue
                block["parent"] = {
                    **(block.get("parent") or {}),
                    "sequence_number": sequence_number,
                }
                block["page_id"] = page_id
                block["page_last_edited_time"] = page_last_edited_time
                block["depth"] = len(levels) - 1
                block["path"] = path.copy()
                block["plain_text"] = _text_of_block(block)
                yield record
                original = self._original_of_synced_copy(block)
                if original:
                    if original not in walked:
                        next(children_of(original), None)
                elif not self._has_listing(block):
                    continue
                elif block["id"] in walked:
                    self.left_out.warn(
                        f"page_id {page_id}, children of block_id {block['id']}",
                        "read already",
                        "the block contains itself.",
                    )
                else:
                    walked.add(block["id"])
                    levels.append(level_below(block["id"]))
                    path.append(block["id"])
                if is_test_read and len(walked) >= self.LISTINGS_IN_A_TEST_READ:
                    return
        finally:
            for _, first in begun.values():
                first.cancel()

    def _has_listing(self, block: Mapping[str, Any]) -> bool:
        """Whether a block's children are listed under its own id."""
        return (
            block.get("has_children", False)
            and block["type"] not in {"unsupported", *self.NOT_RECORDS}
            and not self._original_of_synced_copy(block)
        )

    @staticmethod
    def _original_of_synced_copy(block: Mapping[str, Any]) -> Optional[str]:
        """The block whose children a synced copy shows, or None for any other block.

        The content is read with its original. A copy's own children call is no help, it may answer
        404 (https://github.com/openclaw/notcrawl/issues/37), so the original is asked for once: if it
        is out of reach, that is worth a warning.
        """
        if block["type"] != "synced_block" or not block.get("has_children"):
            return None
        return ((block["synced_block"] or {}).get("synced_from") or {}).get("block_id")


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
            on_block = _with_extra(stream_slice, block_id=block["id"])
            for comment in self.comments.read_records({}, on_block):  # type: ignore[union-attr]
                where = {"page_id": block["page_id"], "block_id": block["id"]}
                yield Record({**comment, **where}, block.stream_name, block.associated_slice)  # type: ignore[dict-item]


@dataclass
class MarkdownRetriever(NotionRetriever):
    """Reads a page as markdown, and what Notion cut off of it block by block.

    Notion stops after some 20,000 blocks and names those it left out, with a tag in their place:
    https://developers.notion.com/reference/retrieve-page-markdown
    """

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        page_id = stream_slice.partition["page_id"]

        def markdown_of(block_id: str) -> Optional[Record]:
            of_block = _with_extra(stream_slice, block_id=block_id)
            return next(
                iter(super(MarkdownRetriever, self)._read_pages(records_generator_fn, of_block)),
                None,
            )

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
            markdown = _with_block(markdown, block_id, block["markdown"])
            unknown.extend(block.get("unknown_block_ids") or [])
        known = KnownPages.of(self.config)
        path = known.path_of(page_id)
        yield Record(
            {
                "id": page_id,
                "last_edited_time": stream_slice.extra_fields["last_edited_time"],
                "title": known.title_of(page_id),
                "path_titles": None if path is None else [title for _, title in path],
                "markdown": markdown,
                "plain_text": _without_marks(markdown),
                "truncated": bool(missing),
                "unknown_block_ids": missing,
            },
            page.stream_name,
            page.associated_slice,
        )


def _with_block(markdown: str, block_id: str, of_block: str) -> str:
    """The markdown with a block in place of the tag that stands for it, or at the end if there is none."""
    tag = re.compile(rf"^(\t*)<unknown [^>]*{block_id.replace('-', '-?')}[^>]*>$", re.MULTILINE)
    if not tag.search(markdown):
        return f"{markdown}\n{of_block}"
    return tag.sub(
        lambda found: "\n".join(found[1] + line for line in of_block.split("\n")), markdown, count=1
    )


def _without_marks(markdown: str) -> str:
    """The words of Notion's markdown: without tags, marks of lines, emphasis, and the targets of links."""
    text = re.sub(r"<[^>\n]+>", "", markdown)
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1", text)
    text = re.sub(
        r"^[ \t]*(#{1,6} |> |- \[[ x]\] |[-*] |[0-9]+\. |```.*$|---$)", "", text, flags=re.MULTILINE
    )
    text = re.sub(r"\*\*|~~|`|(?<![\w\\])\*(?=\S)|(?<=[^\s\\])\*(?!\w)", "", text)
    text = re.sub(r"\\([^\w\s])", r"\1", text)
    return re.sub(r"\n{2,}", "\n", "\n".join(line.strip() for line in text.split("\n"))).strip()


def _text_of_block(block: Mapping[str, Any]) -> str:
    """The text of a block itself: of its rich texts, table cells or expression, a line for each."""
    content = block.get(block["type"]) or {}
    lines = [content.get(part) for part in ("title", "rich_text", "expression", "caption")]
    texts = [line if isinstance(line, str) else _plain_text(line) for line in lines if line]
    cells = content.get("cells")
    return "\n".join([*texts, "\t".join(_plain_text(cell) for cell in cells)] if cells else texts)


# -------------------------------------------------------------------------- pages beside search


class Found(NamedTuple):
    """A page, and how it was found.

    Attributes:
        way: through `search`, in its `database`, or in its `parent`: another page, or the settings.
        page: the page, as Notion answered it, with its properties as an array.
        is_new: whether no earlier sync has found it.
    """

    way: str
    page: dict[str, Any]
    is_new: bool


# What `KnownPages` keeps besides the rows edited since a time.
LISTED, FOUND_IN_WALK, ASKED_FOR = "listed", "found in walk", "asked for"


class KnownPages:
    """What the streams of one sync know of its pages: where they are, and those that search left out.

    It lies on disk, for there may be many. Search is documented as incomplete, so pages are found in two
    more ways: as rows of their database, which any stream over pages may be the first to ask for, and
    in other pages, by the streams that walk them. Those that do not walk wait for the others' end.
    https://developers.notion.com/reference/search-optimizations-and-limitations

    Attributes:
        finder: asks Notion for pages; None in a test read of the Connector Builder, which goes by search.
        is_complete: whether to look beside search at all.
    """

    SECONDS_FOR_A_WALK_TO_BEGIN = 10

    _lock = Lock()

    @classmethod
    def of(cls, config: Any) -> "KnownPages":
        """What belongs to the sync with this configuration, which all of the sync's components share."""
        with cls._lock:
            return config.get("__known_pages") or config.setdefault("__known_pages", cls(config))

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.finder: Optional[PageFinder] = None
        self._links = config.get("root_pages") or []
        self._roots = frozenset(_id_in(link, "page") for link in self._links)
        self._searches_only = config.get("page_discovery") == "search"
        self._streams = config.get("__streams")
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = OFF;"
            "CREATE TABLE places (id PRIMARY KEY, title, parent_type, parent_id) WITHOUT ROWID;"
            "CREATE TABLE listed (stream, id, version, PRIMARY KEY (stream, id)) WITHOUT ROWID;"
            "CREATE TABLE kept (number INTEGER PRIMARY KEY, listing, id, version, way, page, is_new,"
            " UNIQUE (listing, id, version));"
            "CREATE INDEX by_id ON kept (id);"
        )
        self._db_lock = RLock()
        self._asking: dict[str, Lock] = defaultdict(Lock)
        self._querying = Lock()
        self._queried: set[str] = set()
        self._rows_since: set[str] = set()
        self._databases_met: dict[str, str] = {}
        self._news = Condition()
        self._begun: set[str] = set()
        self._under_way: set[str] = set()

    def __deepcopy__(self, memo: Any) -> "KnownPages":
        return self

    @property
    def is_complete(self) -> bool:
        return self.finder is not None and not self._searches_only

    def _sql(self, statement: str, *values: Any) -> list[Any]:
        with self._db_lock:
            return self._db.execute(statement, values).fetchall()

    # Places

    def _insert(
        self, statement: str, rows: Sequence[tuple[Any, ...]], at_conflict: str = ""
    ) -> None:
        """Insert rows with few statements: after each, other threads have their turn."""
        for some in _in_batches(rows):
            row = f"({', '.join('?' * len(some[0]))})"
            values = f"VALUES {', '.join([row] * len(some))}"
            self._sql(f"{statement} {values} {at_conflict}", *chain.from_iterable(some))

    def note(self, items: Sequence[Mapping[str, Any]], listed_by: Optional[str] = None) -> None:
        """Note where pages, data sources, databases or blocks are, and which stream has them from search."""
        places = [(item["id"], _title_of(item), *_parent_of(item)) for item in items]
        places += [
            (item["parent"]["database_id"], None, *_parent_of(item, "database_parent"))
            for item in items
            if item["object"] == "data_source" and _parent_of(item)[0] == "database_id"
        ]
        self.note_places(places)
        if listed_by:
            self._insert(
                "INSERT INTO listed",
                [(listed_by, item["id"], item["last_edited_time"]) for item in items],
                # A listing may show an older and a newer version of a page.
                "ON CONFLICT DO UPDATE SET version = max(version, excluded.version)",
            )

    def note_places(self, places: Sequence[tuple[Optional[str], ...]]) -> None:
        """Note places: id, title, type of the parent and its id."""
        self._insert(
            "INSERT OR REPLACE INTO places",
            [
                # SQLite takes no half of an emoji, and titles may be cut anywhere.
                (id, title and title.encode(errors="replace").decode(), *parent)
                for id, title, *parent in places
            ],
        )

    def newest(self, stream: str) -> str:
        """When the newest page was edited that search gave to a stream; empty without any."""
        return self._sql("SELECT max(version) FROM listed WHERE stream = ?", stream)[0][0] or ""

    def listed(self, stream: str) -> Iterator[tuple[str, str]]:
        """When search says that pages were edited, and their ids, from the one edited longest ago."""
        with self._db_lock:
            rows = self._db.execute(
                "SELECT version, id FROM listed WHERE stream = ? ORDER BY version, id", (stream,)
            )
        while True:
            with self._db_lock:
                some = rows.fetchmany(100)
            if not some:
                return
            yield from some

    def is_listed(self, page_id: str, stream: str) -> bool:
        """Whether search gave a page to a stream."""
        return bool(self._sql("SELECT 1 FROM listed WHERE stream = ? AND id = ?", stream, page_id))

    def is_found(self, page_id: str, stream: str, since: str) -> bool:
        """Whether search or `rows_beside_search` gave a page to a stream, so that no walk has to."""
        return self.is_listed(page_id, stream) or bool(
            self._sql("SELECT 1 FROM kept WHERE id = ? AND listing = ?", page_id, since)
        )

    def title_of(self, page_id: str) -> Optional[str]:
        place = self._place(page_id)
        return place and place[0]

    def path_of(self, item_id: str, ask: bool = True) -> Optional[list[tuple[str, str]]]:
        """The ids and titles of the pages and data sources that hold a page, from the root down.

        What the connection may not see ends the path. One request for each of them that no listing of
        this sync holds; None where that would be necessary, but is limited to search or not to be asked.
        """
        above = self._ancestors(item_id, ask)
        if above is None:
            return None
        return [(id, title) for id, title in reversed(above) if title is not None]

    def is_in_scope(self, item_id: str) -> bool:
        """Whether an item is one of the pages that the configuration names, or under one of them."""
        if not self._roots or self.finder is None:
            return True
        above = (id for id, _ in self._ancestors(item_id) or [])
        return any(id.replace("-", "") in self._roots for id in (item_id, *above))

    def _ancestors(
        self, item_id: str, ask: bool = True
    ) -> Optional[list[tuple[str, Optional[str]]]]:
        """The ids and titles of all that holds an item, from the nearest up; no title but of pages and data sources."""
        ancestors: dict[str, Optional[str]] = {}
        _, kind, parent_id = self._place(item_id) or (None, None, None)
        while parent_id and parent_id not in ancestors:
            place = self._place(parent_id)
            if place is None and ask:
                place = self._ask_for_place(kind, parent_id)
            if place is None:
                return None
            ancestors[parent_id], kind, parent_id = place
        return list(ancestors.items())

    def _place(self, item_id: str) -> Optional[tuple[Optional[str], Any, Any]]:
        places = self._sql("SELECT title, parent_type, parent_id FROM places WHERE id = ?", item_id)
        return places[0] if places else None

    def _ask_for_place(self, kind: Any, item_id: str) -> Optional[tuple[Optional[str], Any, Any]]:
        if self.finder is None or (self._searches_only and not self._roots):
            return None
        item = self._ask_for(kind, item_id)
        if not item:
            self.note_places([(item_id, None, None, None)])
        return self._place(item_id)

    def _ask_for(self, kind: str, item_id: str) -> Optional[dict[str, Any]]:
        """An item from Notion, which is asked once; None where it is gone or out of sight."""
        with self._asking[item_id]:
            kept = self._sql(
                "SELECT page FROM kept WHERE id = ? ORDER BY version DESC LIMIT 1", item_id
            )
            if kept:
                item = json.loads(kept[0][0])
                return item if kind == f"{item['object']}_id" else None
            item = self.finder.get(kind, item_id)  # type: ignore[union-attr]
            if item:
                self.note([item])
                self.keep(ASKED_FOR, "", [item])
            return item

    # Pages that search did not list

    def rows_beside_search(self, since: str, stream: str) -> Iterator[Found]:
        """The rows edited since a time, and the pages that are the scope, that search did not list to a stream."""
        if not self.is_complete:
            return
        with self._querying:
            if since not in self._rows_since:
                self._sql("DELETE FROM kept WHERE listing = ?", since)
                self._query_all(since, stream)
                self._rows_since.add(since)
        for found in self.kept(since):
            if not self.is_listed(found.page["id"], stream):
                yield found

    def _query_all(self, since: str, stream: str) -> None:
        def query(data_source: Mapping[str, Any]) -> None:
            for rows in _in_batches(self.finder.rows_of(data_source["id"], since)):  # type: ignore[union-attr]
                unlisted = [row for row in rows if not self.is_listed(row["id"], stream)]
                self.note(unlisted)
                self.keep(since, "database", unlisted)

        data_sources = list(self.finder.all_data_sources())  # type: ignore[union-attr]
        self.note(data_sources)
        self._queried.update(each["id"] for each in data_sources)
        self.side_by_side(query, [each for each in data_sources if self.is_in_scope(each["id"])])
        for root_id in map(_with_hyphens, sorted(self._roots)):
            root = self.page(root_id)
            pages = [root] if root else self.rows_of_database(root_id, since) or []
            self.keep(
                since,
                "parent" if root else "database",
                [
                    page
                    for page in pages
                    if page["last_edited_time"] >= since and not self.is_listed(page["id"], stream)
                ],
            )

    def side_by_side(self, call: Callable[[Any], None], items: Sequence[Any]) -> None:
        """Make calls with requests in them, as many at once as there are workers."""
        if items:
            workers = self.finder.connection.most_at_once  # type: ignore[union-attr]
            with ThreadPoolExecutor(workers, "finder") as pool:
                deque(pool.map(call, items), maxlen=0)

    def page(self, page_id: str) -> Optional[dict[str, Any]]:
        """A page by its id; None where it is gone."""
        return self._ask_for("page_id", page_id)

    def rows_of_database(self, database_id: str, since: str) -> Optional[list[dict[str, Any]]]:
        """The rows edited since a time of what search left out of a database.

        None where it left nothing out, where the database is gone, or where it is a view of another one.
        """
        database = self._ask_for("database_id", database_id) or {"data_sources": []}
        left_out = [each for each in database["data_sources"] if each["id"] not in self._queried]
        if not left_out:
            return None
        rows: list[dict[str, Any]] = []
        for data_source in left_out:
            self.note_places([(data_source["id"], data_source["name"], "database_id", database_id)])
            rows += self.finder.rows_of(data_source["id"], since)  # type: ignore[union-attr]
        self.note(rows)
        return rows

    def keep(
        self, listing: str, way: str, pages: Sequence[Mapping[str, Any]], is_new: bool = True
    ) -> None:
        """Keep pages, or other items that were asked for."""
        self._insert(
            "INSERT OR IGNORE INTO kept (listing, id, version, way, page, is_new)",
            [
                (listing, page["id"], page.get("last_edited_time"), way, json.dumps(page), is_new)
                for page in pages
            ],
        )

    def kept(self, listing: str) -> Iterator[Found]:
        number = 0
        while True:
            kept = self._sql(
                "SELECT number, way, page, is_new FROM kept WHERE listing = ? AND number > ?"
                " ORDER BY number LIMIT 100",
                *(listing, number),
            )
            if not kept:
                return
            number = kept[-1][0]
            for _, way, page, is_new in kept:
                yield Found(way, json.loads(page), bool(is_new))

    # Walks

    def begin_walk(self, stream: str) -> None:
        with self._news:
            self._begun.add(stream)
            self._under_way.add(stream)
            self._news.notify_all()

    def end_walk(self, stream: str) -> None:
        with self._news:
            self._under_way.discard(stream)
            self._news.notify_all()

    def rows_met_in_walk(
        self, database_id: str, since: str, is_new: bool = True
    ) -> Optional[list[dict[str, Any]]]:
        """`rows_of_database` for one that a walk met, of use for the streams that wait too."""
        rows = self.rows_of_database(database_id, since)
        if rows is not None:
            self._databases_met[database_id] = since
            self.keep(FOUND_IN_WALK, "database", rows, is_new)
        return rows

    def found_in_walks(self, stream: str, since: str) -> Iterator[Found]:
        """What the walks of this sync meet and search did not list to a stream, until the last one ends.

        A walk asks the databases that it meets for what was edited since its own state; a stream that
        reads from an earlier time on asks them for the rows before.
        """
        if not self.is_complete:
            return
        with self._news:
            # The runtime alone does not say which streams it reads.
            if self._streams is None:
                self._news.wait_for(lambda: self._begun, self.SECONDS_FOR_A_WALK_TO_BEGIN)
            else:
                walks = {"blocks", "block_comments"} & set(self._streams)
                _wait_for(self._news, lambda: walks <= self._begun)
            _wait_for(self._news, lambda: not self._under_way)
        with self._querying:
            for database_id, asked_since in list(self._databases_met.items()):
                if since < asked_since:
                    self.rows_met_in_walk(database_id, since, is_new=False)
        for found in self.kept(FOUND_IN_WALK):
            page_id = found.page["id"]
            for_others = found.way == "database" and not found.is_new
            if for_others and found.page["last_edited_time"] < since:
                continue
            if not self.is_found(page_id, stream, since) and self.is_in_scope(page_id):
                yield found

    def say_what_was_found(self, stream: str, ways: Mapping[str, int]) -> None:
        """Say how many pages each way has found for a stream."""
        if self._searches_only:
            LOGGER.info(f"Stream {stream} found {ways['search']} pages through search alone.")
        elif self.is_complete:
            LOGGER.info(
                f"Stream {stream} found {ways['search']} pages through search, {ways['database']} more "
                f"through their databases, and {ways['parent']} more within other pages"
                + (
                    "."
                    if self._begun
                    else ", which this sync does not walk: the stream blocks does."
                )
            )

    def check_roots(self) -> None:
        """Raise a sentence where a page that the configuration names cannot be seen."""
        for link in self._links:
            page_id = _with_hyphens(_id_in(link, "page"))
            if not any(self._ask_for(kind, page_id) for kind in ("page_id", "database_id")):
                raise _bad_configuration(
                    f"The page {link} is not among those that this connection sees. Open it in Notion, "
                    "choose ••• > Connections, add this connection, and test again; or take it off the list."
                )


@dataclass
class PageFinder(NotionRetriever):
    """Gets single pages, databases, data sources and blocks, and what `KnownPages` asks for besides.

    Attributes:
        data_sources: lists the data sources.
        rows: lists the rows of one data source that were edited since a time.
    """

    data_sources: Optional[Retriever] = None
    rows: Optional[Retriever] = None

    ENDPOINTS: ClassVar[Mapping[str, str]] = {
        "page_id": "pages",
        "block_id": "blocks",
        "data_source_id": "data_sources",
        "database_id": "databases",
    }

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        known = KnownPages.of(self.config)
        if not isinstance(self.data_sources.paginator, PaginatorTestReadDecorator):  # type: ignore[union-attr]
            known.finder = known.finder or self

    def get(self, kind: str, item_id: str) -> Optional[dict[str, Any]]:
        """An object by the type of the reference to it; None where it is gone, or never was."""
        if kind not in self.ENDPOINTS:
            return None
        where = {"endpoint": self.ENDPOINTS[kind], "id": item_id}
        item = next(self._items_of(self, "", where), None)
        if item:
            item.pop("request_id", None)
        return item

    def all_data_sources(self) -> Iterator[dict[str, Any]]:
        return self._items_of(self.data_sources, "", {})

    def rows_of(self, data_source_id: str, since: str) -> Iterator[dict[str, Any]]:
        """The rows of a data source that were edited since a time."""
        return self._items_of(self.rows, since, {"data_source_id": data_source_id})

    @staticmethod
    def _items_of(retriever: Any, since: str, where: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        stream_slice = StreamSlice(
            partition={}, cursor_slice={"start_time": since}, extra_fields=where
        )
        for record in retriever.read_records({}, stream_slice):
            if record["object"] == "page":
                PropertiesAsArray().transform(record.data)
            yield record.data

    def _leave_out(self, where: Mapping[str, Any], response: Any) -> None:
        """Nothing is missing: what holds a page may be out of sight, and a database a view of another."""


# ------------------------------------------------------------------------------ partition routers


@dataclass
class PageRouter(SubstreamPartitionRouter):
    """One partition a page, from the page edited longest ago to the newest.

    Search lists the newest first. Walked in that order, no state would be true before the end; walked
    from the oldest up, "every page up to this one is delivered" is true at any moment, and a sync that
    was cut off goes on where it was. The router's state, under its parent stream's name:

    - during a walk what it was before, with `"reached"`: the `{"last_edited_time", "page_id"}` of the page
      walked last, `"newest"`: the newest `last_edited_time` when the walk began, and `"began"`: when
      that was;
    - after it `{"last_edited_time": newest, "walked": {page_id: last_edited_time}}`, or `{}` where the
      next walk takes all pages again.

    The parent stream lists from `last_edited_time`, less its lookback window: pages that the index
    shows late are found. Those that were walked already stand in `walked` and are not walked again,
    unless they were edited so shortly before that another edit could carry the same rounded time.

    Pages that search leaves out come after those that it lists, as they are found (`KnownPages`). Where
    the stream itself meets them in its walk, the state keeps them in `unlisted`: `pages`, each with the
    `last_edited_time` that was walked (empty before that), and `databases`, whose rows are in `pages`
    only until they were walked. Each sync asks for these, for nobody else knows them.

    Attributes:
        only_changed_pages: True to walk the pages edited since the last walk, False to walk all.
        walks: True where the stream's retriever calls `meet` for the pages and databases within pages.
    """

    only_changed_pages: bool = True
    walks: bool = False

    # More would make the state large; what is not remembered is walked again.
    MOST_WALKED = 1000

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        self._parent = self.parent_stream_configs[0].stream.name
        self._state: Mapping[str, Any] = {}
        self.began = _in_notions_format(datetime.now(timezone.utc))
        self._since = ""
        self._pages: dict[str, str] = {}
        self._databases: list[str] = []
        self._rows: set[str] = set()
        self._known = KnownPages.of(self.config)

    def resume(self, cursor: "PartitionsCursor") -> None:
        """Take up the state of an earlier sync: the `parent_state` of the stream's cursor."""
        self._cursor = cursor
        self._name = cursor._stream_name
        self._state = (cursor.state.get("parent_state") or {}).get(self._parent) or {}
        self.began = self._state.get("began", self.began)
        unlisted = self._state.get("unlisted") or {}
        self._state = {key: value for key, value in self._state.items() if key != "unlisted"}
        self._pages = dict(unlisted.get("pages") or {})
        self._databases = list(unlisted.get("databases") or [])

    def get_stream_state(self) -> Mapping[str, Any]:
        return {self._parent: self._state}

    def with_unlisted(self, parent_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """The state with all that search left out and that was met so far, whatever the walk has reached.

        A page is met after the states were made that name the page holding it.
        """
        if not self._pages and not self._databases:
            return parent_state
        unlisted = {"pages": dict(self._pages), "databases": list(self._databases)}
        return {
            **parent_state,
            self._parent: {**parent_state.get(self._parent, {}), "unlisted": unlisted},
        }

    def stream_slices(self) -> Iterable[StreamSlice]:
        self.walks = self.walks and self._known.is_complete
        if not self.walks:
            yield from self._stream_slices()
            return
        self._known.begin_walk(self._name)
        try:
            yield from self._stream_slices()
        finally:
            self._known.end_walk(self._name)

    def _stream_slices(self) -> Iterable[StreamSlice]:
        before, known = self._state, self._known
        walked = before.get("walked", {})
        reached = tuple(
            before.get("reached", {}).get(key, "") for key in ("last_edited_time", "page_id")
        )
        for partition in self.parent_stream_configs[0].stream.generate_partitions():
            self._since = (partition.to_slice() or {}).get("start_time", "")
            for pages in _in_batches(partition.read()):
                known.note(pages, listed_by=self._name)
        ways: Counter[str] = Counter()
        beside: dict[str, str] = {}
        for way, row, _ in chain(
            known.rows_beside_search(self._since, self._name), self._rows_of_unlisted_databases()
        ):
            row_id = row["id"]
            if row_id in beside or known.is_listed(row_id, self._name):
                continue
            ways[way] += 1
            beside[row_id] = row["last_edited_time"]
            if (beside[row_id], row_id) > reached:
                self._pages.pop(row_id, None)  # it has its turn
        if self.walks:
            self._ask_for_unlisted_pages()
        # Rows may come long after the listing, and newer than what it could not show yet.
        newest = before.get("newest") or min(
            max(known.newest(self._name), *beside.values(), ""), self.began
        )
        shown_again = newest and _in_notions_format(ab_datetime_parse(newest) - UNSETTLED)
        settled = _in_notions_format(ab_datetime_parse(self.began) - UNSETTLED)
        walked_and_shown_again: deque[tuple[str, str]] = deque(maxlen=self.MOST_WALKED)
        for page in merge(known.listed(self._name), sorted((beside[id], id) for id in beside)):
            last_edited_time, page_id = page
            if not known.is_in_scope(page_id):
                continue
            ways["search"] += page_id not in beside
            if page > reached and walked.get(page_id, "") < last_edited_time:
                self._state = {
                    **before,
                    "reached": {"last_edited_time": last_edited_time, "page_id": page_id},
                    "newest": newest,
                    "began": self.began,
                }
                yield _slice_of_page(page_id, last_edited_time)
            elif page_id not in walked:
                continue
            if shown_again <= last_edited_time < settled:
                walked_and_shown_again.append((page_id, last_edited_time))
        takes_all = not before or "reached" in before or not self.only_changed_pages
        in_walks = (
            self._cursor.met() if self.walks else known.found_in_walks(self._name, self._since)
        )
        for found in in_walks:
            last_edited_time = found.page["last_edited_time"]
            if found.is_new or takes_all or last_edited_time >= self._since:
                ways[found.way] += 1
                yield _slice_of_page(found.page["id"], last_edited_time, found.is_new)
        known.say_what_was_found(self._name, ways)
        if not self.only_changed_pages:
            self._state = {}
        elif newest:
            self._state = {
                "last_edited_time": newest,
                "walked": dict(walked_and_shown_again),
            }

    def meet(self, block: Mapping[str, Any], page_id: str, holder_id: str) -> None:
        """Take a `child_page` or `child_database` block of the walk, which search may have left out.

        One that is older than the listing reaches is not in it either: it was met when it was new, in
        the walk of the page that was edited by adding it. As recorded, such a block has its page's times.

        Args:
            block: the block, which has the id of the page or database.
            page_id: the page that is walked.
            holder_id: the block of it that holds this one, or the page itself.
        """
        known, block_id = self._known, block["id"]
        if holder_id != page_id:
            known.note_places([(holder_id, None, "page_id", page_id)])
        if not self.walks or block["last_edited_time"] < self._since:
            return
        if block["type"] == "child_page":
            if block_id not in self._pages and not self._is_found(block_id):
                self._pages[block_id] = ""
                self._ask_for_page(block_id)
        elif block["type"] == "child_database" and block_id not in self._databases:
            self._databases.append(block_id)
            self._ask_for_database(block_id)

    def _rows_of_unlisted_databases(self) -> Iterator[Found]:
        """The rows of the databases that earlier walks met, and that search leaves out."""
        for database_id in list(self._databases) if self.walks else []:
            rows = self._known.rows_met_in_walk(database_id, self._since)
            if rows is None:
                self._databases.remove(database_id)
            yield from (Found("database", row, True) for row in rows or [])

    def _ask_for_unlisted_pages(self) -> None:
        """Ask for the pages that earlier walks met, but for those that search lists by now."""
        known = self._known
        for page_id in [each for each in self._pages if known.is_listed(each, self._name)]:
            del self._pages[page_id]
        known.side_by_side(self._ask_for_page, list(self._pages))

    def _ask_for_page(self, page_id: str) -> None:
        page = self._known.page(page_id)
        if page is None or page["in_trash"] or not self._known.is_in_scope(page_id):
            self._pages.pop(page_id, None)
            return
        if _parent_of(page)[0] == "data_source_id":
            self._rows.add(page_id)
        walked = self._pages.setdefault(page_id, "")
        self._known.keep(FOUND_IN_WALK, "parent", [page], is_new=not walked)
        if page["last_edited_time"] > walked:
            self._cursor.meet("parent", page)

    def _ask_for_database(self, database_id: str) -> None:
        rows = self._known.rows_met_in_walk(database_id, self._since)
        if rows is None:
            self._databases.remove(database_id)
        for row in rows or []:
            if not self._is_found(row["id"]):
                self._pages[row["id"]] = ""
                self._rows.add(row["id"])
                self._cursor.meet("database", row)

    def _is_found(self, page_id: str) -> bool:
        return self._known.is_found(page_id, self._name, self._since)

    def was_walked(self, page_id: str, last_edited_time: str) -> None:
        """Note that all of a page was delivered, for the state."""
        if page_id in self._rows:  # the next sync asks its database
            self._pages.pop(page_id, None)
        elif page_id in self._pages:
            settled = _in_notions_format(ab_datetime_parse(self.began) - UNSETTLED)
            self._pages[page_id] = min(last_edited_time, settled)


def _slice_of_page(page_id: str, last_edited_time: str, is_new: bool = False) -> StreamSlice:
    return StreamSlice(
        partition={"page_id": page_id},
        cursor_slice={},
        extra_fields={"last_edited_time": last_edited_time, "is_new": is_new},
    )


class PartitionsCursor(ConcurrentPerPartitionCursor):
    """The runtime's cursor for many partitions, with the habits of a long walk over pages.

    The runtime builds the cursor itself and takes no class of ours, so the stream's retriever turns the
    cursor into this one.

    Attributes:
        at_the_end: called once, when every partition of the stream is done.
        failures_in_a_row: how many partitions failed, since the last that did not, for what they share:
            the token, or what it may do.
    """

    SECONDS_BETWEEN_STATES = 10
    MOST_WAITING = 200
    MOST_FAILURES_IN_A_ROW = 50

    at_the_end: Callable[[], None]
    _room: Condition
    _met: deque[Found]
    _said: set[Optional[str]]
    _waiting = 0
    _has_all_partitions = False
    _hopeless: Optional[AirbyteTracedException] = None
    failures_in_a_row = 0
    _of_partitions: Optional[ConcurrentCursor] = None
    _latest = ""

    @classmethod
    def take_over(
        cls, cursor: ConcurrentPerPartitionCursor, at_the_end: Callable[[], None]
    ) -> None:
        """Turn the runtime's cursor into this one."""
        cursor.__class__ = cls
        vars(cursor).update(at_the_end=at_the_end, _room=Condition(), _met=deque(), _said=set())

    def stream_slices(self) -> Iterable[StreamSlice]:
        """The runtime lets up to 20,000 partitions wait, 3 KB each; a few keep its workers as busy.

        It also looks one partition ahead, which would never come where it is met in the walk of this one.
        """
        self._timer.start()
        for partition in self._partition_router.stream_slices():
            if self._hopeless:
                return
            parent_state = self._partition_router.get_stream_state() or {}
            for stream_slice in self._generate_slices_from_partition(partition, parent_state):
                with self._room:
                    self._waiting += 1
                    if self._waiting == self.MOST_WAITING:
                        _wait_for(self._room, lambda: self._waiting <= self.MOST_WAITING // 2)
                yield stream_slice
        self._has_all_partitions = True

    def is_news(self, error: AirbyteTracedException) -> bool:
        """Note that a partition failed for what all share; after many in a row, no more are read.

        Returns:
            whether it is the first that failed so: one message for all is enough.
        """
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= self.MOST_FAILURES_IN_A_ROW:
            self._hopeless = self._hopeless or error
        with self._room:
            is_first = error.message not in self._said
            self._said.add(error.message)
        return is_first

    def fail_if_hopeless(self) -> None:
        """Fail as the partitions before, without a request, where there is no hope for another outcome."""
        if self._hopeless:
            raise AirbyteTracedException(
                message=self._hopeless.message, failure_type=self._hopeless.failure_type
            )

    def one_was_read(self) -> None:
        """Make room for a partition: one was read, or failed."""
        with self._room:
            self._waiting -= 1
            if self._waiting in (0, self.MOST_WAITING // 2):
                self._room.notify_all()

    def meet(self, way: str, page: dict[str, Any]) -> None:
        """Take a page that was met in the walk of another; `way` says how."""
        with self._room:
            self._met.append(Found(way, page, True))
            self._room.notify_all()

    def met(self) -> Iterator[Found]:
        """The pages that `meet` took, until every partition was read."""
        while True:
            with self._room:
                _wait_for(self._room, lambda: bool(self._met) or not self._waiting)
                if not self._met:
                    return
                found = self._met.popleft()
            yield found

    @property
    def state(self) -> MutableMapping[str, Any]:
        state = super().state
        if isinstance(self._partition_router, PageRouter):
            parent_state = state.get("parent_state") or {}
            state["parent_state"] = self._partition_router.with_unlisted(parent_state)
        return state

    def close_partition(self, partition: Partition) -> None:
        page: Any = partition.to_slice()
        if page.extra_fields.get("is_unread"):
            return  # as one that raised: the state does not move past it
        if isinstance(self._partition_router, PageRouter):
            self._partition_router.was_walked(
                page["page_id"], page.extra_fields["last_edited_time"]
            )
        super().close_partition(partition)

    def _create_cursor(self, *args: Any, **kwargs: Any) -> ConcurrentCursor:
        """All partitions begin with the same state, so they share a cursor, which takes time to make."""
        if not self._of_partitions:
            self._of_partitions = super()._create_cursor(*args, **kwargs)
        return self._of_partitions

    def _ensure_partition_limit(self) -> None:
        """One global cursor is the state here, so the cursors of single partitions serve nobody."""
        self._use_global_cursor = True
        with self._lock:
            self._cursor_per_partition.clear()

    def _throttle_state_message(self) -> Optional[float]:
        """The runtime says at most every ten minutes where it is; a walk cut off would lose those."""
        now = time.time()
        soon = now - self._last_emission_time < self.SECONDS_BETWEEN_STATES
        return None if soon or not self._parent_state else now

    def observe(self, record: Record) -> None:
        """Only a time later than all before moves the state, and to parse a time takes long."""
        last_edited_time = record.get("last_edited_time") or ""
        if last_edited_time > self._latest:
            self._latest = last_edited_time
            super().observe(record)

    def _update_global_cursor(self, value: Any) -> None:
        """No state beyond the walk's beginning: what was written later may be on a page walked earlier."""
        if isinstance(self._partition_router, PageRouter):
            value = min(value, self._partition_router.began)
        super()._update_global_cursor(value)

    def ensure_at_least_one_state_emitted(self) -> None:
        """The runtime moves the state on where all partitions were read, also if finding more has failed."""
        self._synced_some_data = self._synced_some_data and self._has_all_partitions
        super().ensure_at_least_one_state_emitted()
        self.at_the_end()


class ListingCursor(ConcurrentCursor):
    """No state beyond the sync's beginning: what came early may be edited before the rest has come."""

    @classmethod
    def take_over(cls, cursor: Optional[Cursor]) -> None:
        """Turn the runtime's cursor into this one; the runtime takes no cursor of ours."""
        if isinstance(cursor, ConcurrentCursor):
            cursor.__class__ = cls

    def observe(self, record: Record) -> None:
        if record["last_edited_time"] <= record.associated_slice["end_time"]:  # type: ignore[index]
            super().observe(record)


@dataclass
class DatabaseRouter(SubstreamPartitionRouter):
    """One partition a database, with what its data sources know of it.

    Databases cannot be listed; data sources can, and name theirs. A slice carries the `properties` of
    all the database's data sources and the newest `last_edited_time` among them.
    """

    def stream_slices(self) -> Iterable[StreamSlice]:
        databases: dict[str, dict[str, Any]] = {}
        for data_source in super().stream_slices():
            known = databases.setdefault(
                data_source.partition["database_id"], {"properties": [], "last_edited_time": ""}
            )
            known["properties"] += data_source.extra_fields["properties"] or []
            known["last_edited_time"] = max(
                known["last_edited_time"], data_source.extra_fields["last_edited_time"]
            )
        for database_id, known in databases.items():
            yield StreamSlice(
                partition={"database_id": database_id}, cursor_slice={}, extra_fields=known
            )


# ------------------------------------------------------------------------------------------ tables


@dataclass
class TableFinder(SearchRetriever):
    """Finds the data sources that become tables; one record says all that a table's stream needs.

    The shape is `{"name": of the stream, "table": the data source's id and properties, as JSON text}`.
    As text, properties pass through the manifest untouched, whatever their names hold. A read that names
    its streams in the configuration's `__streams` finds these alone, and asks for nothing without tables.

    Attributes:
        all_must_be_found: True to fail where a chosen database is not found, False to warn.
        property_items: lists the items of one property of one page, for all tables: one for each would
            take seconds to build where there are hundreds.
        pages: finds the pages that search leaves out, for all streams. It is here because the runtime
            looks for tables before it builds any stream.
    """

    all_must_be_found: bool = False
    property_items: Optional[Any] = None
    pages: Optional[Retriever] = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        if self.property_items:
            # Items have no id of their own, by which those that came already could be known.
            self.property_items.pagination_tracker_factory = lambda: Restarts(
                self.name, _fail_rather_than_start_over
            )
            self.connection.property_items = self.property_items

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        choice = self.config.get("databases") or {}
        takes_all = choice.get("selection", "all") == "all"
        links = choice["links"] if choice.get("selection") == "some" else []
        chosen = {_id_in(link): link for link in links}
        to_be_read = self._tables_to_be_read()
        if to_be_read == [] or not (takes_all or chosen):
            return
        found: set[str] = set()
        tables: set[str] = set()
        for data_source in super()._read_pages(records_generator_fn, stream_slice):
            database_id = data_source["parent"].get("database_id") or ""
            ids = {each.replace("-", "") for each in (data_source["id"], database_id)}
            found |= ids
            table = stream_name_of(data_source)
            if table in tables or not (takes_all or ids & chosen.keys()):
                continue
            tables.add(table)
            if to_be_read is None or table in to_be_read:
                what = {"id": data_source["id"], "properties": data_source["properties"]}
                yield Record({"name": table, "table": json.dumps(what)}, self.name)
        for table in sorted(set(to_be_read or []) - tables):
            LOGGER.warning(
                f"Stream {table} is not read: its database was deleted, has another title, is no longer "
                "shared with this connection, or is not chosen in the source's settings. Refresh the "
                "source's schema."
            )
        for link in (chosen[each] for each in chosen.keys() - found):
            sentence = (
                f"The database {link} is not among those that this connection sees. Open it in Notion, "
                "choose ••• > Connections, add this connection, and test again; or take it off the list."
            )
            if self.all_must_be_found:
                raise _bad_configuration(sentence)
            LOGGER.warning(sentence)

    def _tables_to_be_read(self) -> Optional[list[str]]:
        streams = self.config.get("__streams")
        return streams and [name for name in streams if re.search("_[0-9a-f]{12}$", name)]


@dataclass
class CheckRetriever(SearchRetriever):
    """Reads one item of whatever is shared, for the connection check, and looks for what the settings name.

    Attributes:
        tables: finds the data sources of the chosen databases.
    """

    tables: Optional[Retriever] = None

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        KnownPages.of(self.config).check_roots()
        choice = self.config.get("databases") or {}
        if self.tables and choice.get("selection") == "some":
            deque(self.tables.read_records({}, stream_slice), maxlen=0)
        yield from super()._read_pages(records_generator_fn, stream_slice)


@dataclass
class TableSchemaLoader(SchemaLoader):
    """The schema of a table, made of the properties of its data source.

    Attributes:
        table: the data source's `id` and `properties`, as JSON text.
    """

    table: str

    def get_json_schema(self) -> Mapping[str, Any]:
        return table_schema_of(columns_of(json.loads(self.table)["properties"]))


@dataclass
class RowsRetriever(NotionRetriever):
    """Reads the rows of a data source to their true end: `data_source_id` of the slice's extra fields.

    A query gives its first 10,000 rows and says that it is incomplete. The next one then takes all that
    were created since the last of these, as Notion advises. The runtime could split the window of time,
    but in ten halves at most, which leaves days in one piece. Ordered by creation, rows stay where they
    are when they are edited meanwhile:
    https://developers.notion.com/guides/data-apis/query-large-data-sources
    """

    LONG_AGO: ClassVar[str] = "2000-01-01T00:00:00.000Z"

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        listing = Listing(self.name)
        created_since = self.LONG_AGO
        while True:
            query = _with_extra(stream_slice, created_since=created_since, listing=listing)
            last = created_since
            for page in super()._read_pages(records_generator_fn, query):
                if page["object"] != "page":
                    continue  # wikis hold data sources among their pages
                last = page["created_time"]
                yield page
            if not listing.is_incomplete:
                return
            if last == created_since:
                raise AirbyteTracedException(
                    message=f"Notion gives no more than 10,000 rows of a query, and more rows of "
                    f"{self.name} were created in one minute, {last}. To lose nothing, the stream stops "
                    "here. A later start date may leave them out.",
                    failure_type=FailureType.config_error,
                )
            created_since = last


@dataclass
class TableRetriever(RowsRetriever):
    """Reads the rows of a table, typed, and with all items of their properties.

    A page shows no more than 25 items of a relation, people, or mentions in a text. Where a row is at
    that limit, the items are listed, 100 in a request: https://developers.notion.com/reference/retrieve-a-page

    Attributes:
        table: the data source's `id` and `properties`, as JSON text.
    """

    table: str = "{}"

    MOST_ITEMS_IN_A_PAGE: ClassVar[int] = 25

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        ListingCursor.take_over(self.cursor)  # rows come by creation
        table = json.loads(self.table)
        self.data_source_id = table["id"]
        self.columns = columns_of(table["properties"])

    def _read_pages(
        self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterable[Record]:
        lost: Counter[str] = Counter()
        query = _with_extra(stream_slice, data_source_id=self.data_source_id)
        for page in super()._read_pages(records_generator_fn, query):
            for value in page["properties"].values():
                if self._is_cut_short(value):
                    value[value["type"]] = self._all_items(page["id"], value)
            row = row_of(
                page.data, self.columns, lambda name, of: lost.update([f"'{name}' ({of})"])
            )
            yield Record(row, page.stream_name, page.associated_slice)
        if lost:
            LOGGER.warning(
                f"Stream {self.name} has null in place of values that Notion did not compute, or that "
                f"are not of their property's type: {', '.join(f'{n} of {of}' for of, n in lost.items())}."
            )

    def _leave_out(self, where: Mapping[str, Any], response: Any) -> None:
        raise _bad_configuration(
            "This database was deleted, or is no longer shared with the connection. Share it again, or "
            "refresh the source's schema and sync again."
        )

    def _is_cut_short(self, value: Mapping[str, Any]) -> bool:
        with suppress(*MALFORMED):
            items = value.get(value["type"])
            if value["type"] == "relation":
                return value.get("has_more", False)
            if value["type"] == "people":
                return len(items or []) >= self.MOST_ITEMS_IN_A_PAGE
            if value["type"] in ("title", "rich_text"):
                mentions = sum(1 for item in items or [] if item["type"] == "mention")
                return mentions >= self.MOST_ITEMS_IN_A_PAGE
        return False

    def _all_items(self, page_id: str, value: Mapping[str, Any]) -> list[Any]:
        where = StreamSlice(
            partition={},
            cursor_slice={},
            extra_fields={"page_id": page_id, "property_id": value["id"]},
        )
        lister = self.connection.property_items
        if lister is None:  # a test read of a table that the Builder has resolved before
            LOGGER.warning(
                f"Stream {self.name} shows 25 items of a property; a sync reads all of them."
            )
            return value[value["type"]]
        # None at all: left out with a warning, and what the page shows of them is better than nothing.
        return [item[value["type"]] for item in lister.read_records({}, where)] or value[
            value["type"]
        ]


def _fail_rather_than_start_over() -> None:
    raise AirbyteTracedException(
        message="Notion called the cursor of a property's items invalid. The next sync reads them again.",
        failure_type=FailureType.transient_error,
    )


@dataclass(frozen=True)
class ColumnType:
    """One of the columns that a type of property gives.

    Attributes:
        schema: the JSON schema of the column.
        read: makes the column's value of the API's, which is not null; may raise what is in `MALFORMED`.
        suffix: what follows the property's name; empty for the first column of each type.
    """

    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    suffix: str = ""

    def value_of(self, value: Any) -> Any:
        """The column's value; raises one of `MALFORMED` where it would not fit the column."""
        read = None if value is None else self.read(value)
        if not _fits(read, self.schema):
            raise ValueError("The value is not of the column's type.")
        return read


@dataclass(frozen=True)
class Column:
    """A column of one table.

    Attributes:
        name: its name in the table.
        type: one of the columns that the type of its property gives.
        property: the property, as the schema of its data source has it.
    """

    name: str
    type: ColumnType
    property: Mapping[str, Any]


# What reading a value raises where it has not the shape that its type promises.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)

TEXT = {"type": ["null", "string"]}
TEXTS = {"type": ["null", "array"], "items": TEXT}
NUMBER = {"type": ["null", "number"]}
BOOLEAN = {"type": ["null", "boolean"]}
TIME = {"type": ["null", "string"], "format": "date-time"}
# Whether a date has a time differs from row to row, and only text keeps both: as a `date-time`, each
# `2026-01-05` would become null or midnight. Destinations go by the type and leave the `anyOf` alone.
DATE_OR_TIME = {"type": ["null", "string"], "anyOf": [{"format": "date"}, {"format": "date-time"}]}

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
}
_DATE_AND_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]+)?(Z|[+-][01][0-9]:[0-5][0-9])?)?"
)


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    if value is None:
        return True
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][1]
    return type(value) in _PYTHON_TYPES[kind] and (
        kind != "array" or all(_fits(item, schema["items"]) for item in value)
    )


def _as_it_is(value: Any) -> Any:
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain_text(rich_text: list[Any]) -> str:
    return "".join(item["plain_text"] for item in rich_text)


def _date_or_time(value: str) -> str:
    if not _DATE_AND_TIME.fullmatch(value):
        raise ValueError("This is no date.")
    datetime.fromisoformat(value[:19])
    return value


def _time(value: str) -> str:
    if "T" not in value:
        raise ValueError("This is a date without a time.")
    return _date_or_time(value)


def _side(date: Optional[Mapping[str, Any]], side: str) -> Optional[str]:
    return None if date is None or date[side] is None else _date_or_time(date[side])


def _dates(date_in: Callable[[Any], Any], first_suffix: str = "") -> tuple[ColumnType, ...]:
    """Two columns for the start and the end of the date that is somewhere in a value."""
    return (
        ColumnType(DATE_OR_TIME, lambda value: _side(date_in(value), "start"), first_suffix),
        ColumnType(DATE_OR_TIME, lambda value: _side(date_in(value), "end"), "_end"),
    )


def _who(user: Mapping[str, Any]) -> str:
    """The name of a user or a group; the id where Notion does not say the name."""
    return user.get("name") or user["id"]


def _picture(icon: Mapping[str, Any]) -> Any:
    """An icon or a cover as text: the emoji, the name or the link."""
    shown = icon[icon["type"]]
    return shown if isinstance(shown, str) else shown.get("name") or shown["url"]


def _unique_id(value: Mapping[str, Any]) -> Optional[str]:
    prefix, number = value.get("prefix"), value["number"]
    if number is None:
        return None
    return f"{prefix}-{number:d}" if prefix else f"{number:d}"


def _texts(value: Mapping[str, Any]) -> list[Optional[str]]:
    """What a formula or a rollup holds, as the texts of its elements."""
    kind = value["type"]
    held = value[kind]
    if kind in ("unsupported", "incomplete"):
        raise ValueError("Notion did not compute it.")
    if kind == "array":
        return [text for element in held for text in _texts(element)]
    if held is None:
        return [None]
    if kind == "date":
        return ["/".join(side for side in (held["start"], held["end"]) if side) or None]
    if kind in PROPERTY_TYPES:
        held = PROPERTY_TYPES[kind][0].read(held)
    return [
        item if item is None or isinstance(item, str) else _json(item).removesuffix(".0")
        for item in (held if isinstance(held, list) else [held])
    ]


def _text(value: Mapping[str, Any]) -> Optional[str]:
    texts = [text for text in _texts(value) if text is not None]
    return ", ".join(texts) if texts else None


_RICH_TEXT = (ColumnType(TEXT, _plain_text),)
_STRING = (ColumnType(TEXT, _as_it_is),)
_OPTION = (ColumnType(TEXT, lambda option: option["name"]),)
_TIME = (ColumnType(TIME, _time),)
_USER = (ColumnType(TEXT, _who), ColumnType(TEXT, lambda user: user["id"], "_id"))
_COMPUTED = (ColumnType(TEXT, _text),)
_NUMERIC_ROLLUP = (ColumnType(NUMBER, lambda rollup: rollup["number"]),)
_NUMERIC_FUNCTIONS = (
    *("count", "count_values", "count_per_group", "unique", "empty", "not_empty"),
    *("checked", "unchecked", "percent_checked", "percent_unchecked"),
    *("percent_empty", "percent_not_empty", "percent_per_group"),
    *("sum", "average", "median", "min", "max", "range"),
)
_DATE_ROLLUP = _dates(lambda rollup: rollup["date"])
_LIST_ROLLUP = (ColumnType(TEXTS, _texts),)
_OF_ANY_TYPE = (ColumnType(TEXT, _json),)

# https://developers.notion.com/reference/property-object
PROPERTY_TYPES: Mapping[str, tuple[ColumnType, ...]] = {
    "title": _RICH_TEXT,
    "rich_text": _RICH_TEXT,
    "url": _STRING,
    "email": _STRING,
    "phone_number": _STRING,
    "number": (ColumnType(NUMBER, _as_it_is),),
    "unique_id": (
        ColumnType(TEXT, _unique_id),
        ColumnType({"type": ["null", "integer"]}, lambda value: value["number"], "_number"),
    ),
    "checkbox": (ColumnType(BOOLEAN, _as_it_is),),
    "select": _OPTION,
    "status": _OPTION,
    "multi_select": (ColumnType(TEXTS, lambda options: [option["name"] for option in options]),),
    "date": _dates(_as_it_is),
    "created_time": _TIME,
    "last_edited_time": _TIME,
    "created_by": _USER,
    "last_edited_by": _USER,
    "people": (
        ColumnType(TEXTS, lambda users: [_who(user) for user in users]),
        ColumnType(TEXTS, lambda users: [user["id"] for user in users], "_ids"),
    ),
    "relation": (ColumnType(TEXTS, lambda pages: [page["id"] for page in pages]),),
    "files": (
        ColumnType(TEXTS, lambda files: [file["name"] for file in files]),
        ColumnType(TEXTS, lambda files: [file[file["type"]]["url"] for file in files], "_links"),
    ),
    "verification": (
        ColumnType(TEXT, lambda value: value["state"]),
        ColumnType(TEXT, lambda value: value["verified_by"] and _who(value["verified_by"]), "_by"),
        ColumnType(TEXT, lambda value: (value["verified_by"] or {}).get("id"), "_by_id"),
        *_dates(lambda value: value["date"], first_suffix="_start"),
    ),
    "place": (
        ColumnType(TEXT, lambda place: place.get("name") or place.get("address")),
        ColumnType(TEXT, lambda place: place.get("address"), "_address"),
        ColumnType(NUMBER, lambda place: place["lat"], "_lat"),
        ColumnType(NUMBER, lambda place: place["lon"], "_lon"),
    ),
    "button": _OF_ANY_TYPE,
    # The schema of a formula holds its expression, but not the type of its results.
    "formula": _COMPUTED,
    # The function of a rollup says the type of its results; a function that is not here may give any.
    "rollup": _COMPUTED,
    "rollup earliest_date": _DATE_ROLLUP,
    "rollup latest_date": _DATE_ROLLUP,
    "rollup date_range": _DATE_ROLLUP,
    "rollup show_original": _LIST_ROLLUP,
    "rollup show_unique": _LIST_ROLLUP,
    **{f"rollup {function}": _NUMERIC_ROLLUP for function in _NUMERIC_FUNCTIONS},
}

# What a row has beside its properties, under the API's names.
ROW_FIELDS: Mapping[str, ColumnType] = {
    "id": ColumnType({"type": "string"}, _as_it_is),
    "created_time": ColumnType({"type": "string", "format": "date-time"}, _as_it_is),
    "last_edited_time": ColumnType({"type": "string", "format": "date-time"}, _as_it_is),
    "created_by": ColumnType(TEXT, lambda user: user["id"]),
    "last_edited_by": ColumnType(TEXT, lambda user: user["id"]),
    "url": ColumnType(TEXT, _as_it_is),
    "public_url": ColumnType(TEXT, _as_it_is),
    "in_trash": ColumnType(BOOLEAN, _as_it_is),
    "is_archived": ColumnType(BOOLEAN, _as_it_is),
    "is_locked": ColumnType(BOOLEAN, _as_it_is),
    "icon": ColumnType(TEXT, _picture),
    "cover": ColumnType(TEXT, _picture),
}


def columns_of(properties: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    """The columns of a data source's `properties`, in their order.

    A column has the name of its property. Where a warehouse would take it for another column, or find
    neither letter nor digit in it, all columns of the property carry the property's id, and so does
    every column that then collides with one of those.

    Columns with an id collide with no other: after the name stand the hex digits of the id alone, then
    the suffix, and neither a suffix nor a field of the row has a part of hex digits only.
    """
    with_id: set[str] = set()
    while True:
        columns = [
            column
            for each in properties.values()
            for column in _columns(each, each["id"] in with_id)
        ]
        uses = Counter([*ROW_FIELDS, *(_folded(column.name) for column in columns)])
        colliding = {
            column.property["id"]
            for column in columns
            if uses[_folded(column.name)] > 1 or not _folded(column.name).strip("_")
        }
        if colliding <= with_id:
            return columns
        with_id |= colliding


def _columns(property: Mapping[str, Any], with_id: bool) -> Iterator[Column]:
    function = (property.get("rollup") or {}).get("function")
    types = (
        PROPERTY_TYPES.get(f"rollup {function}")
        or PROPERTY_TYPES.get(property["type"])
        or _OF_ANY_TYPE
    )
    name = property["name"]
    if with_id:
        name += "_" + property["id"].encode(errors="surrogatepass").hex()
    for column_type in types:
        yield Column(name + column_type.suffix, column_type, property)


def _folded(name: str) -> str:
    """A name as plain as any warehouse makes it: what differs here differs in all of them."""
    letters = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub("[^a-z0-9]", "_", "".join(letters).lower())


def stream_name_of(data_source: Mapping[str, Any]) -> str:
    """The stream of a data source: its title to read, and its id to tell it from others."""
    slug = re.sub("_+", "_", _folded(_plain_text(data_source["title"]))).strip("_") or "untitled"
    if slug[0].isdigit():
        slug = "t_" + slug
    return f"{slug[:40].rstrip('_')}_{data_source['id'].replace('-', '')[-12:]}"


def table_schema_of(columns: Sequence[Column]) -> dict[str, Any]:
    """The JSON schema of the rows with these columns."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
        "properties": {
            **{name: dict(column_type.schema) for name, column_type in ROW_FIELDS.items()},
            **{
                column.name: {
                    **column.type.schema,
                    "description": column.property.get("description")
                    or f"Property of the type {column.property['type']}.",
                }
                for column in columns
            },
        },
    }


def row_of(
    page: Mapping[str, Any], columns: Sequence[Column], on_lost: Callable[[str, str], None]
) -> dict[str, Any]:
    """The page as a row that fits the table's schema, whatever happened to its properties since.

    Args:
        page: the page, as Notion answered it.
        columns: those of its data source.
        on_lost: called with a property's name and type where one of its columns is null because
            Notion did not compute the value, or because it is not of that type.
    """
    row: dict[str, Any] = dict.fromkeys(ROW_FIELDS)
    for name, column_type in ROW_FIELDS.items():
        with suppress(*MALFORMED):
            row[name] = column_type.value_of(page.get(name))
    values = {
        value["id"]: value for value in page["properties"].values() if value and "id" in value
    }
    lost = {}
    for column in columns:
        property_type = column.property["type"]
        row[column.name] = None
        try:
            if value := values.get(column.property["id"]):
                if value["type"] != property_type:
                    raise ValueError("The property's type was changed.")
                row[column.name] = column.type.value_of(value[property_type])
        except MALFORMED:
            lost[column.property["id"]] = (column.property["name"], property_type)
    for what in lost.values():
        on_lost(*what)
    return row


# ------------------------------------------------------------------------------------------ shapes


@dataclass
class PropertiesAsArray(RecordTransformation):
    """`{"Name": {…}}` becomes `[{"name": "Name", "value": {…}}]`, in the order of the API."""

    def transform(
        self,
        record: dict[str, Any],
        config: Optional[Mapping[str, Any]] = None,
        stream_state: Optional[Mapping[str, Any]] = None,
        stream_slice: Optional[StreamSlice] = None,
    ) -> None:
        record["properties"] = [
            {"name": name, "value": value}
            for name, value in (record.get("properties") or {}).items()
        ]


@dataclass
class BotOwnerInfo(RecordTransformation):
    """Gives a bot's owner under `bot.owner.info` as well, whatever its type: a user, or `True` for the workspace."""

    def transform(
        self,
        record: dict[str, Any],
        config: Optional[Mapping[str, Any]] = None,
        stream_state: Optional[Mapping[str, Any]] = None,
        stream_slice: Optional[StreamSlice] = None,
    ) -> None:
        owner = (record.get("bot") or {}).get("owner")
        if owner:
            owner["info"] = owner.get(owner["type"])


@dataclass
class PublishedStateMigration(StateMigration):
    """Takes up the state of blocks and comments that Airbyte's published connector wrote.

    Shapes: 2.x `{"last_edited_time": …}`; 3.x `{"state": {"last_edited_time": …}, "lookback_window":
    seconds, "states": [{"partition": {"id" or "block_id": page}, "cursor": {"last_edited_time": …}}]}`,
    with either of `state` and `states` missing at times. Without `state`, the pages that `states` names
    are known and any other page is not.

    Attributes:
        only_changed_pages: True where the state also says which pages to walk (blocks), False where
            all are read anyway (comments).
    """

    only_changed_pages: bool

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state) and "parent_state" not in stream_state

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        cursor = stream_state.get("state") or stream_state
        pages: dict[str, Any] = {}
        migrated: dict[str, Any] = {"use_global_cursor": True}
        if "last_edited_time" in cursor:
            lookback = int(stream_state.get("lookback_window") or 0)
            walked_to = ab_datetime_parse(cursor["last_edited_time"]) - timedelta(seconds=lookback)
            pages["last_edited_time"] = _in_notions_format(walked_to)
            migrated |= {"state": cursor, "lookback_window": lookback}
        else:
            pages["walked"] = {
                page_id: _in_notions_format(ab_datetime_parse(page["cursor"]["last_edited_time"]))
                for page in stream_state.get("states", [])
                for page_id in page["partition"].values()
                if isinstance(page_id, str)  # and not the parent's slice
            }
        return {**migrated, "parent_state": {"pages": pages if self.only_changed_pages else {}}}


# --------------------------------------------------------------------------------- configuration


class Connection:
    """What all requests with one token share, whichever stream makes them.

    The rate limit. Notion counts requests for a connection in fixed windows of a minute, 180 or 600 by
    plan, and for a workspace over all its connections, where a wait may take many minutes:
    https://developers.notion.com/reference/request-limits
    When it asks to wait, every request with the token waits. How many requests a window holds is learned
    from it: so many are sent freely in the next one, and what goes beyond them tries one at a time, then
    as many at once as the window has answered beyond them. So a window that is used up costs one
    refusal, whichever the plan and however many workers there are.

    Attributes:
        most_at_once: how many requests may be under way at once: the number of workers.
        property_items: lists the items of one property of one page, for all tables.
        refresh_failure: why the token could not be refreshed, if that is not long ago.
        listing: held while a search is under way. Streams that run at the same time list the same
            pages; each asks for what is not in the runtime's cache yet, and the others find it there.
    """

    # The last ones used; a server that runs syncs for many people need not keep them all.
    _by_token: ClassVar[dict[str, "Connection"]] = {}
    _lock = Lock()

    MOST_KEPT = 100

    SECONDS_IN_A_WINDOW = 60.0
    SMALLEST_LIMIT = 180
    SECONDS_WITHOUT_ADVICE = 10.0

    # As long as the runtime tries to refresh a token; each page would try it again.
    SECONDS_A_FAILURE_LASTS = 300.0

    def __init__(self) -> None:
        self.most_at_once = 1
        self.property_items: Any = None
        self.listing = Lock()
        self._refresh_failed_at = -inf
        self._refresh_failure: Optional[Exception] = None
        self._partitions = Lock()
        self._partitions_waiting: deque[Condition] = deque()
        self._partitions_begun = 0
        self._turns = Condition()
        self._under_way = 0
        self._opens_at = 0.0
        self._window_ends = 0.0
        self._known_limit = self.SMALLEST_LIMIT
        self._limit_met = False
        self._answered = 0  # in this window
        self._closed = False
        self._answered_since_opened: float = inf

    @classmethod
    def of(cls, token: str) -> "Connection":
        with cls._lock:
            connection = cls._by_token.pop(token, None) or cls()
            cls._by_token[token] = connection
            if len(cls._by_token) > cls.MOST_KEPT:
                del cls._by_token[next(iter(cls._by_token))]
            return connection

    @property
    def refresh_failure(self) -> Optional[Exception]:
        is_recent = time.monotonic() < self._refresh_failed_at + self.SECONDS_A_FAILURE_LASTS
        return self._refresh_failure if is_recent else None

    def refresh_failed(self, error: Exception) -> None:
        """Note why the token could not be refreshed, for all that wait to try the same."""
        self._refresh_failed_at, self._refresh_failure = time.monotonic(), error

    def goes_on_with(self, token: str) -> None:
        """Take another token for the one before, which Notion no longer accepts."""
        with self._lock:
            self._by_token[token] = self

    @property
    def has_room(self) -> bool:
        """Whether some worker would have nothing to do."""
        return self._under_way < self.most_at_once and not self._partitions_waiting

    @contextmanager
    def partition(self) -> Iterator[None]:
        """Wait for the partitions that came before, to have no more begun than requests at once.

        There are more threads, and what is begun is lost in a sync that is cut off.
        """
        mine = Condition(self._partitions)
        with mine:
            self._partitions_waiting.append(mine)
            _wait_for(
                mine,
                lambda: (
                    self._partitions_waiting[0] is mine
                    and self._partitions_begun < self.most_at_once
                ),
            )
            self._partitions_waiting.popleft()
            self._partitions_begun += 1
            self._wake_next_partition()
        try:
            yield
        finally:
            with self._partitions:
                self._partitions_begun -= 1
                self._wake_next_partition()

    def _wake_next_partition(self) -> None:
        if self._partitions_waiting and self._partitions_begun < self.most_at_once:
            self._partitions_waiting[0].notify()

    def take_turn(self) -> None:
        """Return when a request may be sent; says each minute that it may not. `end_turn` has to follow."""
        while True:
            with self._turns:
                now = time.monotonic()
                seconds = self._opens_at - now
                if seconds <= 0:
                    if self._closed:
                        self._closed = False
                        self._answered_since_opened = 0
                    if now >= self._window_ends:
                        self._begin_window(now)
                    if self._under_way < min(self._at_once(), self.most_at_once):
                        self._under_way += 1
                        return
                    self._turns.wait()  # somebody is under way, and will notify
            if seconds > 60:
                LOGGER.info(f"Still waiting for Notion's rate limit, {seconds:.0f} seconds.")
            if seconds > 0:
                time.sleep(min(seconds, 60))

    def end_turn(self, response: Any) -> None:
        """Note the answer to a request, or None where there is none, and let the next one go."""
        with self._turns:
            self._under_way -= 1
            if response is None:
                pass
            elif response.status_code in (429, 529):
                self._close(response)
            else:
                self._answered += 1
                self._answered_since_opened += 1
            self._turns.notify_all()

    def _at_once(self) -> float:
        """How many requests may be under way now: few where the next refusal is near."""
        if self._answered + self._under_way >= self._known_limit:
            return 1 + max(0, self._answered - self._known_limit)
        return 1 + self._answered_since_opened

    def _begin_window(self, now: float) -> None:
        if self._limit_met:
            self._known_limit = max(1, self._answered)
        else:
            self._known_limit = max(self._known_limit, self._answered)
        self._limit_met = False
        self._answered = 0
        self._window_ends = now + self.SECONDS_IN_A_WINDOW

    def _close(self, response: Any) -> None:
        try:
            seconds = float(response.headers["Retry-After"])
        except (KeyError, ValueError):
            seconds = self.SECONDS_WITHOUT_ADVICE
        opens_at = time.monotonic() + seconds
        if opens_at > self._opens_at + 1:
            LOGGER.info(f"Notion asks to slow down: all requests wait for {seconds:.0f} seconds.")
        self._opens_at = max(self._opens_at, opens_at)
        self._closed = True
        # Other limits, as that of the workspace, say nothing about the connection's window.
        if "public_api_request_rate_limit" in response.text:
            self._limit_met = True
            self._window_ends = self._opens_at


class RateLimitedAdapter(TcpKeepaliveHTTPAdapter):
    """Sends a request when it has its turn, and again while Notion asks to slow down.

    The runtime could wait too, but it would count each wait as a retry, stop after ten minutes, and let
    the other workers run on.
    """

    def __init__(self, connection: Callable[[], Connection]) -> None:
        super().__init__(pool_maxsize=20)  # as many as there may be workers
        self._connection = connection

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        while True:
            connection, response = self._connection(), None
            connection.take_turn()
            try:
                response = super().send(request, *args, **kwargs)
            finally:
                connection.end_turn(response)
            if response.status_code not in (429, 529) or "request_blocked" in response.text:
                return response


@dataclass
class NotionAuthenticator(DeclarativeSingleUseRefreshTokenOauth2Authenticator):
    """Signs requests with the access token, and gets a new one when Notion no longer accepts it.

    Notion does not say when a token expires, so the error handler asks for a refresh on a 401. Without
    a refresh token that is the end, with a sentence. A refresh token works once: the new pair goes back
    to the platform as a CONNECTOR_CONFIG message.
    https://developers.notion.com/reference/refresh-a-token

    Attributes:
        config: the source's configuration.
        access_token_paths: for each `credentials.auth_type`, where the access token stands in it.
        token_refresh_endpoint: the address that takes the refresh token.
        notion_version: the version of the API.
    """

    config: Mapping[str, Any]
    access_token_paths: Mapping[str, list[str]]
    token_refresh_endpoint: str
    notion_version: str

    def __init__(
        self,
        config: Mapping[str, Any],
        access_token_paths: Mapping[str, list[str]],
        token_refresh_endpoint: str,
        notion_version: str,
    ) -> None:
        self._notion_version = notion_version
        auth_type = (config.get("credentials") or {}).get("auth_type", "none")
        super().__init__(
            # Not for the platform to save: `checking`, which the check adds, and what begins with `__`:
            # the manifest and the components, which the runtime may hold here and would search for the token on each
            # request. The nested credentials stay shared by all streams: each sees the newest pair.
            {
                key: value
                for key, value in config.items()
                if key != "checking" and not key.startswith("__")
            },
            token_refresh_endpoint,
            access_token_config_path=access_token_paths[auth_type],
            refresh_token_error_status_codes=(400,),
            refresh_token_error_key="error",
            refresh_token_error_values=("invalid_grant",),
        )

    @cached_property
    def connection(self) -> Connection:
        """What this token's requests share; also after a refresh, which gives all streams the new token."""
        return Connection.of(self.access_token)

    def get_access_token(self) -> str:
        """The token, for as long as Notion accepts it."""
        token = self.access_token
        if not token:
            raise _bad_configuration(
                "There are no credentials in this source's settings. Choose an authentication method "
                "and give the access token of your Notion connection."
            )
        # Such a header would be refused by an error that quotes it.
        if not re.fullmatch("[!-~]+", token):
            raise _bad_configuration(
                "The access token holds a blank, a line break or another character that no token has. "
                "Copy it again, whole and with nothing around it."
            )
        return token

    def set_token_expiry_date(self, new_token_expiry_date: Any) -> None:
        """Notion gives no expiry date, so none is kept."""

    def refresh_and_set_access_token(self) -> None:
        if not self.get_refresh_token():
            raise _bad_configuration(
                "Notion does not accept the access token: it is wrong, expired or revoked. Put a "
                "valid token into this source's settings, or authenticate again."
            )
        connection, token = self.connection, self.access_token
        with self._token_refresh_lock:
            if self.access_token != token:  # somebody else was faster
                return
            if failure := connection.refresh_failure:
                raise failure.with_traceback(None)
            try:
                super().refresh_and_set_access_token()
            except Exception as error:
                connection.refresh_failed(error)
                raise
        connection.goes_on_with(self.access_token)

    def get_refresh_request_headers(self) -> Mapping[str, Any]:
        client = b64encode(f"{self.get_client_id()}:{self.get_client_secret()}".encode()).decode()
        return {
            "Authorization": f"Basic {client}",
            "Content-Type": "application/json",
            "Notion-Version": self._notion_version,
        }

    def build_refresh_request_body(self) -> Any:
        """The body as JSON text: as a mapping, the runtime would send it as a form."""
        return json.dumps(super().build_refresh_request_body())


def _refuse_impossible_start_date(start_date: Optional[str]) -> None:
    """Raises a sentence where the start date is malformed, in no calendar, or in the future."""
    if not start_date:
        return
    try:
        start = datetime.strptime(start_date, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        raise _bad_configuration(
            f"The start date '{start_date}' is not a possible date in the form "
            "YYYY-MM-DDTHH:mm:ss.SSSZ, for example 2025-11-16T00:00:00.000Z."
        ) from None
    if start.replace(tzinfo=timezone.utc) > datetime.now(timezone.utc):
        raise _bad_configuration(
            f"The start date '{start_date}' lies in the future: nothing would be read. Choose a date "
            "in the past, or leave it out to read the last two years."
        )


def _without_signatures(entry: logging.LogRecord) -> bool:
    """Cuts the signatures off the file links in answers that the runtime logs when it debugs.

    A signed link opens the file for an hour, for anybody who has it:
    https://developers.notion.com/reference/file-object
    """
    body = getattr(entry, "body", "")
    if "X-Amz-" in body:
        vars(entry)["body"] = re.sub(r'\?[^"\s]*X-Amz-[^"\s]*', "?...", body)
    return True


# What names a place in a warning.
_PLACES = ("page_id", "block_id", "database_id", "data_source_id", "property_id", "view_id")


def _title_of(item: Mapping[str, Any]) -> Optional[str]:
    """The title of a page or a data source; None for what has no place in a path."""
    if item["object"] == "data_source":
        return _plain_text(item["title"])
    if item["object"] != "page":
        return None
    properties = item["properties"]
    values = (
        properties.values() if isinstance(properties, Mapping) else (p["value"] for p in properties)
    )
    return "".join(_plain_text(value["title"]) for value in values if value["type"] == "title")


def _parent_of(
    item: Mapping[str, Any], field: str = "parent"
) -> tuple[Optional[str], Optional[str]]:
    """The type of an item's parent and its id; None and None at the root of the workspace."""
    parent = item.get(field) or {}
    kind = parent.get("type")
    return (kind, parent[kind]) if isinstance(parent.get(kind), str) else (None, None)


def _in_batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Items by the hundred, as many as a listing's page holds."""
    items = iter(items)
    while batch := list(islice(items, 100)):
        yield batch


def _with_extra(stream_slice: StreamSlice, **extra_fields: Any) -> StreamSlice:
    return StreamSlice(
        partition=stream_slice.partition,
        cursor_slice=stream_slice.cursor_slice,
        extra_fields={**stream_slice.extra_fields, **extra_fields},
    )


def _id_in(link: str, of: str = "database") -> str:
    """The id at the end of a link, as copied from the browser, or of an id, without hyphens.

    A page that is shown beside its database stands behind it: `/<database>?v=…&p=<page>`.
    """
    address = urlsplit(link.strip())
    shown_beside = parse_qs(address.query).get("p", [""])[0] if of == "page" else ""
    path = (shown_beside or address.path).lower().replace("-", "").rstrip("/")
    found = re.search("[0-9a-f]{32}$", path)
    if not found:
        raise _bad_configuration(
            f"'{link}' is neither a link to a {of} nor its id. Open the {of} in Notion as a full "
            "page, copy the link from the browser, and put it into this source's settings."
        )
    return found[0]


def _with_hyphens(id: str) -> str:
    return "-".join((id[:8], id[8:12], id[12:16], id[16:20], id[20:]))


def _wait_for(condition: Condition, predicate: Callable[[], bool]) -> None:
    """Wait for something that other threads bring about, but not when the sync is over.

    Where the main thread fails, the interpreter ends when all threads have: it would wait for this one, and
    this one for partitions that nobody reads any more.
    """
    while not condition.wait_for(predicate, timeout=2):
        if threads_of_the_runtime._shutdown:
            raise RuntimeError("The sync ended while a stream was waiting.")


def _bad_configuration(sentence: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=sentence, failure_type=FailureType.config_error)


def _in_notions_format(time: datetime) -> str:
    """A time as pages carry it: `2026-07-04T09:08:00.000Z`."""
    return (
        time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{time.microsecond // 1000:03}Z"
    )


def _again_if_disturbed(parse: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(parse)
    def parse_again(*args: Any) -> Any:
        for _ in range(100):
            with suppress(SystemError):
                return parse(*args)
        return parse(*args)

    return parse_again


# The runtime parses each value that the manifest renders. There, threads that parse at the same time may
# disturb each other, which would end a stream: https://github.com/python/cpython/issues/106905
if (3, 11) <= sys.version_info < (3, 11, 8):
    if not hasattr(JinjaInterpolation._literal_eval, "__wrapped__"):
        JinjaInterpolation._literal_eval = _again_if_disturbed(JinjaInterpolation._literal_eval)  # type: ignore[method-assign]
