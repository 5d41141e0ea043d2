"""The choice to ask for comments on recently edited pages only: what it costs, what it misses, and how that comes."""

from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest
from clock import Clock, moved_clock
from conftest import Sync, cases, check, each_request_takes, serving, sync
from hypothesis import example, given
from hypothesis import strategies as st
from test_properties import cut

from fake_notion.stand_in import StandIn, error, on
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")

COMMENTS, SEARCH = "GET /v1/comments", "POST /v1/search"
REFUSAL = error(403, "restricted_resource", "Insufficient permissions.")


def ago(days: float) -> str:
    time = datetime.now(timezone.utc) - timedelta(days=days)
    return time.strftime("%Y-%m-%dT%H:%M:00.000Z")


def day(days: int) -> str:
    """The beginning of the day so many days ago, in UTC."""
    return f"{ago(days)[:10]}T00:00:00.000Z"


def asked_for(api: StandIn) -> list[str]:
    """The pages whose comments were asked for since the last look, in a fixed order."""
    pages = sorted(request.query["block_id"] for request in api.requests if request.path == "/v1/comments")
    api.requests.clear()
    return pages


def missing(result: Sync) -> list[str]:
    return [each for each in result.warnings if "asked only about pages edited since" in each]


@pytest.fixture
def pages(workspace: Workspace) -> list[str]:
    """Pages edited 1, 5, 20 and 400 days ago, the first of them today's newest, with a comment each."""
    pages = [workspace.add_page(title=str(days), last_edited_time=ago(days)) for days in (1, 5, 20, 400)]
    for page, days in zip(pages, (1, 5, 20, 400), strict=True):
        workspace.add_comment(page, "Comment", ago(days))
    return pages


def test_comments_of_pages_that_a_stopped_sync_never_came_to_arrive_although_the_days_were_widened(
    workspace: Workspace, api: StandIn
) -> None:
    pages = [workspace.add_page(title=str(number), last_edited_time=ago(1)) for number in range(120)]
    comments = [workspace.add_comment(page, "Comment", ago(300)) for page in pages]
    newest = workspace.add_comment(min(pages), "Comment", ago(0.5))
    api.answer(on("GET", "/v1/comments", lambda request: None if request.query["block_id"] == min(pages) else REFUSAL))
    first = sync("comments", comments_days=7)
    assert newest in first.ids("comments") and any("stops here" in warning for warning in first.warnings)

    api.reset_rules()
    second = sync("comments", state=first.state)

    assert {*first.ids("comments"), *second.ids("comments")} == {newest, *comments}


def test_only_pages_edited_within_the_days_are_asked_and_a_warning_says_what_is_missing(
    api: StandIn, pages: list[str], workspace: Workspace
) -> None:
    result = sync("comments", comments_days=7)

    assert asked_for(api) == sorted(pages[:2])
    assert {each["page_id"] for each in result.records["comments"]} == set(pages[:2])
    assert result.warnings == [
        f"Stream comments asked only about pages edited since {day(7)}, as the settings say. New comments on older "
        "pages are missing. They arrive if their page is edited or the setting is emptied."
    ]
    assert result.state["comments"]["parent_state"]["every_page"]["asked_since"] == day(7)

    workspace.edit_page(pages[3])
    edited = sync("comments", comments_days=7, state=result.state)
    assert asked_for(api) == sorted([*pages[:2], pages[3]])
    assert workspace.comments_of(workspace.find(pages[3]))[0].id in edited.ids("comments")


def test_every_page_is_asked_if_the_setting_is_left_out_or_null(api: StandIn, pages: list[str]) -> None:
    settings: list[dict[str, Any]] = [{}, {"comments_days": None}]
    for config in settings:
        result = sync("comments", **config)

        assert asked_for(api) == sorted(pages)
        assert result.warnings == []
        assert "asked_since" not in result.state["comments"]["parent_state"]["every_page"]


def test_a_null_in_the_configuration_is_as_if_it_were_left_out(api: StandIn, pages: list[str]) -> None:
    assert check(credentials={"auth_type": "token", "token": api.token}, comments_days=None) == ("SUCCEEDED", None)


@pytest.mark.parametrize("days", [0, -1, 3651, "many"])
def test_an_impossible_number_of_days_is_refused(api: StandIn, days: Any) -> None:
    status, message = check(credentials={"auth_type": "token", "token": api.token}, comments_days=days)

    assert (status, str(days) in str(message)) == ("FAILED", True)
    assert api.requests == []


def test_a_comment_added_to_an_old_page_meanwhile_arrives_once_every_page_is_asked_again(
    workspace: Workspace, api: StandIn, pages: list[str]
) -> None:
    first = sync("comments")
    missed = [workspace.add_comment(page, "Missed", ago(0.5)) for page in pages[2:]]
    newer = workspace.add_comment(pages[0], "Newer, on a new page", ago(0.2))

    narrow = sync("comments", comments_days=7, state=first.state)
    again = sync("comments", comments_days=7, state=narrow.state)
    every = sync("comments", state=again.state)
    after = sync("comments", state=every.state)

    assert newer in narrow.ids("comments") and again.ids("comments") == [newer]
    assert set(missed).isdisjoint([*narrow.ids("comments"), *again.ids("comments")])
    assert set(missed) <= set(every.ids("comments"))
    assert missing(every) == [] and len(missing(again)) == 1
    assert after.ids("comments") == [newer]  # within the lookback window


