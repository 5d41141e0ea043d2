"""How far a stream over pages has come: which pages are due, and the state that says so.

`docs/architecture.md` draws how one state follows another. Pages are read from the one edited longest ago to the newest,
so one place says nearly all: every page up to it is delivered, or in `open`, or in `failed`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from sys import intern
from typing import Any, NamedTuple, Optional, TypedDict

from source_notion.objects import LONG_AGO, earlier, edited_at
from source_notion.workspace import Discovered, Discovery, FoundPage


class UnderWay(TypedDict, total=False):
    """What the state says while a sync runs, and after one that was cut off."""

    began: str
    since: str  # how far back it lists
    reached: list[str]  # the place up to which it has come: a time and an id
    open: list[str]  # pages up to there that are not read yet
    taken_up: list[str]  # of what was new or owed to the stream: the ids whose pages up to there are read as well
    has_stopped: bool  # before the last page: those that it never came to may hold what is older than the cursor


class PageState(TypedDict, total=False):
    """The saved state of a stream over pages, under its parent's name in `parent_state`."""

    last_edited_time: str  # the next listing goes back to it, less the lookback window; as before while a sync runs
    delivered: dict[str, str]  # pages of that window that need not be read again, and their times
    failed: dict[str, str]  # pages to be read by the next sync, and since when something in them may be missing
    owed: dict[str, str]  # what could not be asked beside the records, and since when something in it may be missing
    discovered: Discovered  # what only other pages know, and this stream has read
    asked_since: str  # set if pages edited before it were not asked about: of them, anything may be missing
    under_way: UnderWay


class Wanted(NamedTuple):
    """What a stream with such a state wants to have listed."""

    since: str
    failed: Mapping[str, str]
    owed: Mapping[str, str]
    known_databases: Sequence[str]


class DuePage(NamedTuple):
    """A page to be read. Its order is that of the reading."""

    edited: str  # no later than the sync began, for some pages are dated in the future
    id: str
    may_have_gaps: bool  # whether something in it that is older than the state may be missing
    last_edited_time: Optional[str]  # as Notion says it


