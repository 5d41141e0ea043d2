"""Markdown, comments on blocks, trash, emojis, uploads, views, and what makes blocks readable in SQL."""

from collections import Counter

import pytest
from conftest import sync
from under_test import Json

from fake_notion.stand_in import Answer, Request, StandIn, error, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

MARKDOWN = "GET /v1/pages/{id}/markdown"


def markdown(text: str, *unknown: str) -> Answer:
    return Answer(
        body={
            "object": "page_markdown",
            "id": "any",
            "markdown": text,
            "truncated": bool(unknown),
            "unknown_block_ids": list(unknown),
        }
    )


def test_a_page_comes_as_markdown_and_plain_text_under_its_title(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Menu", last_edited_time="2026-03-01T10:00:00.000Z")
    workspace.add_block(page, "heading_1", "Soups")
    toggle = workspace.add_block(page, "bulleted_list_item", "Leek")
    workspace.add_block(toggle, text="with cream")

    (record,) = sync("page_markdown").records["page_markdown"]

    assert record == {
        "id": page,
        "last_edited_time": "2026-03-01T10:00:00.000Z",
        "title": "Menu",
        "path_titles": [],
        "markdown": "# Soups\n\n- Leek\n\n\twith cream",
        "markdown_version": "v2",
        "plain_text": "Soups\nLeek\nwith cream",
        "truncated": False,
        "unknown_block_ids": [],
    }
    assert api.count(MARKDOWN) == 1


def test_a_second_sync_reads_the_markdown_of_changed_pages_only(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(n), last_edited_time=f"2026-03-{n + 1:02}T10:00:00.000Z") for n in range(30)]
    first = sync("page_markdown")
    assert api.count(MARKDOWN) == 30
    workspace.edit_page(pages[3], "2026-04-02T10:00:00.000Z")

    second = sync("page_markdown", state=first.state)

    assert second.ids("page_markdown") == [pages[3]]
    assert api.count(MARKDOWN) == 31


