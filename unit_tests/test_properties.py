"""Nothing is lost in silence, whatever the workspace and whatever goes wrong: properties, over random cases.

Hypothesis makes the cases, the same ones in every run. The stand-in's workspace is the truth that what
arrives is compared with, and that the fewest possible requests are computed from.
"""

import json
import re
from collections import Counter
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import Any, Optional

import pytest
from clock import Clock
from conftest import LOOKBACK, STREAMS, Sync, cases, serving, sync
from hypothesis import given
from hypothesis import strategies as st
from loaders import Disorderly, truth
from under_test import Json

from fake_notion.entries import Block, DataSource, Page
from fake_notion.generated import generate
from fake_notion.objects import comment_object, data_source_object, database_object, page_object
from fake_notion.stand_in import Answer, Request, Rule, error, rate_limited
from fake_notion.workspace import Workspace

pytestmark = pytest.mark.usefixtures("prepared_manifest")


# ------------------------------------------------------------------------------------- the workspaces

# What a workspace grows from: each node is put below one that was there before, `back` steps from the
# newest. So zeros give a chain and large numbers a bush.
Node = tuple[str, int]
KINDS = (
    *("paragraph", "toggle", "column_list") * 2,
    *("page", "row", "comment", "comment") * 2,
    *("lost page", "lost row", "lost database"),
    *("original", "copy") * 2,
    *("unsupported", "ai_block", "hidden", "refused"),
)
BESIDE_SEARCH = (
    "POST /v1/data_sources/{id}/query",
    "GET /v1/pages/{id}",
    "GET /v1/databases/{id}",
)
LONG_AGO = datetime(2026, 2, 1, tzinfo=timezone.utc)
trees = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 6)), min_size=5, max_size=40)
page_sizes = st.sampled_from((1, 2, 3, 5))
workers = st.sampled_from((1, 4, 10))


def grow(nodes: list[Node], page_size: int) -> Workspace:
    """A workspace with a page and what the nodes say below it, and lists of at most `page_size` items.

    Pages, databases and comments are written hours apart, so that none is in the lookback of another.
    """
    workspace = Workspace()
    workspace.max_page_size = page_size
    places = [workspace.add_page(title="Home")]
    pages, originals = places[:], [workspace.id]  # which is no block, so a copy of it finds nothing
    for hours, (kind, back) in enumerate(nodes, start=1):
        parent, time = places[-1 - back % len(places)], LONG_AGO + timedelta(hours=hours)
        if kind == "comment":
            workspace.add_comment(pages[back % len(pages)], "Comment", time)
            continue
        if kind.endswith(("page", "row", "database")):
            # Who is not in search has to be in a page or a database to be found.
            is_lost = kind.startswith("lost") and parent in pages
            if not kind.endswith("page"):
                database = workspace.add_database(parent, "Tasks", created_time=time)
                parent = workspace.add_data_source(database)
                if is_lost and kind.endswith("database"):
                    workspace.unsearchable.add(parent)
            pages.append(workspace.add_page(parent, "Page", created_time=time))
            places.append(pages[-1])
            if is_lost:
                workspace.unsearchable.add(pages[-1])
            continue
        if kind in ("original", "copy"):
            of = originals[-1 - back % len(originals)]
            source = {"type": "block_id", "block_id": of} if kind == "copy" else None
            places.append(workspace.add_block(parent, "synced_block", synced_from=source))
            if kind == "original":
                originals.append(places[-1])
            continue
        block_type = "toggle" if kind in ("hidden", "refused") else kind
        places.append(workspace.add_block(parent, block_type))
        if kind == "hidden":
            workspace.unshared.add(places[-1])
        if kind == "refused":
            workspace.unsupported_children.add(places[-1])
    return workspace


def expected_blocks(workspace: Workspace, page: str) -> list[tuple]:
    return [
        (placed.block["id"], placed.depth, placed.sequence_number, placed.block["type"])
        for placed in workspace.blocks_of(page)
    ]


def delivered_blocks(result: Sync, page: str) -> list[tuple]:
    return [
        (record["id"], record["depth"], record["parent"]["sequence_number"], record["type"])
        for record in result.records.get("blocks", [])
        if record["page_id"] == page
    ]


def ids(result: Sync) -> dict[str, list[str]]:
    return {stream: sorted(result.ids(stream)) for stream in STREAMS}


