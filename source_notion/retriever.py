"""The retriever under all streams: it reads each listing to its true end, and each record once.

The package leans on three names that the runtime keeps to itself. Other modules use `_read_pages` only:

- `SimpleRetriever._read_pages`: no public method sees each answer of a listing, or its end.
- `SimpleRetriever._fetch_next_page`: no public method sees an answer that is ignored.
- `ConcurrentPerPartitionCursor._last_emission_time`: the runtime emits a state every ten minutes, and none beyond a
  partition that is still open. A sync that is killed more often than that would start over each time.

`unit_tests/test_runtime.py` fails when the runtime changes one of them.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.requesters.paginators.default_paginator import PaginatorTestReadDecorator
from airbyte_cdk.sources.declarative.retrievers.page_size_reducer import PageSizeReduction, PageSizeResetPolicy
from airbyte_cdk.sources.declarative.retrievers.pagination_tracker import PaginationTracker
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.http_logger import format_http_message
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http.page_size_reduction_exception import PageSizeReductionRequiredException
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_notion.objects import config_error, fields_of, reason_of, transient_error
from source_notion.rate_limit import RateLimitGate
from source_notion.responses import body_of
from source_notion.shared import Skipped
from source_notion.workspace import Workspace

# What the runtime hands a retriever to make records of a response.
RecordsOfResponse = Callable[[Any], Iterable[Record]]


class Listing:
    """One listing on its way from answer to answer: each version of a record once, and an error if it ends too early."""

    # Answers may be empty or short, but this many in a row without a new record lead nowhere:
    # https://github.com/dust-tt/dust/pull/8486
    MAX_ANSWERS_WITHOUT_NEWS = 50

    def __init__(self, stream: str) -> None:
        self.answers = self._answers_without_news = 0
        self.left_in_answer = 0  # records of the last answer that are still to come
        # Notion ends it after 10,000 results: https://developers.notion.com/guides/data-apis/query-large-data-sources
        self.is_incomplete = False
        self._stream = stream
        self.versions: dict[int, None] = {}  # hashes, and no set: either takes less memory
        self._items: set[int] = set()
        self._cursors: set[str] = set()

    def records_of(self, response: Any, records_of: RecordsOfResponse) -> Iterator[Record]:
        """The new records of an answer; raises if the listing cannot go on after them."""
        records = [*records_of(response)]
        body = body_of(response) if response else {}
        self.answers += 1
        self.left_in_answer = len(records)
        self.is_incomplete |= (body.get("request_status") or {}).get("type") == "incomplete"
        has_news = False
        for record in records:
            self.left_in_answer -= 1
            if self.is_new(record):
                has_news = True
                yield record
        if body.get("has_more"):
            self._check_that_it_goes_on(response.request, body, has_news)

    def is_new(self, record: Mapping[str, Any]) -> bool:
        """Whether this version of the record comes for the first time."""
        if record.get("object") == "property_item":  # its id is that of the property
            return True
        version = hash((record["id"], str(record.get("last_edited_time"))))
        is_new = version not in self.versions
        self.versions[version] = None
        return is_new

    def _check_that_it_goes_on(self, request: Any, body: Mapping[str, Any], has_news: bool) -> None:
        if "start_cursor" not in f"{request.url}{request.body}":  # it began, or started over
            self._cursors.clear()
            self._items.clear()
            self._answers_without_news = 0
        if not has_news:  # a filter may have dropped what is new
            # Not the whole items: each answer signs their links anew.
            items = {
                hash((str(each.get("id")), str(each.get("last_edited_time"))))
                for each in map(fields_of, body["results"])
            }
            has_news = bool(items - self._items)
            self._items |= items
        self._answers_without_news = 0 if has_news else self._answers_without_news + 1
        cursor: Any = body.get("next_cursor")
        failure = ""
        if not cursor:
            failure = "says that there is more, but has no cursor"
        elif cursor in self._cursors:
            failure = "repeats a page that was read already"
        elif self._answers_without_news == self.MAX_ANSWERS_WITHOUT_NEWS:
            failure = f"does not end: {self._answers_without_news} pages in a row had nothing new"
        if failure:
            raise transient_error(
                f"Notion's listing for the stream {self._stream} {failure}. The stream stops here so that nothing is lost; "
                "the next sync reads it again."
            )
        self._cursors.add(cursor)


class LateData(dict[str, Any]):
    """The data of a record that was edited after the sync began, or says so: some are dated in the future.

    It hides that time from the runtime's cursor, which alone asks for it with `get`: the state must not go beyond the
    beginning of the sync, because what came before the record may have been edited meanwhile.
    """

    def __init__(self, data: Mapping[str, Any], began: str) -> None:
        super().__init__(data)
        self._began = began

    def get(self, key: str, default: Any = None) -> Any:
        return self._began if key == "last_edited_time" else super().get(key, default)


class Restarts(PaginationTracker):
    """Lets a listing start over when Notion no longer knows its cursor.

    The runtime lets it start over once. Cursors are short-lived, so a long listing may need more:
    https://github.com/PostHog/posthog/pull/70749
    """

    def __init__(self, stream: str, max_restarts: int) -> None:
        super().__init__()
        self._stream = stream
        self._max_restarts = max_restarts
        self._restarts = 0

    def observe(self, record: Record) -> None:
        self._restarts = 0  # the record is a new one: the listing got further

    def reduce_slice_range_if_possible(
        self, previous_stream_slice: StreamSlice, original_stream_slice: StreamSlice
    ) -> StreamSlice:
        self._restarts += 1
        if self._restarts > self._max_restarts:
            raise transient_error(
                f"Notion rejected the cursor of a listing for the stream {self._stream} {self._restarts} times, although the "
                "listing started over each time. The next sync reads it again."
            )
        return previous_stream_slice


@dataclass
class NotionRetriever(SimpleRetriever):
    """Reads a listing to its true end, each version of a record once, and says what it skipped.

    The runtime's retriever takes a listing that repeats, or ends before its end, for a whole one.
    """

    cursor: Optional[Cursor] = None  # the stream's cursor, as the runtime built it
    partition_router: Optional[PartitionRouter] = None  # the stream's partition router, if it has one
    # How far to reduce the page size if Notion cannot make a page: the fields of the runtime's `PageSizeReduction`,
    # which it accepts from its own retriever only.
    smaller_pages: Optional[dict[str, Any]] = None
    max_restarts: int = 3  # how often a listing may start over without getting further

    # Objects that say when they were created, unless Notion gives only their ids.
    DATED: ClassVar[frozenset[str]] = frozenset({"page", "data_source", "database", "block", "comment"})

    # Codes of what the error handler ignores, as they stand in the sum.
    REASONS: ClassVar[Mapping[str, str]] = {
        "object_not_found": "deleted or not shared",
        "validation_error": "not supported by the API",
    }

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        self.gate = RateLimitGate.of(self.config)
        self.skipped = Skipped.of(self.config)
        self.workspace = Workspace.of(self.config)
        self.pagination_tracker_factory = lambda: Restarts(self.name, self.max_restarts)
        if self.smaller_pages:
            policy = PageSizeResetPolicy.AFTER_SUCCESSFUL_PAGE
            self.page_size_reduction = PageSizeReduction(**self.smaller_pages, reset_policy=policy)
        # The Connector Builder shows the requests of a test read from it.
        self.log_formatter = lambda response: format_http_message(
            response, f"Stream '{self.name}' request", "Reads one page of records", self.name
        )

    @property
    def is_test_read(self) -> bool:
        """Whether somebody waits for a sample in the Connector Builder."""
        return isinstance(self.paginator, PaginatorTestReadDecorator)

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: Optional[StreamSlice] = None
    ) -> Iterable[StreamData]:
        """Read a slice; no record moves the state beyond the beginning of the sync."""
        resumed = stream_slice.extra_fields.get("began") if stream_slice else None
        for record in super().read_records(records_schema, stream_slice):
            began = resumed or self.gate.began
            if self.cursor and isinstance(record, Record) and str(record.data.get("last_edited_time") or "") > began:
                late = LateData(record.data, began)
                record = Record(late, record.stream_name, record.associated_slice, file_reference=record.file_reference)
            yield record

    def emit_state(self, parent_state: Mapping[str, Any]) -> None:
        """Emit a state of the stream with this one of its parent, behind all records that were given so far."""
        states = ConnectorStateManager()
        states.update_state_for_stream(self.name, None, {**self.cursor.state, "parent_state": parent_state})  # type: ignore[union-attr]
        self.requester.message_repository.emit_message(states.create_state_message(self.name, None))  # type: ignore[attr-defined]

    def _read_pages(self, records_generator_fn: RecordsOfResponse, stream_slice: StreamSlice) -> Iterable[Record]:
        return self.read_listing(Listing(self.name), records_generator_fn, stream_slice)

    def read_listing(
        self, listing: Listing, records_of: RecordsOfResponse, stream_slice: StreamSlice
    ) -> Iterator[Record]:
        """The records of a listing, but for those without an id, and those of which Notion gives nothing but the id."""

        def identified(response: Any) -> Iterator[Record]:
            for record in records_of(response):
                if isinstance(record.get("id"), str) and record["id"]:
                    yield record
                else:
                    what = f"an object of type {record.get('object')}"
                    self.skipped.warn(self.name, what, "without an id", "Notion sent it without an id.")

        for record in super()._read_pages(lambda response: listing.records_of(response, identified), stream_slice):
            # Any list may hold such, see `isFullPage` in https://github.com/makenotion/notion-sdk-js
            if record.get("object") in self.DATED and not {"created_time", "last_edited_time"} & record.keys():
                what = f"{record['object']}_id {record['id']}"
                self.skipped.warn(self.name, what, "without content", "Notion sent only its id.")
                continue
            yield record

    def _fetch_next_page(
        self,
        stream_slice: StreamSlice,
        next_page_token: Optional[Mapping[str, Any]] = None,
        page_size_override: Optional[int] = None,
    ) -> Any:
        """Ask for a page, and say what it does not give."""
        # Files in answers are signed links that anybody may open for an hour; the runtime logs answers when it debugs.
        self.requester.logger.addFilter(without_signatures)  # type: ignore[attr-defined]
        try:
            response: Any = super()._fetch_next_page(stream_slice, next_page_token, page_size_override)
        except PageSizeReductionRequiredException:
            raise  # the runtime asks for a smaller page
        except AirbyteTracedException as error:
            # Without the name of this retriever: the error is that of the stream that reads. Without secrets, which Notion
            # may repeat: the runtime cuts them out of the log only.
            raise AirbyteTracedException(
                filter_secrets(str(error.internal_message)), reason_of(error), error.failure_type
            ) from None
        if not response.ok:  # the error handler ignores it
            self.skip_ignored(stream_slice, response)
        if getattr(response, "lost_characters", False):
            self.skipped.say_once(
                "Some texts hold U+0000 or half a character, which most databases refuse. It is removed."
            )
        return response

    def skip_ignored(self, stream_slice: StreamSlice, response: Any) -> None:
        """Say what an ignored answer does not give, by the ids that the slice has of it."""
        body = body_of(response)
        fields = {**stream_slice.partition, **stream_slice.extra_fields}
        what = ", ".join(f"{key} {id}" for key, id in fields.items() if key.endswith("_id"))
        if not what:  # a whole stream is not skipped
            raise config_error(f"Notion refused a request: {body.get('message')}")
        code = str(body.get("code") or response.status_code)
        self.skipped.warn(self.name, what, self.REASONS.get(code, code), str(body.get("message")))


def without_signatures(entry: logging.LogRecord) -> bool:
    """Cut the signatures off file links in a log entry: https://developers.notion.com/reference/file-object"""
    for field in ("body", "url"):
        if "X-Amz-" in str(vars(entry).get(field)):
            vars(entry)[field] = re.sub(r'\?[^"\s]*X-Amz-[^"\s]*', "?...", vars(entry)[field])
    return True


def tame(cursor: Any) -> None:
    """Leave every state but the last to the router, and forget partitions that are done: it would keep 25,000, 3 KB each."""
    cursor.DEFAULT_MAX_PARTITIONS_NUMBER = 200
    cursor._last_emission_time = float("inf")


def with_extra(stream_slice: StreamSlice, **extra_fields: Any) -> StreamSlice:
    return StreamSlice(
        partition=stream_slice.partition,
        cursor_slice=stream_slice.cursor_slice,
        extra_fields={**stream_slice.extra_fields, **extra_fields},
    )
