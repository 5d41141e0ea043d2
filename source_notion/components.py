"""What the manifest cannot say: the tree of blocks, the quirks of search, and three small shapes.

The Connector Builder injects this file as text, so it stands alone: it imports `airbyte_cdk` and the
standard library. The runtime reads the partitions of a stream in several threads with one retriever,
so nothing here keeps what belongs to one read anywhere but in that read's local variables.
"""

import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.oauth import (
    DeclarativeSingleUseRefreshTokenOauth2Authenticator,
)
from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import (
    ConcurrentPerPartitionCursor,
)
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers.partition_router import PartitionRouter
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    SubstreamPartitionRouter,
)
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.http_logger import format_http_message
from airbyte_cdk.sources.streams.concurrent.cursor import Cursor
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

LOGGER = logging.getLogger("airbyte")

# What the runtime hands a retriever to make records of a response (a `requests.Response`).
RecordsOfResponse = Callable[[Any], Iterable[Record]]


# ------------------------------------------------------------------------------------- retrievers


@dataclass
class NotionRetriever(SimpleRetriever):
    """Reads a listing, and says aloud what it had to leave out.

    The error handler tells the runtime to ignore what Notion cannot give (an unshared block, a linked
    database); the runtime notes that at a level nobody reads and without the page's name.

    Attributes:
        cursor: the stream's cursor, as the runtime built it.
        partition_router: the stream's partition router, if it has one.
    """

    cursor: Optional[Cursor] = None
    partition_router: Optional[PartitionRouter] = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        _refuse_impossible_start_date(self.config.get("start_date"))
        # The runtime gives its own retriever this, but no custom one. Only the Builder's log is so
        # detailed that it is ever called: the Builder shows the requests of a test read from it.
        self.log_formatter = lambda response: format_http_message(
            response, f"Stream '{self.name}' request", "Reads one page of records", self.name
        )
        if isinstance(self.partition_router, PageRouter):
            self.cursor.__class__ = PageWalkCursor
            self.partition_router.resume(self.cursor.state.get("parent_state"))

    def _fetch_next_page(
        self,
        stream_slice: StreamSlice,
        next_page_token: Optional[Mapping[str, Any]] = None,
        page_size_override: Optional[int] = None,
    ) -> Any:
        response = super()._fetch_next_page(stream_slice, next_page_token, page_size_override)
        if response is not None and not response.ok:
            where = ", ".join(
                f"{key} {value}"
                for key, value in {**stream_slice.partition, **stream_slice.extra_fields}.items()
                if key in ("page_id", "block_id", "database_id")
            )
            LOGGER.warning(f"Stream {self.name} left out {where}: {response.json()['message']}")
        return response


@dataclass
class SearchRetriever(NotionRetriever):
    """Reads `POST /search` from the newest item down, only as far back as the slice reaches.

    Search has no filter by time, its index is not strictly sorted, and items move to the front when
    they are edited during the listing, which shifts the others back so that they come again:
    https://developers.notion.com/reference/search-optimizations-and-limitations
    """

    # So many items in a row that are too old end the listing: an item is found as long as fewer
    # older ones stand before it. One alone would do only if the index were sorted.
    OLDER_ITEMS_THAT_END_THE_LISTING = 50

    def _read_pages(
        self,
        records_generator_fn: RecordsOfResponse,
        stream_slice: StreamSlice,
    ) -> Iterable[Record]:
        oldest = stream_slice.cursor_slice.get("start_time", "")
        seen: set[tuple[str, str]] = set()
        older_in_a_row = 0
        for record in super()._read_pages(records_generator_fn, stream_slice):
            version = (record["id"], record["last_edited_time"])
            if record["last_edited_time"] < oldest:
                older_in_a_row += 1
                if older_in_a_row == self.OLDER_ITEMS_THAT_END_THE_LISTING:
                    return
                continue
            older_in_a_row = 0
            if version not in seen:
                seen.add(version)
                yield record


