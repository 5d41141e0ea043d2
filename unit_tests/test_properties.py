"""Nothing is lost in silence, whatever the workspace and whatever goes wrong: properties, over random cases.

Hypothesis makes the cases, the same ones in every run. The stand-in's workspace is the truth that what
arrives is compared with, and that the fewest possible requests are computed from.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from threading import Lock
from typing import Any, Optional

import pytest
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.schema.json_file_schema_loader import JsonFileSchemaLoader
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource
from conftest import MANIFEST, STREAMS, TOKEN, State, Sync, environment, sync
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from loaders import truth

from local.entries import DataSource, Page
from local.objects import comment_object, data_source_object, page_object
from local.stand_in import Answer, Request, Rule, StandIn, error, rate_limited
from local.workspace import Workspace

Json = dict[str, Any]


def cases(number: int) -> settings:
    """So many cases, made in the same way in every run, each as slow as the machine happens to be.

    The first that fails is shown as it is. To make it smaller takes minutes: add `Phase.shrink`.
    """
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def _the_manifest_is_prepared_once() -> Iterator[None]:
    """Else most of the time of these hundreds of syncs would go into the same manifest and schemas."""
    prepared = YamlDeclarativeSource(str(MANIFEST)).resolved_manifest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(YamlDeclarativeSource, "_read_and_parse_yaml_file", lambda *_: prepared)
        patch.setattr(YamlDeclarativeSource, "_pre_process_manifest", lambda _, manifest: manifest)
        patch.setattr(YamlDeclarativeSource, "_validate_source", lambda _: None)
        patch.setattr(concurrent_declarative_source, "get_declarative_component_schema", dict)
        patch.setattr(JsonFileSchemaLoader, "get_json_schema", lambda _: {})
        yield


@contextmanager
def serving(workspace: Workspace) -> Iterator[StandIn]:
    """The stand-in in Notion's place; a fixture would live too long."""
    with StandIn(workspace, token=TOKEN) as api, environment(api.environment()):
        yield api


# ------------------------------------------------------------------------------------- the workspaces

# What a workspace grows from: each node is put below one that was there before, `back` steps from the
# newest. So zeros give a chain and large numbers a bush.
Node = tuple[str, int]
KINDS = (
    *("paragraph", "toggle", "column_list") * 2,
    *("page", "row", "comment") * 2,
    *("original", "copy", "unsupported", "ai_block", "hidden", "refused"),
)
trees = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 6)), min_size=5, max_size=40)
page_sizes = st.sampled_from((1, 2, 3, 5))
workers = st.sampled_from((1, 4, 10))


def grow(nodes: list[Node], page_size: int) -> Workspace:
    """A workspace with a page and what the nodes say below it, and lists of at most `page_size` items."""
    workspace = Workspace()
    workspace.max_page_size = page_size
    places = [workspace.add_page(title="Home")]
    pages, originals = places[:], [workspace.id]  # which is no block, so a copy of it finds nothing
    for kind, back in nodes:
        parent = places[-1 - back % len(places)]
        if kind == "comment":
            workspace.add_comment(pages[-1 - back % len(pages)], "Comment")
            continue
        if kind in ("page", "row"):
            if kind == "row":
                parent = workspace.add_data_source(workspace.add_database(parent, "Tasks"))
            pages.append(workspace.add_page(parent, "Page"))
            places.append(pages[-1])
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
        return parts(workspace, len(workspace.listed_children(workspace.find(parent))))  # type: ignore[arg-type]

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


def fewest_for_listings(workspace: Workspace) -> int:
    """The pages and the data sources, each listed once for all streams that need them."""
    return sum(
        parts(workspace, len(items))
        for items in (workspace.page_ids(), workspace.data_source_ids())
    )


def fewest_requests(workspace: Workspace) -> int:
    """What a first sync of all streams takes when nothing goes wrong."""
    comments = Counter(
        comment.parent.id
        for page in workspace.page_ids()
        for comment in workspace.comments_of(workspace.find(page))  # type: ignore[arg-type]
    )
    return (
        parts(workspace, len(workspace.users()))
        + fewest_for_listings(workspace)
        + len(workspace.database_ids())
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


WRONG_BODY: Json = {"object": "error", "status": 500, "code": "internal_server_error", "message": ""}
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


# ---------------------------------------------------------------------------------------- the properties


@cases(100)
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
    assert len(api.requests) == parts(workspace, len(workspace.page_ids())) + sum(
        fewest_for_blocks(workspace, page) for page in workspace.page_ids()
    )
    refused = sum(request.status != 200 for request in api.requests)
    assert len(result.warnings) == (refused + 1 if refused else 0)


@cases(80)
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
        if found := re.match(r"Stream blocks left out page_id (\S+), block_id (\S+):", warning):
            page, block = found.groups()
            below = {block}
            for placed in workspace.blocks_of(page):
                if placed.parent_id in below:
                    below.add(placed.block["id"])
                    left_out.add(("blocks", placed.block["id"]))
        elif found := re.match(r"Stream comments left out page_id (\S+):", warning):
            page = workspace.find(found[1])
            left_out |= {("comments", each.id) for each in workspace.comments_of(page)}  # type: ignore[arg-type]
        elif found := re.match(r"Stream databases left out database_id (\S+):", warning):
            left_out.add(("databases", found[1]))
    return left_out


@cases(60)
@given(nodes=trees, page_size=page_sizes, num_workers=workers, fault=endless, faults=storms)
def test_faults_without_end_fail_the_stream_or_are_named_and_later_syncs_miss_nothing_else(
    naps: list[float],
    nodes: list[Node],
    page_size: int,
    num_workers: int,
    fault: tuple[str, int, int, str],
    faults: list[tuple[int, str]],
) -> None:
    workspace = grow(nodes, page_size)
    target, which, after, name = fault
    wanted = {(stream, each) for stream, of_stream in truth(workspace).items() for each in of_stream}
    with serving(workspace) as api:
        api.answer(without_end(workspace, target, which, after, faults_of(target)[name]))
        first = sync(*STREAMS, num_workers=num_workers)
        api.reset_rules()
        api.answer(Storm(workspace, faults))
        second = sync(*STREAMS, state=first.state, num_workers=num_workers)

    def delivered(*results: Sync) -> set[tuple[str, str]]:
        return {(stream, each) for one in results for stream in STREAMS for each in one.ids(stream)}

    left_out = named(workspace, first.warnings)
    for stream, missing in wanted - delivered(first):
        assert stream in first.errors or (stream, missing) in left_out
    assert second.errors == {}
    assert wanted - delivered(first, second) <= left_out