def test_markdown_that_notion_cut_off_is_completed_block_by_block_in_its_place(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(title="Long")
    blocks = [workspace.add_block(page, text=str(n)) for n in range(3)]
    tags = [f'<unknown url="https://app.notion.com/p/{b.replace("-", "")}" alt=""/>' for b in blocks]
    path = "/v1/pages/{}/markdown"
    api.answer(
        on(
            "GET",
            path.format(page),
            markdown(f"Begin\n\t{tags[0]}\nmiddle\n{tags[1]}", blocks[0], blocks[1]),
        )
    )
    api.answer(on("GET", path.format(blocks[0]), markdown(f"First\n{tags[2]}", blocks[2])))
    api.answer(on("GET", path.format(blocks[1]), error(404, "object_not_found", "Not shared.")))
    api.answer(on("GET", path.format(blocks[2]), markdown("Last")))

    result = sync("page_markdown")

    (record,) = result.records["page_markdown"]
    assert record["markdown"] == f"Begin\n\tFirst\n\tLast\nmiddle\n{tags[1]}"
    assert record["truncated"] is True
    assert record["unknown_block_ids"] == [blocks[1]]
    assert api.count(MARKDOWN) == 4
    assert any(page in warning and blocks[1] in warning for warning in result.warnings)


def test_a_block_that_stays_unknown_is_asked_for_once(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page()
    block = workspace.add_block(page, text="Unknown")
    api.answer(on("GET", "/v1/pages/.*/markdown", markdown("<unknown/>", block)))

    result = sync("page_markdown")

    (record,) = result.records["page_markdown"]
    assert (record["truncated"], record["unknown_block_ids"]) == (True, [block])
    assert api.count(MARKDOWN) == 2
    assert any(block in warning and "Notion gives no markdown of it" in warning for warning in result.warnings)


def test_blocks_that_leave_out_each_other_are_asked_for_once(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page()
    one, other = (workspace.add_block(page, text=text) for text in ("One", "Other"))
    for asked, *left_out in ((page, one, other), (one, other), (other, one)):
        api.answer(on("GET", f"/v1/pages/{asked}/markdown", markdown("Text", *left_out)))

    (record,) = sync("page_markdown").records["page_markdown"]

    assert record["markdown"].count("Text") == 3
    assert api.count(MARKDOWN) == 3


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_long_page_is_completed_in_its_places_in_both_versions(
    workspace: Workspace, api: StandIn, version: str
) -> None:
    page = workspace.add_page()
    workspace.add_block(page, text="Begin")
    outer = workspace.add_block(page, "bulleted_list_item", "outer")
    workspace.add_block(outer, "code", "if a:\n\n\tb")
    workspace.add_block(outer, text="inner")
    workspace.add_block(page, text="End")
    workspace.markdown_versions &= {version} - {"v1"}
    (whole,) = sync("page_markdown").records["page_markdown"]
    workspace.markdown_limit = 2

    (record,) = sync("page_markdown").records["page_markdown"]

    assert record == whole
    assert whole["plain_text"] == "Begin\nouter\nif a:\n\n\tb\ninner\nEnd"
    assert (whole["markdown_version"], whole["truncated"], whole["unknown_block_ids"]) == (version, False, [])


def test_version_2_is_asked_for_and_its_refusal_is_taken_once_for_the_sync(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(30)]
    for page in pages:
        workspace.add_block(page, text="a < b")
    workspace.markdown_versions = set()

    result = sync("page_markdown", num_workers=1)

    assert result.errors == {}
    assert sorted(result.ids("page_markdown")) == sorted(pages)
    written = {
        (each["markdown_version"], each["markdown"], each["plain_text"]) for each in result.records["page_markdown"]
    }
    assert written == {("v1", "a \\< b", "a < b")}
    (warning,) = [each for each in result.warnings if "v2" in each]
    assert "markdown_version should be not present" in warning and "v1" in warning
    asked = [each.query.get("markdown_version") for each in api.requests if each.path.endswith("/markdown")]
    assert Counter(asked) == {"v2": asked.count("v2"), None: len(pages)}
    assert 1 <= asked.count("v2") <= 3  # as many as were under way


def test_version_2_that_is_refused_for_a_block_only_makes_the_whole_page_version_1(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(title="Long")
    block = workspace.add_block(page, text="Missing")
    api.answer(on("GET", f"/v1/pages/{page}/markdown", markdown(f'Begin\n<unknown url="{block}"/>', block)))
    api.answer(
        times(1, on("GET", f"/v1/pages/{block}/markdown", error(400, "validation_error", "No markdown_version")))
    )

    result = sync("page_markdown")

    (record,) = result.records["page_markdown"]
    assert (record["markdown_version"], record["markdown"]) == ("v1", "Begin\nMissing")
    assert (record["truncated"], record["unknown_block_ids"]) == (False, [])


def test_a_refusal_of_no_version_costs_the_page_with_a_warning(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page()
    refusal = error(400, "validation_error", "query.markdown_version should be `v3`.")
    api.answer(on("GET", f"/v1/pages/{page}/markdown", refusal))

    result = sync("page_markdown")

    assert result.ids("page_markdown") == []
    assert any(page in warning and "should be `v3`" in warning for warning in result.warnings)
    assert api.count(MARKDOWN) == 2


@pytest.mark.parametrize("where", ["the page", "a block of it"])
def test_what_is_cut_off_without_an_id_stays_truncated_with_a_warning(
    workspace: Workspace, api: StandIn, where: str
) -> None:
    page = workspace.add_page()
    block = workspace.add_block(page, text="Last")
    cut_off = markdown("Begin")
    cut_off.body["truncated"] = True
    if where == "the page":
        api.answer(on("GET", f"/v1/pages/{page}/markdown", cut_off))
    else:
        api.answer(on("GET", f"/v1/pages/{page}/markdown", markdown(f'<unknown url="{block}"/>', block)))
        api.answer(on("GET", f"/v1/pages/{block}/markdown", cut_off))

    result = sync("page_markdown")

    (record,) = result.records["page_markdown"]
    assert (record["markdown"], record["truncated"], record["unknown_block_ids"]) == ("Begin", True, [])
    (warning,) = [each for each in result.warnings if page in each]
    assert "cut off" in warning and "does not say what is missing" in warning


PLAIN_TEXT = {
    "## Title\n> a **bold** and *slanted* word": "Title\na bold and slanted word",
    "- [x] done\n1. first\n\t- below": "done\nfirst\nbelow",
    "See [the plan](https://example.com/a_b).": "See the plan.",
    '<callout icon="x">\n\tMind the step\n</callout>': "Mind the step",
    "```python\nprint(1)\n```": "print(1)",
    "a * b and 5 \\* 3": "a * b and 5 * 3",
    "~~old~~ `new`": "old new",
    "": "",
}


def test_plain_text_is_markdown_without_its_marks(workspace: Workspace, api: StandIn) -> None:
    for text in PLAIN_TEXT:
        page = workspace.add_page()
        api.answer(on("GET", f"/v1/pages/{page}/markdown", markdown(text)))

    records = sync("page_markdown").records["page_markdown"]

    assert {each["markdown"]: each["plain_text"] for each in records} == PLAIN_TEXT


def test_comments_on_blocks_name_their_page_and_block_and_cost_a_request_a_block(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page()
    toggle = workspace.add_block(page, "toggle", "Open")
    inner = workspace.add_block(toggle, text="Inside")
    workspace.add_block(page, text="Quiet")
    workspace.add_comment(page, "On the page, in another stream")
    first, second = workspace.add_comment(toggle, "One"), workspace.add_comment(inner, "Two")

    result = sync("block_comments")

    assert [(record["id"], record["page_id"], record["block_id"]) for record in result.records["block_comments"]] == [
        (first, page, toggle),
        (second, page, inner),
    ]
    assert api.count("GET /v1/comments") == 3
    assert sync("block_comments", state=result.state).errors == {}


def test_comments_on_blocks_are_asked_for_on_changed_pages_only(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(n), last_edited_time=f"2026-03-{n + 1:02}T10:00:00.000Z") for n in range(4)]
    blocks = [workspace.add_block(page, text="Text") for page in pages]
    state = sync("block_comments").state
    new = workspace.add_comment(blocks[2], "New")
    missed = workspace.add_comment(blocks[0], "New, on a page that stays as it is")
    workspace.edit_page(pages[2], "2026-04-02T10:00:00.000Z")

    second = sync("block_comments", state=state)

    assert second.ids("block_comments") == [new]
    assert missed not in second.ids("block_comments")
    assert api.count("GET /v1/comments") == 4 + 1


def test_a_page_moved_to_the_trash_shows_up_in_the_next_sync(workspace: Workspace, api: StandIn) -> None:
    kept, page = workspace.add_page(title="Kept"), workspace.add_page(title="Old")
    first = sync("pages", "trashed_pages")
    assert first.ids("trashed_pages") == []
    workspace.trash_page(page)

    second = sync("pages", "trashed_pages", state=first.state)

    (record,) = second.records["trashed_pages"]
    assert (record["id"], record["in_trash"]) == (page, True)
    assert record["properties"][0]["value"]["title"][0]["plain_text"] == "Old"
    assert page not in second.ids("pages")
    assert kept not in second.ids("trashed_pages")


def test_custom_emojis_are_read_page_by_page(workspace: Workspace, api: StandIn) -> None:
    workspace.max_page_size = 2
    emojis = [
        workspace.add_custom_emoji(name, f"https://example.com/{name}.png") for name in ("anchor", "bell", "compass")
    ]

    result = sync("custom_emojis")

    assert result.records["custom_emojis"] == emojis
    assert api.count("GET /v1/custom_emojis") == 2


def test_file_uploads_are_read_page_by_page(workspace: Workspace, api: StandIn) -> None:
    workspace.max_page_size = 2
    uploads = [workspace.add_file_upload(f"{n}.txt", "text/plain", 5) for n in "abc"]

    result = sync("file_uploads")

    assert sorted(result.ids("file_uploads")) == sorted(uploads)
    assert api.count("GET /v1/file_uploads") == 2


def test_views_are_read_one_by_one_for_each_database(workspace: Workspace, api: StandIn) -> None:
    databases = [workspace.add_database(None, name) for name in ("Tasks", "People")]
    for database in databases:
        workspace.add_data_source(database, "Source")
    views = [
        workspace.add_view(databases[0], "All"),
        workspace.add_view(databases[0], "Board", "board"),
        workspace.add_view(databases[1], "Feed", "feed"),
    ]
    api.answer(
        on(
            "GET",
            f"/v1/views/{views[2]}",
            error(400, "validation_error", "Unsupported view type: feed"),
        )
    )

    result = sync("views")

    assert sorted(result.ids("views")) == sorted(views[:2])
    assert {record["name"] for record in result.records["views"]} == {"All", "Board"}
    assert "request_id" not in result.records["views"][0]
    assert api.count("GET /v1/views") == 2
    assert api.count("GET /v1/views/{id}") == 3
    assert any(views[2] in warning and "feed" in warning for warning in result.warnings)


def test_a_database_whose_views_cannot_be_listed_costs_no_view_of_another_one(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    databases = [workspace.add_database(None, name) for name in ("One", "Two", "Three")]
    for database in databases:
        workspace.add_data_source(database, "Source")
    views = [workspace.add_view(database, "All") for database in databases]
    unexpected = error(500, "internal_server_error", "Unexpected error.")
    api.answer(lambda request: unexpected if request.query.get("database_id") == databases[1] else None)

    result = sync("views")

    assert sorted(result.ids("views")) == sorted([views[0], views[2]])
    assert "Unexpected error." in result.errors["views"]


def test_a_refusal_of_all_views_is_asked_for_once(workspace: Workspace, api: StandIn) -> None:
    for name in ("One", "Two", "Three"):
        workspace.add_data_source(workspace.add_database(None, name), "Source")
    api.answer(on("GET", "/v1/views", error(403, "restricted_resource", "Insufficient permissions.")))

    result = sync("views")

    assert "switch on the capability 'Read content'" in result.errors["views"]
    assert api.count("GET /v1/views") == 1


def test_blocks_know_the_path_down_to_them_and_their_own_text(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page()
    toggle = workspace.add_block(page, "toggle", "Open")
    quote = workspace.add_block(toggle, "quote", "Said")
    inner = workspace.add_block(quote, text="Inside")
    divider = workspace.add_block(page, "divider")

    blocks = {block["id"]: block for block in sync("blocks").records["blocks"]}

    assert blocks[toggle]["path"] == [page]
    assert blocks[inner]["path"] == [page, toggle, quote]
    assert blocks[divider]["path"] == [page]
    assert [blocks[each]["plain_text"] for each in (toggle, quote, inner, divider)] == [
        "Open",
        "Said",
        "Inside",
        "",
    ]


CONTENTS: list[tuple[str, Json | None, str]] = [
    ("equation", {"expression": "a=b"}, "a=b"),
    ("table_row", {"cells": [[{"plain_text": "a"}], []]}, "a\t"),
    ("image", {"caption": [{"plain_text": "The kiln"}]}, "The kiln"),
    ("bookmark", {"caption": []}, ""),
    ("unsupported", None, ""),
    ("meeting_notes", {"title": [{"plain_text": "Sync"}]}, "Sync"),
    ("paragraph", {"rich_text": [{"plain_text": "In "}, {"plain_text": "two"}]}, "In two"),
]


def test_the_text_of_a_block_is_that_of_its_type(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page()
    for _ in CONTENTS:
        workspace.add_block(page, "divider")

    def with_contents(request: Request) -> Answer:
        answer = request.normal()
        for block, (kind, content, _) in zip(answer.body["results"], CONTENTS, strict=True):
            del block["divider"]
            block |= {"type": kind, kind: content}
        return answer

    api.answer(on("GET", f"/v1/blocks/{page}/children", with_contents))

    blocks = sync("blocks").records["blocks"]

    assert [(block["type"], block["plain_text"]) for block in blocks] == [(kind, text) for kind, _, text in CONTENTS]
