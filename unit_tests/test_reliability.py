"""What happens on each answer that is not a plain success; each test is a row of that table."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Lock, Semaphore
from typing import Any, Optional

import pytest
from clock import REAL_MONOTONIC, REAL_SLEEP, Clock
from conftest import check, lists_pages, on_searches_for_pages, serving, sync

from fake_notion.stand_in import Answer, Request, Rule, StandIn, error, on, rate_limited, times
from fake_notion.values import hosted_file
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

SEARCH, CHILDREN, COMMENTS = "/v1/search", "/v1/blocks/[^/]+/children", "/v1/comments"
MANY_MINUTES = 11 * 60


@pytest.fixture
def pages(workspace: Workspace) -> list[str]:
    """250 pages, edited a minute apart; the first three have two blocks and a comment each."""
    pages = [workspace.add_page(title=str(number)) for number in range(250)]
    for page in pages[:3]:
        for text in ("One", "Two"):
            workspace.add_block(page, text=text)
        workspace.add_comment(page, "Comment")
    return pages


def small(workspace: Workspace) -> str:
    """One page with three blocks, and its id."""
    page = workspace.add_page(title="Home")
    for text in ("One", "Two", "Three"):
        workspace.add_block(page, text=text)
    return page


@pytest.mark.parametrize("status", [429, 529])
def test_429_529_wait_as_long_as_retry_after_says_without_using_up_retries(
    workspace: Workspace, api: StandIn, naps: list[float], status: int
) -> None:
    page = small(workspace)
    refusal = rate_limited(MANY_MINUTES)
    refusal.status = status
    api.answer(times(30, on("GET", CHILDREN, refusal)))

    result = sync("blocks", num_workers=1)

    assert len(result.ids("blocks")) == 3
    assert result.errors == {}
    assert api.count("GET /v1/blocks/{id}/children", status) == 30
    assert sum(naps) == pytest.approx(30 * MANY_MINUTES, rel=0.01)
    assert {r.path.split("/")[3] for r in api.requests if "children" in r.path} == {page}


@pytest.mark.parametrize("body", ["error code: 1015", "", "<html>Slow down</html>"])
def test_429_of_the_networks_edge_waits_as_well_without_using_up_retries(
    workspace: Workspace, api: StandIn, naps: list[float], body: str
) -> None:
    small(workspace)
    api.answer(times(30, on("GET", CHILDREN, Answer(429, body, {"Retry-After": "20"}))))

    result = sync("blocks", num_workers=1)

    assert (len(result.ids("blocks")), result.errors) == (3, {})
    assert api.count("GET /v1/blocks/{id}/children", 429) == 30
    sizes = {request.query.get("page_size") for request in api.requests if request.path.endswith("/children")}
    assert sizes == {"100"}


def test_429_that_lasts_long_leaves_all_retries_to_errors_after_it(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    small(workspace)
    unexpected = error(500, "internal_server_error", "Unexpected error.")
    api.answer(times(1, on("GET", CHILDREN, rate_limited(3600))))
    api.answer(times(7, on("GET", CHILDREN, unexpected)))

    result = sync("blocks", num_workers=1)

    assert len(result.ids("blocks")) == 3
    statuses = [request.status for request in api.requests if "children" in request.path]
    assert statuses == [429, *[500] * 7, 200]


@pytest.mark.parametrize(("advice", "pause"), [(2, 2), (0, 1)])
def test_429_pauses_all_workers_until_the_window_opens(
    workspace: Workspace, pages: list[str], api: StandIn, advice: int, pause: int
) -> None:
    for page in pages[60:]:
        workspace.trash_page(page)
    api.answer(times(1, on("GET", COMMENTS, rate_limited(advice))))
    api.answer(on("GET", COMMENTS, lambda request: replace(request.normal(), delay=0.15 * pause)))

    result = sync("comments", num_workers=10)

    assert len(result.ids("comments")) == 3
    assert api.count("GET /v1/comments", 429) == 1
    (refused,) = (request.time for request in api.requests if request.status == 429)
    early = [request for request in api.requests if 0 < request.time - refused < pause]
    # Those under way when the refusal came; without the pause, all 60 pages were asked for by now.
    assert len(early) <= 25


def test_429_with_a_shorter_wait_that_was_under_way_shortens_no_wait(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    for page in pages[10:]:
        workspace.trash_page(page)
    refusals = iter([rate_limited(4), replace(rate_limited(1), delay=0.5)])
    both_are_asked = Barrier(2, timeout=20)

    def refuse_two_at_once(_: Request) -> Optional[Answer]:
        refusal = next(refusals, None)
        if refusal:
            both_are_asked.wait()
        return refusal

    api.answer(on("GET", COMMENTS, refuse_two_at_once))

    result = sync("comments", num_workers=2)

    assert len(result.ids("comments")) == 3
    first, _, *others = sorted(request.time for request in api.requests if request.path == "/v1/comments")
    assert min(others) - first > 3.5


def test_429_on_one_stream_lets_every_other_one_with_the_same_token_wait(
    workspace: Workspace, pages: list[str], api: StandIn, clock: Clock
) -> None:
    workspace.max_page_size = 2
    for number in range(60):
        workspace.add_user(str(number))
    asked: list[tuple[str, float]] = []

    def refuse_the_tenth(request: Request) -> Optional[Answer]:
        asked.append((request.path, clock.monotonic()))
        return rate_limited(600) if len(asked) == 10 else None

    api.answer(refuse_the_tenth)

    result = sync("users", "comments", num_workers=4)

    assert result.errors == {}
    assert len(result.ids("comments")) == 3 and len(result.ids("users")) == 61
    assert {path for path, _ in asked[10:20]} == {"/v1/users", "/v1/search"}
    # Besides what was under way, nothing is asked for until the time is over.
    waited = [time - asked[9][1] for _, time in asked[10:]]
    assert sum(seconds < 590 for seconds in waited) <= 4
    assert "Notion asks to slow down: all requests wait for 600 seconds." in result.infos


def test_429_lets_no_other_token_wait(
    workspace: Workspace, api: StandIn, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(workspace)
    api.answer(times(1, on("GET", CHILDREN, rate_limited(600))))
    other: list[tuple[tuple[str, Optional[str]], int]] = []

    def check_another_meanwhile(seconds: float) -> None:
        if seconds > 1 and not other:
            other.append((("", None), 0))
            wrong = {"auth_type": "token", "token": "another-token"}
            with ThreadPoolExecutor(1) as another:
                other[0] = another.submit(check, credentials=wrong).result(), len(clock.naps)
        clock.sleep(seconds)

    monkeypatch.setattr(time, "sleep", check_another_meanwhile)

    result = sync("blocks")

    assert len(result.ids("blocks")) == 3
    (((status, message), naps),) = other
    assert (status, naps) == ("FAILED", 0)  # it was refused before the first nap was over
    assert message and "Notion does not accept the access token" in message


def test_a_window_that_is_used_up_costs_one_429_a_worker_at_most(workspace: Workspace, pages: list[str]) -> None:
    num_workers = 10
    for page in pages[100:]:
        workspace.trash_page(page)
    with serving(workspace, requests_per_minute=25, window=2.0) as api:
        result = sync("comments", num_workers=num_workers)

    assert len(result.ids("comments")) == 3
    assert result.errors == {} and result.warnings == []
    windows = len(api.requests) // 25  # as many at most can be used up
    assert 1 <= api.count("GET /v1/comments", 429) <= windows * num_workers


def test_a_limit_of_the_whole_workspace_is_waited_for_and_slows_nothing_down_afterwards(
    workspace: Workspace, pages: list[str], api: StandIn, clock: Clock
) -> None:
    for page in pages[60:]:
        workspace.trash_page(page)
    workers, lock = 4, Lock()
    under_way, most_after, asked, refused = 0, 0, 0, False

    def count(request: Request) -> Optional[Answer]:
        nonlocal under_way, most_after, asked, refused
        with lock:
            if not refused:
                refused = True
                return rate_limited(600, "public_api_space_request_rate_limit")
            under_way += 1
            asked += 1
            if asked <= 50:  # the thread that gives out the pages reads some of the last
                most_after = max(most_after, under_way)
        REAL_SLEEP(0.05)
        with lock:
            under_way -= 1
        return None

    api.answer(on("GET", COMMENTS, count))

    result = sync("comments", num_workers=workers)

    assert len(result.ids("comments")) == 3
    assert result.errors == {}
    assert api.count("GET /v1/comments", 429) == 1
    assert clock.monotonic() - REAL_MONOTONIC() == pytest.approx(600, abs=60)
    assert most_after == workers


def test_a_connection_that_breaks_gives_its_turn_back(
    workspace: Workspace, pages: list[str], api: StandIn, naps: list[float]
) -> None:
    api.answer(times(30, on("GET", COMMENTS, Answer(drop=True))))
    api.answer(times(1, on("GET", COMMENTS, rate_limited(1))))

    assert len(sync("comments").ids("comments")) == 3


def test_429_public_api_request_blocked_fails_at_once_and_says_so(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    small(workspace)
    api.answer(on("GET", CHILDREN, rate_limited(60, "public_api_request_blocked")))

    result = sync("blocks")

    assert "Notion has blocked this connection's requests" in result.errors["blocks"]
    assert api.count("GET /v1/blocks/{id}/children") == 1
    assert naps == []


FAULTS = {
    "500": error(500, "internal_server_error", "Unexpected error."),
    "502": error(502, "bad_gateway", "Bad gateway."),
    "503": error(503, "service_unavailable", "Try again."),
    "504": error(504, "gateway_timeout", "Took too long."),
    "524": Answer(524, "<html>A timeout occurred</html>", {"Content-Type": "text/html"}),
    "500 with nulls": Answer(500, {"object": "error", "message": None, "additional_data": None}),
    "409": error(409, "conflict_error", "Conflict."),
    "HTML from the edge": Answer(403, "<html>cf-ray</html>", {"Content-Type": "text/html"}),
    "HTML with 200": Answer(200, "<html>Wait</html>", {"Content-Type": "text/html"}),
    "dropped connection": Answer(drop=True),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("stream", "method", "path"),
    [("pages", "POST", SEARCH), ("blocks", "GET", CHILDREN), ("comments", "GET", COMMENTS)],
)
def test_5xx_409_html_from_the_edge_and_dropped_connections_are_retried_with_backoff_and_jitter(
    workspace: Workspace,
    api: StandIn,
    naps: list[float],
    fault: str,
    stream: str,
    method: str,
    path: str,
) -> None:
    page = small(workspace)
    workspace.add_comment(page, "Comment")
    undisturbed = sync(stream).ids(stream)
    rule = times(4, on(method, path, FAULTS[fault]))
    api.answer(on_searches_for_pages(rule) if stream == "pages" else rule)

    result = sync(stream)

    assert result.ids(stream) == undisturbed
    assert result.errors == {}
    assert len(naps) == 4
    assert naps == sorted(naps) and naps[-1] > naps[0]


def test_500_that_stays_fails_the_stream_after_all_retries(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    small(workspace)
    api.answer(on("GET", COMMENTS, error(500, "internal_server_error", "Unexpected error.")))

    result = sync("comments")

    assert api.count("GET /v1/comments") == 8
    assert "Unexpected error." in result.errors["comments"]
    # The runtime adds a second to each wait.
    assert [round(nap - 1.5) for nap in naps] == pytest.approx([1, 2, 4, 8, 16, 32, 64], abs=1)
    assert len(set(naps)) == len(naps) and all(nap % 1 for nap in naps)


@pytest.mark.parametrize("status", [503, 504])
@pytest.mark.parametrize(("stream", "method", "path"), [("pages", "POST", SEARCH), ("blocks", "GET", CHILDREN)])
def test_503_504_on_listings_are_asked_for_with_a_smaller_page_size_back_up_afterwards(
    workspace: Workspace,
    api: StandIn,
    naps: list[float],
    stream: str,
    method: str,
    path: str,
    status: int,
) -> None:
    home = workspace.add_page(title="Home")
    for number in range(300):
        if stream == "pages":
            workspace.add_page(title=str(number))
        else:
            workspace.add_block(home, text=str(number))

    def too_large(request: Request) -> Any:
        if stream == "pages" and not lists_pages(request):
            return None
        size = int((request.body or request.query)["page_size"])
        return error(status, "service_unavailable", "Too large.") if size > 25 else None

    api.answer(times(2, on(method, path, too_large)))
    result = sync(stream)

    assert len(set(result.ids(stream))) == len(result.ids(stream)) == 300 + (stream == "pages")
    sizes = [
        int((request.body or request.query)["page_size"])
        for request in api.requests
        if (stream == "pages" and lists_pages(request)) or request.path.endswith(home + "/children")
    ]
    assert sizes == [100, 50, 25, 100, 100, 100] + ([100] if stream == "pages" else [])
    assert len(naps) == 2


def test_503_that_lasts_at_the_smallest_page_size_is_retried_there(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    page = small(workspace)
    api.answer(times(14, on("GET", CHILDREN, error(503, "service_unavailable", "Too large."))))

    result = sync("blocks")

    assert result.errors == {} and len(result.ids("blocks")) == 3
    sizes = [r.query["page_size"] for r in api.requests if r.path.endswith(f"{page}/children")]
    assert sizes == ["100", "50", "25", "12", "6", *["5"] * 10]


def test_pages_that_stay_broken_keep_no_other_page_from_being_read(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    for page in pages[:130:2]:
        refusal = error(403, "restricted_resource", "Insufficient permissions.")
        api.answer(on("GET", f"/v1/blocks/{page}/children", refusal))
    first = sync("blocks")
    added = workspace.add_block(pages[200], text="New")
    workspace.edit_page(pages[200])

    second = sync("blocks", state=first.state)

    assert not any("stops here" in warning for warning in first.warnings)
    assert added in second.ids("blocks")


def test_a_page_that_takes_long_holds_few_others_back(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(400)]
    blocks = [workspace.add_block(page, text="Text") for page in pages]
    others, came_first = Semaphore(0), list[bool]()

    def wait_for_most_others(request: Request) -> None:
        if pages[0] not in request.path:
            others.release()
        else:
            came_first.append(all(others.acquire(timeout=20) for _ in range(300)))

    api.answer(on("GET", CHILDREN, wait_for_most_others))

    assert sorted(sync("blocks", num_workers=2).ids("blocks")) == sorted(blocks)
    assert came_first == [True]


def test_after_50_pages_in_a_row_that_fail_no_more_are_requested(workspace: Workspace) -> None:
    pages = {workspace.add_page(title=str(number)) for number in range(1000)}
    blocks = {workspace.add_block(page, text="Text") for page in pages}
    with serving(workspace) as api:
        api.answer(on("GET", CHILDREN, error(403, "restricted_resource", "Insufficient permissions.")))
        stopped = sync("blocks", num_workers=2)
        asked = [request for request in api.requests if request.path.endswith("/children")]
        assert 50 <= len(asked) <= 53  # by three threads
    assert any("stops here, because 50 pages in a row" in warning for warning in stopped.warnings)
    with serving(workspace) as api:
        rest = sync("blocks", state=stopped.state)

    assert {*stopped.ids("blocks"), *rest.ids("blocks")} == blocks


def test_50_failures_in_a_row_are_no_stop_if_no_page_is_left(workspace: Workspace) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(50)]
    with serving(workspace) as api:
        api.answer(on("GET", CHILDREN, error(403, "restricted_resource", "Insufficient permissions.")))
        result = sync("blocks")

    assert not any("stops here" in warning for warning in result.warnings)
    (warning,) = [each for each in result.warnings if "could not read" in each]
    assert f"could not read {len(pages)} pages" in warning


def test_two_pages_that_fail_for_the_same_reason_are_named_in_one_warning(
    workspace: Workspace, pages: list[str], api: StandIn, naps: list[float]
) -> None:
    for page in pages[:2]:
        api.answer(on("GET", f"/v1/blocks/{page}/children", error(500, "internal_server_error", "Unexpected.")))

    result = sync("blocks")

    (warning,) = [each for each in result.warnings if "could not read 2 pages" in each]
    assert pages[0] in warning and pages[1] in warning


def test_200_whose_body_is_cut_off_is_retried(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    small(workspace)

    def cut_off(request: Request) -> Any:
        answer = request.normal()
        answer.truncate = True
        return answer

    api.answer(times(2, on("GET", CHILDREN, cut_off)))
    api.answer(times(2, on("POST", SEARCH, cut_off)))

    result = sync("blocks")

    assert len(result.ids("blocks")) == 3
    assert api.count("GET /v1/blocks/{id}/children") == 3
    assert len(naps) == 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        "[]",
        "",
        "null",
        {"object": "list"},
        {"object": "list", "results": None, "has_more": False},
        {"object": "list", "results": {}, "has_more": False},
        {"object": "list", "results": "", "has_more": False},
        {"object": "list", "results": []},
        {"object": "list", "results": [], "has_more": None, "next_cursor": "abc"},
        {"object": "block", "id": "x"},
        {"object": "error", "status": 500, "code": "internal_server_error", "message": "x"},
    ],
)
def test_200_that_is_not_the_object_expected_is_never_taken_for_an_empty_page(
    workspace: Workspace, api: StandIn, naps: list[float], body: object
) -> None:
    small(workspace)
    api.answer(times(2, on("GET", CHILDREN, Answer(200, body))))

    result = sync("blocks")

    assert len(result.ids("blocks")) == 3
    assert result.errors == {}
    assert len(naps) == 2


@pytest.mark.parametrize(
    ("stream", "method", "path"),
    [
        ("users", "GET", "/v1/users"),
        ("pages", "POST", SEARCH),
        ("blocks", "GET", CHILDREN),
        ("comments", "GET", COMMENTS),
    ],
)
def test_has_more_without_a_cursor_fails_the_stream_with_a_sentence(
    workspace: Workspace, pages: list[str], api: StandIn, stream: str, method: str, path: str
) -> None:
    def without_cursor(request: Request) -> Any:
        if stream == "pages" and not lists_pages(request):
            return None
        answer = request.normal()
        answer.body |= {"has_more": True, "next_cursor": None}
        return answer

    api.answer(times(1, on(method, path, without_cursor)))

    result = sync(stream)

    assert result.errors[stream].endswith(
        f"Notion's listing for the stream {stream} says that there is more, but has no cursor. The "
        "stream stops here so that nothing is lost; the next sync reads it again."
    )
    if stream == "pages":
        assert sorted(sync("pages", state=result.state).ids("pages")) == sorted(pages)


def test_a_cursor_that_repeats_fails_the_stream_with_a_sentence(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    cursors = iter(["a", "b", "a"])

    def repeating(request: Request) -> Any:
        (request.body or {}).pop("start_cursor", None)
        answer = request.normal()
        answer.body["next_cursor"] = next(cursors)
        return answer

    api.answer(on_searches_for_pages(repeating))

    result = sync("pages")

    assert "repeats a page that was read already" in result.errors["pages"]
    assert sum(map(lists_pages, api.requests)) == 3


@pytest.mark.parametrize("icon", [None, hosted_file("w/icon.png")])
def test_a_search_that_never_ends_fails_the_stream_with_a_sentence(
    workspace: Workspace, pages: list[str], api: StandIn, icon: Any
) -> None:
    workspace.add_page(title="With a link that is signed anew each time", icon=icon)
    numbers = iter(range(10_000))

    def endless(request: Request) -> Any:
        (request.body or {}).pop("start_cursor", None)
        answer = request.normal()
        answer.body |= {"has_more": True, "next_cursor": f"cursor-{next(numbers)}"}
        return answer

    api.answer(on_searches_for_pages(endless))

    result = sync("pages")

    assert "does not end: 50 pages in a row had nothing new" in result.errors["pages"]
    assert sum(map(lists_pages, api.requests)) == 52  # two that are new, and 50


def test_a_listing_in_small_pages_or_of_old_records_is_no_endless_one(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    home = workspace.add_page(title="Home", last_edited_time="2020-02-02T00:00:00.000Z")
    for number in range(400):
        workspace.add_block(home, text=str(number))
        workspace.add_comment(home, str(number), "2019-01-01T00:00:00.000Z")

    def only_five(request: Request) -> Any:
        size = int(request.query.get("page_size", 1))
        return error(503, "service_unavailable", "Too large.") if size > 5 else None

    api.answer(on("GET", CHILDREN, only_five))
    workspace.max_page_size = 4

    result = sync("blocks", "comments")

    assert result.errors == {}
    assert len(result.ids("blocks")) == 400


@pytest.mark.parametrize("path", ["/v1/search", "/v1/users"])
def test_404_in_a_listing_that_is_not_under_a_page_fails_the_stream(
    workspace: Workspace, pages: list[str], api: StandIn, path: str
) -> None:
    gone = error(404, "object_not_found", "Could not find it.")
    api.answer(on("POST", path, lambda r: gone if (r.body or {}).get("start_cursor") else None))
    api.answer(on("GET", path, gone))
    stream = "pages" if path == "/v1/search" else "users"

    result = sync(stream)

    assert "Could not find it." in result.errors[stream]
    assert result.warnings == []


def test_400_start_cursor_invalid_starts_the_listing_over_and_no_record_is_lost(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    home = workspace.add_page(title="Home")
    blocks = [workspace.add_block(home, text=str(number)) for number in range(250)]

    def expired(request: Request) -> Any:
        cursor = (request.body or request.query).get("start_cursor")
        message = f"The start_cursor provided is invalid: {cursor}"
        return error(400, "validation_error", message) if cursor else None

    api.answer(times(2, on_searches_for_pages(expired)))
    api.answer(times(3, on("GET", f"/v1/blocks/{home}/children", expired)))

    result = sync("pages", "blocks", num_workers=1)

    assert result.errors == {}
    assert result.ids("pages") == [home, *reversed(pages)]
    of_home = [record for record in result.records["blocks"] if record["page_id"] == home]
    assert [record["id"] for record in of_home] == blocks
    assert [record["parent"]["sequence_number"] for record in of_home] == list(range(250))


def test_a_long_listing_may_start_over_again_when_it_got_further(workspace: Workspace, api: StandIn) -> None:
    workspace.max_page_size = 2
    pages = [workspace.add_page(title=str(number)) for number in range(240)]
    numbers = iter(range(10_000))

    def expired_after_each_60(request: Request) -> Any:
        cursor = (request.body or {}).get("start_cursor")
        if cursor and next(numbers) in (60, 160):
            return error(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")
        return None

    api.answer(on_searches_for_pages(expired_after_each_60))

    result = sync("pages", page_discovery="search")

    assert result.errors == {}
    assert sorted(result.ids("pages")) == sorted(pages)


def test_a_page_edited_before_its_listing_starts_over_is_walked_once(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    def expired(request: Request) -> Any:
        cursor = (request.body or {}).get("start_cursor")
        if not cursor:
            return None
        workspace.edit_page(pages[249])
        return error(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")

    api.answer(times(1, on_searches_for_pages(expired)))

    result = sync("pages", "blocks", num_workers=1)

    assert result.errors == {}
    assert result.warnings == []
    # The page comes in both versions where the listing started over for this stream.
    assert result.ids("pages").count(pages[249]) in (1, 2)
    walks = [r.path.split("/")[3] for r in api.requests if r.path.endswith("/children")]
    assert sorted(walks) == sorted(pages)


def test_400_start_cursor_invalid_fails_the_stream_when_it_stays(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    def expired(request: Request) -> Any:
        cursor = (request.body or {}).get("start_cursor")
        message = f"The start_cursor provided is invalid: {cursor}"
        return error(400, "validation_error", message) if cursor else None

    api.answer(on_searches_for_pages(expired))

    result = sync("pages")

    assert "Notion rejected the cursor of a listing for the stream pages 4 times" in (result.errors["pages"])
    assert sum(map(lists_pages, api.requests)) == 8
    assert result.ids("pages") == []

    api.reset_rules()
    assert sorted(sync("pages", state=result.state).ids("pages")) == sorted(pages)


def test_400_not_supported_via_the_api_leaves_out_the_subtree_with_a_warning(
    workspace: Workspace, api: StandIn
) -> None:
    page = workspace.add_page(title="Home")
    toggle = workspace.add_block(page, "toggle", "Holds an ai_block")
    workspace.add_block(toggle, text="Out of reach")
    after = workspace.add_block(page, text="After")
    workspace.unsupported_children.add(toggle)

    result = sync("blocks")

    assert result.ids("blocks") == [toggle, after]
    assert result.errors == {}
    assert result.warnings == [
        f"Stream blocks skipped page_id {page}, block_id {toggle}: Block type ai_block is not "
        "supported via the API for your bot type.",
        "Stream blocks skipped 1 in total: 1 not supported by the API.",
    ]


def test_404_under_a_page_leaves_out_the_subtree_with_a_warning(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home")
    toggle = workspace.add_block(page, "toggle", "Gone in a moment")
    workspace.add_block(toggle, text="Out of reach")
    after = workspace.add_block(page, text="After")
    gone = error(404, "object_not_found", "Could not find block.")
    api.answer(on("GET", f"/v1/blocks/{toggle}/children", gone))

    result = sync("blocks")

    assert result.ids("blocks") == [toggle, after]
    assert result.errors == {}
    assert result.warnings == [
        f"Stream blocks skipped page_id {page}, block_id {toggle}: Could not find block.",
        "Stream blocks skipped 1 in total: 1 deleted or not shared.",
    ]


@pytest.mark.parametrize(
    "message",
    [
        "Database with ID {} is a linked database. Database retrievals do not support linked databases.",
        "Database with ID {} does not contain any data sources accessible by this API bot.",
    ],
)
def test_400_for_a_linked_database_or_one_without_reachable_data_sources_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn, message: str
) -> None:
    linked, fine = (workspace.add_database(None, title) for title in ("Linked", "Fine"))
    for database in (linked, fine):
        workspace.add_data_source(database)
    message = message.format(linked)
    api.answer(on("GET", f"/v1/databases/{linked}", error(400, "validation_error", message)))

    result = sync("databases")

    assert result.ids("databases") == [fine]
    assert result.errors == {}
    assert result.warnings == [
        f"Stream databases skipped database_id {linked}: {message}",
        "Stream databases skipped 1 in total: 1 not supported by the API.",
    ]


def test_400_start_cursor_invalid_again_and_again_is_no_failure_while_the_listing_gets_on(
    workspace: Workspace, api: StandIn
) -> None:
    home = workspace.add_page(title="Home")
    parents = [workspace.add_block(home, "toggle", str(number)) for number in range(600)]
    children = [workspace.add_block(parent, text="Text") for parent in parents]
    used: set[str] = set()

    def expires_at_its_first_use(request: Request) -> Any:
        cursor = request.query.get("start_cursor")
        if not cursor or cursor in used:
            return None
        used.add(cursor)
        return error(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")

    api.answer(on("GET", CHILDREN, expires_at_its_first_use))

    result = sync("blocks", num_workers=1)

    assert result.errors == {}
    assert len(used) == 5
    assert result.ids("blocks") == [block for pair in zip(parents, children, strict=True) for block in pair]


def test_other_400_a_sporadic_validation_error_is_tried_again(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    small(workspace)
    sporadic = error(400, "validation_error", "body failed validation.")
    api.answer(times(2, on("POST", SEARCH, sporadic)))
    api.answer(times(2, on("GET", CHILDREN, sporadic)))

    result = sync("blocks")

    assert len(result.ids("blocks")) == 3
    assert len(naps) == 4


def test_other_400_that_stays_fails_the_stream(workspace: Workspace, api: StandIn, naps: list[float]) -> None:
    small(workspace)
    api.answer(on("GET", CHILDREN, error(400, "validation_error", "path failed validation.")))

    result = sync("blocks")

    assert "path failed validation." in result.errors["blocks"]
    assert result.ids("blocks") == []
    assert api.count("GET /v1/blocks/{id}/children") == 8


def test_400_of_another_code_fails_the_stream_at_once(workspace: Workspace, api: StandIn) -> None:
    small(workspace)
    api.answer(on("GET", CHILDREN, error(400, "invalid_request_url", "Invalid request URL.")))

    result = sync("blocks")

    assert "blocks" in result.errors
    assert api.count("GET /v1/blocks/{id}/children") == 1


def test_401_stops_everything_and_says_what_to_do(workspace: Workspace, api: StandIn) -> None:
    small(workspace)
    api.token = "another"

    result = sync("users", "pages", "blocks", "comments")

    assert result.records == {}
    for stream in ("users", "pages", "blocks", "comments"):
        assert result.errors[stream] == (
            "Notion does not accept the access token: it is wrong, expired or revoked. Put a valid "
            "token into this source's settings, or authenticate again."
        )
    assert {request.status for request in api.requests} == {401}
    assert len(api.requests) == 5  # the fifth is for tables


@pytest.mark.parametrize(
    ("stream", "capability", "name"),
    [
        ("users", "read_users", "Read user information"),
        ("comments", "read_comments", "Read comments"),
    ],
)
def test_403_on_users_or_comments_fails_that_stream_with_the_capability_and_the_others_finish(
    workspace: Workspace, api: StandIn, stream: str, capability: str, name: str
) -> None:
    page = small(workspace)
    workspace.capabilities.remove(capability)

    result = sync("users", "pages", "blocks", "comments")

    assert f"switch on the capability '{name}'" in result.errors[stream]
    assert result.ids("pages") == [page]
    assert len(result.ids("blocks")) == 3
    assert set(result.errors) == {stream, ""}


def test_403_on_the_comments_of_one_page_after_the_other_ends_the_stream_and_not_the_others(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    for page in pages:
        workspace.add_comment(page, "Seen", "2026-03-01T10:00:00.000Z")
    workspace.capabilities.remove("read_comments")

    first = sync("pages", "comments")

    assert "switch on the capability 'Read comments'" in first.errors["comments"]
    assert sorted(first.ids("pages")) == sorted(pages)
    # And what other workers were asking for meanwhile.
    assert 50 <= api.count("GET /v1/comments") <= 50 + 10

    workspace.capabilities.add("read_comments")
    second = sync("pages", "comments", state=first.state)
    assert sorted(second.ids("comments")) == sorted(workspace.comment_ids())


def test_403_on_the_comments_of_single_pages_leaves_those_of_the_others(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    for page in pages:
        workspace.add_comment(page, "Seen", "2026-03-01T10:00:00.000Z")
    refused = {page for number, page in enumerate(sorted(pages)) if number % 2}
    refusal = error(403, "restricted_resource", "Insufficient permissions for this endpoint.")
    api.answer(on("GET", COMMENTS, lambda r: refusal if r.query["block_id"] in refused else None))

    result = sync("comments", num_workers=1)

    assert "switch on the capability 'Read comments'" in result.errors["comments"]
    assert {each["page_id"] for each in result.records["comments"]} == set(pages) - refused


def test_401_in_the_middle_of_a_sync_ends_it_soon_and_the_next_one_has_the_rest(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    for page in pages:
        workspace.add_block(page, text="Text")
    expired = error(401, "unauthorized", "API token is invalid.")
    asked = iter(range(10_000))
    api.answer(on("GET", CHILDREN, lambda _: expired if next(asked) >= 100 else None))

    first = sync("blocks", num_workers=1)

    assert "Notion does not accept the access token" in first.errors["blocks"]
    assert api.count("GET /v1/blocks/{id}/children", 401) <= 50 + 10

    api.reset_rules()
    second = sync("blocks", state=first.state)
    everything = {placed.block["id"] for page in pages for placed in workspace.blocks_of(page)}
    assert {*first.ids("blocks"), *second.ids("blocks")} == everything


def test_a_page_that_vanishes_between_listing_and_reading_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn
) -> None:
    pages = [small(workspace) for _ in range(3)]

    def vanish(request: Request) -> Any:
        workspace.trash_page(pages[1])
        workspace.unshared.add(pages[1])
        return None

    api.answer(times(1, on("GET", CHILDREN, vanish)))

    result = sync("blocks", num_workers=1)

    assert len(result.ids("blocks")) == 6
    assert result.errors == {}
    warning, summary = result.warnings
    assert pages[1] in warning and "Could not find block" in warning
    assert summary == "Stream blocks skipped 1 in total: 1 deleted or not shared."


def with_the_id_alone(what: str, hidden: str) -> Rule:
    """A rule that leaves nothing of an object in a list but its id."""

    def rule(request: Request) -> Answer:
        answer = request.normal()
        answer.body["results"] = [
            {"object": what, "id": hidden} if each["id"] == hidden else each for each in answer.body["results"]
        ]
        return answer

    return rule


@pytest.mark.parametrize("what", ["page", "block", "data_source"])
def test_an_object_of_which_notion_gives_the_id_alone_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn, what: str
) -> None:
    pages = [small(workspace), small(workspace)]
    blocks = [placed.block["id"] for page in pages for placed in workspace.blocks_of(page)]
    sources = [workspace.add_data_source(workspace.add_database(None, title)) for title in ("A", "B")]
    hidden = {"page": pages[0], "block": blocks[1], "data_source": sources[0]}[what]

    partial = with_the_id_alone(what, hidden)
    api.answer(on("POST", SEARCH, partial))
    api.answer(on("GET", CHILDREN, partial))

    result = sync("pages", "blocks", "data_sources")

    assert result.errors == {}
    assert any(f"{what}_id {hidden}: Notion sent only its id." in each for each in result.warnings)
    assert set(result.ids("pages")) == set(pages) - {hidden}
    assert set(result.ids("data_sources")) == set(sources) - {hidden}
    shown = blocks[3:] if what == "page" else blocks
    assert set(result.ids("blocks")) == set(shown) - {hidden}


@pytest.mark.parametrize("stream", ["comments", "block_comments"])
def test_a_comment_of_which_notion_gives_the_id_alone_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn, stream: str
) -> None:
    page = workspace.add_page(title="Home")
    block = workspace.add_block(page, text="Text")
    on_what = {"comments": page, "block_comments": block}[stream]
    hidden, shown = (workspace.add_comment(on_what, text) for text in ("Hidden", "Shown"))
    api.answer(on("GET", COMMENTS, with_the_id_alone("comment", hidden)))

    result = sync(stream)

    assert result.errors == {}
    assert result.ids(stream) == [shown]
    assert any(f"comment_id {hidden}: Notion sent only its id." in warning for warning in result.warnings)


def test_a_database_of_which_notion_gives_the_id_alone_is_left_out_with_a_warning(
    workspace: Workspace, api: StandIn
) -> None:
    hidden, shown = (workspace.add_database(None, title) for title in ("Hidden", "Shown"))
    for database in (hidden, shown):
        workspace.add_data_source(database)
    partial = Answer(body={"object": "database", "id": hidden})
    api.answer(on("GET", f"/v1/databases/{hidden}", partial))

    result = sync("databases")

    assert result.errors == {}
    assert result.ids("databases") == [shown]
    assert any(f"database_id {hidden}: Notion sent only its id." in warning for warning in result.warnings)


def test_a_search_that_says_it_is_incomplete_is_taken_as_far_as_it_goes_with_a_warning(
    workspace: Workspace, pages: list[str], api: StandIn
) -> None:
    def cut_short(request: Request) -> Any:
        answer = request.normal()
        answer.body |= {"request_status": {"type": "incomplete"}}
        if (request.body or {}).get("start_cursor"):
            answer.body |= {"has_more": False, "next_cursor": None}
        return answer

    api.answer(on_searches_for_pages(cut_short))

    result = sync("pages")

    assert result.errors == {}
    assert sorted(result.ids("pages")) == sorted(pages[50:])
    (warning,) = result.warnings
    assert "the stream pages only its newest 200 items" in warning


def test_markdown_that_notion_cannot_make_in_time_is_asked_for_again(
    workspace: Workspace, api: StandIn, naps: list[float]
) -> None:
    page = workspace.add_page(title="Home")
    unavailable = error(503, "service_unavailable", "Unavailable.")
    api.answer(times(7, on("GET", f"/v1/pages/{page}/markdown", unavailable)))

    result = sync("page_markdown")

    assert (result.ids("page_markdown"), result.errors) == ([page], {})


@pytest.mark.parametrize(("number", "is_cut"), [(10, False), (11, True)])
def test_ten_pages_that_fail_for_one_reason_are_all_named(
    workspace: Workspace, api: StandIn, naps: list[float], number: int, is_cut: bool
) -> None:
    for title in range(number):
        workspace.add_page(title=str(title))
    api.answer(on("GET", "/v1/blocks/.*/children", error(400, "invalid_request", "Not so.")))

    result = sync("blocks")

    (warning,) = (each for each in result.warnings if "could not read" in each)
    assert (f"could not read {number} pages" in warning, " …," in warning) == (True, is_cut)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "unauthorized", "API token is invalid."), "config_error"),
        (error(500, "internal_server_error", "Unexpected."), "transient_error"),
    ],
    ids=["a token", "an outage"],
)
def test_an_error_says_whether_to_mend_the_settings_or_to_wait(
    workspace: Workspace, api: StandIn, naps: list[float], answer: Answer, kind: str
) -> None:
    api.answer(on("GET", "/v1/users", answer))

    result = sync("users")

    assert result.failure_types["users"] == kind


def test_a_token_that_notion_repeats_is_in_no_message(workspace: Workspace, api: StandIn) -> None:
    api.answer(on("GET", "/v1/users", error(400, "invalid_request", f"Not {api.token}.")))

    result = sync("users")

    assert "Not ****." in result.errors["users"]
    assert api.token not in result.output
