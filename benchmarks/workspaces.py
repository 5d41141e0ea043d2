"""The workspaces that are measured, how they are edited, and what a sync of them costs at least.

The functions that take a `StandIn` run in its process, see `runs.Server.ask`.
"""

from __future__ import annotations

import math
import random
from typing import Any, Union

from local.entries import Block, Page
from local.stand_in import StandIn
from local.workspace import Workspace

SEED = 1
LISTED_AT_ONCE = 100


# Workspaces


def documents(pages: int) -> Workspace:
    """Pages with uneven trees of blocks, some of them deep, and as many comments as pages."""
    return Workspace.generate(pages, SEED, children=3, comments=pages)


def documents_and_tables(pages: int) -> Workspace:
    """The same with databases."""
    return Workspace.generate(pages, SEED, children=3, comments=pages, databases=5, rows=20)


def long_documents(pages: int) -> Workspace:
    """Few pages with many blocks, so that listing the pages is a small part of the requests."""
    return Workspace.generate(pages, SEED, children=100, comments=pages)


def flat_documents(pages: int) -> Workspace:
    """Pages with two blocks on average and nothing below these."""
    return Workspace.generate(pages, SEED, children=2, nesting=1)


def one_long_page(parents: int, others: int) -> Workspace:
    """A page with blocks that have children, each below another or the page, beside small pages.

    Args:
        parents: how many blocks have children; a hundredth of them lies right under the page, and each other
            one below another, nine below each.
        others: how many pages with one block there are.
    """
    workspace = Workspace("One long page", SEED)
    for number in range(others):
        workspace.add_block(workspace.add_page(title=f"Page {number}"), "paragraph", "Text")
    page = workspace.add_page(title="The long page")
    top = parents // 100
    above: list[str] = []
    for number in range(parents):
        under = page if number < top else above[(number - top) // 9]
        above.append(workspace.add_block(under, "toggle", f"Part {number}"))
    for block in above[(parents - top) // 9 :]:
        workspace.add_block(block, "paragraph", "Text")
    return workspace


def empty() -> Workspace:
    """A workspace without pages."""
    return Workspace("Empty", SEED)


# Edits


def edit(api: StandIn, count: int) -> list[str]:
    """Edit a block of each of `count` pages, or the page if it has none; return the pages' ids."""
    workspace = api.workspace
    chosen = random.Random(SEED).sample(workspace.page_ids(), count)
    for number, page_id in enumerate(chosen):
        time = f"2026-11-16T{9 + number // 60:02}:{number % 60:02}:00.000Z"  # after all others
        blocks = workspace.blocks_of(page_id)
        texts = [each.block["id"] for each in blocks if each.block["type"] == "paragraph"]
        if texts:
            workspace.edit_block(texts[0], "Edited.", time)
        else:
            workspace.edit_page(page_id, time)
    return chosen


# What there is, and what it costs


def existing(api: StandIn) -> dict[str, set[str]]:
    """Return the ids of all users, pages, databases, blocks and comments on pages."""
    workspace = api.workspace
    return {
        "users": {user["id"] for user in workspace.users()},
        "pages": set(workspace.page_ids()),
        "databases": set(workspace.database_ids()),
        "blocks": blocks_of(api, workspace.page_ids()),
        "comments": {
            comment.id
            for page in map(workspace.find, workspace.page_ids())
            if isinstance(page, Page)
            for comment in workspace.comments_of(page)
        },
    }


def blocks_of(api: StandIn, page_ids: list[str]) -> set[str]:
    """Return the ids of the blocks of some pages."""
    return {placed.block["id"] for page in page_ids for placed in api.workspace.blocks_of(page)}


def least_requests(api: StandIn, edited: Union[list[str], None] = None) -> dict[str, int]:
    """Return the fewest requests that tell all: `listing`, `blocks` and `comments`.

    Args:
        api: the stand-in.
        edited: the pages edited since the sync before; all pages when left out. Comments have to be asked for
            on every page in any case, so these are the comments of all.
    """
    workspace = api.workspace
    pages = workspace.page_ids()
    wanted = pages if edited is None else edited
    # Of an incremental listing, the first page that is not new has to be seen as well.
    listed = len(pages) if edited is None else min(len(pages), len(edited) + 1)
    return {
        "listing": _lists(listed),
        "blocks": sum(_tree(workspace, page) for page in wanted),
        "comments": sum(
            _lists(len(workspace.comments_of(entry))) for entry in map(_known(workspace), pages)
        ),
    }


def newest_tree(api: StandIn) -> int:
    """Return the requests for the blocks of the page edited last."""
    workspace = api.workspace
    newest = workspace.search("page", False, "", False)[0]
    return _tree(workspace, newest.id)


def _tree(workspace: Workspace, page_id: str) -> int:
    """The requests for the blocks of a page: one for the page and each block with children."""
    known = _known(workspace)
    walked = [known(page_id)]
    for placed in workspace.blocks_of(page_id):
        entry = known(placed.block["id"])
        if placed.block["has_children"] and workspace._is_walked(entry):
            walked.append(entry)
    return sum(_lists(len(workspace.listed_children(entry))) for entry in walked)


def _lists(items: int) -> int:
    return max(1, math.ceil(items / LISTED_AT_ONCE))


def _known(workspace: Workspace) -> Any:
    def find(entry_id: str) -> Union[Page, Block]:
        entry = workspace.find(entry_id)
        assert isinstance(entry, (Page, Block))
        return entry

    return find
