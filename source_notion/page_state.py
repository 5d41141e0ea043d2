"""How far a stream over pages has come: which pages are due, and the state that says so.

    before ──listing──▶ under way ──last page──▶ finished
                          │   ▲
                     cut off  └─ the next sync lists as far back again, and goes on after `reached`
                          └─────

Pages are read from the one edited longest ago to the newest, so one place says nearly all: every page up to it is
delivered, or in `open`, or in `failed`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional, TypedDict

from source_notion.objects import LONG_AGO, earlier, edited_at
from source_notion.workspace import Discovered, FoundPage


class UnderWay(TypedDict, total=False):
    """While a sync runs: when it began, the place (a time and an id) up to which it has come, and what it left open.

    If it asks only pages edited since a time, that is `asked_since`.
    """

    began: str
    reached: list[str]
    open: list[str]
    asked_since: str


class PageState(TypedDict, total=False):
    """The saved state of a stream over pages, under its parent's name in `parent_state`.

    Attributes:
        last_edited_time: the next listing goes back to this time, less the lookback window.
        delivered: pages of that window that need not be read again, and their times.
        failed: pages that could not be read, and how far back the listing went then; the next sync reads them.
        owed: what could not be asked beside the records, and how far back the listing went then.
        discovered: what only other pages know, and this stream has read.
        asked_since: if the last sync asked only pages edited since a time. Of older ones, anything may be missing.
        under_way: only while a sync runs; `last_edited_time` is then as it was before.
    """

    last_edited_time: str
    delivered: dict[str, str]
    failed: dict[str, str]
    owed: dict[str, str]
    discovered: Discovered
    asked_since: str
    under_way: UnderWay


class Wanted(NamedTuple):
    """What a stream with such a state wants to have listed."""

    since: str
    failed: Mapping[str, str]
    owed: Mapping[str, str]
    known_databases: Sequence[str]


class DuePage(NamedTuple):
    """A page to be read. Its order is that of the reading.

    Attributes:
        place: when it was edited; no later than the sync began, for some pages are dated in the future.
        is_news: whether no sync has read it before.
        last_edited_time: when it was edited, as Notion says it.
    """

    place: str
    id: str
    is_news: bool
    last_edited_time: Optional[str]


class Progress:
    """How far one sync is with the pages of a stream.

    Attributes:
        began: when the sync began, or the one that it resumes.
        due: the pages to be read, by id.
        under_way: those that are being read.
        ways: how many pages were found in which way.
        is_complete: whether all that is due was given out.
        failures_in_a_row: how many pages failed since the last one that did not.
        asked_since: the time before which pages are passed by, whether they changed or not; empty if none are.
    """

    MAX_DELIVERED = 1000  # more would make the state large; what it does not hold is read again

    def __init__(self, before: PageState, since: str, began: str, reads_all: bool) -> None:
        under_way = before.get("under_way") or {}
        if not under_way or under_way.get("asked_since", "") > since:  # what it passed by is due now
            under_way = {"began": began, "reached": ["", ""], "open": []}
        known = before.get("discovered") or {}
        self.began = under_way["began"]
        self.asked_since = since if reads_all and since > LONG_AGO else ""
        self.due: dict[str, DuePage] = {}
        self.under_way: set[str] = set()
        self.ways: Counter[str] = Counter()
        self.is_complete = False
        self.failures_in_a_row = 0
        self._before = before
        self._since = since
        self._reads_all = reads_all
        self._reached = self._given_out = tuple(under_way["reached"])
        self._open = dict.fromkeys(under_way["open"])
        self._failed = dict(before.get("failed") or {})
        self._owed = before.get("owed") or {}
        self._known = {*known.get("pages", []), *known.get("databases", [])}
        self._times: dict[str, str] = {}

    @property
    def is_finished(self) -> bool:
        return self.is_complete and not self.under_way

    def since_of(self, page_id: str) -> str:
        """The time since which listings show all pages within a page, but for those that only this page knows."""
        return self._failed.get(page_id, self._since)

    def take(self, found: FoundPage) -> None:
        """Take a page of the listing, which may have an older and a newer version of it."""
        id, edited = found.page["id"], min(edited_at(found.page), self.began)
        if edited <= self._times.get(id, ""):
            return
        is_later = edited > self._before.get("delivered", {}).get(id, "")
        is_owed = id in self._owed or (found.origin in self._owed and is_later)
        is_unknown = bool(found.origin) and found.origin not in self._known and found.origin not in self._owed
        is_news = id in self._failed or is_owed or is_unknown
        is_new = edited >= self._since and (self._reads_all or is_later)
        was_read = (edited, id) <= self._reached and edited < earlier(self.began) and id not in self._open
        if is_news or (is_new and not was_read):
            is_news |= edited < self._before.get("asked_since", "")
            self.due[id] = DuePage(edited, id, is_news, found.page.get("last_edited_time"))
        self.ways[found.way] += id not in self._times
        self._times[id] = edited

    def forget(self, gone: Iterable[str]) -> None:
        """Let no later sync ask for pages that failed, and are gone by now."""
        for page_id in gone:
            self._failed.pop(page_id, None)

    def give_out(self, page: DuePage) -> None:
        """Note that a page is being read, after all that come before it."""
        self.under_way.add(page.id)
        self._open[page.id] = None
        self._given_out = max(self._given_out, page[:2])

    def finish(self, page_id: str, failed: list[str], discovered: list[FoundPage]) -> None:
        """Note that a page was read, with those discovered in it, and which of them could not be."""
        self.under_way.discard(page_id)
        self._open.pop(page_id, None)
        self.failures_in_a_row = self.failures_in_a_row + 1 if failed else 0
        self._failed.update(dict.fromkeys(failed, self._failed.pop(page_id, self._since)))
        for found in discovered:
            self.ways[found.way] += 1
            self._times[found.page["id"]] = min(edited_at(found.page), self.began)

    def state(self, unanswered: Iterable[str]) -> PageState:
        """What the next sync has to know, also of what could not be asked in this one."""
        owed = {id: self._owed.get(id, self._since) for id in unanswered}
        state: PageState = {**self._before, "failed": {**self._failed}, "owed": {**self._owed, **owed}}
        if not self.is_finished:
            state["under_way"] = {"began": self.began, "reached": [*self._given_out], "open": [*self._open]}
            if self.asked_since:
                state["under_way"]["asked_since"] = self.asked_since
            return state
        state.pop("under_way", None)
        state.pop("asked_since", None)
        if self.asked_since:
            state["asked_since"] = self.asked_since
        state["owed"] = owed
        if self._reads_all:
            state.pop("last_edited_time", None)
        elif self._times:
            state["last_edited_time"] = max(self._times.values())
            state["delivered"] = self._delivered(min([state["last_edited_time"], *owed.values()]))
        return state

    def _delivered(self, back_to: str) -> dict[str, str]:
        """What the next listing shows again, unless another edit could carry the same rounded time."""
        settled, shown_again = earlier(self.began), earlier(back_to)
        times = sorted((edited, id) for id, edited in self._times.items() if shown_again <= edited < settled)
        return {id: edited for edited, id in times[-self.MAX_DELIVERED :] if id not in self._failed}
