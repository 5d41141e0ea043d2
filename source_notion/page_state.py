"""How far a stream over pages has come: which pages are due, and the state that says so.

`docs/architecture.md` draws how one state follows another. Pages are read from the one edited longest ago to the newest,
so one place says nearly all: every page up to it is delivered, or in `open`, or in `failed`.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from heapq import nlargest
from itertools import chain
from operator import itemgetter
from sys import intern
from typing import Any, NamedTuple, Optional, TypedDict

from airbyte_cdk.utils.datetime_helpers import ab_datetime_parse

from source_notion.objects import LONG_AGO, UNDATED, edited_at, in_notion_format
from source_notion.workspace import Discovered, Discovery, FoundPage


class UnderWay(TypedDict, total=False):
    """What the state says while a sync runs, and after one that was cut off."""

    began: str
    since: str  # how far back it lists
    reached: list[str]  # the place up to which it has come: a time and an id
    open: list[str]  # pages up to there that are not read yet
    taken_up: list[str]  # what was new or owed to the stream, and is listed by now: up to there, it is read as well
    has_stopped: bool  # before the last page: those that it never came to may hold what is older than the cursor


class PageState(TypedDict, total=False):
    """The saved state of a stream over pages, under its parent's name in `parent_state`."""

    last_edited_time: str  # the next listing goes back to it, less the lookback window; as before while a sync runs
    delivered: dict[str, str]  # pages of that window that need not be read again, and their times
    failed: dict[str, str]  # pages to be read by the next sync, and since when something in them may be missing
    owed: dict[str, str]  # what could not be asked beside the records, and since when something in it may be missing
    discovered: Discovered  # what only other pages know or knew, and this stream has read
    asked_since: str  # set if pages edited before it were not asked about: of them, anything may be missing
    under_way: UnderWay


class DuePage(NamedTuple):
    """A page to be read."""

    page_id: str
    last_edited_time: Optional[str]  # None if Notion does not say
    may_have_gaps: bool  # whether something in it that is older than the state may be missing


