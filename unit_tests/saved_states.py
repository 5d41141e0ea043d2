"""The workspace of the saved states in `states/`, with ids of its own, and what is in them.

Version 0.1.0 wrote the states, with this workspace in Notion's place, as of the first of April 2026.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fake_notion.workspace import Workspace

Json = dict[str, Any]

STATES = Path(__file__).parent / "states"
RECORDED = datetime(2026, 4, 1, tzinfo=timezone.utc)
PAGES = 12

# What the states are of: everything that is read for each page, and what has a simple state.
OVER_PAGES = ("blocks", "comments", "page_markdown", "block_comments")
TABLE = "tasks_00000000da7a"
STREAMS = (*OVER_PAGES, "pages", TABLE)


@dataclass
class Saved:
    """A sync of version 0.1.0, until it ended or was cut off.

    Attributes:
        states: the last state of each stream.
        delivered: the ids of the records until then, by stream.
    """

    states: dict[str, Json]
    delivered: dict[str, list[str]]

    @classmethod
    def load(cls, name: str) -> "Saved":
        return cls(**json.loads((STATES / f"{name}.json").read_text(encoding="utf-8")))


def march(day: int) -> str:
    return f"2026-03-{day:02}T10:00:00.000Z"


class OldWorkspace(Workspace):
    """Pages edited days apart; one that search leaves out, and a database that only its page knows.

    Each page has a block, a comment and a comment on its block, `tasks` are the rows of a table.

    Attributes:
        pages: the pages of the workspace itself, edited on the first twelve days of March.
        hidden: a page within the third one, which search leaves out.
        rows: those of a database within the fifth one, which search leaves out with its data source.
        tasks: the rows of a database that search knows.
        texts: the block of each page.
    """

    def __init__(self) -> None:
        super().__init__("Old workspace")
        self._last_given = 0
        self.texts: dict[str, str] = {}
        self.pages = [self.add(None, f"Page {day}", day) for day in range(1, PAGES + 1)]
        self.hidden = self.add(self.pages[2], "Hidden", 3)
        unknown = self.add_database(self.pages[4], "Unknown", **self._given(5))
        source = self.add_data_source(unknown, **self._given(5))
        self.rows = [self.add(source, f"Row {day}", day) for day in (4, 5)]
        known = self.add_database(None, "Tasks", **self._given(6))
        tasks = self.add_data_source(known, **{**self._given(6), "id": "00000000-0000-4000-8000-00000000da7a"})
        self.tasks = [self.add(tasks, f"Task {day}", day) for day in (6, 7)]
        self.unsearchable |= {self.hidden, source, *self.rows}

    def add(self, parent: str | None, title: str, day: int) -> str:
        """Add a page with a block and two comments, all of the same day."""
        page = self.add_page(parent, title, **self._given(day))
        self.texts[page] = self.add_block(page, text=title, **self._given(day))
        for commented in (page, self.texts[page]):
            given = self._given(day)
            self.add_comment(commented, title, given["created_time"], id=given["id"])
        return page

    def edit(self, page: str, day: int) -> None:
        """Edit the block of a page, and with it the page."""
        self.edit_block(self.texts[page], f"Edited on day {day}", march(day))

    def edit_several(self, *, also_hidden: bool = True) -> set[str]:
        """Edit what is edited between the first of the saved syncs and the second; gives the pages."""
        edits = {self.pages[1]: 20, self.pages[7]: 21, self.pages[10]: 22}
        if also_hidden:
            edits |= {self.tasks[1]: 22, self.hidden: 23, self.rows[0]: 24}
        for page, day in edits.items():
            self.edit(page, day)
        return set(edits)

    def ids(self) -> dict[str, set[str]]:
        """What each stream has to deliver when it reads everything."""
        pages = {*self.pages, self.hidden, *self.rows, *self.tasks}
        return {
            "pages": pages,
            "page_markdown": pages,
            "blocks": set(self.texts.values()),
            "comments": set(self.comments_on(*pages)),
            "block_comments": set(self.comments_on(*self.texts.values())),
            TABLE: set(self.tasks),
        }

    def comments_on(self, *pages_or_blocks: str) -> list[str]:
        return [comment.id for each in pages_or_blocks for comment in self.comments_of(self.find(each))]

    def _given(self, day: int) -> Json:
        """An id and the times: whatever else becomes of workspaces, the states have to fit."""
        self._last_given += 1
        return {
            "id": f"00000000-0000-4000-8000-{self._last_given:012x}",
            "created_time": march(day),
            "last_edited_time": march(day),
        }
