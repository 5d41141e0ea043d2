"""How far a stream over pages has come: which pages are due, and the state that says so.

    before ──listing──▶ under way ──last page──▶ finished
                          │   ▲
                     cut off  └─ the next sync lists as far back as this one, and skips
                          └────▶ what comes before `reached`

Pages are read from the one edited longest ago to the newest, so one position says all: every page
before it is delivered, or in `failed`.
"""

from collections import Counter
from typing import NamedTuple, TypedDict

from source_notion.known_pages import Discovered, FoundPage
from source_notion.objects import earlier


class UnderWay(TypedDict):
    """How far a sync came: every page up to `reached`, a time and an id, is delivered or failed."""

    began: str
    reached: list[str]


class PageState(TypedDict, total=False):
    """The saved state of a stream over pages, under its parent's name in `parent_state`.

    Attributes:
        last_edited_time: the next listing goes back to this time, less the lookback window.
        began: when the sync listed pages that finished last; what was discovered before is delivered.
        delivered: pages in that lookback window that need not be read again, and their times.
        failed: pages that could not be read; the next sync reads them whatever their times.
        discovered: what only other pages know, if the stream discovers it.
        under_way: while a sync runs; all else is then as it was before, but for `failed`.
    """

    last_edited_time: str
    began: str
    delivered: dict[str, str]
    failed: list[str]
    discovered: Discovered
    under_way: UnderWay


class DuePage(NamedTuple):
    """A page to be read. Its order is that of the reading.

    Attributes:
        is_news: whether no sync has delivered anything of the page.
    """

    last_edited_time: str
    id: str
    is_news: bool


class Progress:
    """How far one sync is with the pages of a stream.

    Attributes:
        since: the listing goes back to this time.
        began: when the sync began, or the one that it resumes.
        due: the pages to be read, by id.
        under_way: the ids of those that are being read, the oldest first, and the place before each.
        reads_all: whether all pages are due, and not only those that changed.
        repeats: whether pages of the lookback window come again, as those of any listing.
        ways: how many pages were found in which way.
        is_complete: whether all that is due was given out.
        failures_in_a_row: how many pages failed since the last one that did not.
    """

    # More would make the state large; what it does not hold is read again.
    MAX_DELIVERED = 1000

    def __init__(self, before: PageState, since: str, listed_at: str) -> None:
        self._before = before
        self._resumed = before.get("under_way")
        self._reached = _place(self._resumed["reached"]) if self._resumed else ("", "")
        self._given_out = self._reached
        self._failed = dict.fromkeys(before.get("failed", []))
        self._own = before.get("discovered") or {"pages": {}, "databases": {}}
        self._listed_at = listed_at
        self._times: dict[str, str] = {}
        self.since = since
        self.began = self._resumed["began"] if self._resumed else listed_at
        self.reads_all = False
        self.repeats = False
        self.due: dict[str, DuePage] = {}
        self.under_way: dict[str, tuple[str, str]] = {}
        self.ways: Counter[str] = Counter()
        self.is_complete = False
        self.failures_in_a_row = 0

    def take(self, found: FoundPage, discovered_at: str) -> None:
        """Take a page of the listing.

        Args:
            found: the page; the listing may have an older and a newer version of it.
            discovered_at: when it was discovered; empty if a listing shows it.
        """
        id, edited = found.page["id"], found.page["last_edited_time"]
        if edited <= self._times.get(id, ""):
            return
        if found.origin in {**self._own["pages"], **self._own["databases"]}:
            discovered_at = ""  # by this stream, or read by it before
        is_failed = id in self._failed
        is_news = is_failed or discovered_at > self._before.get("began", "")
        cut_off_before = self._resumed and discovered_at > self._resumed["began"]
        if is_failed or cut_off_before or self._is_due(id, edited, is_news):
            self.due[id] = DuePage(edited, id, is_news)
        self.ways[found.way] += id not in self._times
        self._times[id] = edited

    def _is_due(self, id: str, edited: str, is_news: bool) -> bool:
        if not (self.reads_all or is_news):
            delivered = self._before.get("delivered", {}).get(id, "")
            if edited < self.since or edited <= delivered:
                return False
        return (edited, id) > self._reached or edited >= earlier(self.began)

    def give_out(self, page: DuePage) -> None:
        """Note that a page is to be read now, after all that come before it."""
        self.under_way[page.id] = self._given_out
        self._given_out = max(self._given_out, (page.last_edited_time, page.id))

    def finish(self, page_id: str, failed: list[str]) -> None:
        """Note that a page was read, and which could not be: that page, or those discovered in it."""
        self.under_way.pop(page_id, None)
        self.failures_in_a_row = self.failures_in_a_row + 1 if failed else 0
        self._failed.pop(page_id, None)
        self._failed.update(dict.fromkeys(failed))

    def add_discovered(self, found: FoundPage) -> None:
        """Note a page that was discovered and read within another one."""
        self.ways[found.way] += 1
        self._times[found.page["id"]] = found.page["last_edited_time"]

    @property
    def is_finished(self) -> bool:
        return self.is_complete and not self.under_way

    def state(self) -> PageState:
        """What the next sync has to know."""
        state: PageState = {**self._before}
        state.pop("under_way", None)
        state["failed"] = list(self._failed)
        if not self.is_finished:
            reached = next(iter(self.under_way.values()), self._given_out)
            state["under_way"] = {"began": self.began, "reached": [*reached]}
            return state
        state["began"] = self._listed_at
        if self.reads_all:
            state.pop("last_edited_time", None)
        elif self._times:
            newest = min(max(self._times.values()), self.began)
            state["last_edited_time"] = newest
            state["delivered"] = {} if self.repeats else self._delivered(newest)
        return state

    def _delivered(self, newest: str) -> dict[str, str]:
        """What the next listing shows again, unless another edit could carry the same rounded time."""
        settled, shown_again = earlier(self.began), earlier(newest)
        times = sorted(
            (edited, id) for id, edited in self._times.items() if shown_again <= edited < settled
        )
        return {id: edited for edited, id in times[-self.MAX_DELIVERED :] if id not in self._failed}


def _place(reached: list[str]) -> tuple[str, str]:
    time, page_id = reached
    return time, page_id
