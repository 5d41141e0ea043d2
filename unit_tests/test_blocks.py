"""The stream blocks: the whole tree of each page, in order, with its places."""

from typing import Any

import pytest
from conftest import sync

from fake_notion.entries import block
from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")


def delivered(records: list[dict]) -> list[tuple]:
    return [
        (record["id"], record["page_id"], record["depth"], record["parent"]["sequence_number"]) for record in records
    ]


def expected(workspace: Workspace, page_id: str) -> list[tuple]:
    return [
        (placed.block["id"], page_id, placed.depth, placed.sequence_number) for placed in workspace.blocks_of(page_id)
    ]


def nested_workspace(workspace: Workspace) -> list[str]:
    """60 pages, each with six nested levels; 30 siblings that each have children on the first."""
    pages = [workspace.add_page(title=f"Page {number}") for number in range(60)]
    for page in pages:
        parent = page
        for level in range(6):
            parent = workspace.add_block(parent, "toggle", f"Level {level}")
        workspace.add_block(parent, text="The deepest")
    for number in range(30):
        sibling = workspace.add_block(pages[0], "bulleted_list_item", f"Sibling {number}")
        for child in range(3):
            workspace.add_block(sibling, text=f"Child {child} of {number}")
    return pages


@pytest.mark.parametrize("num_workers", [1, 3, 10])
def test_a_workspace_of_60_nested_pages_arrives_complete_in_order_and_once(
    workspace: Workspace, api: StandIn, num_workers: int
) -> None:
    pages = nested_workspace(workspace)

    records = sync("blocks", num_workers=num_workers).records["blocks"]

    assert len(records) == 60 * 7 + 30 + 90
    for page in pages:
        of_page = [record for record in records if record["page_id"] == page]
        assert delivered(of_page) == expected(workspace, page)


def test_blocks_are_read_at_any_depth(workspace: Workspace, api: StandIn) -> None:
    parent = page = workspace.add_page(title="Deep")
    for level in range(1500):  # deeper than Python's recursion limit
        parent = workspace.add_block(parent, "toggle", str(level))

    records = sync("blocks").records["blocks"]

    assert delivered(records) == expected(workspace, page)
    assert records[-1]["depth"] == 1499


def test_the_path_of_a_block_is_that_of_the_block_around_it_and_its_id(workspace: Workspace, api: StandIn) -> None:
    nested_workspace(workspace)

    records = sync("blocks").records["blocks"]

    inside = {record["id"]: [*record["path"], record["id"]] for record in records}
    for record in records:
        around = record["parent"].get("block_id")
        assert record["path"] == (inside[around] if around else [record["page_id"]])


