"""State: what an incremental sync reads again, and the states of earlier connectors."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from time import sleep
from typing import Any

import pytest
from clock import Clock
from conftest import LOOKBACK, each_request_takes, lists_pages, on_searches_for_pages, serving, sync
from loaders import Disorderly

from fake_notion.objects import page_object
from fake_notion.stand_in import Answer, Request, StandIn, on, times
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

PUBLISHED_TIME = "2026-03-05T00:00:00.000Z"


def march(day: int, time: str = "00:00") -> str:
    return f"2026-03-{day:02}T{time}:00.000Z"


def ten_pages(workspace: Workspace) -> list[str]:
    """Pages edited on the first ten days of March 2026, each with one block and one comment."""
    pages = []
    for day in range(1, 11):
        page = workspace.add_page(title=str(day), last_edited_time=march(day))
        workspace.add_block(page, text="Text")
        workspace.add_comment(page, "Comment", march(day))
        pages.append(page)
    return pages


def walked(api: StandIn) -> list[str]:
    """The ids whose children were asked for, in order, as near as several workers keep it."""
    return [r.path.split("/")[3] for r in api.requests if r.path.endswith("/children")]


def same(ids: list[str], others: list[str]) -> bool:
    """Whether two lists hold the same ids, each as often: workers may overtake each other."""
    return sorted(ids) == sorted(others)


def commented(api: StandIn) -> list[str]:
    return [r.query["block_id"] for r in api.requests if r.path == "/v1/comments"]


def test_pages_and_data_sources_are_read_from_their_state_on(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    database = workspace.add_database(None, "Tasks")
    sources = [workspace.add_data_source(database, str(day), last_edited_time=march(day)) for day in (2, 4)]

    first = sync("pages", "data_sources")
    assert first.ids("pages") == pages[::-1]
    assert first.state["data_sources"] == {"last_edited_time": march(4)}

    workspace.edit_page(pages[2], march(12))
    workspace.edit_data_source(sources[0], march(11))
    second = sync("pages", "data_sources", state=first.state)

    assert second.ids("pages") == [pages[2], pages[9]]
    assert second.ids("data_sources") == sources
    assert sync("pages", state=second.state).ids("pages") == [pages[2]]


def test_pages_edited_before_the_start_date_are_not_read(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)

    result = sync("pages", "blocks", start_date=march(9))

    assert result.ids("pages") == [pages[9], pages[8]]
    assert same(walked(api), [pages[8], pages[9]])


def test_the_start_date_is_two_years_back_when_left_out(workspace: Workspace, api: StandIn) -> None:
    now = datetime.now(timezone.utc)
    young, old = ((now - timedelta(days=days)).isoformat() for days in (728, 732))
    newer = workspace.add_page(title="newer", last_edited_time=young)
    workspace.add_page(title="older", last_edited_time=old)
    comment = workspace.add_comment(newer, "newer", young)
    workspace.add_comment(newer, "older", old)

    result = sync("pages", "comments", start_date=None)

    assert result.ids("pages") == [newer]
    assert result.ids("comments") == [comment]


def test_an_incremental_read_lists_only_as_far_as_it_must(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(n)) for n in range(1000)]  # a minute apart
    first = sync("pages", page_discovery="search")
    assert sum(map(lists_pages, api.requests)) == 10 + 1

    workspace.edit_page(pages[5])
    api.requests.clear()
    api.counts.clear()
    second = sync("pages", state=first.state, page_discovery="search")

    assert pages[5] in second.ids("pages")
    assert sum(map(lists_pages, api.requests)) == 1


def test_pages_are_walked_from_the_oldest_up_so_that_any_state_is_true(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    pages = ten_pages(workspace)
    api.answer(each_request_takes(60, clock))
    # On a busy machine, pages that took no time could all be ready before a state is.
    api.answer(on("GET", ".*/children", lambda _: sleep(0.05)))

    result = sync("blocks", num_workers=2)

    places = [walked(api).index(page) for page in pages]
    assert sum(places[:5]) < sum(places[5:])
    left = [set(pages)]
    for (_, state), read in zip(result.states, result.read, strict=True):
        api.requests.clear()
        sync("blocks", state={"blocks": state})
        delivered = {block["page_id"] for block in result.records["blocks"][:read]}
        assert set(pages) - delivered <= set(walked(api)) <= left[-1]
        left.append(set(walked(api)))
    assert len({len(some) for some in left}) > 3 and left[-1] == set()


def test_a_page_that_takes_long_holds_back_no_state(workspace: Workspace, api: StandIn, clock: Clock) -> None:
    pages = ten_pages(workspace)
    api.answer(each_request_takes(60, clock))
    last_is_asked = Event()

    def keep_the_first_waiting(request: Request) -> None:
        if pages[-1] in request.path:
            last_is_asked.set()
        elif pages[0] in request.path:
            last_is_asked.wait(20)
            sleep(0.5)

    api.answer(on("GET", ".*/children", keep_the_first_waiting))

    result = sync("blocks", num_workers=4)

    first = [block["page_id"] for block in result.records["blocks"]].index(pages[0])
    before = [state for (_, state), read in zip(result.states, result.read, strict=True) if read <= first]
    api.requests.clear()
    sync("blocks", state={"blocks": before[-1]})
    assert pages[0] in walked(api) and len(set(walked(api))) <= 4


def test_what_was_discovered_and_read_is_not_read_again_although_the_page_around_it_is_not_done(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    home = ten_pages(workspace)[0]
    within = [workspace.add_page(home, title=str(number), last_edited_time=march(1)) for number in range(6)]
    for page in within:
        workspace.add_block(page, text="Text", last_edited_time=march(1))
    workspace.unsearchable.update(within)
    api.answer(each_request_takes(60, clock))

    result = sync("blocks", num_workers=2)

    pages = {block["page_id"] for block in result.records["blocks"]}
    assert len(pages) == 16
    left = []
    for (_, state), read in zip(result.states, result.read, strict=True):
        api.requests.clear()
        sync("blocks", state={"blocks": state})
        delivered = {block["page_id"] for block in result.records["blocks"][:read]}
        assert pages - delivered <= set(walked(api))
        left.append(len(set(walked(api)) & {*within}))
    assert len({*left}) > 3 and left == sorted(left, reverse=True)


def test_a_walk_says_where_it_is_at_least_each_minute(workspace: Workspace, api: StandIn, clock: Clock) -> None:
    for number in range(60):
        workspace.add_block(workspace.add_page(title=str(number)), text="Text")
    api.answer(each_request_takes(15, clock))

    result = sync("blocks", num_workers=1)

    blocks_between_states = [part.count('{"type":"RECORD"') for part in result.output.split('{"type":"STATE"')]
    assert sum(blocks_between_states) == 60
    # Four pages are a minute; the others are under way, by two workers and one page ahead.
    assert max(blocks_between_states) <= 4 + 3
    assert len(result.states) <= 60 * 15 / 30 + 2  # and not one for each page


def test_any_number_of_pages_is_walked_from_the_oldest_up(workspace: Workspace, api: StandIn) -> None:
    oldest = datetime(2026, 3, 1, tzinfo=timezone.utc)
    pages: dict[int, str] = {}
    for number in range(350):
        minute = number * 37 % 350
        time = oldest + timedelta(minutes=minute)
        pages[minute] = workspace.add_page(title=str(number), last_edited_time=time)

    sync("blocks", num_workers=1)

    in_order = [pages[minute] for minute in range(350)]
    assert same(walked(api), in_order)
    # Whenever a page is asked for, so are all older ones, but for the few that are under way.
    asked: set[str] = set()
    for page in walked(api):
        assert len(set(in_order[: in_order.index(page)]) - asked) <= 4
        asked.add(page)


def test_of_many_pages_only_those_that_were_being_read_at_a_cut_are_read_again(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    for number in range(400):
        workspace.add_block(workspace.add_page(title=str(number)), text="Text")
    api.answer(each_request_takes(60, clock))
    begun = sync("blocks", num_workers=1)
    cut = len(begun.states) // 2
    delivered = [block["page_id"] for block in begun.records["blocks"]][: begun.read[cut]]
    api.requests.clear()

    rest = sync("blocks", num_workers=1, state={"blocks": begun.states[cut][1]})

    assert len(delivered) > 100
    assert len({*delivered} & {*walked(api)}) <= 3  # one for each thread
    assert {*delivered} | {block["page_id"] for block in rest.records["blocks"]} == {*workspace.page_ids()}


def test_a_walk_that_was_cut_off_goes_on_where_it_was(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    reached = {
        "reached": {"last_edited_time": march(7), "page_id": pages[6]},
        "newest": march(10),
        "began": "2026-11-01T00:00:00.000Z",
    }
    state = {"use_global_cursor": True, "parent_state": {"pages": reached}}

    result = sync("blocks", "comments", state={"blocks": state, "comments": state})

    assert same(walked(api), pages[7:])
    assert same(commented(api), pages[7:])

    again = sync("blocks", "comments", state=result.state)

    assert again.ids("blocks") == []
    assert same(walked(api), pages[7:])
    assert same(commented(api), [*pages[7:], *pages])


def test_a_page_edited_in_the_minute_of_the_state_is_walked_again(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    now = datetime.now(timezone.utc).isoformat()
    workspace.edit_page(pages[9], now)
    first = sync("blocks")
    added = workspace.add_block(pages[9], text="Written in the same minute, after the sync")
    twin = workspace.add_page(title="Made in the same minute", last_edited_time=now)
    block = workspace.add_block(twin, text="Text")

    second = sync("blocks", state=first.state)

    assert {added, block} <= set(second.ids("blocks"))
    assert set(walked(api)[10:]) == {pages[9], twin}


def test_a_page_edited_in_the_minute_of_the_state_is_walked_again_if_this_machines_clock_is_fast(
    workspace: Workspace, api: StandIn
) -> None:
    pages = ten_pages(workspace)
    by_notions_clock = {"Date": "Tue, 10 Mar 2026 00:00:30 GMT"}
    api.answer(lambda request: replace(request.normal(), headers=by_notions_clock))
    first = sync("blocks")
    added = workspace.add_block(pages[9], text="Written in the same minute, after the sync")
    workspace.edit_page(pages[9], march(10))

    second = sync("blocks", state=first.state)

    assert added in second.ids("blocks")


def test_a_proxy_that_drops_the_date_of_each_answer_costs_no_record(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    api.answer(lambda request: replace(request.normal(), headers={"Date": ""}))

    result = sync("pages")

    assert (same(result.ids("pages"), pages), result.errors) == (True, {})


def test_pages_of_the_lookback_window_are_not_walked_again_when_they_have_settled(
    workspace: Workspace, api: StandIn
) -> None:
    for minute in range(20):
        workspace.add_page(last_edited_time=march(1, f"12:{minute:02}"))
    first = sync("blocks")
    late = workspace.add_page(title="Late in the index", last_edited_time=march(1, "12:15"))

    sync("blocks", state=first.state)

    assert walked(api)[20:] == [late]


def test_a_page_edited_just_before_its_walk_is_walked_again(workspace: Workspace, api: StandIn) -> None:
    now = datetime.now(timezone.utc)
    fresh, settled = (workspace.add_page(last_edited_time=(now - LOOKBACK * age).isoformat()) for age in (0.3, 0.8))
    newest = workspace.add_page(last_edited_time=now.isoformat())
    first = sync("blocks")

    sync("blocks", state=first.state)

    # All three could still be edited without their rounded time moving, as far as clocks can be trusted.
    assert same(walked(api)[3:], [settled, fresh, newest])


def test_comments_are_asked_for_on_every_page_changed_or_not(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    first = sync("comments")
    assert len(first.ids("comments")) == 10
    added = workspace.add_comment(pages[0], "New, on a page that it does not touch", march(20))

    second = sync("comments", state=first.state)

    assert same(commented(api), pages * 2)
    assert added in second.ids("comments")
    assert len(second.ids("comments")) == 2  # and the newest of before, within the lookback window
    assert {record["page_id"] for record in second.records["comments"]} == {pages[0], pages[9]}


def test_comments_are_asked_for_on_pages_older_than_the_start_date(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Old", last_edited_time="2019-01-01T00:00:00.000Z")
    workspace.add_comment(page, "Old", "2019-01-02T00:00:00.000Z")
    new = workspace.add_comment(page, "New", march(3))

    assert sync("comments").ids("comments") == [new]


def test_databases_are_read_again_when_they_or_a_data_source_of_theirs_changed(
    workspace: Workspace, api: StandIn
) -> None:
    databases = [workspace.add_database(None, str(day), last_edited_time=march(day, "10:11")) for day in (1, 2, 3)]
    sources = [workspace.add_data_source(database) for database in databases]
    first = sync("databases")
    assert same(first.ids("databases"), databases)
    assert first.state["databases"]["state"] == {"last_edited_time": "2026-03-03T10:11:00.000Z"}

    workspace.edit_data_source(sources[0], march(9))
    second = sync("databases", state=first.state)

    assert same(second.ids("databases"), [databases[0], databases[2]])


def test_a_comment_written_exactly_at_the_start_date_is_read(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Home", last_edited_time=march(1))
    _, at, after = (workspace.add_comment(page, time, march(5, time)) for time in ("11:59", "12:00", "12:01"))

    assert sync("comments", start_date=march(5, "12:00")).ids("comments") == [at, after]


def test_a_database_is_read_again_when_one_of_its_data_sources_changed_and_another_one_did_not(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.add_data_source(
        workspace.add_database(None, "Late", last_edited_time=march(20)), last_edited_time=march(5)
    )
    database = workspace.add_database(None, "Early", last_edited_time=march(5))
    edited, _ = (workspace.add_data_source(database, last_edited_time=march(day)) for day in (9, 10))
    first = sync("databases")
    workspace.edit_data_source(edited, march(21))

    second = sync("databases", state=first.state)

    assert database in second.ids("databases")


PUBLISHED: dict[str, Any] = {
    "2.x": {"last_edited_time": PUBLISHED_TIME},
    "3.x global": {
        "use_global_cursor": True,
        "state": {"last_edited_time": "2026-03-05T00:00:00.000000Z"},
        "lookback_window": 3600,
    },
    "3.x per partition": {
        "use_global_cursor": False,
        "states": [
            {
                "partition": {"block_id": "a-page", "parent_slice": {}},
                "cursor": {"last_edited_time": "2026-03-05T00:00:00.000000Z"},
            }
        ],
        "state": {"last_edited_time": PUBLISHED_TIME},
        "lookback_window": 1,
    },
}


@pytest.mark.parametrize("version", PUBLISHED)
def test_the_state_of_airbytes_published_connector_is_taken_up(
    workspace: Workspace, api: StandIn, version: str
) -> None:
    pages = ten_pages(workspace)
    state = {stream: PUBLISHED[version] for stream in ("blocks", "comments")} | {
        stream: {"last_edited_time": PUBLISHED_TIME} for stream in ("pages", "databases")
    }

    result = sync("pages", "databases", "blocks", "comments", state=state)

    assert result.errors == {}
    assert result.ids("pages") == pages[4:][::-1]
    assert same(walked(api), pages[4:])
    assert same(commented(api), pages)
    # 3.x looked back as far as its last sync had taken: an hour does not reach the comment before.
    assert len(result.ids("comments")) == 6

    again = sync("pages", "databases", "blocks", "comments", state=result.state)

    assert again.errors == {}
    # The newest come again, because Notion rounds times down to the minute.
    assert again.ids("pages") == [pages[9]]
    assert [each["page_id"] for each in again.records["comments"]] == [pages[9]]
    assert again.ids("blocks") == []
    assert same(walked(api), pages[4:])


def test_the_lookback_window_of_a_published_state_is_subtracted_from_its_time(
    workspace: Workspace, api: StandIn
) -> None:
    pages = ten_pages(workspace)
    two_days = {**PUBLISHED["3.x global"], "lookback_window": 2 * 24 * 3600}

    result = sync("blocks", "comments", state={"blocks": two_days, "comments": two_days})

    # From the fifth of March, less two days.
    assert same(walked(api), pages[2:])
    assert {record["page_id"] for record in result.records["comments"]} == set(pages[2:])


def test_a_published_state_for_single_pages_spares_those_pages_and_no_other(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)
    known = [
        {
            "partition": {"block_id": page, "parent_slice": {}},
            "cursor": {"last_edited_time": march(day).replace(".000Z", ".000000Z")},
        }
        for day, page in enumerate(pages, start=1)
        if day not in (2, 10)
    ]
    workspace.edit_page(pages[4], march(11))

    result = sync("blocks", state={"blocks": {"states": known}})

    assert result.errors == {}
    assert same(walked(api), [pages[1], pages[9], pages[4]])


def test_a_full_refresh_state_of_another_runtime_is_no_error(workspace: Workspace, api: StandIn) -> None:
    pages = ten_pages(workspace)

    result = sync("blocks", state={"blocks": {"__ab_no_cursor_state_message": True}})

    assert result.errors == {}
    assert same(walked(api), pages)


def test_a_second_look_finds_what_moves_to_the_front_of_a_listing(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(250)]
    comments = [workspace.add_comment(page, "Comment", march(1)) for page in pages]

    def move_to_the_front(request: Request) -> Any:
        answer = request.normal()
        workspace.edit_page(pages[10])
        return answer

    api.answer(times(1, on_searches_for_pages(move_to_the_front)))

    result = sync("pages", "comments")

    assert same(result.ids("pages"), pages)
    assert same(result.ids("comments"), comments)
    # Comments list pages of any age, `pages` those since the start date; each looks once more at the front.
    assert sum(map(lists_pages, api.requests)) == 2 * (3 + 1)


def test_a_second_look_goes_down_as_long_as_it_finds_something(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(250)]

    def move_many(request: Request) -> Any:
        answer = request.normal()
        for page in pages[:120]:
            workspace.edit_page(page)
        return answer

    api.answer(times(1, on_searches_for_pages(move_many)))

    result = sync("pages")

    assert same(result.ids("pages"), pages)


@pytest.mark.parametrize("places_back", [[30], [45, 80], [50]])
def test_items_that_search_shows_out_of_place_beyond_its_first_answer_are_found(
    places_back: list[int],
) -> None:
    workspace = Disorderly()
    workspace.max_page_size = 10
    pages = [workspace.add_page(last_edited_time=march(1 + n // 24, f"{n % 24:02}:00")) for n in range(120)]
    with serving(workspace):
        first = sync("pages", page_discovery="search")
        edited = pages[: len(places_back)]
        for page in edited:
            workspace.edit_page(page, march(20))
        # Half a place more, to come after the page that is there.
        workspace.places_back = {page: back + 0.5 for page, back in zip(edited, places_back, strict=True)}
        second = sync("pages", state=first.state, page_discovery="search")

    assert set(edited) <= set(second.ids("pages"))


def test_a_page_edited_while_it_is_being_listed_arrives_in_its_newer_version(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.max_page_size = 2
    pages = [workspace.add_page(title=str(day), last_edited_time=march(day)) for day in range(1, 6)]

    def edit(request: Request) -> Answer | None:
        if not (request.body or {}).get("start_cursor"):
            return None
        answer = request.normal()
        workspace.edit_page(pages[4], march(20))  # it was in the first answer
        return answer

    api.answer(times(1, on_searches_for_pages(edit)))

    result = sync("pages", page_discovery="search")

    last_versions = {page["id"]: page["last_edited_time"] for page in result.records["pages"]}
    assert last_versions == {page: march(20 if page == pages[4] else day) for day, page in enumerate(pages, start=1)}


def test_an_older_version_further_down_a_listing_does_not_replace_the_newer_one(
    workspace: Workspace, api: StandIn
) -> None:
    workspace.max_page_size = 2
    for day in range(1, 5):
        workspace.add_page(title=str(day), last_edited_time=march(day))
    newest = workspace.add_page(title="Newest", last_edited_time=march(5))
    workspace.add_block(newest, text="Text")

    def show_its_older_version(request: Request) -> Answer | None:
        if not (request.body or {}).get("start_cursor"):
            return None
        answer, page = request.normal(), workspace.find(newest)
        older = page_object(workspace, page)
        answer.body["results"].append({**older, "last_edited_time": march(4)})
        return answer

    api.answer(times(1, on_searches_for_pages(show_its_older_version)))

    (block,) = sync("blocks", page_discovery="search").records["blocks"]

    assert block["page_last_edited_time"] == march(5)


def test_comments_of_a_page_that_a_listing_missed_arrive_once_the_page_is_edited(
    workspace: Workspace, api: StandIn
) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(3)]
    comments = [workspace.add_comment(page, "Comment", march(1)) for page in pages]
    workspace.unsearchable.add(pages[0])
    first = sync("comments")
    workspace.unsearchable.discard(pages[0])
    workspace.edit_page(pages[0])

    second = sync("comments", state=first.state)

    assert same(first.ids("comments"), comments[1:])
    assert comments[0] in second.ids("comments")


def test_a_long_walk_warns_of_nothing(workspace: Workspace, api: StandIn) -> None:
    pages = [workspace.add_page(title=str(number)) for number in range(600)]

    result = sync("blocks", "comments")

    assert result.warnings == []
    assert same(walked(api), pages)


def test_properties_of_a_database_survive_whatever_their_names_hold(workspace: Workspace, api: StandIn) -> None:
    names = ['It\'s "quoted"', "{{ braces }}", "{% block %}", "Zeile\nzwei", "True", "1.0", "é漢🌱"]
    database = workspace.add_database(None, "Odd")
    source = workspace.add_data_source(database, properties=dict.fromkeys(names, "rich_text"))

    result = sync("databases", "data_sources")

    assert result.ids("data_sources") == [source]
    (record,) = result.records["databases"]
    assert [each["name"] for each in record["properties"]] == names
    assert record["properties"] == result.records["data_sources"][0]["properties"]


def test_a_comment_on_a_page_walked_before_a_cut_arrives_with_the_sync_after(
    workspace: Workspace, api: StandIn
) -> None:
    pages = ten_pages(workspace)
    reached = {
        "reached": {"last_edited_time": march(7), "page_id": pages[6]},
        "newest": march(10),
        "began": march(20),
    }
    cut_off = {
        "use_global_cursor": True,
        "state": {"last_edited_time": march(15)},
        "parent_state": {"pages": reached},
    }
    behind = workspace.add_comment(pages[0], "Written behind the walk", march(21))
    ahead = workspace.add_comment(pages[9], "Written ahead of it", march(25))

    resumed = sync("comments", state={"comments": cut_off})
    after = sync("comments", state=resumed.state)

    assert resumed.ids("comments") == [ahead]
    assert set(after.ids("comments")) == {behind, ahead}


def test_items_that_search_shows_far_out_of_place_in_an_answer_are_found() -> None:
    workspace = Disorderly()
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    pages = [
        workspace.add_page(title=str(number), last_edited_time=(start + timedelta(hours=number)).isoformat())
        for number in range(200)
    ]
    with serving(workspace):
        first = sync("pages", page_discovery="search")
        workspace.edit_page(pages[0], march(20))
        workspace.places_back = {pages[0]: 80.5}
        second = sync("pages", state=first.state, page_discovery="search")

    assert pages[0] in second.ids("pages")


def test_a_clock_that_is_slow_hides_nothing(workspace: Workspace, api: StandIn, clock: Clock) -> None:
    database = workspace.add_database(None, "Tasks")
    source = workspace.add_data_source(database, last_edited_time=clock.began - timedelta(minutes=30))
    page = workspace.add_page(title="Home", last_edited_time=clock.began - timedelta(minutes=30))
    first = sync("pages", "data_sources")
    workspace.edit_data_source(source, clock.began)
    workspace.edit_page(page, clock.began)
    clock.stand_still_at(clock.began - timedelta(hours=2))

    second = sync("pages", "data_sources", state=first.state)

    assert (second.ids("pages"), second.ids("data_sources")) == ([page], [source])


def test_the_state_is_not_later_than_the_first_answer_of_the_sync(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    workspace.max_page_size = 2
    database = workspace.add_database(None, "Tasks")
    sources = [workspace.add_data_source(database, str(day), last_edited_time=march(day)) for day in range(1, 5)]

    edited: list[str] = []

    def edit(request: Request) -> None:
        if (request.body or {}).get("start_cursor") and not edited:
            clock.forward(3600)
            workspace.edit_data_source(sources[0], clock.began + timedelta(minutes=55))
            edited.append(sources[0])

    api.answer(on("POST", "/v1/search", edit))

    result = sync("data_sources")

    assert sources[0] in result.ids("data_sources")
    state = datetime.strptime(result.state["data_sources"]["last_edited_time"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert state <= clock.began + timedelta(minutes=1)


def test_pages_that_are_read_within_half_a_minute_share_a_state(
    workspace: Workspace, api: StandIn, clock: Clock
) -> None:
    clock.stand_still_at(clock.began)
    for number in range(100):
        workspace.add_page(title=str(number))

    result = sync("page_markdown", num_workers=4)

    assert len(result.ids("page_markdown")) == 100
    assert len(result.states) <= 3


def test_comments_on_old_pages_arrive_with_a_state_of_the_first_version(workspace: Workspace, api: StandIn) -> None:
    page = workspace.add_page(title="Old", last_edited_time=march(1))
    comment = workspace.add_comment(page, "New", march(15))
    state = {
        "use_global_cursor": True,
        "state": {"last_edited_time": march(10)},
        "lookback_window": 0,
        "parent_state": {"pages": {"last_edited_time": march(10)}},
    }

    assert sync("comments", state={"comments": state}).ids("comments") == [comment]