@dataclass
class BlockTreeRetriever(NotionRetriever):
    """Walks all blocks of a page in document order: each block, then its children, then the next.

    The walk keeps one open listing for each level, so depth costs memory but no recursion. Each block
    gains `page_id`, `page_last_edited_time`, `depth` (0 right under the page) and
    `parent.sequence_number` (its place among all its siblings, from 0).
    """

    # Pages and databases have streams of their own; the children call of an ai_block is refused:
    # https://github.com/openclaw/notcrawl/issues/59
    NOT_RECORDS = frozenset({"child_page", "child_database", "ai_block"})

    def _read_pages(
        self,
        records_generator_fn: RecordsOfResponse,
        stream_slice: StreamSlice,
    ) -> Iterable[Record]:
        page_id = stream_slice.partition["page_id"]
        page_last_edited_time = stream_slice.extra_fields["last_edited_time"]
        walked = {page_id}
        levels = [self._children(records_generator_fn, stream_slice, page_id)]
        while levels:
            sequence_number, record = next(levels[-1], (None, None))
            if record is None:
                levels.pop()
                continue
            block = record.data
            if block["type"] in self.NOT_RECORDS:
                continue
            block["parent"] = {**(block.get("parent") or {}), "sequence_number": sequence_number}
            block["page_id"] = page_id
            block["page_last_edited_time"] = page_last_edited_time
            block["depth"] = len(levels) - 1
            yield record
            if not block.get("has_children") or block["type"] == "unsupported":
                continue
            original = self._original_of_synced_copy(block)
            if original:
                if original not in walked:
                    self._fetch_next_page(self._slice_of(stream_slice, original))
            elif block["id"] in walked:
                LOGGER.warning(
                    f"Stream {self.name} left out the children of block_id {block['id']} on "
                    f"page_id {page_id}: they were read already, the block contains itself."
                )
            else:
                walked.add(block["id"])
                levels.append(self._children(records_generator_fn, stream_slice, block["id"]))

    def _children(
        self,
        records_generator_fn: RecordsOfResponse,
        page_slice: StreamSlice,
        block_id: str,
    ) -> Iterator[tuple[int, Record]]:
        return enumerate(
            super()._read_pages(records_generator_fn, self._slice_of(page_slice, block_id))
        )

    @staticmethod
    def _slice_of(page_slice: StreamSlice, block_id: str) -> StreamSlice:
        return StreamSlice(
            partition=page_slice.partition,
            cursor_slice=page_slice.cursor_slice,
            extra_fields={**page_slice.extra_fields, "block_id": block_id},
        )

    @staticmethod
    def _original_of_synced_copy(block: Mapping[str, Any]) -> Optional[str]:
        """The block whose children a synced copy shows, or None for any other block.

        The content is read with its original. A copy's own children call is no help, it may answer
        404 (https://github.com/openclaw/notcrawl/issues/37), so the original is asked for once: if it
        is out of reach, that is worth a warning.
        """
        if block["type"] != "synced_block":
            return None
        return ((block["synced_block"] or {}).get("synced_from") or {}).get("block_id")


# ------------------------------------------------------------------------------ partition routers


@dataclass
class PageRouter(SubstreamPartitionRouter):
    """One partition a page, from the page edited longest ago to the newest.

    Search lists the newest first. Walked in that order, no state would be true before the end; walked
    from the oldest up, "every page up to this one is delivered" is true at any moment, and a sync that
    was cut off goes on where it was. The router's state, under its parent stream's name:

    - during a walk `{"last_edited_time", "page_id"}` of the page walked last, `"newest"`: the newest
      `last_edited_time` when the walk began, and `"began"`: when that was;
    - after it `{"last_edited_time": newest, "walked": {page_id: last_edited_time}}`, or `{}` where the
      next walk takes all pages again.

    The parent stream lists from `last_edited_time`, less its lookback window: pages that the index
    shows late are found. Those that were walked already stand in `walked` and are not walked again,
    unless they were edited so shortly before that another edit could carry the same rounded time.

    Attributes:
        only_changed_pages: True to walk the pages edited since the last walk, False to walk all.
    """

    only_changed_pages: bool = True

    # As long as the lookback window in the manifest.
    UNSETTLED = timedelta(minutes=10)
    # More would make the state large; what is not remembered is walked again.
    MOST_WALKED = 1000

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        self._parent = self.parent_stream_configs[0].stream.name
        self._state: Mapping[str, Any] = {}
        self.began = _in_notions_format(datetime.now(timezone.utc))

    def resume(self, state: Optional[Mapping[str, Any]]) -> None:
        """Take up the state of an earlier sync: the `parent_state` of the stream's state."""
        self._state = (state or {}).get(self._parent) or {}
        self.began = self._state.get("began", self.began)

    def get_stream_state(self) -> Mapping[str, Any]:
        return {self._parent: self._state}

    def stream_slices(self) -> Iterable[StreamSlice]:
        before = self._state
        walked = before.get("walked", {})
        reached = (
            (before.get("last_edited_time", ""), before["page_id"])
            if "page_id" in before
            else ("", "")
        )
        listed = sorted(
            (page.extra_fields["last_edited_time"], page.partition["page_id"])
            for page in super().stream_slices()
        )
        pages = [page for page in listed if page > reached and walked.get(page[1], "") < page[0]]
        newest = before.get("newest") or (listed[-1][0] if listed else "")
        for last_edited_time, page_id in pages:
            self._state = {
                "last_edited_time": last_edited_time,
                "page_id": page_id,
                "newest": newest,
                "began": self.began,
            }
            yield StreamSlice(
                partition={"page_id": page_id},
                cursor_slice={},
                extra_fields={"last_edited_time": last_edited_time},
            )
        if not self.only_changed_pages:
            self._state = {}
        elif newest:
            self._state = {
                "last_edited_time": newest,
                "walked": self._settled(
                    listed, newest, walked.keys() | {page[1] for page in pages}
                ),
            }

    def _settled(
        self, listed: list[tuple[str, str]], newest: str, walked: set[str]
    ) -> Mapping[str, str]:
        """The walked pages that the next listing shows again, and that nobody need walk again."""
        shown_again = _in_notions_format(ab_datetime_parse(newest) - self.UNSETTLED)
        settled = min(newest, _in_notions_format(ab_datetime_parse(self.began) - self.UNSETTLED))
        pages = [
            (page_id, last_edited_time)
            for last_edited_time, page_id in listed
            if shown_again <= last_edited_time < settled and page_id in walked
        ]
        return dict(pages[-self.MOST_WALKED :])