# ---------------------------------------------------------------------------------- the fewest requests


def parts(workspace: Workspace, items: int) -> int:
    """How many answers a list of so many items takes."""
    return max(1, -(-items // workspace.max_page_size))


def fewest_for_blocks(workspace: Workspace, page: str) -> int:
    """One list for the page and for each block with children; a synced copy asks for an original once."""

    def list_of(parent: str) -> int:
        return parts(workspace, len(workspace.listed_children(workspace.find(parent))))

    walked, requests = {page}, list_of(page)
    for block in (placed.block for placed in workspace.blocks_of(page)):
        if block["type"] == "unsupported" or not block["has_children"]:
            continue
        if original := (block.get("synced_block", {}).get("synced_from") or {}).get("block_id"):
            requests += original not in walked
        else:
            walked.add(block["id"])
            refused = block["id"] in workspace.unsupported_children
            requests += 1 if refused else list_of(block["id"])
    return requests


def fewest_for_listings(workspace: Workspace, of_pages: int = 1, of_data_sources: int = 1) -> int:
    """So many listings of the pages and of the data sources, each with a look once more at its front."""
    listings = [set(workspace.page_ids()) - workspace.unsearchable] * of_pages
    listings += [set(truth(workspace)["data_sources"])] * of_data_sources
    return sum(parts(workspace, len(items)) + (parts(workspace, len(items)) > 1) for items in listings)


def fewest_for_rows(workspace: Workspace) -> int:
    """The rows of each data source."""
    rows = Counter(workspace.find(page).parent for page in workspace.page_ids())
    sources: list[Any] = [workspace.find(source) for source in workspace.data_source_ids()]
    return sum(parts(workspace, rows[source]) for source in sources)


def fewest_beside_search(workspace: Workspace) -> int:
    """The rows, the databases within pages, pages that only their parent knows, and each block between them."""
    between = set()
    for page in workspace.page_ids():
        holder: Any = workspace.find(page).parent
        if isinstance(holder, DataSource):
            holder = holder.parent.parent
        while isinstance(holder, Block):
            between.add(holder.id)
            if not workspace.is_shared(holder):
                break
            holder = holder.parent
    within = [page for page in workspace.unsearchable if isinstance(workspace.find(page).parent, Page)]
    # Comments are asked for on pages of any age, so their stream asks for rows of its own.
    rows = 2 * fewest_for_rows(workspace)
    return len(between) + len(within) + len(workspace.database_ids()) + rows


def fewest_requests(workspace: Workspace) -> int:
    """What a first sync of all streams takes when nothing goes wrong."""
    comments = Counter(
        comment.parent.id for page in workspace.page_ids() for comment in workspace.comments_of(workspace.find(page))
    )
    return (
        parts(workspace, len(workspace.users()))
        # Pages since the start date, and of any age for comments; data sources for tables, and for two streams.
        + fewest_for_listings(workspace, of_pages=2, of_data_sources=3)
        + fewest_beside_search(workspace)
        + len(truth(workspace)["databases"])
        + sum(fewest_for_blocks(workspace, page) for page in workspace.page_ids())
        + sum(parts(workspace, comments[page]) for page in workspace.page_ids())
    )


# ------------------------------------------------------------------------------------------- the faults


def cut_off(request: Request) -> Answer:
    answer = request.normal()
    answer.truncate = True
    return answer


def expired(request: Request) -> Optional[Answer]:
    """The cursor is no longer valid, where there is one."""
    cursor = (request.body or request.query).get("start_cursor")
    message = f"The start_cursor provided is invalid: {cursor}"
    return error(400, "validation_error", message) if cursor else None


def html(status: int) -> Answer:
    return Answer(status, "<html>Wait</html>", {"Content-Type": "text/html"})


WRONG_BODY: Json = {
    "object": "error",
    "status": 500,
    "code": "internal_server_error",
    "message": "",
}
FAULTS: dict[str, Rule] = {
    "500": lambda _: error(500, "internal_server_error", "Unexpected error."),
    "502": lambda _: html(502),
    "503": lambda _: error(503, "service_unavailable", "Try again."),
    "504": lambda _: error(504, "gateway_timeout", "Took too long."),
    "409": lambda _: error(409, "conflict_error", "Conflict."),
    "403 from the edge": lambda _: html(403),
    "200 from the edge": lambda _: html(200),
    "200 with nothing": lambda _: Answer(200, {}),
    "200 with an error": lambda _: Answer(200, WRONG_BODY),
    "sporadic": lambda _: error(400, "validation_error", "body failed validation."),
    "dropped": lambda _: Answer(drop=True),
    "cut off": cut_off,
    "expired": expired,
}
SLOW_DOWN: dict[str, Rule] = {  # without end, these are waited for without end
    "429": lambda _: rate_limited(61),
    "529": lambda _: error(529, "service_overload", "Slow down."),
}
REFUSALS: dict[str, Rule] = {
    "404": lambda _: error(404, "object_not_found", "Could not find it."),
    "403": lambda _: error(403, "restricted_resource", "Insufficient permissions."),
}
REFUSALS_OF_BLOCKS: dict[str, Rule] = {
    "400": lambda _: error(400, "validation_error", "Block type x is not supported via the API."),
}
MOST_FAULTS = 7  # the most that one request recovers from, should all of them hit it
MOST_EXPIRED = 3


class Storm:
    """A rule: faults, each after a number of requests that go through.

    Attributes:
        requests: how many requests the faults explain, with those that read a listing again.
    """

    def __init__(self, workspace: Workspace, faults: list[tuple[int, str]]) -> None:
        self.requests = 0
        self._workspace = workspace
        self._faults = faults[::-1]
        self._through = 0
        self._expired = 0
        self._lock = Lock()

    def __call__(self, request: Request) -> Optional[Answer]:
        with self._lock:
            if not self._faults or self._through < self._faults[-1][0]:
                self._through += 1
                return None
            _, name = self._faults.pop()
            if name == "expired" and self._expired == MOST_EXPIRED:
                return None
            answer = (FAULTS | SLOW_DOWN)[name](request)
            if answer is None:
                return None
            self._through = 0
            self.requests += 1
            if name == "expired":
                self._expired += 1
                self.requests += self._read_again(request)
            elif request.method == "POST":
                # The stream that asks for a smaller page then shares it with no other.
                self.requests += 1
            return answer

    def _read_again(self, request: Request) -> int:
        if request.method == "POST":  # of all streams that share the listing
            return fewest_for_listings(self._workspace)
        read = int(str(request.query["start_cursor"])[-12:], 16)  # the stand-in's cursor is a place
        return parts(self._workspace, read)


storms = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(sorted(FAULTS | SLOW_DOWN))),
    max_size=MOST_FAULTS,
)