def test_after_a_first_sync_of_recent_pages_all_comments_of_the_others_arrive_once_every_page_is_asked(
    workspace: Workspace, api: StandIn, pages: list[str]
) -> None:
    narrow = sync("comments", comments_days=7)
    every = sync("comments", state=narrow.state)

    assert sorted({*narrow.ids("comments"), *every.ids("comments")}) == sorted(workspace.comment_ids())


def test_more_days_find_what_fewer_missed_on_the_pages_that_they_add(
    workspace: Workspace, api: StandIn, pages: list[str]
) -> None:
    first = sync("comments")
    missed = [workspace.add_comment(page, "Missed", ago(0.5)) for page in pages[1:]]
    workspace.add_comment(pages[0], "Newer", ago(0.2))

    narrow = sync("comments", comments_days=2, state=first.state)
    wider = sync("comments", comments_days=30, state=narrow.state)
    every = sync("comments", state=wider.state)

    assert set(missed) & {*narrow.ids("comments")} == set()
    assert set(missed) & {*wider.ids("comments")} == {*missed[:2]}
    assert missed[2] in every.ids("comments")


@pytest.mark.parametrize("cut_off", [7, None])
def test_a_sync_that_is_cut_off_passes_by_no_page_of_the_next_choice(
    workspace: Workspace, api: StandIn, pages: list[str], clock: Clock, cut_off: Optional[int]
) -> None:
    for number in range(10):  # so many that a state comes between two of them
        workspace.add_page(last_edited_time=ago(2 + number / 10))
    first = sync("comments")
    missed = [workspace.add_comment(page, "Missed", ago(0.5)) for page in pages[2:]]
    workspace.add_comment(pages[0], "Newer", ago(0.2))
    api.answer(each_request_takes(60, clock))
    narrow = sync("comments", comments_days=7, state=first.state, num_workers=1)
    begun = sync(
        "comments", comments_days=cut_off, state=narrow.state if cut_off is None else first.state, num_workers=1
    )
    (under_way, *_) = [state for _, state in begun.states if "under_way" in state["parent_state"]["every_page"]]

    other = 7 if cut_off is None else None
    resumed = sync("comments", comments_days=other, state={"comments": under_way}, num_workers=1)
    every = sync("comments", state=resumed.state)

    assert set(missed) <= {*resumed.ids("comments"), *every.ids("comments")}


def test_rows_that_could_not_be_listed_meanwhile_are_all_asked_once_every_page_is(
    workspace: Workspace, api: StandIn, pages: list[str], naps: list[float]
) -> None:
    source = workspace.add_data_source(workspace.add_database(pages[0], "Tasks"))
    row = workspace.add_row(source, last_edited_time=ago(300))
    workspace.unsearchable.add(row)
    missed = workspace.add_comment(row, "Missed", ago(100))
    api.answer(on("POST", f"/v1/data_sources/{source}/query", error(500, "internal_server_error", "Broken.")))
    narrow = sync("comments", comments_days=7)
    api.reset_rules()

    every = sync("comments", state=narrow.state)

    assert narrow.state["comments"]["parent_state"]["every_page"]["owed"] == {source: day(7)}
    assert missed in every.ids("comments")


# One step of a story: comments on pages, an edit, and a sync with a choice that may be cut off.
steps = st.lists(
    st.tuples(
        st.lists(st.integers(0, 5), max_size=3),
        st.none() | st.integers(0, 5),
        st.sampled_from([None, 2, 7, 30]),
        st.none() | st.integers(0, 60),
        st.sampled_from([0.1, 1, 4]),
    ),
    min_size=2,
    max_size=5,
)


@cases(6)
@example([([], 3, None, 34, 0.1), ([4], None, None, None, 1), ([3, 4], None, 2, 4, 4), ([3], 1, 2, 1, 1)])
@given(steps)
def test_whatever_was_chosen_and_cut_off_before_asking_every_page_completes_the_comments(
    steps: list[tuple[list[int], Optional[int], Optional[int], Optional[int], float]],
) -> None:
    workspace = Workspace()
    pages = [workspace.add_page(title=str(days), last_edited_time=ago(days)) for days in (0.5, 3, 5, 10, 25, 400)]
    state: dict[str, Any] = {}
    found: set[str] = set()
    with moved_clock() as clock, serving(workspace) as api:
        api.answer(each_request_takes(40, clock))
        for commented, edited, days, after, pause in [*steps, ([], None, None, None, 0.1)]:
            for page in commented:
                workspace.add_comment(pages[page], "Comment", ago(0))
            if edited is not None:
                workspace.edit_page(pages[edited], ago(0))
            clock.forward(pause * 86400)
            result = sync("comments", comments_days=days, state=state, num_workers=1)
            assert result.errors == {}
            result = result if after is None else cut(result, after)
            state.update(result.state)
            found.update(result.ids("comments"))

    assert found == set(workspace.comment_ids())
