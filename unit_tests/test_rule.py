"""The rule of docs/reliability.md, over random workspaces: one request is broken for good, in any way."""

import pytest
from conftest import Sync, cases, serving, sync
from hypothesis import given
from hypothesis import strategies as st
from test_properties import FAULTS, Node, grow, page_sizes, trees, truth

from fake_notion.stand_in import Answer, Request, Rule, StandIn, error
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

Target = tuple[str, str, str]  # method, path, what a search is for


def target_of(request: Request) -> Target:
    return request.method, request.path, str((request.body or {}).get("filter", {}).get("value"))


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


def breaking(target: Target, fault: str, api: StandIn) -> None:
    api.answer(lambda request: FAULTS_FOR_GOOD[fault](request) if target_of(request) == target else None)


def delivered(*results: Sync) -> dict[str, set[str]]:
    return {stream: {each for result in results for each in result.ids(stream)} for stream in OVER_PAGES}


def of_searched_pages(workspace: Workspace) -> dict[str, set[str]]:
    """What is on the pages that search lists: whatever else is broken, it has to arrive."""
    pages = set(workspace.page_ids()) - workspace.unsearchable
    comments = {each.id for page in pages for each in workspace.comments_of(workspace.find(page))}  # type: ignore[arg-type]
    blocks = {placed.block["id"] for page in pages for placed in workspace.blocks_of(page)}
    return {"pages": pages, "page_markdown": pages, "comments": comments, "blocks": blocks}


@cases(40)
@given(nodes=trees, page_size=page_sizes, which=st.integers(0, 50), fault=faults)
def test_a_broken_auxiliary_request_takes_no_record_away_is_warned_of_once_and_the_next_sync_is_cheap(
    naps: list[float], nodes: list[Node], page_size: int, which: int, fault: str
) -> None:
    workspace = grow(nodes, page_size)
    whole, requests = undisturbed(workspace)
    auxiliary = [target for target in requests if is_auxiliary(target)]
    target = auxiliary[which % len(auxiliary)]
    with serving(workspace) as api:
        breaking(target, fault, api)
        first = sync(*OVER_PAGES)
        tried = sum(target_of(request) == target for request in api.requests)
        api.reset_rules()
        api.requests.clear()
        second = sync(*OVER_PAGES, state=first.state)
        read_again = sum(request.path.endswith("/children") for request in api.requests)

    assert first.errors == second.errors == {}
    for stream, wanted in of_searched_pages(workspace).items():
        assert wanted <= delivered(first)[stream]
    warnings = [each for each in first.warnings if "Notion gave no answer" in each]
    assert len(warnings) == 1
    assert tried <= 20
    assert delivered(first, second) == delivered(whole)
    missing = delivered(whole)["page_markdown"] - delivered(first)["page_markdown"]
    # Only what was missing is read, and the newest page, whose time a later edit could share.
    assert {*second.ids("page_markdown")} <= {*missing, *newest(workspace)}
    assert read_again == 0 or second.ids("blocks") or missing


def newest(workspace: Workspace) -> list[str]:
    times = {page: workspace.find(page).last_edited_time for page in workspace.page_ids()}  # type: ignore[union-attr]
    return [page for page, time in times.items() if time == max(times.values())]


@cases(25)
@given(nodes=trees, page_size=page_sizes, which=st.integers(0, 50), fault=faults)
def test_a_broken_primary_request_costs_its_page_alone_and_the_next_sync_reads_that_again(
    naps: list[float], nodes: list[Node], page_size: int, which: int, fault: str
) -> None:
    workspace = grow(nodes, page_size)
    whole, _ = undisturbed(workspace)
    pages = sorted(set(workspace.page_ids()) - workspace.unsearchable)
    page = pages[which % len(pages)]
    with serving(workspace) as api:
        breaking(("GET", f"/v1/blocks/{page}/children", "None"), fault, api)
        first = sync("blocks")
        api.reset_rules()
        second = sync("blocks", state=first.state)

    assert "blocks" in first.errors
    lost = {block["id"] for block in whole.records.get("blocks", []) if block["page_id"] == page}
    found = {each for result in (first, second) for each in result.ids("blocks")}
    others = of_searched_pages(workspace)["blocks"] - lost
    assert others <= {*first.ids("blocks")}
    assert second.errors == {}
    assert found == set(truth(workspace)["blocks"])
    of_pages = {block["page_id"] for block in second.records.get("blocks", [])}
    assert of_pages <= {page, *newest(workspace), *workspace.unsearchable}