class PageWalkCursor(ConcurrentPerPartitionCursor):
    """The runtime's cursor for many partitions, with the habits of a long walk over pages.

    The runtime builds the cursor itself and takes no class of ours, so the retriever of a walk turns
    its cursor into this one.
    """

    # The cursors of finished partitions serve nobody here, where one global cursor is the state.
    DEFAULT_MAX_PARTITIONS_NUMBER = 100

    SECONDS_BETWEEN_STATES = 30

    def _throttle_state_message(self) -> Optional[float]:
        """The runtime says at most every ten minutes where it is; a walk cut off would lose those."""
        now = time.time()
        return now if now - self._last_emission_time >= self.SECONDS_BETWEEN_STATES else None

    def _update_global_cursor(self, value: Any) -> None:
        """No state beyond the walk's beginning: what was written later may be on a page walked earlier."""
        super()._update_global_cursor(min(value, self._partition_router.began))


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
        migrated: dict[str, Any] = {"use_global_cursor": True, "parent_state": {"pages": {}}}
        if "last_edited_time" in cursor:
            lookback = int(stream_state.get("lookback_window") or 0)
            walked_to = ab_datetime_parse(cursor["last_edited_time"]) - timedelta(seconds=lookback)
            pages = {"last_edited_time": _in_notions_format(walked_to)}
            migrated |= {"state": cursor, "lookback_window": lookback}
        else:
            pages = {
                "walked": {
                    next(iter(page["partition"].values())): _in_notions_format(
                        ab_datetime_parse(page["cursor"]["last_edited_time"])
                    )
                    for page in stream_state.get("states", [])
                }
            }
        if self.only_changed_pages:
            migrated["parent_state"] = {"pages": pages}
        return migrated


# --------------------------------------------------------------------------------- configuration


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
            # The check adds `checking` for its own duration; the platform must not save it. The nested
            # credentials stay shared by all streams: each sees the newest pair.
            {key: value for key, value in config.items() if key != "checking"},
            token_refresh_endpoint,
            access_token_config_path=access_token_paths[auth_type],
            refresh_token_error_status_codes=(400,),
            refresh_token_error_key="error",
            refresh_token_error_values=("invalid_grant",),
        )

    def token_has_expired(self) -> bool:
        if not self.access_token:
            raise _bad_configuration(
                "There are no credentials in this source's settings. Choose an authentication method "
                "and give the access token of your Notion connection."
            )
        return False

    def set_token_expiry_date(self, new_token_expiry_date: Any) -> None:
        """Notion gives no expiry date, so none is kept."""

    def refresh_and_set_access_token(self) -> None:
        if not self.get_refresh_token():
            raise _bad_configuration(
                "Notion does not accept the access token: it is wrong, expired or revoked. Put a "
                "valid token into this source's settings, or authenticate again."
            )
        super().refresh_and_set_access_token()

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


def _bad_configuration(sentence: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=sentence, failure_type=FailureType.config_error)


def _in_notions_format(time: datetime) -> str:
    """A time as pages carry it: `2026-07-04T09:08:00.000Z`."""
    return (
        time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{time.microsecond // 1000:03}Z"
    )