class Progress:
    """How far one sync is with the pages of a stream."""

    MAX_DELIVERED = 1000  # more would make the state large; what it does not hold is read again
    MAX_FAILURES_IN_A_ROW = 50  # after so many, something larger is broken
    MAX_AT_A_TIME = 50  # pages of one partition

    def __init__(self, before: PageState, since: str, began: str, reads_all: bool) -> None:
        cut_off = before.get("under_way") or {}
        resumed = cut_off if cut_off.get("since", "") <= since else {}  # else what it passed by is due now
        known = before.get("discovered") or {}
        self.began = resumed.get("began", began)  # when this sync began, or the one that it resumes
        self.asked_since = since if reads_all and since > LONG_AGO else ""  # older pages are passed by, changed or not
        self.due: dict[str, DuePage] = {}
        self.under_way: set[str] = set()  # being read
        self.ways: Counter[str] = Counter()  # how many pages were found in which way
        self.is_complete = False  # whether all that is due was given out
        self.must_stop = False  # whether many pages in a row failed; stays so
        self.discovered_pages = 0
        self._failures_in_a_row = 0
        self._before = before
        self._stopped_before = cut_off.get("has_stopped", False)
        self.since = since  # what was edited since then is due
        self._reads_all = reads_all
        self._reached = self._given_out = tuple(resumed.get("reached", ("", "")))
        self._open = dict.fromkeys(resumed.get("open", []))
        self._was_taken_up = frozenset(resumed.get("taken_up", []))
        self._taken_up: set[str] = set()
        self._origins: dict[str, str] = {}  # those of the pages that were listed: of `pages`, or of `databases`
        self._failed = dict(before.get("failed") or {})
        self._owed = before.get("owed") or {}
        self._waiting: set[str] = set()  # discovered, and not read yet
        self._known = {*known.get("pages", []), *known.get("databases", [])}
        # Since then, something may be missing.
        self.back_to = min([since, *self._failed.values(), *self._owed.values()])
        self._times: dict[str, str] = {}
        self._newest = ""

    @property
    def is_finished(self) -> bool:
        return self.is_complete and not self.under_way and not self._waiting

    def was_delivered(self, item: Mapping[str, Any]) -> bool:
        """Whether an earlier sync has delivered this version, as far as the state says."""
        return min(edited_at(item), self.began) <= self._before.get("delivered", {}).get(item["id"], "")

    def take(self, found: FoundPage) -> None:
        """Take a page of the listing, which may have an older and a newer version of it."""
        id, edited = intern(found.page["id"]), min(edited_at(found.page), self.began)
        if found.origin and found.origin not in self._owed:
            self._origins[found.origin] = "pages" if found.origin == id else "databases"
        due = self.due.get(id)
        seen = due.edited if due else self._times.get(id, "")
        if edited < seen or (edited == seen and (due or not found.origin)):
            return
        is_later = not self.was_delivered(found.page)
        is_owed = id in self._owed or (found.origin in self._owed and is_later)
        is_unknown = bool(found.origin) and found.origin not in self._known and found.origin not in self._owed
        has_changed = edited >= self.since and (self._reads_all or is_later)
        was_read = (edited, id) <= self._reached and edited < earlier(self.began) and id not in self._open
        if is_owed or is_unknown:
            self._taken_up.add(found.origin or id)
            was_read &= (found.origin or id) in self._was_taken_up
        self.ways[found.way] += not due and id not in self._times
        if id in self._failed or ((is_owed or is_unknown or has_changed) and not was_read):
            was_passed_by = edited < self._before.get("asked_since", "") or (self._reads_all and self._stopped_before)
            may_have_gaps = id in self._failed or is_owed or is_unknown or was_passed_by
            self.due[id] = DuePage(edited, id, may_have_gaps, found.page.get("last_edited_time"))
            self._times.pop(id, None)
        elif not due:
            self._times[id] = edited

    def settle(self, gone: Iterable[str], unanswered: Mapping[str, str]) -> None:
        """Keep only what the state may need: no page that failed and is gone by now, and few times. What was not answered
        is not taken up, and what is due up to the place that is reached is open.
        """
        self._taken_up.difference_update(unanswered)
        self._origins = {id: kind for id, kind in self._origins.items() if id not in unanswered}
        self._open.update((page.id, None) for page in self.due.values() if page[:2] <= self._reached)
        for page_id in gone:
            self._failed.pop(page_id, None)
        settled, due = earlier(self.began), self.due.values()
        self._newest = max(chain(self._times.values(), (page.edited for page in due)), default="")
        times = chain(((page.edited, page.id) for page in due), ((time, id) for id, time in self._times.items()))
        self._times = {
            id: time for time, id in nlargest(self.MAX_DELIVERED, (each for each in times if each[0] < settled))
        }

    def pop_due(self, readers: float) -> Iterator[list[DuePage]]:
        """The pages to be read, in order, in parts: for each, the runtime makes a cursor and keeps a future.

        Each has a thirtieth of a reader's share of what is left, so that all end at the same time.
        """
        due = sorted(self.due.values(), reverse=True)
        self.due.clear()  # none is kept longer than necessary
        while due:
            size = min(len(due) / readers / 30, self.MAX_AT_A_TIME)
            yield [due.pop() for _ in range(max(int(size), 1))]

    def give_out(self, pages: Sequence[DuePage]) -> None:
        """Note that pages are being read, after all that come before them."""
        self.under_way.update(page.id for page in pages)
        self._open.update((page.id, None) for page in pages)
        self._given_out = max(self._given_out, pages[-1][:2])

    def finish(self, page_id: str, has_failed: bool, discovery: Discovery) -> None:
        """Note that a page was read, or could not be. What was discovered in it counts as failed until it is read."""
        self.under_way.discard(page_id)
        self._waiting.discard(page_id)
        self._open.pop(page_id, None)
        self._failed.pop(page_id, None)
        if not has_failed:
            self._failures_in_a_row = 0
        elif page_id not in self._before.get("failed", {}):  # what failed before says nothing of the present
            self._failures_in_a_row += 1
        self.must_stop |= self._failures_in_a_row >= self.MAX_FAILURES_IN_A_ROW
        found_in_it = [found.page["id"] for found in discovery.pages]
        self._waiting.update(found_in_it)
        self._failed.update(dict.fromkeys([*found_in_it, page_id] if has_failed else found_in_it, self.back_to))
        self._known.update([found.origin for found in discovery.pages], discovery.databases)
        self.discovered_pages += len(discovery.pages)
        for found in discovery.pages:
            self.ways[found.way] += 1
            edited = min(edited_at(found.page), self.began)
            self._times[found.page["id"]] = edited
            self._newest = max(self._newest, edited)

    def known_of(self, discovered: Discovered) -> Discovered:
        """What this stream has read of what was discovered: the next sync need not."""
        if not self.is_finished:
            return {kind: [id for id in ids if id in self._known] for kind, ids in discovered.items()}
        # Another stream may have found them through search, and forgotten them.
        listed = {kind: [id for id, of in self._origins.items() if of == kind] for kind in discovered}
        return {kind: [*dict.fromkeys([*ids, *listed[kind]])] for kind, ids in discovered.items()}

    def state(self, unanswered: Iterable[str], has_ended: bool) -> PageState:
        """What the next sync has to know, also of what could not be asked in this one. If it ends unfinished, it says so."""
        owed = dict.fromkeys(unanswered, self.back_to)
        state: PageState = {**self._before, "failed": {**self._failed}, "owed": {**self._owed, **owed}}
        if not self.is_finished:
            state["under_way"] = {
                "began": self.began,
                "since": self.since,
                "reached": [*self._given_out],
                "open": [*self._open],
                "taken_up": sorted(self._taken_up),
                "has_stopped": self._stopped_before or has_ended,
            }
            return state
        state.pop("under_way", None)
        state.pop("asked_since", None)
        if self.asked_since:
            state["asked_since"] = self.asked_since
        state["owed"] = owed
        if self._reads_all:
            state.pop("last_edited_time", None)
        elif self._newest:
            state["last_edited_time"] = min(max(self._newest, self._before.get("last_edited_time", "")), self.began)
            state["delivered"] = self._delivered(min([state["last_edited_time"], *owed.values()]))
        return state

    def _delivered(self, back_to: str) -> dict[str, str]:
        """What the next listing shows again, unless another edit could carry the same rounded time."""
        settled, shown_again = earlier(self.began), earlier(back_to)
        times = sorted((edited, id) for id, edited in self._times.items() if shown_again <= edited < settled)
        return {id: edited for edited, id in times[-self.MAX_DELIVERED :] if id not in self._failed}
