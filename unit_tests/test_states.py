"""Saved states of version 0.1.0, finished and cut off: what the next sync delivers, and what it asks for.

How the states look is nobody's business here. They are in `states/`, as that version wrote them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from conftest import Sync, serving, sync
from saved_states import STREAMS, TABLE, OldWorkspace, Saved, march

from fake_notion.stand_in import StandIn

pytestmark = pytest.mark.usefixtures("prepared_manifest")

CHILDREN, MARKDOWN = "GET /v1/blocks/{id}/children", "GET /v1/pages/{id}/markdown"
COMMENTS, PAGE, DATABASE = "GET /v1/comments", "GET /v1/pages/{id}", "GET /v1/databases/{id}"

FIRST_SYNCS_CUT_OFF = (
    "cut_off_in_blocks",
    "cut_off_in_block_comments",
    "cut_off_in_comments_and_markdown",
    "cut_off_after_blocks",
)


@dataclass
class Old:
    """The workspace of the states, which the stand-in answers from."""

    workspace: OldWorkspace
    api: StandIn

    def sync_from(self, states: dict) -> Sync:
        """Sync everything; counts its requests alone."""
        self.api.counts.clear()
        result = sync(*STREAMS, state=states)
        assert result.errors == {} and result.warnings == []
        return result

    def asks_for_nothing_but_what_it_delivers(self, result: Sync) -> bool:
        """Whether each page that is read was one to be delivered: each has one block, on it one comment."""
        walked = len(result.ids("blocks")) + len(result.ids("block_comments"))
        return (self.api.count(CHILDREN), self.api.count(MARKDOWN)) == (
            walked,
            len(result.ids("page_markdown")),
        )


@pytest.fixture
def old() -> Iterator[Old]:
    workspace = OldWorkspace()
    with serving(workspace) as api:
        yield Old(workspace, api)


def delivered(result: Sync) -> dict[str, list[str]]:
    return {stream: result.ids(stream) for stream in STREAMS}


def nothing_new(workspace: OldWorkspace) -> dict[str, list[str]]:
    """What a sync without changes delivers: the newest is listed again, for Notion rounds times down."""
    newest = workspace.pages[-1]
    return {
        **{stream: [] for stream in STREAMS},
        "pages": [newest],
        "comments": workspace.comments_on(newest),
        TABLE: [workspace.tasks[-1]],
    }


def once_more(workspace: OldWorkspace) -> dict[str, list[str]]:
    """What search leaves out comes once more: only the states of blocks said which of it they knew."""
    left_out = [workspace.hidden, *workspace.rows]
    return {
        **{stream: [] for stream in STREAMS},
        "pages": left_out,
        "page_markdown": left_out,
        "comments": workspace.comments_on(*left_out),
    }


def test_from_a_finished_state_nothing_is_read_again_but_what_search_leaves_out(old: Old) -> None:
    second = old.sync_from(Saved.load("finished").states)

    new, more = nothing_new(old.workspace), once_more(old.workspace)
    assert {stream: sorted(ids) for stream, ids in delivered(second).items()} == {
        stream: sorted(new[stream] + more[stream]) for stream in STREAMS
    }
    assert old.asks_for_nothing_but_what_it_delivers(second)
    assert old.api.count(COMMENTS) == len(old.workspace.page_ids())
    # The page and the database that search leaves out are asked for, because they may have changed.
    assert (old.api.count(PAGE), old.api.count(DATABASE)) == (1, 1)

    third = old.sync_from(second.state)

    assert delivered(third) == nothing_new(old.workspace)
    assert (old.api.count(PAGE), old.api.count(DATABASE)) == (1, 1)


def test_from_a_finished_state_what_was_edited_or_added_is_read(old: Old) -> None:
    workspace = old.workspace
    edited = workspace.edit_several()
    added = workspace.add(workspace.hidden, "Added within the hidden page", 25)
    workspace.unsearchable.add(added)
    workspace.edit(workspace.hidden, 25)
    new_comment = workspace.add_comment(workspace.pages[0], "On a page that stays", march(26))

    result = old.sync_from(Saved.load("finished").states)

    changed = {*edited, added}
    texts = [workspace.texts[page] for page in changed]
    newest_before = workspace.pages[-1]
    again = once_more(workspace)
    assert set(result.ids("pages")) == {*changed, newest_before, *again["pages"]}
    assert set(result.ids("page_markdown")) == {*changed, *again["page_markdown"]}
    assert sorted(result.ids("blocks")) == sorted(texts)
    assert sorted(result.ids("block_comments")) == sorted(workspace.comments_on(*texts))
    # With a page that was edited come all of its comments.
    comments = workspace.comments_on(*changed, newest_before)
    assert set(result.ids("comments")) == {*comments, new_comment, *again["comments"]}
    assert result.ids(TABLE) == [workspace.tasks[1]]
    assert old.asks_for_nothing_but_what_it_delivers(result)


def test_a_hidden_page_that_only_the_state_of_block_comments_knows_is_read_when_it_was_edited(old: Old) -> None:
    states = Saved.load("finished").states
    del states["blocks"]["parent_state"]["pages"]["unlisted"]
    old.workspace.edit(old.workspace.hidden, 25)

    result = old.sync_from(states)

    text = old.workspace.texts[old.workspace.hidden]
    assert result.ids("block_comments") == old.workspace.comments_on(text)


def test_of_the_pages_edited_shortly_before_a_finished_state_only_the_latest_is_read_again(
    old: Old,
) -> None:
    for number, minute in ((9, 57), (10, 48), (11, 45)):
        page = old.workspace.pages[number]
        time = f"2026-03-31T23:{minute}:00.000Z"
        old.workspace.edit_block(old.workspace.texts[page], "Just now", time)

    result = old.sync_from(Saved.load("finished_soon_after_edits").states)

    # The sync began at midnight: a page edited three minutes before may have been edited again since.
    latest = old.workspace.pages[9]
    assert sorted(result.ids("page_markdown")) == sorted([*once_more(old.workspace)["page_markdown"], latest])
    assert result.ids("blocks") == [old.workspace.texts[latest]]
    assert old.asks_for_nothing_but_what_it_delivers(result)


@pytest.mark.parametrize("name", FIRST_SYNCS_CUT_OFF)
def test_a_first_sync_that_was_cut_off_is_completed_and_little_is_read_again(old: Old, name: str) -> None:
    saved = Saved.load(name)

    rest = old.sync_from(saved.states)

    for stream, ids in old.workspace.ids().items():
        before, after = saved.delivered.get(stream, []), rest.ids(stream)
        assert {*before, *after} == ids
        assert len(after) == len(set(after))
        # What two workers had begun, and the few pages since the last state.
        assert len({*before} & {*after}) <= 4
    assert old.asks_for_nothing_but_what_it_delivers(rest)

    # Of what was delivered before the cut, the next sync may bring the newest page and comments again.
    again = old.sync_from(rest.state)
    newest = old.workspace.pages[-1]
    assert {*again.ids("page_markdown")} <= {newest}
    assert {*again.ids("blocks")} <= {old.workspace.texts[newest]}
    assert delivered(old.sync_from(again.state)) == nothing_new(old.workspace)


def test_a_later_sync_that_was_cut_off_is_completed_and_no_other_page_is_read(old: Old) -> None:
    workspace, saved = old.workspace, Saved.load("cut_off_in_the_second")
    edited = workspace.edit_several()
    texts = {workspace.texts[page] for page in edited}
    expected = {
        "pages": edited,
        "page_markdown": edited,
        "blocks": texts,
        "comments": set(workspace.comments_on(*edited)),
        "block_comments": set(workspace.comments_on(*texts)),
    }

    rest = old.sync_from(saved.states)

    for stream, ids in expected.items():
        before, after = saved.delivered.get(stream, []), rest.ids(stream)
        assert {*before, *after} >= ids
        assert len({*before} & {*after}) <= 4
    for stream in ("page_markdown", "blocks", "block_comments"):
        assert {*rest.ids(stream)} <= {*expected[stream], *once_more(workspace)[stream]}
    assert old.asks_for_nothing_but_what_it_delivers(rest)


def complete(old: Old, saved: Saved, rest: Sync, stream: str) -> bool:
    return {*saved.delivered[stream], *rest.ids(stream)} == old.workspace.ids()[stream]


def test_what_a_finished_stream_discovered_for_the_first_time_a_cut_off_one_brings_later(
    old: Old,
) -> None:
    """The streams of blocks joined markdown and the others, which had read before what search shows."""
    saved = Saved.load("cut_off_when_blocks_was_added")
    old.workspace.edit_several(also_hidden=False)

    rest = old.sync_from(saved.states)

    assert complete(old, saved, rest, "blocks")
    assert complete(old, saved, rest, "block_comments")
    assert old.workspace.hidden in rest.ids("page_markdown")


@pytest.mark.parametrize("stream", ["page_markdown", "comments", "pages"])
def test_a_cut_off_stream_brings_all_that_finished_ones_discovered(old: Old, stream: str) -> None:
    """As above, also the rows of a database that only its page knows, and also the other streams."""
    saved = Saved.load("cut_off_when_blocks_was_added_late")
    old.workspace.edit_several(also_hidden=False)

    rest = old.sync_from(saved.states)

    assert complete(old, saved, rest, stream)
