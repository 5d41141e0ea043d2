"""How many requests a sync makes, against the fewest that the API allows."""

from datetime import datetime, timedelta, timezone
from math import ceil
from typing import Optional

import pytest
from conftest import State, serving, sync
from test_properties import fewest_for_blocks

from fake_notion.generated import generate
from fake_notion.stand_in import StandIn
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

CHILDREN, SEARCH, COMMENTS = "GET /v1/blocks/{id}/children", "POST /v1/search", "GET /v1/comments"


def listings(workspace: Workspace, pages: list[str]) -> int:
    """The fewest requests that give all blocks of the pages."""
    return sum(fewest_for_blocks(workspace, page) for page in pages)


def test_a_full_sync_of_pages_blocks_and_comments_makes_no_request_twice() -> None:
    workspace = generate(pages=1000, children=5, comments=300)
    pages = workspace.page_ids()
    with serving(workspace) as api:
        result = sync("pages", "blocks", "comments", num_workers=10)

    assert sorted(result.ids("pages")) == sorted(pages)
    # Pages since the start date, and of any age for comments: each a listing with a second look at its front.
    # And there may be data sources.
    assert api.count(SEARCH) == 2 * (ceil(len(pages) / 100) + 1) + 1
    assert api.count(CHILDREN) == listings(workspace, pages)
    assert api.count(COMMENTS) == len(pages)
    assert sum(api.counts.values()) == 23 + listings(workspace, pages) + 1000


@pytest.mark.parametrize("number", [1000, 10_000])
def test_an_incremental_sync_costs_the_listing_of_what_changed_and_the_trees_of_changed_pages(
    number: int,
) -> None:
    workspace = generate(pages=number, children=2)
    last = {page: workspace.find(page).last_edited_time for page in workspace.page_ids()}
    newest = max(last.values())
    last = dict(sorted(last.items(), key=lambda page: page[1])[-50:])
    state: State = {
        "pages": {"last_edited_time": newest},
        "blocks": {
            "use_global_cursor": True,
            "state": {"last_edited_time": newest},
            "lookback_window": 0,
            "parent_state": {"pages": {"last_edited_time": newest, "walked": last}},
        },
    }
    changed = [page for page in workspace.page_ids() if page not in last][:10]
    for page in changed:
        workspace.edit_page(page)
    with serving(workspace) as api:
        result = sync("pages", "blocks", state=state, num_workers=10, page_discovery="search")

    assert set(changed) <= set(result.ids("pages"))
    assert sorted(result.ids("blocks")) == sorted(
        placed.block["id"] for page in changed for placed in workspace.blocks_of(page)
    )
    # The pages, and the data sources that may be tables.
    assert api.count(SEARCH) == 2
    fewest = 2 + listings(workspace, changed)
    assert fewest <= sum(api.counts.values()) <= 1.1 * fewest


def test_comments_cost_one_request_a_page_in_each_sync(workspace: Workspace, api: StandIn) -> None:
    for number in range(150):
        workspace.add_page(title=str(number))
    state = sync("comments").state
    before = dict(api.counts)

    sync("comments", state=state)

    assert api.count(COMMENTS) - before["GET", "/v1/comments", 200] == 150
    assert api.count(SEARCH) - before["POST", "/v1/search", 200] == 2 + 1 + 1


@pytest.mark.parametrize(("days", "asked", "searches"), [(None, 300, 3 + 1 + 1), (7, 12, 1 + 1)])
def test_comments_of_the_last_days_cost_one_request_for_each_page_edited_in_them(
    workspace: Workspace, api: StandIn, days: Optional[int], asked: int, searches: int
) -> None:
    now = datetime.now(timezone.utc)
    for number in range(300):
        workspace.add_page(title=str(number), last_edited_time=now - timedelta(days=1 if number < 12 else 100))

    result = sync("comments", comments_days=days)

    # All pages and a second look at their front, or one list that ends 50 pages after the 12; and the data sources.
    assert api.count(COMMENTS) == asked
    assert api.count(SEARCH) == searches
    assert sum(api.counts.values()) == asked + searches
    assert result.errors == {}


def test_a_partition_holds_several_pages_of_many(workspace: Workspace, api: StandIn) -> None:
    """Each costs the runtime a cursor."""
    pages = [workspace.add_page(title=str(number)) for number in range(1000)]
    for page in pages:
        workspace.add_comment(page, "Comment")

    result = sync("comments", num_workers=2, debug=True)

    partitions = {message for message in result.infos if message.startswith("slice:")}
    assert 1 < len(partitions) < len(pages) / 2
    assert len(result.ids("comments")) == len({*result.ids("comments")}) == api.count(COMMENTS) == len(pages)