# ------------------------------------------------------------------------------------------- the people

# What people do meanwhile: (after how many requests, what, to which). No requests: before the first sync,
# -1: between the two. Half of it happens in the first requests, which list the pages, and half of it to a
# few of the pages.
Edit = tuple[int, str, int]
EDITS = ("page", "block", "new block", "new page", "comment", "comment", "data source")
edits = st.lists(
    st.tuples(
        st.integers(-1, 60) | st.integers(1, 8),
        st.sampled_from(EDITS),
        st.integers(0, 40) | st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)
# All in the same minute, four to a minute, or hours for a sync. States come with time, so never in the first.
paces = st.sampled_from((0, 15, 300)).map(lambda seconds: timedelta(seconds=seconds))
paces_with_states = st.sampled_from((15, 60, 300)).map(lambda seconds: timedelta(seconds=seconds))


class People:
    """A rule that changes the workspace while its requests are answered, and answers none itself.

    Time goes on with the requests alone, for the connector and the runtime as well.
    """

    def __init__(self, workspace: Workspace, planned: list[Edit], pace: timedelta, clock: Clock) -> None:
        self._workspace = workspace
        self._planned = planned
        self._requests = 0
        self._now = clock.began - timedelta(days=2)
        self._pace = pace
        self._clock = clock
        self._texts = (f"Edit {number}" for number in range(len(planned)))
        self._blocks = [
            placed.block["id"]
            for page in workspace.page_ids()
            for placed in workspace.blocks_of(page)
            if placed.block["type"] in ("paragraph", "toggle")
        ]
        clock.stand_still_at(self._now)
        self.edit(0, self._now - timedelta(minutes=4))

    def edit(self, when: int, time: Optional[datetime] = None) -> None:
        """Do what was planned for this moment."""
        for planned, what, which in self._planned:
            if planned == when:
                self._edit(what, which, next(self._texts), time or self._now)

    def _edit(self, what: str, which: int, text: str, time: datetime) -> None:
        workspace = self._workspace
        written: dict[str, Any] = {"created_time": time, "last_edited_time": time}
        page = workspace.page_ids()[which % len(workspace.page_ids())]
        if what == "page":
            workspace.edit_page(page, time)
        elif what == "block" and self._blocks:
            workspace.edit_block(self._blocks[which % len(self._blocks)], text, time)
        elif what == "new block":
            workspace.add_block(page, text=text, **written)
            workspace.edit_page(page, time)
        elif what == "new page":
            workspace.add_block(workspace.add_page(page, text, **written), text=text)
            workspace.edit_page(page, time)
        elif what == "comment":
            workspace.add_comment(page, text, time)
        elif what == "data source" and (sources := workspace.data_source_ids()):
            workspace.edit_data_source(sources[which % len(sources)], time, title=text)

    def __call__(self, request: Request) -> Optional[Answer]:
        with self._workspace.lock:
            answer = request.normal()
            self._requests += 1
            self._now += self._pace
            self._clock.stand_still_at(self._now)
            self.edit(self._requests)
            return answer


def known_after(*results: Sync) -> dict[tuple[str, str], Json]:
    """The last version of every record that arrived, by (stream, id), without what is of other pages."""
    return {
        (stream, record["id"]): {name: value for name, value in record.items() if name != "path_titles"}
        for result in results
        for stream, records in result.records.items()
        for record in records
    }


def text_of(block: Json) -> str:
    """The text of a block that `grow` or `People` made."""
    content = block[block["type"]] or {}
    return "".join(each["plain_text"] for each in content.get("rich_text", []))


def place(workspace: Workspace, page: Any) -> Json:
    """Where a page is, as far up as the connection sees."""
    holders: list[Any] = []
    holder = page.parent
    while holder is not None and workspace.is_shared(holder):
        if isinstance(holder, (Page, DataSource)):
            holders.insert(0, holder)
        holder = holder.parent
    return {"path": [each.id for each in holders], "depth": len(holders)}


def content(workspace: Workspace) -> dict[tuple[str, str], Json]:
    """Every record as it should be known in the end, by (stream, id); the runtime leaves out nulls."""
    bot = deepcopy(workspace.user(workspace.bot_id) or {})
    bot["bot"]["owner"]["info"] = True
    found = {("users", workspace.bot_id): bot}

    def with_properties(record: Json, *of: Json) -> Json:
        properties = [
            {"name": name, "value": value} for each in of or [record] for name, value in each["properties"].items()
        ]
        return record | {"properties": properties}

    for page_id in workspace.page_ids():
        page: Any = workspace.find(page_id)
        found["pages", page_id] = with_properties(page_object(workspace, page)) | place(workspace, page)
        path: list[str] = []
        for placed in workspace.blocks_of(page_id):
            path = [*path[: placed.depth], placed.parent_id]
            parent = placed.block["parent"] | {"sequence_number": placed.sequence_number}
            found["blocks", placed.block["id"]] = placed.block | {
                "parent": parent,
                "depth": placed.depth,
                "path": path,
                "plain_text": text_of(placed.block),
                "page_id": page_id,
                "page_last_edited_time": page.last_edited_time,
            }
        for comment in workspace.comments_of(page):
            found["comments", comment.id] = comment_object(workspace, comment) | {"page_id": page_id}
    for source_id in truth(workspace)["data_sources"]:
        source: Any = workspace.find(source_id)
        record = data_source_object(workspace, source)
        found["data_sources", source_id] = with_properties(record)
        found["databases", source.parent.id] = with_properties(database_object(workspace, source.parent), record)
    return {of: {name: value for name, value in record.items() if value is not None} for of, record in found.items()}


# ---------------------------------------------------------------------------------------- the properties


@cases(60)
@given(nodes=trees, page_size=page_sizes, num_workers=workers)
def test_any_tree_of_blocks_arrives_complete_in_order_and_once_for_the_fewest_requests(
    nodes: list[Node], page_size: int, num_workers: int
) -> None:
    workspace = grow(nodes, page_size)
    with serving(workspace) as api:
        result = sync("blocks", num_workers=num_workers)

    for page in workspace.page_ids():
        assert delivered_blocks(result, page) == expected_blocks(workspace, page)
    assert sorted(result.ids("blocks")) == truth(workspace)["blocks"]
    assert result.errors == {}
    assert len(api.requests) == fewest_for_listings(workspace) + sum(
        fewest_for_blocks(workspace, page) for page in workspace.page_ids()
    ) + sum(api.count(of) for of in BESIDE_SEARCH)
    assert api.count("POST /v1/data_sources/{id}/query") == fewest_for_rows(workspace)
    refused = sum(request.status != 200 for request in api.requests)
    assert len(result.warnings) == (refused + 1 if refused else 0)


@cases(45)
@given(nodes=trees, page_size=page_sizes, num_workers=workers, faults=storms)
def test_any_faults_that_pass_cost_their_requests_and_no_record(
    naps: list[float],
    nodes: list[Node],
    page_size: int,
    num_workers: int,
    faults: list[tuple[int, str]],
) -> None:
    workspace = grow(nodes, page_size)
    storm = Storm(workspace, faults)
    with serving(workspace) as api:
        api.answer(storm)
        result = sync(*STREAMS, num_workers=num_workers)

    assert result.errors == {}
    assert ids(result) == truth(workspace)
    for page in workspace.page_ids():
        assert delivered_blocks(result, page) == expected_blocks(workspace, page)
    assert len(api.requests) <= fewest_requests(workspace) + storm.requests


# A part of the API: all requests to it, or those for one object of a workspace.
TARGETS = ("users", "pages", "data sources", "database", "children", "comments")


def without_end(workspace: Workspace, target: str, which: int, after: int, fault: Rule) -> Rule:
    """A fault on one part of the API, for `which` of the objects there, after some requests to it."""
    choices = {
        "database": workspace.database_ids(),
        "children": truth(workspace)["blocks"] + workspace.page_ids(),
        "comments": workspace.page_ids(),
    }.get(target, [])
    chosen = choices[which % len(choices)] if choices else ""
    kind = {"pages": "page", "data sources": "data_source"}.get(target)
    seen = 0

    def is_meant(request: Request) -> bool:
        if target == "users":
            return request.path == "/v1/users"
        if request.path == "/v1/search":
            return bool((request.body or {})["filter"]["value"] == kind)
        if target == "comments":
            return request.query.get("block_id") == chosen
        return bool(chosen) and chosen in request.path

    def rule(request: Request) -> Optional[Answer]:
        nonlocal seen
        if not is_meant(request):
            return None
        seen += 1
        return fault(request) if seen > after else None

    return rule


def faults_of(target: str) -> dict[str, Rule]:
    """What may be answered without end: a listing is never refused with a 404."""
    if target == "children":
        return FAULTS | REFUSALS | REFUSALS_OF_BLOCKS
    return FAULTS | (REFUSALS if target in ("comments", "database") else {})


endless = st.sampled_from(TARGETS).flatmap(
    lambda target: st.tuples(
        st.just(target),
        st.integers(0, 20),
        st.integers(0, 2),
        st.sampled_from(sorted(faults_of(target))),
    )
)


def named(workspace: Workspace, warnings: list[str]) -> set[tuple[str, str]]:
    """What the warnings say is left out, as (stream, id)."""
    left_out = set()
    for warning in warnings:
        if found := re.match(r"Stream blocks skipped page_id (\S+), block_id (\S+):", warning):
            page, block = found.groups()
            below = {block}
            for placed in workspace.blocks_of(page):
                if placed.parent_id in below:
                    below.add(placed.block["id"])
                    left_out.add(("blocks", placed.block["id"]))
        elif found := re.match(r"Stream comments skipped page_id (\S+):", warning):
            page = workspace.find(found[1])
            left_out |= {("comments", each.id) for each in workspace.comments_of(page)}
        elif found := re.match(r"Stream databases skipped database_id (\S+):", warning):
            left_out.add(("databases", found[1]))
    return left_out


@cases(28)
@given(
    nodes=trees,
    page_size=page_sizes,
    num_workers=workers,
    fault=endless,
    faults=storms,
    planned=st.just([]) | edits,
    pace=paces,
)
def test_faults_without_end_fail_the_stream_or_are_named_and_later_syncs_miss_nothing_else(
    naps: list[float],
    clock: Clock,
    nodes: list[Node],
    page_size: int,
    num_workers: int,
    fault: tuple[str, int, int, str],
    faults: list[tuple[int, str]],
    planned: list[Edit],
    pace: timedelta,
) -> None:
    workspace = grow(nodes, page_size)
    people = People(workspace, planned, pace, clock)
    target, which, after, name = fault
    with serving(workspace) as api:
        api.answer(without_end(workspace, target, which, after, faults_of(target)[name]))
        api.answer(people)
        first = sync(*STREAMS, num_workers=num_workers)
        api.reset_rules()
        people.edit(-1)
        api.answer(Storm(workspace, faults))
        results = [first]
        # What was edited while a walk was under way that then failed may take a walk of its own.
        for _ in range(2 if planned else 1):
            state = {name: state for result in results for name, state in result.states}
            results.append(sync(*STREAMS, state=state, num_workers=num_workers))

    wanted = content(workspace)
    left_out = named(workspace, first.warnings)
    # The last error of a sync lists the streams that failed.
    trace = first.errors.get("", "")
    failed = {stream for stream in STREAMS if re.search(rf"\s{stream}: ", trace)}
    if not planned:  # else what moved meanwhile comes with a later sync
        for of in wanted.keys() - known_after(first).keys():
            stream, page = of[0], wanted[of].get("page_id", of[1])
            # What only a page knows, no stream has where the walk of blocks failed.
            needed = {stream, "blocks"} if page in workspace.unsearchable else {stream}
            unanswered = page in workspace.unsearchable and "Could not get" in str(first.warnings)
            assert needed & failed or of in left_out or unanswered
    assert all(later.errors == {} for later in results[1:])
    known = known_after(*results)
    for of in wanted.keys() - left_out:
        assert known.get(of) == wanted[of]


@cases(28)
@given(nodes=trees, page_size=page_sizes, num_workers=workers, planned=edits, pace=paces)
def test_of_two_syncs_one_has_every_edit_made_before_between_and_while_the_first_asks(
    clock: Clock,
    nodes: list[Node],
    page_size: int,
    num_workers: int,
    planned: list[Edit],
    pace: timedelta,
) -> None:
    workspace = grow(nodes, page_size)
    people = People(workspace, planned, pace, clock)
    with serving(workspace) as api:
        api.answer(people)
        first = sync(*STREAMS, num_workers=num_workers)
        api.reset_rules()
        people.edit(-1)
        second = sync(*STREAMS, state=first.state, num_workers=num_workers)

    assert first.errors == second.errors == {}
    assert known_after(first, second) == content(workspace)
    for result in (first, second):
        for stream, records in result.records.items():
            versions = [(record["id"], record.get("last_edited_time")) for record in records]
            assert len(versions) == len(set(versions)), f"{stream}: twice the same version"


def cut(result: Sync, after: int) -> Sync:
    """What a sync that was killed had said until then, at the latest after so many records and states."""
    said = Sync()
    messages = [json.loads(line) for line in result.output.splitlines()]
    kept = [message for message in messages if message["type"] in ("RECORD", "STATE")]
    for message in kept[: after % (len(kept) + 1)]:
        if message["type"] == "RECORD":
            record = message["record"]
            said.records.setdefault(record["stream"], []).append(record["data"])
        else:
            stream = message["state"]["stream"]
            said.states.append((stream["stream_descriptor"]["name"], stream["stream_state"]))
    return said


@cases(30)
@given(
    nodes=trees,
    page_size=page_sizes,
    num_workers=workers,
    after=st.integers(0, 10_000),
    planned=st.just([]) | edits,
    pace=paces_with_states,
)
def test_a_sync_cut_off_after_any_message_is_completed_from_its_last_state(
    clock: Clock,
    nodes: list[Node],
    page_size: int,
    num_workers: int,
    after: int,
    planned: list[Edit],
    pace: timedelta,
) -> None:
    workspace = grow(nodes, page_size)
    people = People(workspace, planned, pace, clock)
    with serving(workspace) as api:
        api.answer(people)
        results = [cut(sync(*STREAMS, num_workers=num_workers), after)]
        api.reset_rules()
        people.edit(-1)
        # What was edited while the first walk was under way may take a walk of its own.
        for _ in range(2 if planned else 1):
            state = {name: state for result in results for name, state in result.states}
            results.append(sync(*STREAMS, state=state, num_workers=num_workers))

    assert known_after(*results) == content(workspace)


NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
FURTHEST_BACK = 40
LATEST_MINUTES = int(LOOKBACK.total_seconds() / 60) - 1


def write_on(workspace: Workspace, page: str, minutes_to_noon: int) -> dict[str, str]:
    """Add a block and a comment to a page; gives their ids by stream."""
    time = NOON - timedelta(minutes=minutes_to_noon)
    block = workspace.add_block(page, text="Text", created_time=time, last_edited_time=time)
    workspace.edit_page(page, time)
    return {"pages": page, "blocks": block, "comments": workspace.add_comment(page, "Hello", time)}


@cases(12)
@given(moved=st.dictionaries(st.integers(0, 19), st.integers(0, FURTHEST_BACK), min_size=1, max_size=20))
def test_items_that_search_shows_up_to_40_places_too_far_back_are_found(
    moved: dict[int, int],
) -> None:
    workspace = Disorderly()
    before = [workspace.add_page(title=f"Older {number}") for number in range(100)]
    pages = [workspace.add_page(title=f"Known {number}") for number in range(20)]
    workspace.unsearchable |= set(before)  # they only stand in the way later, and cost nothing now
    with serving(workspace) as api:
        first = sync("pages", "blocks")
        workspace.unsearchable.clear()
        written = [write_on(workspace, pages[number], -number) for number in moved]
        workspace.places_back = {pages[number]: back for number, back in moved.items()}
        asked_before = api.count("POST /v1/search")
        second = sync("pages", "blocks", state=first.state)

    assert {each["pages"] for each in written} <= set(second.ids("pages"))
    assert {each["blocks"] for each in written} == set(second.ids("blocks"))
    # Two answers at most, a second look after the second one, and the data sources.
    assert api.count("POST /v1/search") - asked_before in (2, 4)


@cases(12)
@given(
    late=st.dictionaries(st.integers(0, 9), st.integers(0, LATEST_MINUTES), min_size=1, max_size=10),
    num_workers=workers,
)
def test_items_that_search_shows_late_but_within_the_lookback_are_found(late: dict[int, int], num_workers: int) -> None:
    workspace = Workspace()
    pages = [workspace.add_page(title=str(number)) for number in range(10)]
    write_on(workspace, workspace.add_page(title="The newest"), 0)
    with serving(workspace):
        written = [write_on(workspace, pages[number], minutes) for number, minutes in late.items()]
        workspace.unsearchable |= {each["pages"] for each in written}
        first = sync("pages", "blocks", "comments", num_workers=num_workers)
        workspace.unsearchable.clear()
        second = sync("pages", "blocks", "comments", state=first.state, num_workers=num_workers)

    for stream in ("pages", "blocks", "comments"):
        assert {each[stream] for each in written} <= set(second.ids(stream))


def test_a_comment_on_a_page_that_was_asked_already_is_not_passed_by_a_newer_one_further_on() -> None:
    workspace = Workspace()
    pages = [workspace.add_page(title=str(number)) for number in range(8)]
    now = datetime.now(timezone.utc)
    written: list[str] = []

    def write(request: Request) -> None:
        if request.query.get("block_id") == pages[-1] and not written:
            written.append(workspace.add_comment(pages[0], "Here, already asked", now))
            later = now + timedelta(hours=1)
            written.append(workspace.add_comment(pages[-1], "There, an hour later", later))

    with serving(workspace) as api:
        api.answer(write)
        first = sync("comments", num_workers=1)
        second = sync("comments", state=first.state)

    assert written[1] in first.ids("comments")
    assert set(written) <= set(second.ids("comments"))


@pytest.mark.parametrize("seed", range(3))
def test_ten_workers_give_what_one_gives(seed: int) -> None:
    workspace = generate(40, seed, children=8, nesting=5, comments=60)
    with serving(workspace):
        one, ten = (sync(*STREAMS, num_workers=number) for number in (1, 10))

    assert ids(one) == ids(ten)
    for page in workspace.page_ids():
        assert delivered_blocks(one, page) == delivered_blocks(ten, page)
        assert delivered_blocks(ten, page) == expected_blocks(workspace, page)
