"""Takes up the states that earlier versions of this connector and Airbyte's published one saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

from source_notion.objects import in_notion_format
from source_notion.page_state import PageState

PARENT = "every_page"


@dataclass
class PageStateMigration(StateMigration):
    """Brings any saved state of a stream over pages into the shape of `PageState`.

    - of this connector, 0.1.0: `{…, "parent_state": {"pages": {"last_edited_time", "walked", "reached", "newest",
      "began", "unlisted"}}}`; of its stream `pages`: `{"last_edited_time": …}`
    - of the published connector, 2.x: `{"last_edited_time": …}`; 3.x: `{"state": {"last_edited_time": …},
      "lookback_window": seconds, "states": [{"partition": {"id" or "block_id": page}, "cursor": {"last_edited_time":
      …}}]}`, with either of `state` and `states` missing at times. Without `state`, the pages in `states` are known and
      any other page is not.

    The runtime's `LegacyToPerPartitionStateMigration` knows other shapes.

    Attributes:
        only_changed_pages: whether the state also says which pages to read.
    """

    only_changed_pages: bool = True

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state) and PARENT not in (stream_state.get("parent_state") or {})

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        saved = (stream_state.get("parent_state") or {}).get("pages")
        if saved is not None:
            return {**stream_state, "parent_state": {PARENT: _of_first_version(saved)}}
        cursor = stream_state.get("state") or stream_state
        pages: PageState = {}
        migrated: dict[str, Any] = {"use_global_cursor": True}
        if "last_edited_time" in cursor:
            lookback = int(stream_state.get("lookback_window") or 0)
            read_to = ab_datetime_parse(cursor["last_edited_time"]) - timedelta(seconds=lookback)
            pages["last_edited_time"] = in_notion_format(read_to)
            migrated |= {"state": {"last_edited_time": cursor["last_edited_time"]}, "lookback_window": lookback}
        else:
            pages["delivered"] = {
                page_id: in_notion_format(ab_datetime_parse(page["cursor"]["last_edited_time"]))
                for page in stream_state.get("states", [])
                for page_id in page["partition"].values()
                if isinstance(page_id, str)  # and not the parent's slice
            }
        return {**migrated, "parent_state": {PARENT: pages if self.only_changed_pages else {}}}


def _of_first_version(saved: Mapping[str, Any]) -> PageState:
    state: PageState = {"delivered": saved.get("walked") or {}}
    if "last_edited_time" in saved:
        state["last_edited_time"] = saved["last_edited_time"]
    if "reached" in saved:
        reached = [saved["reached"].get(key, "") for key in ("last_edited_time", "page_id")]
        state["under_way"] = {"began": saved.get("began", ""), "reached": reached}
    unlisted = saved.get("unlisted") or {}
    pages, databases = unlisted.get("pages") or {}, unlisted.get("databases") or []
    state["discovered"] = {"pages": [*pages], "databases": [*databases]}
    state["failed"] = {id: "" for id, read_at in pages.items() if not read_at}  # discovered, but not read
    return state
