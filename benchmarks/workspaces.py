"""The workspaces that are measured, how they are edited, and what a sync of them costs at least.

The functions that take a `StandIn` run in its process, see `runs.Server.ask`.
"""

from __future__ import annotations

import math
import random
from typing import Any, Union

from local.entries import Block, DataSource, Page
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


def partly_searchable(pages: int) -> Workspace:
    """Nested pages, and databases with rows; search leaves out a quarter of the rows and of the pages under pages.

    Each row has a block and a comment.
    """
    workspace = Workspace.generate(pages, SEED, children=3, comments=pages, databases=10, rows=max(1, pages // 20))
    rows, nested = [], []
    for page_id in workspace.page_ids():
        parent = _known(workspace)(page_id).parent
        if isinstance(parent, DataSource):
            rows.append(page_id)
            workspace.add_block(page_id, "paragraph", "Text")
            workspace.add_comment(page_id, "Seen.")
        elif parent is not None:
            nested.append(page_id)
    chance = random.Random(SEED)
    for some in (rows, nested):
        workspace.unsearchable.update(chance.sample(some, len(some) // 4))
    return workspace


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
    return _edit(api.workspace, random.Random(SEED).sample(api.workspace.page_ids(), count))


def edit_both(api: StandIn, count: int) -> list[str]:
    """The same, where search leaves out half of the pages; return these first."""
    workspace, chance = api.workspace, random.Random(SEED)
    pages = workspace.page_ids()
    left_out = [page for page in pages if page in workspace.unsearchable]
    listed = [page for page in pages if page not in workspace.unsearchable]
    half = count // 2
    return _edit(workspace, chance.sample(left_out, half) + chance.sample(listed, count - half))


def _edit(workspace: Workspace, chosen: list[str]) -> list[str]:
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


def left_out(api: StandIn) -> int:
    """Return how many pages search leaves out."""
    return len(api.workspace.unsearchable)


def blocks_of(api: StandIn, page_ids: list[str]) -> set[str]:
    """Return the ids of the blocks of some pages."""
    return {placed.block["id"] for page in page_ids for placed in api.workspace.blocks_of(page)}


def least_requests(api: StandIn, edited: Union[list[str], None] = None) -> dict[str, int]:
    """Return the fewest requests that tell all: `listing`, `beside`, `holding`, `blocks` and `comments`.

    `beside` lists the data sources. `holding` is for the place of the edited pages: one for each page that holds
    one of them and that the listing does not show.

    Args:
        api: the stand-in.
        edited: the pages edited since the sync before; all pages when left out. Comments have to be asked for
            on every page in any case, so these are the comments of all.
    """
    workspace = api.workspace
    pages = workspace.page_ids()
    wanted = pages if edited is None else edited
    found = workspace.search("page", False, "", False)
    # Of an incremental listing, the first page that is not new has to be seen as well.
    listed = len(found) if edited is None else min(len(found), len(edited) + 1)
    listing = _lists(listed)
    shown = {page.id for page in found[: listing * LISTED_AT_ONCE]}
    return {
        "listing": listing,
        "beside": _lists(len(workspace.search("data_source", False, "", False))),
        "holding": 0 if edited is None else len(_holding(workspace, edited) - shown),
        "blocks": sum(_tree(workspace, page) for page in wanted),
        "comments": sum(_lists(len(workspace.comments_of(entry))) for entry in map(_known(workspace), pages)),
    }


def least_beside_search(api: StandIn) -> dict[str, int]:
    """Return the fewest requests of a full sync for what search leaves out: `queries`, `databases` and `pages`.

    `queries` are those of all data sources, for the rows since the start date, and once more for the rows of any
    age, as comments need them. `databases` are those in pages, of which search may leave out a data source.
    `pages` are the pages left out that are no rows: one for each.
    """
    workspace = api.workspace
    sources = [workspace.find(source_id) for source_id in workspace.data_source_ids()]
    left_out = [_known(workspace)(page_id) for page_id in workspace.unsearchable]
    return {
        "queries": 2 * sum(_lists(len(each.rows)) for each in sources if isinstance(each, DataSource)),
        "databases": sum(
            workspace.find(each).parent is not None  # type: ignore[union-attr]
            for each in workspace.database_ids()
        ),
        "pages": sum(not isinstance(page.parent, DataSource) for page in left_out),
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


def _holding(workspace: Workspace, page_ids: list[str]) -> set[str]:
    """The pages that hold some pages, up to the root."""
    holding = set()
    for page_id in page_ids:
        above = _known(workspace)(page_id).parent
        while above is not None:
            if isinstance(above, Page):
                holding.add(above.id)
            above = above.parent
    return holding


def _lists(items: int) -> int:
    return max(1, math.ceil(items / LISTED_AT_ONCE))


def _known(workspace: Workspace) -> Any:
    def find(entry_id: str) -> Union[Page, Block]:
        entry = workspace.find(entry_id)
        assert isinstance(entry, (Page, Block))
        return entry

    return find
