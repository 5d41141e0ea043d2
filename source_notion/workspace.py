"""What one sync knows of the workspace: where things are, and which pages it has listed.

Streams over pages are read one after another (`stream_groups` in the manifest), so what one has
listed or discovered is there for the next.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, NamedTuple, Optional

from source_notion.objects import Page, holds_files, parent_of, title_of
from source_notion.shared import SharedInSync

# Ids of `pages` and `databases` that search leaves out and only other pages know, in the order found; and of both, those
# `forgotten`: they are gone or shown by a listing by now, and no longer asked for.
Discovered = dict[str, list[str]]


class Place(NamedTuple):
    """Where something is: its title, if a path shows it, and its parent."""

    title: Optional[str]
    parent_type: Optional[str] = None
    parent_id: Optional[str] = None


class FoundPage(NamedTuple):
    """A page, and how it was found: by `search`, in its `database`, or in its `parent`."""

    way: str
    page: Page
    origin: str = ""  # the page or database by which it was discovered; empty if listings show it


class PageFile:
    """Found pages on disk, in the order in which they came: there may be many."""

    def __init__(self) -> None:
        self._file = TemporaryFile("w+b")  # noqa: SIM115  (it goes with this object)
        self._lock = Lock()

    def append(self, found: FoundPage) -> None:
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(json.dumps(found).encode() + b"\n")

    def __iter__(self) -> Iterator[FoundPage]:
        offset, lines = 0, [b""]
        while lines:
            with self._lock:
                self._file.seek(offset)
                lines = self._file.readlines(100_000)
                offset = self._file.tell()
            yield from (FoundPage(*json.loads(line)) for line in lines)


@dataclass
class Discovery:
    """What reading one page discovers: pages, and databases that search leaves out."""

    pages: list[FoundPage] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)


class Workspace(SharedInSync):
    """What the streams of one sync know."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.places: dict[str, Optional[Place]] = {}  # of pages, databases and blocks; None for what is out of sight
        self.with_files: set[str] = set()  # pages that hold files themselves
        self.items: dict[str, Any] = {}  # what was asked for, by its endpoint and id
        self.unanswered: dict[str, str] = {}  # what could not be asked, and why; the states keep it as `owed`
        self.asking: dict[str, Lock] = defaultdict(Lock)  # held while an item is asked for
        self.data_sources: Optional[list[Page]] = None  # all of them, once they were listed
        self.lists: dict[str, PageFile] = {}  # complete listings, by what they were asked for
        self.new = PageFile()  # the pages that this sync discovered
        # The ids of all that were discovered, by earlier syncs too, and whether the next sync has to know them.
        self.discovered_pages: dict[str, bool] = {}
        self.discovered_databases: dict[str, bool] = {}
        self.unclear: set[str] = set()  # blocks of which Notion does not say where they are: all below is in scope
        self.ended: list[str] = []  # streams that have read what was listed or discovered so far, and no more
        self.has_discovering_stream = False
        self.is_test_read = False  # in the Connector Builder, which lists all partitions before it reads one
        self.refuses_markdown_version = False  # Notion gives it in its default version only
        self._claimed: set[str] = set()

    def note(self, item: Mapping[str, Any]) -> None:
        """Note where an item of a listing is; a data source also tells where its database is."""
        parent_type, parent_id = parent_of(item)
        self.places[intern(item["id"])] = Place(title_of(item), parent_type, parent_id)
        if holds_files(item):
            self.with_files.add(item["id"])
        if item.get("object") == "data_source" and parent_type == "database_id":
            place = Place(None, *parent_of(item, "database_parent"))
            self.places.setdefault(parent_id, place)  # type: ignore[arg-type]

    def claim(self, item_id: str) -> bool:
        """Claim an item, to read it; False if another page had it before."""
        with self.lock:
            is_new = item_id not in self._claimed
            self._claimed.add(item_id)
            return is_new

    def recall(self, discovered: Discovered) -> None:
        """Take up what earlier syncs discovered."""
        self.discovered_pages.update(dict.fromkeys(discovered.get("pages") or [], True))
        self.discovered_databases.update(dict.fromkeys(discovered.get("databases") or [], True))

    def remember(self, discovery: Discovery) -> None:
        """Keep what was discovered and read, for the streams and the syncs that follow."""
        with self.lock:
            for found in discovery.pages:
                self.new.append(found)
                if found.origin == found.page["id"]:
                    self.discovered_pages[found.origin] = True
            self.discovered_databases.update(dict.fromkeys(discovery.databases, True))

    def forget(self, item_id: str) -> None:
        """Forget what is gone, or shown by a listing by now; other streams of this sync may still need it."""
        with self.lock:
            for ids in (self.discovered_pages, self.discovered_databases):
                if item_id in ids:
                    ids[item_id] = False

    def owe_if_unanswered(self, database_id: str, data_source_id: str) -> None:
        """If a query of its rows failed, let a database be news to the next sync as well."""
        if database_id and data_source_id in self.unanswered:
            self.forget(database_id)
            self.unanswered[database_id] = self.unanswered[data_source_id]

    def discovered(self) -> Discovered:
        """What the state is to remember."""
        with self.lock:
            of_both = {"pages": self.discovered_pages, "databases": self.discovered_databases}
            kept = {kind: [id for id, is_kept in ids.items() if is_kept] for kind, ids in of_both.items()}
            forgotten = [id for ids in of_both.values() for id, is_kept in ids.items() if not is_kept]
            return {**kept, "forgotten": forgotten}