class Progress:
    """How far one sync is with the pages of a stream."""

    MAX_DELIVERED = 1000  # more would make the state large; what it does not hold is read again
    MAX_FAILURES_IN_A_ROW = 50  # after so many, something larger is broken
    MAX_AT_A_TIME = 50  # pages of one partition

    def __init__(self, before: PageState, since: str, began: str, lookback: timedelta, reads_all: bool) -> None:
        cut_off = before.get("under_way") or {}
        resumed = cut_off if cut_off.get("since", "") <= since else {}  # else what it passed by is due now
        known = before.get("discovered") or {}
        # What was decided before.
        self.began = resumed.get("began") or began  # when this sync began, or the one that it resumes
        self.since = since  # what was edited since then is due
        self.asked_since = since if reads_all and since > LONG_AGO else ""  # older pages are passed by, changed or not
        self._reads_all = reads_all
        self._before = before
        self._owed = before.get("owed") or {}
        self._stopped_before = cut_off.get("has_stopped", False)
        self._reached_before = tuple(resumed.get("reached", ("", "")))
        self._was_taken_up = frozenset(resumed.get("taken_up", []))
        self._lookback = lookback
        self._settled = self._less_lookback(self.began)  # no later edit can have the rounded time of one before it
        self._failed = dict(before.get("failed") or {})  # changes as pages are read
        self.back_to = min([since, *self._failed.values(), *self._owed.values()])  # something since then may be missing
        # What the listing shows.
        self.due: dict[str, str] = {}  # the pages to be read, and when each was edited
        self.listed: dict[str, None] = {}  # pages that no other page need bring; a dict takes half the memory of a set
        self.ways: Counter[str] = Counter()  # how many pages were found in which way
        self._with_gaps: set[str] = set()  # of the pages to be read, those of which something older may be missing
        self._taken_up: set[str] = set()
        self._times: dict[str, str] = {}  # when the other pages were edited; later, only what the state may need
        self._newest = ""
        self._queue: list[str] = []  # the ids of the pages that are due, in reverse order
        self._is_complete = False
        # What was read.
        self.must_stop = False  # whether many pages in a row failed; stays so
        self.discoveries = 0
        self._reached = self._reached_before
        self._open = dict.fromkeys(resumed.get("open", []))
        self._being_read: set[str] = set()
        self._waiting: set[str] = set()  # discovered, and not read yet
        self._failures_in_a_row = 0
        self._known = {id for ids in known.values() for id in ids}

    @property
    def is_finished(self) -> bool:
        return self._is_complete and not (self.due or self._being_read or self._waiting)

    def was_delivered(self, item: Mapping[str, Any]) -> bool:
        """Whether an earlier sync has delivered this version, as far as the state says."""
        return edited_at(item) <= self._before.get("delivered", {}).get(item["id"], "")

    def take(self, found: FoundPage) -> None:
        """Take a page of the listing, which may have an older and a newer version of it.

        It is due if it failed, is owed or unknown to this stream, or has changed; but not if the sync that this one resumes
        has read it.
        """
        id, edited, origin = intern(found.page["id"]), edited_at(found.page), found.origin
        seen = self.due.get(id) or self._times.get(id, "")
        if edited < seen or (edited == seen and not origin):
            return
        self.ways[found.way] += not seen
        has_failed, is_later = id in self._failed, not self.was_delivered(found.page)
        is_owed = id in self._owed or (origin in self._owed and is_later)
        is_unknown = bool(origin) and origin not in self._known and origin not in self._owed
        has_changed = edited >= self.since and (self._reads_all or is_later)
        news = (origin or id) if is_owed or is_unknown else ""  # what brings it, whether it has changed or not
        if news:
            self._taken_up.add(news)
        if origin or edited >= self.since or has_failed or id in self._owed:
            self.listed[id] = None
        if has_failed or ((news or has_changed) and not self._was_read(id, edited, news)):
            was_passed_by = edited < self._before.get("asked_since", "") or (self._reads_all and self._stopped_before)
            if has_failed or news or was_passed_by:
                self._with_gaps.add(id)
            self.due[id] = edited
            self._times.pop(id, None)
        elif id not in self.due:
            self._times[id] = edited

    def _was_read(self, id: str, edited: str, news: str) -> bool:
        """Whether the sync that this one resumes has read this version of a page."""
        was_reached = (edited, id) <= self._reached_before and edited < self._settled and id not in self._open
        return was_reached and (not news or news in self._was_taken_up)

    def settle(self, unanswered: Mapping[str, str]) -> None:
        """Keep only what the state may need: no page that failed and was not found again, and few times. What was not
        answered is not taken up, and what is due up to the place that is reached is open.
        """
        self._failed = {id: since for id, since in self._failed.items() if id in self.due or id in unanswered}
        self._taken_up.difference_update(unanswered)
        self._open.update((id, None) for id, edited in self.due.items() if (edited, id) <= self._reached_before)
        self._newest = max(chain(self._times.values(), self.due.values()), default="")
        delivered = self._before.get("delivered", {})
        read = (each for each in self._times.items() if each[1] >= self.since or each[1] <= delivered.get(each[0], ""))
        times = (each for each in chain(read, self.due.items()) if each[1] < self._settled)
        self._times = dict(nlargest(self.MAX_DELIVERED, times, key=itemgetter(1)))
        self._queue = sorted(self.due, reverse=True)
        self._queue.sort(key=self.due.__getitem__, reverse=True)
        self._is_complete = True

    def give_out(self, readers: float) -> list[DuePage]:
        """The next pages to be read; there are some if any is due. For each such part, the runtime makes a cursor and
        keeps a future.

        It has a thirtieth of a reader's share of what is left, so that all readers end at the same time.
        """
        size = min(len(self._queue) / readers / 30, self.MAX_AT_A_TIME)
        pages = []
        for _ in range(max(int(size), 1)):
            id = self._queue.pop()
            edited = self.due.pop(id)
            pages.append(DuePage(id, edited if edited < UNDATED else None, id in self._with_gaps))
            self._being_read.add(id)
            self._open[id] = None
            self._reached = max(self._reached, (edited, id))
        return pages

    def finish(self, page: DuePage, has_failed: bool, discovery: Discovery) -> list[DuePage]:
        """Note that a page was read, or could not be. Returns what was discovered in it: it counts as failed until it is
        read.
        """
        id, discovered = page.page_id, []
        self._being_read.discard(id)
        self._waiting.discard(id)
        self._open.pop(id, None)
        self._failed.pop(id, None)
        if not has_failed:
            self._failures_in_a_row = 0
        else:
            self._failed[id] = self.back_to
            # What failed before says nothing of the present.
            self._failures_in_a_row += id not in self._before.get("failed", {})
        self.must_stop |= self._failures_in_a_row >= self.MAX_FAILURES_IN_A_ROW
        for way, found, origin in discovery.pages:
            discovered.append(DuePage(found["id"], found.get("last_edited_time"), page.may_have_gaps))
            self.ways[way] += 1
            self._known.add(origin)
            self._waiting.add(found["id"])
            self._failed[found["id"]] = self.back_to
            self._times[found["id"]] = edited_at(found)
            self._newest = max(self._newest, edited_at(found))
        self._known.update(discovery.databases)
        self.discoveries += len(discovered)
        return discovered

    def known_of(self, discovered: Discovered, unanswered: Mapping[str, str]) -> Discovered:
        """What this stream has read of what was discovered: the next sync need not."""
        unread = unanswered.keys() - self._known
        return {
            kind: [id for id in ids if id in self._known or (self.is_finished and id not in unread)]
            for kind, ids in discovered.items()
        }

    def state(self, unanswered: Mapping[str, str], has_ended: bool) -> PageState:
        """What the next sync has to know, also of what could not be asked in this one. If it ends unfinished, it says so."""
        owed = dict.fromkeys(unanswered, self.back_to)
        state: PageState = {**self._before, "failed": {**self._failed}, "owed": {**self._owed, **owed}}
        if not self.is_finished:
            state["under_way"] = {
                "began": self.began,
                "since": self.since,
                "reached": [*self._reached],
                "open": [*self._open],
                "taken_up": sorted(self._taken_up),
                "has_stopped": self._stopped_before or has_ended,
            }
            return state
        state = {"failed": {**self._failed}, "owed": owed}
        if self.asked_since:
            state["asked_since"] = self.asked_since
        newest = max(self._newest, self._before.get("last_edited_time", ""))
        if newest and not self._reads_all:
            state["last_edited_time"] = min(newest, self.began)
            state["delivered"] = self._delivered(min([state["last_edited_time"], *owed.values()]))
        return state

    def _delivered(self, back_to: str) -> dict[str, str]:
        """What the next listing shows again, unless another edit could carry the same rounded time."""
        shown_again = self._less_lookback(back_to)
        times = sorted((edited, id) for id, edited in self._times.items() if shown_again <= edited < self._settled)
        return {id: edited for edited, id in times[-self.MAX_DELIVERED :] if id not in self._failed}

    def _less_lookback(self, time: str) -> str:
        return in_notion_format(ab_datetime_parse(time) - self._lookback)
