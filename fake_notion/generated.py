"""Synthetic workspaces of any size, for tests of speed and of completeness."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from random import Random

from fake_notion.values import Json
from fake_notion.workspace import Workspace

FIRST_TIME = datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc)
LAST_TIME = datetime(2026, 11, 15, 9, 0, tzinfo=timezone.utc)

_NAMES = ("Amara", "Bastian", "Chiyo", "Dalia", "Emeka")
_SUBJECTS = ("The team", "A customer", "Our supplier", "The board", "Somebody", "The new tool")
_VERBS = ("asked about", "finished", "moved", "measured", "rewrote", "postponed", "explained")
_OBJECTS = ("the budget", "this week's plan", "the old process", "an open question", "the report")
_PARENTS = ("paragraph", "bulleted_list_item", "numbered_list_item", "to_do", "toggle", "callout")
_BLOCK_TYPES = ("paragraph",) * 6 + ("heading_2", "heading_3", "quote", *_PARENTS)
_PROPERTIES: dict[str, str | Json] = {
    "Name": "title",
    "Stage": {"type": "select", "options": ("Open", "Waiting", "Closed")},
    "Amount": "number",
    "Due": "date",
    "Owner": "people",
    "Note": "rich_text",
    "Changed": "last_edited_time",
}


def generate(
    pages: int = 1000,
    seed: int = 0,
    *,
    depth: int = 4,
    children: int = 10,
    nesting: int = 3,
    comments: int = 0,
    databases: int = 0,
    rows: int = 0,
) -> Workspace:
    """Return a synthetic workspace of uneven trees; the same arguments give the same workspace.

    Args:
        pages: how many pages, besides the rows.
        seed: what follows from chance follows from it.
        depth: how deep pages lie within each other at most; 1 puts all of them beside each other.
        children: how many blocks a page has on average; many have few and a few have many.
        nesting: how deep blocks lie within each other at most.
        comments: how many comments, on pages and on blocks.
        databases: how many databases, each with one data source.
        rows: how many rows in each of them.
    """
    generator = _Generator(Workspace(f"Generated workspace {seed}", seed), Random(seed))
    generator.add_pages(pages, depth, children, nesting)
    generator.add_databases(databases, rows)
    generator.add_comments(comments)
    return generator.workspace


class _Generator:
    """Adds to a workspace what chance decides."""

    def __init__(self, workspace: Workspace, chance: Random) -> None:
        self.workspace = workspace
        self.chance = chance
        self.authors = [workspace.add_user(name, email=f"{name.lower()}@example.com") for name in _NAMES]
        self.sentences = [self._sentence() for _ in range(1000)]
        self.page_ids: list[str] = []
        self.block_ids: list[str] = []

    def add_pages(self, count: int, depth: int, children: int, nesting: int) -> None:
        open_pages: list[tuple[str, int]] = []
        for number in range(count):
            parent, level = None, 1
            if open_pages and self.chance.random() > 0.05:
                # The square favours the pages that were there first, so that some have very many subpages.
                parent, above = open_pages[int(len(open_pages) * self.chance.random() ** 2)]
                level = above + 1
            page_id = self.workspace.add_page(parent, f"Page {number}", **self._fields())
            self.page_ids.append(page_id)
            if level < depth:
                open_pages.append((page_id, level))
            if children:
                self._add_blocks(page_id, children, nesting)

    def _add_blocks(self, page_id: str, average: int, nesting: int) -> None:
        count = min(round(self.chance.expovariate(1 / average)), average * 20)
        path = [page_id]
        for _ in range(count):
            del path[self.chance.randrange(len(path)) + 1 :]
            kind = self.chance.choice(_BLOCK_TYPES)
            block_id = self.workspace.add_block(path[-1], kind, self.chance.choice(self.sentences))
            self.block_ids.append(block_id)
            if len(path) < nesting and kind in _PARENTS:
                path.append(block_id)

    def add_databases(self, count: int, rows: int) -> None:
        for number in range(count):
            home = self.chance.choice(self.page_ids) if self.page_ids else None
            database_id = self.workspace.add_database(home, f"Database {number}", **self._fields())
            source_id = self.workspace.add_data_source(database_id, properties=_PROPERTIES)
            for row in range(rows):
                values = {
                    "Name": f"Row {row} of database {number}",
                    "Stage": self.chance.choice(("Open", "Waiting", "Closed")),
                    "Amount": self.chance.randrange(10_000),
                    "Due": self._time().strftime("%Y-%m-%d"),
                    "Owner": [self.chance.choice(self.authors)],
                    "Note": self.chance.choice(self.sentences),
                }
                self.workspace.add_row(source_id, values, **self._fields())

    def add_comments(self, count: int) -> None:
        targets: Sequence[str] = self.page_ids + self.block_ids
        for _ in range(count):
            target, sentence = self.chance.choice(targets), self.chance.choice(self.sentences)
            author = self.chance.choice(self.authors)
            self.workspace.add_comment(target, sentence, self._time(), created_by=author)

    def _fields(self) -> Json:
        times = sorted((self._time(), self._time()))
        return {
            "created_time": times[0],
            "last_edited_time": times[1],
            "created_by": self.chance.choice(self.authors),
            "last_edited_by": self.chance.choice(self.authors),
        }

    def _time(self) -> datetime:
        minutes = int((LAST_TIME - FIRST_TIME).total_seconds() // 60)
        return FIRST_TIME + timedelta(minutes=self.chance.randrange(minutes))

    def _sentence(self) -> str:
        chosen = (self.chance.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS))
        return f"{' '.join(chosen)} ({self.chance.randrange(100)})."
