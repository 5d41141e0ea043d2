"""The stream files: a record for each file, and the files themselves, whole, for who asks for them."""

import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path
from typing import Any, Optional

import pytest
from airbyte_cdk.sources.utils import files_directory
from conftest import CONFIG, Sync, sync

from fake_notion import values
from fake_notion.entries import block
from fake_notion.stand_in import Answer, Request, Rule, StandIn, error, on, times
from fake_notion.values import emoji, external_file, hosted_file
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

CHILDREN, PAGE, BLOCK = "GET /v1/blocks/{id}/children", "GET /v1/pages/{id}", "GET /v1/blocks/{id}"
ELSEWHERE = "https://example.com/media/clip.mp4"


@pytest.fixture(autouse=True)
def staging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that the platform shares with the connector."""
    folder = tmp_path / "staging"
    folder.mkdir()
    monkeypatch.setattr(files_directory, "AIRBYTE_STAGING_DIRECTORY", str(folder))
    return folder


def arrived(staging: Path) -> dict[str, bytes]:
    """What lies in the folder, by path."""
    return {str(each.relative_to(staging)): each.read_bytes() for each in staging.rglob("*") if each.is_file()}


def contents(result: Sync, staging: Path) -> dict[str, bytes]:
    """What was fetched, by the ids of the records; each file is where its reference says, and no other is there."""
    by_path = arrived(staging)
    assert set(by_path) == {each.source_file_relative_path for each in result.files.values()}
    for each in result.files.values():
        assert Path(each.staging_file_url) == staging / each.source_file_relative_path
        assert each.file_size_bytes == len(by_path[each.source_file_relative_path])
    return {id: by_path[each.source_file_relative_path] for id, each in result.files.items()}


def page_with(workspace: Workspace, *paths: str, title: str = "Home") -> tuple[str, list[str]]:
    """A page with an image for each path; gives its id and theirs."""
    page = workspace.add_page(title=title)
    return page, [workspace.add_block(page, "image", hosted=path) for path in paths]


# --------------------------------------------------------------------------------------- the table


def of(record: dict[str, Any]) -> tuple[Optional[str], ...]:
    fields = ("id", "page_id", "block_id", "property_id", "property", "kind", "location", "name")
    return tuple(record.get(field) for field in fields)


def test_each_file_on_a_page_is_a_record_wherever_it_hangs(workspace: Workspace, api: StandIn, staging: Path) -> None:
    page = workspace.add_page(title="Home", icon=hosted_file("w/Our%20logo.png"), cover=external_file(ELSEWHERE))
    kinds = ("image", "video", "pdf", "audio", "file")
    hosted = {kind: workspace.add_block(page, kind, hosted=f"w/a.{kind}") for kind in kinds}
    toggle = workspace.add_block(page, "toggle", "More")
    inner = workspace.add_block(toggle, "video", external=ELSEWHERE, last_edited_time="2026-05-01T00:00:00.000Z")
    callout = workspace.add_block(page, "callout", "Look", icon=hosted_file("w/lens.png"))
    workspace.add_block(page, "callout", "Look", icon=emoji("👀"))
    workspace.add_block(page, "bookmark", url=ELSEWHERE)

    result = sync("files")

    expected = [
        (f"{page}/icon", page, None, None, None, "icon", "notion", "Our logo.png"),
        (f"{page}/cover", page, None, None, None, "cover", "external", "clip.mp4"),
        *((hosted[kind], page, hosted[kind], None, None, kind, "notion", f"a.{kind}") for kind in kinds),
        (inner, page, inner, None, None, "video", "external", "clip.mp4"),
        (f"{callout}/icon", page, callout, None, None, "icon", "notion", "lens.png"),
    ]
    records = result.records["files"]
    assert [of(record) for record in records] == expected
    assert records[7]["url"] == ELSEWHERE and "expiry_time" not in records[7]
    assert records[7]["last_edited_time"] == "2026-05-01T00:00:00.000Z"
    assert records[0]["last_edited_time"] == workspace.find(page).last_edited_time
    for record in records:
        if record["location"] == "notion":
            assert "X-Amz-Signature" in record["url"] and record["expiry_time"]
    assert result.errors == {} and result.warnings == []
    # As a table, it asks the storage for nothing.
    assert (api.count(CHILDREN), api.count(PAGE), api.count(BLOCK)) == (2, 1, 0)
    assert api.downloads == [] and result.files == {} and arrived(staging) == {}


def test_the_files_in_the_properties_of_a_row_are_records(workspace: Workspace, api: StandIn) -> None:
    database = workspace.add_database(None, "Contacts")
    source = workspace.add_data_source(database, properties={"Name": "title", "Card": "files", "None": "files"})
    card = workspace.find(source).properties["Card"]["id"]
    files = [{"name": "card.pdf", **hosted_file("w/1.pdf")}, {"name": "Site", **external_file(ELSEWHERE)}]
    row = workspace.add_row(source, {"Name": "Ada", "Card": files})

    workspace.add_row(source, {"Name": "Bob", "Card": []})

    result = sync("files")

    assert api.count(PAGE) == 1
    assert [of(record) for record in result.records["files"]] == [
        (f"{row}/{card}/0", row, None, card, "Card", "property", "notion", "card.pdf"),
        (f"{row}/{card}/1", row, None, card, "Card", "property", "external", "Site"),
    ]


def test_the_next_sync_reads_the_files_of_changed_pages_only(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(day), last_edited_time=f"2026-03-0{day}T00:00:00.000Z") for day in (1, 2, 3)]
    images = [workspace.add_block(page, "image", hosted=f"w/{page}.png") for page in pages]
    for day, page in enumerate(pages, 1):
        workspace.edit_page(page, f"2026-03-0{day}T00:00:00.000Z")
    first = sync("files")
    workspace.edit_page(pages[0], "2026-04-01T00:00:00.000Z")
    api.counts.clear()

    second = sync("files", state=first.state)

    assert sorted(first.ids("files")) == sorted(images)
    assert set(second.ids("files")) - {images[2]} == {images[0]}  # the newest may come again
    # No page holds a file itself, so none is asked for.
    assert (api.count(PAGE), api.count(CHILDREN)) == (0, len(second.ids("files")))


def test_pages_that_only_other_pages_know_have_files_too_and_are_remembered(workspace: Workspace, api: StandIn) -> None:
    home = workspace.add_page(title="Home")
    hidden = workspace.add_page(home, "Hidden", last_edited_time="2026-03-01T00:00:00.000Z")
    image = workspace.add_block(hidden, "image", hosted="w/a.png", last_edited_time="2026-03-01T00:00:00.000Z")
    workspace.unsearchable.add(hidden)
    first = sync("files")
    workspace.edit_page(hidden, "2026-06-01T00:00:00.000Z")

    second = sync("files", state=first.state)

    assert first.ids("files") == second.ids("files") == [image]


def test_what_is_no_file_object_is_no_record_and_breaks_nothing(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home", cover=hosted_file("w/cover.png"))
    image = workspace.add_block(page, "image", hosted="w/a.png")

    def malformed(request: Request) -> Answer:
        answer = request.normal()
        answer.body |= {"icon": "odd", "cover": {"type": "file"}, "properties": {"A": None, "B": {"files": [None, 7]}}}
        return answer

    api.answer(on("GET", f"/v1/pages/{page}", malformed))
    result = sync("files")

    assert result.ids("files") == [f"{page}/cover", image]
    assert "url" not in result.records["files"][0]
    assert result.errors == {}


def test_a_page_that_cannot_be_read_costs_itself_and_the_next_sync_reads_it(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    broken = workspace.add_page(title="Broken", icon=hosted_file("w/a.png"))
    _, (image,) = page_with(workspace, "w/b.png")
    api.answer(on("GET", f"/v1/pages/{broken}", error(500, "internal_server_error", "Unexpected.")))

    first = sync("files")
    api.reset_rules()
    second = sync("files", state=first.state)

    assert first.ids("files") == [image]
    assert first.errors["files"] == f"Page {broken}: Notion returned an error (Unexpected.)."
    assert f"{broken}/icon" in second.ids("files") and second.errors == {}


# ---------------------------------------------------------------------------------- the files


def test_files_arrive_whole_and_those_elsewhere_are_not_fetched(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    page, (first, second) = page_with(workspace, "w/a.png", "w/b.png")
    video = workspace.add_block(page, "video", external=ELSEWHERE)
    api.storage.contents["/w/b.png"] = b""

    result = sync("files", fetch_files=True)

    assert result.ids("files") == [first, second, video]
    assert contents(result, staging) == {first: api.storage.content("/w/a.png"), second: b""}
    assert result.errors == {} and result.warnings == []
    links = [(request.path, request.query["X-Amz-Signature"]) for request in api.downloads]
    assert links == [
        (f"/w/{name}.png", record["url"].split("X-Amz-Signature=")[1].split("&")[0])
        for name, record in zip("ab", result.records["files"], strict=False)
    ]


def test_a_file_of_a_block_that_is_dated_in_the_future_arrives(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    page = workspace.add_page(title="Home")
    image = workspace.add_block(page, "image", hosted="w/a.png", last_edited_time="2999-01-01T00:00:00.000Z")

    assert [*contents(sync("files", fetch_files=True), staging)] == [image]


def test_a_second_sync_fetches_nothing_again(workspace: Workspace, api: StandIn, staging: Path) -> None:
    page_with(workspace, "w/a.png")
    workspace.edit_page(workspace.page_ids()[0], "2026-03-01T00:00:00.000Z")
    first = sync("files", fetch_files=True)
    assert len(api.downloads) == 1

    sync("files", fetch_files=True, state=first.state)

    assert len(api.downloads) == 1


def test_the_token_is_not_sent_to_the_storage_nor_where_it_leads(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    _, (image,) = page_with(workspace, "w/a.png")
    other = f"{values.FILE_STORE}/w/moved.png?X-Amz-Signature=1"
    api.answer(on("GET", "/w/a.png", Answer(302, b"", {"Location": other})))

    result = sync("files", fetch_files=True)

    assert contents(result, staging) == {image: api.storage.content("/w/moved.png")}
    assert [request.path for request in api.downloads] == ["/w/a.png", "/w/moved.png"]
    for request in api.downloads:
        assert not {"authorization", "cookie", "notion-version"} & request.headers.keys()
        assert CONFIG["credentials"]["token"] not in repr(request)


def test_the_links_of_files_are_not_logged(
    workspace: Workspace, api: StandIn, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    page_with(workspace, "w/a.png", "w/gone.png", "w/odd.png")
    api.answer(on("GET", "/w/gone.png", Answer(404, b"<Error/>")))
    api.answer(on("GET", "/w/odd.png", Answer(drop=True)))

    result = sync("files", debug=True, fetch_files=True)

    said = caplog.text + result.output + "".join(str(vars(entry)) for entry in caplog.records)
    for record in result.records["files"]:
        said = said.replace(json.dumps(record["url"])[1:-1], "")
    assert len(result.files) == 1
    for request in api.downloads:
        assert request.query["X-Amz-Signature"] not in said


# ------------------------------------------------------------------------------------ old links


def expired(count: int) -> Rule:
    """So many answers of the API whose links died a minute ago."""

    def rule(request: Request) -> Optional[Answer]:
        answer = request.normal()
        text = json.dumps(answer.body)
        if "expiry_time" not in text:
            return None
        for each in answer.body.get("results", [answer.body]):
            file = (each.get("image") or each.get("icon") or {}).get("file")
            if file:
                expiry = values.parse_time(file["expiry_time"]) - timedelta(minutes=61)
                file["expiry_time"] = values.exact(expiry)
        return answer

    return times(count, rule)


@pytest.fixture
def refused() -> Iterator[Answer]:
    yield Answer(403, b"<Error><Message>Request has expired</Message></Error>", {"Content-Type": "application/xml"})


def test_a_block_whose_link_is_old_is_asked_for_again_once(workspace: Workspace, api: StandIn, staging: Path) -> None:
    _, (image,) = page_with(workspace, "w/a.png")
    api.answer(expired(1))

    result = sync("files", fetch_files=True)

    assert contents(result, staging) == {image: api.storage.content("/w/a.png")}
    assert (api.count(BLOCK), len(api.downloads)) == (1, 1)
    (record,) = result.records["files"]
    assert api.downloads[0].query["X-Amz-Signature"] in record["url"]
    assert values.parse_time(record["expiry_time"]) > values.parse_time(None)


def test_a_page_whose_link_is_refused_is_asked_for_again_once(
    workspace: Workspace, api: StandIn, staging: Path, refused: Answer
) -> None:
    page = workspace.add_page(title="Home", icon=hosted_file("w/a.png"))
    api.answer(times(1, on("GET", "/w/a.png", refused)))

    result = sync("files", fetch_files=True)

    assert contents(result, staging) == {f"{page}/icon": api.storage.content("/w/a.png")}
    assert (api.count(PAGE), api.count(BLOCK)) == (2, 0)
    assert [request.status for request in api.downloads] == [403, 200]
    assert api.downloads[0].query != api.downloads[1].query


def test_a_block_that_is_gone_is_asked_for_once_if_its_link_is_old_and_refused(
    workspace: Workspace, api: StandIn, staging: Path, refused: Answer
) -> None:
    _, (image,) = page_with(workspace, "w/a.png")
    api.answer(expired(1))
    api.answer(on("GET", "/w/a.png", refused))
    api.answer(on("GET", f"/v1/blocks/{image}", error(404, "object_not_found", "Gone.")))

    result = sync("files", fetch_files=True)

    assert (result.ids("files"), contents(result, staging)) == ([image], {})
    assert (api.count(BLOCK), len(api.downloads)) == (1, 1)


@pytest.mark.parametrize("link", ["https://[company].com/logo.png", "https://[x/logo.png"])
def test_a_link_that_is_none_costs_no_other_file(workspace: Workspace, api: StandIn, link: str) -> None:
    page = workspace.add_page(title="Home", icon=external_file(link))
    image = workspace.add_block(page, "image", hosted="w/a.png")

    result = sync("files")

    assert result.ids("files") == [f"{page}/icon", image]
    assert result.errors == {}


# ---------------------------------------------------------------------- files that do not come


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_file_that_the_storage_refuses_costs_itself(
    workspace: Workspace, api: StandIn, staging: Path, status: int
) -> None:
    _, (gone, there) = page_with(workspace, "w/gone.png", "w/there.png")
    api.answer(on("GET", "/w/gone.png", Answer(status, b"<Error/>")))

    result = sync("files", fetch_files=True)

    assert result.ids("files") == [gone, there]
    assert contents(result, staging) == {there: api.storage.content("/w/there.png")}
    assert result.errors == {}
    assert result.warnings == [
        f"Stream files skipped the content of file {gone}: Notion's storage refuses it (status {status}).",
        "Stream files skipped 1 in total: 1 not to be had.",
    ]
    assert [request.path for request in api.downloads] == ["/w/gone.png"] * 2 + ["/w/there.png"]
    assert api.count(BLOCK) == 1


def test_a_file_that_is_too_large_costs_itself_and_is_not_read(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    _, (large, there) = page_with(workspace, "w/large.mov", "w/there.png")
    length = {"Content-Length": "1500000001"}
    api.answer(on("GET", "/w/large.mov", Answer(200, b"the beginning", length)))

    result = sync("files", fetch_files=True)

    assert result.ids("files") == [large, there]
    assert [*contents(result, staging)] == [there]
    assert result.errors == {}
    assert result.warnings[0] == (
        f"Stream files skipped the content of file {large}: It is larger than 1,500,000,000 bytes, which is the most "
        "that Airbyte hands over."
    )
    assert len(api.downloads) == 2 and api.count(BLOCK) == 0


def test_a_file_without_a_link_is_a_record_and_a_warning(workspace: Workspace, api: StandIn, staging: Path) -> None:
    _, (image,) = page_with(workspace, "w/a.png")

    def without_link(request: Request) -> Answer:
        answer = request.normal()
        answer.body["results"][0]["image"]["file"] = None
        return answer

    api.answer(on("GET", "/v1/blocks/.*/children", without_link))

    result = sync("files", fetch_files=True)

    assert result.ids("files") == [image] and result.files == {}
    assert f"Stream files skipped the content of file {image}: Notion gives no link to it." in result.warnings


FAULTS = {
    "cut off": Answer(200, b"x" * 300_000, truncate=True),
    "dropped": Answer(drop=True),
    "busy": Answer(503, b"<Error><Code>SlowDown</Code></Error>"),
    "too slow": Answer(408, b"<Error><Code>RequestTimeout</Code></Error>"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_download_that_breaks_is_tried_again(
    workspace: Workspace, api: StandIn, staging: Path, naps: list[float], fault: str
) -> None:
    _, (image,) = page_with(workspace, "w/a.png")
    api.answer(times(4, on("GET", "/w/a.png", FAULTS[fault])))

    result = sync("files", fetch_files=True)

    assert contents(result, staging) == {image: api.storage.content("/w/a.png")}
    assert len(api.downloads) == 5 and naps == [2, 4, 8, 16]
    assert result.errors == {} and result.warnings == []


def test_a_file_that_is_sent_compressed_is_whole_when_all_of_that_arrived(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    _, (image,) = page_with(workspace, "w/a.svg")
    content = b"<svg/>" * 1000
    api.answer(on("GET", "/w/a.svg", Answer(200, gzip.compress(content), {"Content-Encoding": "gzip"})))

    result = sync("files", fetch_files=True)

    assert contents(result, staging) == {image: content}
    assert (len(api.downloads), result.errors, result.warnings) == (1, {}, [])


def test_a_full_disk_is_called_so_and_no_file_is_asked_for_again(
    workspace: Workspace, api: StandIn, staging: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (image,) = page_with(workspace, "w/a.png")
    write = Path.open

    def no_room(path: Path, mode: str = "r", *options: Any, **named: Any) -> Any:
        if path.suffix == ".part":
            raise OSError(ENOSPC, "No space left on device")
        return write(path, mode, *options, **named)

    monkeypatch.setattr(Path, "open", no_room)

    result = sync("files", fetch_files=True)

    assert len(api.downloads) == 1 and naps == []
    assert any(image in warning and "No space left on device" in warning for warning in result.warnings)
    assert "The next sync tries again." in result.errors["files"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_never_comes_whole_is_not_delivered_and_the_next_sync_tries_again(
    workspace: Workspace, api: StandIn, staging: Path, naps: list[float], fault: str
) -> None:
    page, (broken, there) = page_with(workspace, "w/a.png", "w/there.png")
    _, (elsewhere,) = page_with(workspace, "w/b.png", title="Other")
    api.answer(on("GET", "/w/a.png", FAULTS[fault]))

    first = sync("files", fetch_files=True)

    assert sorted(first.ids("files")) == sorted([broken, there, elsewhere])
    assert sorted(contents(first, staging)) == sorted([there, elsewhere])
    assert first.errors["files"] == (
        f"Page {page}: Some of its files could not be fetched, as the warnings say. The next sync tries again."
    )
    assert (
        f"Stream files skipped the content of file {broken}: Notion's storage did not send it whole in 5 attempts."
        in first.warnings
    )

    api.reset_rules()
    second = sync("files", fetch_files=True, state=first.state)

    assert second.errors == {}
    assert {broken, there} <= set(second.files)
    assert arrived(staging)[second.files[broken].source_file_relative_path] == api.storage.content("/w/a.png")


# ----------------------------------------------------------------------------------------- paths


def test_a_path_says_where_the_file_stands(workspace: Workspace, api: StandIn, staging: Path) -> None:
    home = workspace.add_page(title="Handbook")
    page = workspace.add_page(home, "Kilns")
    workspace.add_block(page, "file", hosted="w/firing%20schedule.tar.gz")

    result = sync("files", fetch_files=True)

    (path,) = arrived(staging)
    assert path.startswith("files/Handbook/Kilns/firing") and path.endswith(".gz")
    again = sync("files", fetch_files=True)
    assert [*again.files.values()] == [*result.files.values()]


def test_paths_are_unique_and_stay_below_the_folder_whatever_the_titles(
    workspace: Workspace, api: StandIn, staging: Path
) -> None:
    titles = ["..", "../../etc", "/", "a/b\\c", "C:", " . ", "", "\x00\n", "日" * 300, "Twin", "Twin"]
    images = []
    for title in titles:
        page = workspace.add_page(title=title)
        images += [workspace.add_block(page, "image", hosted="w/image.png") for _ in range(2)]
        names = ("../../passwd", "..", "x" * 300 + ".pdf", ".png")
        images += [workspace.add_block(page, "file", hosted="w/a.pdf", name=name) for name in names]

    result = sync("files", fetch_files=True)

    assert sorted(result.files) == sorted(images)
    paths = [each.source_file_relative_path for each in result.files.values()]
    assert len({path.lower() for path in paths}) == len(images)
    assert set(arrived(staging)) == set(paths)
    for path in paths:
        parts = path.split("/")
        assert len(parts) == 3 and parts[0] == "files"
        assert all(part.strip(". ") == part != "" for part in parts)
        assert len(path.encode()) <= 1024


def test_a_deep_path_fits_into_the_keys_of_object_stores(workspace: Workspace, api: StandIn, staging: Path) -> None:
    parent: Optional[str] = None
    for level in range(40):
        parent = workspace.add_page(parent, "深" * 100 + str(level))
    assert parent is not None
    workspace.add_block(parent, "toggle", "More", [block("image", hosted="w/" + "%E6%B7%B1" * 80 + ".png")])

    result = sync("files", fetch_files=True)

    (file,) = result.files.values()
    assert len(file.source_file_relative_path.encode()) <= 1024
    assert file.source_file_relative_path.endswith(".png")


def test_no_folder_of_a_file_ends_in_a_blank_although_its_title_is_cut(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="x" * 49 + " and more")
    block = workspace.add_block(page, "image", hosted="w/a.png")

    result = sync("files", fetch_files=True)

    folders = result.files[block].source_file_relative_path.split("/")[:-1]
    assert folders == ["files", "x" * 49]


@pytest.mark.parametrize("name", [None, ""])
def test_a_file_whose_name_is_empty_has_that_of_its_link(workspace: Workspace, api: StandIn, name: Any) -> None:
    page = workspace.add_page(title="Home")
    block = workspace.add_block(page, "image", hosted="w/a.png")

    def unnamed(request: Request) -> Any:
        answer: Any = request.normal()
        for each in answer.body["results"]:
            each["image"]["name"] = name
        return answer

    api.answer(on("GET", f"/v1/blocks/{page}/children", unnamed))

    (file,) = sync("files").records["files"]

    assert (file["id"], file["name"]) == (block, "a.png")


def test_a_page_that_holds_nothing_but_a_picture_from_elsewhere_is_no_page_without_files(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(
        title="Home", cover={"type": "external", "external": {"url": "https://example.com/a.png"}}
    )

    assert sync("files").ids("files") == [f"{page}/cover"]


def test_the_page_that_holds_a_file_is_asked_for_as_often_as_anything(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    page = workspace.add_page(title="Home", icon=hosted_file("w/a.png"))
    api.answer(times(7, on("GET", f"/v1/pages/{page}", error(500, "internal_server_error", "Unexpected."))))

    result = sync("files")

    assert (result.ids("files"), result.errors) == ([f"{page}/icon"], {})