def test_more_than_a_hundred_children_are_read_page_by_page(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Long")
    for number in range(250):
        workspace.add_block(page, text=str(number))

    records = sync("blocks").records["blocks"]

    assert [record["parent"]["sequence_number"] for record in records] == list(range(250))
    assert api.count("GET /v1/blocks/{id}/children") == 3


def test_blocks_carry_their_page_and_when_it_was_edited(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="One", last_edited_time="2026-05-06T07:08:00.000Z")
    workspace.add_block(page, text="Hello", last_edited_time="2026-05-01T00:00:00.000Z")

    (record,) = sync("blocks").records["blocks"]

    assert record["page_id"] == page
    assert record["page_last_edited_time"] == "2026-05-06T07:08:00.000Z"
    assert record["last_edited_time"] == "2026-05-01T00:00:00.000Z"
    assert record["parent"] == {"type": "page_id", "page_id": page, "sequence_number": 0}


def test_child_pages_child_databases_and_ai_blocks_are_not_records_and_not_descended_into(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(title="Home")
    first = workspace.add_block(page, text="Before")
    child = workspace.add_page(page, "Sub-page")
    inner = workspace.add_block(child, text="Inside the sub-page")
    workspace.add_database(page, "Tasks")
    ai_block = workspace.add_block(page, "ai_block")
    last = workspace.add_block(page, text="After")

    records = sync("blocks").records["blocks"]

    assert {(record["id"], record["page_id"]) for record in records} == {
        (first, page), (last, page), (inner, child),
    }  # fmt: skip
    assert [r["parent"]["sequence_number"] for r in records if r["page_id"] == page] == [0, 4]
    walked = {request.path.split("/")[3] for request in api.requests if "children" in request.path}
    assert walked == {page, child}
    assert ai_block not in walked


def test_an_unsupported_block_is_a_record_and_not_descended_into(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    unsupported = workspace.add_block(page, "unsupported", block_type="form")
    workspace.add_block(unsupported, text="Out of reach")

    result = sync("blocks")

    assert result.ids("blocks") == [unsupported]
    assert api.count("GET /v1/blocks/{id}/children") == 1
    assert result.warnings == []


def test_meeting_notes_that_name_their_sections_are_asked_for_them_whatever_else_they_say(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(title="Home")
    notes = workspace.add_block(page, "meeting_notes", children=[{"type": "paragraph", "text": "Summary"}])

    def without_children(request: Request) -> Answer:
        answer: Any = request.normal()
        for each in answer.body.get("results", []):
            each.update({"has_children": False} if each["id"] == notes else {})
        return answer

    api.answer(on("GET", ".*/children", without_children))

    result = sync("blocks")

    assert [block["plain_text"] for block in result.records["blocks"]] == ["", "Summary"]


def test_a_synced_copys_content_is_read_once_with_its_original(workspace: Workspace, api: StandIn) -> None:
    home = workspace.add_page(title="Home")
    original = workspace.add_block(home, "synced_block")
    content = workspace.add_block(original, text="Shared words")
    other = workspace.add_page(title="Other")
    copy = workspace.add_block(other, "synced_block", synced_from={"type": "block_id", "block_id": original})

    result = sync("blocks")

    assert sorted(result.ids("blocks")) == sorted([original, content, copy])
    assert result.warnings == []
    assert copy not in {r.path.split("/")[3] for r in api.requests if "children" in r.path}


def test_a_synced_copy_beside_its_original_costs_no_request(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    original = workspace.add_block(page, "synced_block", children=[block("paragraph", "Shared")])
    for _ in range(2):
        workspace.add_block(page, "synced_block", synced_from={"type": "block_id", "block_id": original})

    result = sync("blocks")

    assert len(result.ids("blocks")) == 4
    asked = [r.path.split("/")[3] for r in api.requests if "children" in r.path]
    assert sorted(asked) == sorted([page, original])


def test_a_synced_copy_whose_original_is_out_of_reach_costs_a_warning_and_not_the_stream(
    workspace: Workspace, api: StandIn
) -> None:
    hidden = workspace.add_page(title="Hidden")
    original = workspace.add_block(hidden, "synced_block", children=[block("paragraph", "Secret")])
    page = workspace.add_page(title="Home")
    copy = workspace.add_block(page, "synced_block", synced_from={"type": "block_id", "block_id": original})
    after = workspace.add_block(page, text="After")
    workspace.unshared |= {hidden, original}

    result = sync("blocks")

    assert result.ids("blocks") == [copy, after]
    assert result.errors == {}
    warning, summary = result.warnings
    assert page in warning and original in warning and "Could not find block" in warning
    assert summary == "Stream blocks skipped 1 in total: 1 deleted or not shared."


def test_a_block_that_contains_itself_is_walked_once(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    outer = workspace.add_block(page, "toggle", "Outer")
    inner = workspace.add_block(outer, "toggle", "Inner")

    def answer_with_the_outer_block(request: Request) -> Any:
        answer = request.normal()
        answer.body["results"] = api_children_of(page)
        return answer

    def api_children_of(parent: str) -> Any:
        return [placed.block for placed in workspace.blocks_of(parent) if placed.depth == 0]

    api.answer(on("GET", f"/v1/blocks/{inner}/children", answer_with_the_outer_block))
    workspace.add_block(inner, text="so that it has children")

    result = sync("blocks")

    assert result.ids("blocks") == [outer, inner, outer]
    warning, summary = result.warnings
    assert outer in warning and page in warning and "contains itself" in warning
    assert summary == "Stream blocks skipped 1 in total: 1 read already."


def test_a_block_that_is_listed_under_two_siblings_is_walked_once(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    first, second = (workspace.add_block(page, "toggle", text) for text in ("One", "Two"))
    inner = workspace.add_block(first, "toggle", "In both")
    leaf = workspace.add_block(inner, text="Leaf")
    workspace.add_block(second, text="so that it has children")
    in_both = {placed.block["id"]: placed.block for placed in workspace.blocks_of(page)}[inner]

    def answer_with_the_inner_block(request: Request) -> Any:
        answer = request.normal()
        answer.body["results"] = [in_both]
        return answer

    api.answer(on("GET", f"/v1/blocks/{second}/children", answer_with_the_inner_block))

    result = sync("blocks")

    assert result.ids("blocks") == [first, inner, leaf, second, inner]
    warning, _ = result.warnings
    assert inner in warning and page in warning


def test_a_page_without_blocks_is_fine(workspace: Workspace, api: StandIn) -> None:
    workspace.add_page(title="Empty")

    result = sync("blocks")

    assert result.records == {}
    assert result.errors == {}


def test_a_changed_page_arrives_whole(workspace: Workspace, api: StandIn) -> None:
    pages = [
        workspace.add_page(title=str(day), last_edited_time=f"2026-03-{day:02}T00:00:00.000Z") for day in range(1, 11)
    ]
    blocks = {page: [workspace.add_block(page, text=str(n)) for n in range(3)] for page in pages}
    first = sync("blocks")
    assert len(first.ids("blocks")) == 30

    workspace.delete_block(blocks[pages[4]][0])
    workspace.edit_block(blocks[pages[4]][1], "Changed", "2026-04-01T12:00:00.000Z")
    second = sync("blocks", state=first.state)

    assert [r["id"] for r in second.records["blocks"] if r["page_id"] == pages[4]] == blocks[pages[4]][1:]
    assert {record["page_id"] for record in second.records["blocks"]} == {pages[4]}
    assert {record["page_last_edited_time"] for record in second.records["blocks"]} == {"2026-04-01T12:00:00.000Z"}


def test_a_page_that_answers_404_is_left_out_with_a_warning(workspace: Workspace, api: StandIn) -> None:
    gone = workspace.add_page(title="Gone")
    stays = workspace.add_page(title="Stays")
    kept = workspace.add_block(stays, text="Here")
    api.answer(
        on(
            "GET",
            f"/v1/blocks/{gone}/children",
            error(404, "object_not_found", "Could not find it."),
        )
    )

    result = sync("blocks")

    assert result.ids("blocks") == [kept]
    assert result.errors == {}
    warning, summary = result.warnings
    assert gone in warning and "Could not find it." in warning
    assert summary == "Stream blocks skipped 1 in total: 1 deleted or not shared."


def test_the_sum_at_the_end_counts_everything_that_was_left_out_by_its_reason(
    workspace: Workspace, api: StandIn
) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(2)]
    toggles = [workspace.add_block(pages[0], "toggle", str(number)) for number in range(3)]
    for toggle in toggles:
        workspace.add_block(toggle, text="Out of reach")
        workspace.unsupported_children.add(toggle)
    gone = error(404, "object_not_found", "Could not find it.")
    api.answer(on("GET", f"/v1/blocks/{pages[1]}/children", gone))
    api.answer(on("GET", f"/v1/blocks/{toggles[0]}/children", gone))

    result = sync("blocks")

    assert result.ids("blocks") == toggles
    assert len(result.warnings) == 5
    total, _, reasons = result.warnings[-1].partition(" in total: ")
    assert total == "Stream blocks skipped 4"
    assert sorted(reasons.rstrip(".").split(", ")) == [
        "2 deleted or not shared",
        "2 not supported by the API",
    ]


def test_a_fault_while_a_synced_copys_original_is_asked_for_is_retried(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    home = workspace.add_page(title="Home")
    original = workspace.add_block(home, "synced_block", children=[block("paragraph", "Shared")])
    other = workspace.add_page(title="Other", last_edited_time="2026-01-01T00:00:00.000Z")
    workspace.add_block(other, "synced_block", synced_from={"type": "block_id", "block_id": original})
    unavailable = error(503, "service_unavailable", "Try again.")
    api.answer(times(2, on("GET", f"/v1/blocks/{original}/children", unavailable)))

    result = sync("blocks", num_workers=1)

    assert len(result.ids("blocks")) == 3
    assert result.errors == {}
    assert result.warnings == []
    assert len(naps) == 2
