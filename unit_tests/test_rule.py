"""The rule of docs/reliability.md, over random workspaces: one request is broken for good, in any way."""

import pytest
from conftest import Sync, cases, serving, sync
from hypothesis import given
from hypothesis import strategies as st
from test_properties import FAULTS, Node, grow, page_sizes, trees

from fake_notion.stand_in import Answer, Request, Rule, error
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

OVER_PAGES = ("blocks", "comments", "page_markdown", "pages")
FAULTS_FOR_GOOD: dict[str, Rule] = {
    **{name: fault for name, fault in FAULTS.items() if name != "expired"},
    "403": lambda _: error(403, "restricted_resource", "Insufficient permissions for this endpoint."),
    "400": lambda _: error(400, "validation_error", "The schema of this object is malformed."),
    "no object": lambda _: Answer(200, [7]),
    "another object": lambda _: Answer(200, {"object": "user", "id": "7"}),
}
faults = st.sampled_from(sorted(FAULTS_FOR_GOOD))

Target = tuple[str, str, str]  # method, path, and what is searched for, or what the comments are on


def target_of(request: Request) -> Target:
    searched = (request.body or {}).get("filter", {}).get("value")
    return request.method, request.path, str(searched or request.query.get("block_id"))


def is_auxiliary(target: Target) -> bool:
    """Whether a request only adds to the streams over pages."""
    method, path, searched = target
    if method == "POST":
        return path.endswith("/query") or searched == "data_source"
    return not path.endswith(("/children", "/markdown", "/comments"))


def undisturbed(workspace: Workspace) -> tuple[Sync, list[Target]]:
    """A sync that nothing disturbs, and its requests."""
    with serving(workspace) as api:
        return sync(*OVER_PAGES), sorted({target_of(request) for request in api.requests})


def broken_then_whole(workspace: Workspace, target: Target, fault: str) -> tuple[Sync, Sync, int, int]:
    """A sync with one request broken, the next without, how often that was tried, and the listings of blocks in the next."""
    with serving(workspace) as api:
        api.answer(lambda request: FAULTS_FOR_GOOD[fault](request) if target_of(request) == target else None)
        first = sync(*OVER_PAGES)
        tried = sum(target_of(request) == target for request in api.requests)
        api.reset_rules()
        api.requests.clear()
        second = sync(*OVER_PAGES, state=first.state)
        return first, second, tried, sum(request.path.endswith("/children") for request in api.requests)


def delivered(*results: Sync) -> dict[str, set[str]]:
    return {stream: {each for result in results for each in result.ids(stream)} for stream in OVER_PAGES}


ENDS = {"/children": "blocks", "/markdown": "page_markdown", "/comments": "comments"}


def cost_of(target: Target, whole: Sync) -> tuple[set[str], set[str]]:
    """The streams that a primary request belongs to, and the page that it reads; all pages for the search."""
    streams = {stream for end, stream in ENDS.items() if target[1].endswith(end)}
    if not streams:
        return set(OVER_PAGES), set(whole.ids("pages"))
    item = target[2] if "comments" in streams else target[1].split("/")[3]
    pages = {block["id"]: block["page_id"] for block in whole.records.get("blocks", [])}
    return streams, {pages.get(item, item)}


def of_pages(workspace: Workspace, stream: str, pages: set[str]) -> set[str]:
    if stream in ("pages", "page_markdown"):
        return pages
    if stream == "blocks":
        return {placed.block["id"] for page in pages for placed in workspace.blocks_of(page)}
    return {each.id for page in pages for each in workspace.comments_of(workspace.find(page))}


@cases(20)
@given(nodes=trees, page_size=page_sizes, which=st.integers(0, 50), fault=faults)
def test_a_broken_auxiliary_request_takes_no_record_away_is_warned_of_once_and_the_next_sync_is_cheap(
    naps: list[float], nodes: list[Node], page_size: int, which: int, fault: str
) -> None:
    workspace = grow(nodes, page_size)
    whole, requests = undisturbed(workspace)
    auxiliary = [target for target in requests if is_auxiliary(target)]
    target = auxiliary[which % len(auxiliary)]
    first, second, tried, read_again = broken_then_whole(workspace, target, fault)

    assert first.errors == second.errors == {}
    for stream in OVER_PAGES:  # whatever else is broken, what search lists has to arrive
        wanted = of_pages(workspace, stream, set(workspace.page_ids()) - workspace.unsearchable)
        assert wanted <= delivered(first)[stream]
    warnings = [each for each in first.warnings if "Could not get" in each]
    assert len(warnings) == 1
    assert tried <= 20
    assert delivered(first, second) == delivered(whole)
    missing = delivered(whole)["page_markdown"] - delivered(first)["page_markdown"]
    # Only what was missing is read, and the newest page, whose time a later edit could share.
    assert {*second.ids("page_markdown")} <= {*missing, *newest(workspace)}
    assert read_again == 0 or second.ids("blocks") or missing


def newest(workspace: Workspace) -> list[str]:
    times = {page: workspace.find(page).last_edited_time for page in workspace.page_ids()}
    return [page for page, time in times.items() if time == max(times.values())]


@cases(15)
@given(nodes=trees, page_size=page_sizes, which=st.integers(0, 200), fault=faults)
def test_a_broken_primary_request_costs_its_page_alone_and_the_next_sync_reads_that_again(
    naps: list[float], nodes: list[Node], page_size: int, which: int, fault: str
) -> None:
    workspace = grow(nodes, page_size)
    whole, requests = undisturbed(workspace)
    reads_pages = [target for target in requests if not is_auxiliary(target)]
    # What Notion cut off of a page's markdown only adds to its row.
    primary = [target for target in reads_pages if cost_of(target, whole)[1] <= {*whole.ids("pages")}]
    target = primary[which % len(primary)]
    streams, pages = cost_of(target, whole)
    first, second, _, _ = broken_then_whole(workspace, target, fault)

    assert first.errors.keys() - {""} == streams
    searched = set(workspace.page_ids()) - workspace.unsearchable
    for stream in OVER_PAGES:
        wanted = of_pages(workspace, stream, searched - pages if stream in streams else searched)
        assert wanted <= delivered(first)[stream]
    assert second.errors == {}
    assert delivered(first, second) == delivered(whole)
    # What was delivered is not read again, but for the newest page, whose time a later edit could share.
    again = {block["page_id"] for block in second.records.get("blocks", [])}
    assert again <= {*pages, *newest(workspace), *workspace.unsearchable}
