"""Takes up saved states: those of this connector, of its first version, and of Airbyte's published connector.

A state that says nothing, or lies in the future, is dropped with a warning: the stream reads everything again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.models.declarative_component_schema import DeclarativeStream
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

from source_notion.objects import LONG_AGO, fields_of, in_notion_format
from source_notion.page_state import PageState
from source_notion.shared import LOGGER
from source_notion.workspace import Workspace

PARENT = "every_page"


@dataclass
class ListingStateMigration(StateMigration):
    """Takes up `{"last_edited_time": …}`, of any version. The runtime fails the whole sync on a malformed one."""

    declarative_stream: DeclarativeStream

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._migrated(stream_state)
        except (AttributeError, LookupError, TypeError, ValueError):
            LOGGER.warning(
                f"The saved state of the stream {self.declarative_stream.name} cannot be used, so it reads everything."
            )
            return {}

    def _migrated(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        if "last_edited_time" in state:
            _past_time(state["last_edited_time"])
        return state


@dataclass
class PageStateMigration(ListingStateMigration):
    """Brings any saved state of a stream over pages into the shape of `PageState`, and recalls what it discovered.

    - of this connector, 0.1.0: `{…, "parent_state": {"pages": {"last_edited_time", "walked", "reached", "newest",
      "began", "unlisted"}}}`; of its stream `pages`: `{"last_edited_time": …}`
    - of the published connector, 2.x: `{"last_edited_time": …}`; 3.x: `{"state": {"last_edited_time": …},
      "lookback_window": seconds, "states": [{"partition": {"id" or "block_id": page}, "cursor": {"last_edited_time":
      …}}]}`, with either of `state` and `states` missing at times. Without `state`, the pages in `states` are known and
      any other page is not.

    Whether the stream reads all pages, and whether it discovers pages, stands at its router in the manifest.
    """

    config: Mapping[str, Any]

    def _migrated(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        router: Any = self.declarative_stream.retriever.partition_router  # type: ignore[union-attr]
        reads_all = router.get("reads_all", False)
        parents = state.get("parent_state") or {}
        cursor = state.get("state") or ({} if parents else state)
        pages: PageState = {**parents.get(PARENT, {})}
        lookback = int(state.get("lookback_window") or 0)
        migrated: dict[str, Any] = {"use_global_cursor": True, "lookback_window": lookback}
        if "last_edited_time" in cursor:
            read_to = _past_time(cursor["last_edited_time"])
            migrated["state"] = {"last_edited_time": cursor["last_edited_time"]}
            if not parents:
                pages = {"last_edited_time": in_notion_format(read_to - timedelta(seconds=lookback))}
        elif state.get("states"):
            pages = {"delivered": _of_single_pages(state["states"])}
        if "pages" in parents:
            pages = _of_first_version(parents["pages"])
        if reads_all:  # the settings say how far back it lists
            pages.pop("last_edited_time", None)
        if "last_edited_time" in pages:
            _past_time(pages["last_edited_time"])
        if router.get("discovers"):
            Workspace.of(self.config).recall(pages.get("discovered") or {})
        return {**migrated, "parent_state": {PARENT: {} if reads_all and not parents else pages}}


def _past_time(value: Any) -> datetime:
    """A time of a state; raises ValueError if it is none, or lies in the future."""
    if not isinstance(value, str) or not re.match(r"\d{4}-.*T", value):
        raise ValueError("This is no time.")
    time = ab_datetime_parse(value)
    if time > datetime.now(timezone.utc) + timedelta(days=1):  # this machine's clock may be a little behind
        raise ValueError("This time lies in the future.")
    return time


def _of_single_pages(states: list[Any]) -> dict[str, str]:
    return {
        page_id: in_notion_format(_past_time(page["cursor"]["last_edited_time"]))
        for page in states
        if fields_of(page.get("cursor")).get("last_edited_time")
        for page_id in page["partition"].values()
        if isinstance(page_id, str)  # and not the parent's slice
    }


def _of_first_version(saved: Mapping[str, Any]) -> PageState:
    state: PageState = {"delivered": saved.get("walked") or {}}
    if "last_edited_time" in saved:
        state["last_edited_time"] = saved["last_edited_time"]
    if "reached" in saved:
        reached = [saved["reached"].get(key, "") for key in ("last_edited_time", "page_id")]
        state["under_way"] = {"began": saved.get("began", ""), "reached": reached, "open": []}
    unlisted = saved.get("unlisted") or {}
    pages, databases = unlisted.get("pages") or {}, unlisted.get("databases") or []
    state["discovered"] = {"pages": [*pages], "databases": [*databases]}
    # Discovered, but not read: with them comes what only they know, however old.
    state["failed"] = {id: LONG_AGO for id, read_at in pages.items() if not read_at}
    return state
