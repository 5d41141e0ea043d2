"""Which pages one sync knows: those it has listed, and those that only other pages know.

Streams over pages are read one after another (`stream_groups` in the manifest), so what one has
listed or discovered is there for the next.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, NamedTuple, Optional, TypedDict

from source_notion.objects import Page
from source_notion.shared import SharedInSync


class Discovered(TypedDict):
    """Pages and databases that no listing shows, by id, and when a traversal discovered them."""

    pages: dict[str, str]
    databases: dict[str, str]


class FoundPage(NamedTuple):
    """A page, and the way it was found: `search`, its `database`, or its `parent`.

    Attributes:
        origin: the page or database by which it was discovered; empty if listings show it.
    """

    way: str
    page: Page
    origin: str = ""


@dataclass
class Discovery:
    """What the traversal of one page discovers: pages, and databases that search leaves out."""

    pages: list[FoundPage] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)


class PageFile:
    """Found pages on disk, in the order in which they came: there may be many."""

    def __init__(self) -> None:
        self._file = TemporaryFile("w+b")
        self._lock = Lock()

    def append(self, found: FoundPage) -> None:
        line = json.dumps(found).encode() + b"\n"
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(line)

    def __iter__(self) -> Iterator[FoundPage]:
        offset = 0
        while True:
            with self._lock:
                self._file.seek(offset)
                lines = self._file.readlines(100_000)
                offset = self._file.tell()
            if not lines:
                return
            yield from (FoundPage(*json.loads(line)) for line in lines)


class KnownPages(SharedInSync):
    """What the streams over pages of one sync hand on to each other.

    Attributes:
        data_sources: the complete listing of data sources, once it was read.
        lists: complete listings of pages, each under what it was asked for.
        new: the pages that this sync has discovered.
        pages: what only other pages know, and when it was discovered.
        databases: the same of databases that search leaves out.
        is_traversed: whether a stream of this sync discovers pages.
        goes_by_search_only: whether pages are found through search only.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.data_sources: Optional[PageFile] = None
        self.lists: dict[str, PageFile] = {}
        self.new = PageFile()
        self.is_traversed = False
        self.goes_by_search_only = config.get("page_discovery") == "search"
        self.pages: dict[str, str] = {}
        self.databases: dict[str, str] = {}
        self._is_recalled = False
        self._ids: set[str] = set()
        self._lock = Lock()

    def take(self, item_id: str) -> bool:
        """Take a page or data source for read; False if a listing or a traversal has taken it before."""
        with self._lock:
            is_new = item_id not in self._ids
            self._ids.add(item_id)
            return is_new

    def saved(self) -> Discovered:
        """What the state is to remember."""
        with self._lock:
            return {"pages": {**self.pages}, "databases": {**self.databases}}

    def discovered_at(self, origin: str) -> str:
        """When a page or database was discovered; empty if a listing shows it."""
        return self.pages.get(origin) or self.databases.get(origin) or ""

    def recall(self, states: Iterable[Mapping[str, Any]]) -> None:
        """Take up what earlier syncs discovered, once, from the states of the streams that did."""
        with self._lock:
            for state in [] if self._is_recalled else states:
                discovered = state.get("discovered") or {}
                self.pages.update(discovered.get("pages", {}))
                self.databases.update(discovered.get("databases", {}))
            self._is_recalled = True

    def remember(self, discovery: Discovery, now: str) -> None:
        """Keep what was discovered and delivered, for the streams and the syncs that follow."""
        with self._lock:
            for found in discovery.pages:
                self.new.append(found)
                if found.origin == found.page["id"]:
                    self.pages[found.origin] = now
            self.databases.update(dict.fromkeys(discovery.databases, now))

    def forget(self, item_id: str) -> None:
        """Forget what is gone, or shown by a listing by now."""
        with self._lock:
            self.pages.pop(item_id, None)
            self.databases.pop(item_id, None)
