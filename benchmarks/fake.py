"""The fake Notion in a process of its own: the workspaces that it serves, and what is in them.

Functions that take a `StandIn` run in that process, through `Server.ask`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from fake_notion.entries import DataSource, Page
from fake_notion.generated import generate
from fake_notion.stand_in import Request, StandIn
from fake_notion.workspace import Workspace
from tools.bundle import write_bundle

__all__ = ["Server", "write_bundle"]  # nothing else in the benchmarks imports from `fake_notion`

TOKEN, SEED = "secret_sample", 1

Ids = dict[str, set[str]]
"""Ids of records by stream."""


class Server:
    """Serves a workspace from another process, so that it adds nothing to what is measured.

    Attributes:
        environment: the environment variables that lead a connector to it.
    """

    def __init__(self, build: Callable[[int], Workspace], pages: int, **options: Any) -> None:
        """Take the function that builds the workspace, and the options of `StandIn`."""
        start, context = (build, pages, options), multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, context, _serve, start)

    def __enter__(self) -> Server:
        self.environment: dict[str, str] = self.ask(StandIn.environment)
        return self

    def __exit__(self, *_: object) -> None:
        self.ask(StandIn.__exit__, None, None, None)
        self._process.shutdown()

    def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the process, with the `StandIn` and `arguments`."""
        return self._process.submit(_call, function, arguments).result()


_served: list[StandIn] = []
"""In the process that serves: its only `StandIn`."""


def _serve(build: Callable[[int], Workspace], pages: int, options: dict[str, Any]) -> None:
    _served.append(StandIn(build(pages), TOKEN, **{"log": False, **options}).__enter__())


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*_served, *arguments)


# Requests


def count(api: StandIn) -> int:
    """How many requests there were."""
    return sum(list(api.counts.values()))


def request_log(api: StandIn) -> list[tuple[float, int]]:
    """The time of each request, in seconds, and the status of its answer."""
    return sorted((request.time, request.status) for request in api.requests)


def kill_after(api: StandIn, process: int, requests: float, seconds: float) -> None:
    """Kill a process once it has made so many requests, or makes one so long after its first."""
    before, first = count(api), float("inf")

    def rule(request: Request) -> None:
        nonlocal first
        first = min(first, request.time)
        if count(api) - before >= requests or request.time - first >= seconds:
            api.reset_rules()
            with contextlib.suppress(ProcessLookupError):  # another request was quicker
                os.kill(process, signal.SIGKILL)

    api.reset_rules()
    api.answer(rule)


# Workspaces


def documents(pages: int) -> Workspace:
    """Pages with uneven trees of blocks, some of them deep, and as many comments as pages."""
    return generate(pages, SEED, children=3, comments=pages)


def flat_documents(pages: int) -> Workspace:
    """Pages with two blocks on average, none of which has children."""
    return generate(pages, SEED, children=2, nesting=1)


def partly_searchable(pages: int) -> Workspace:
    """Pages, and half as many rows; search skips a quarter of the rows and of the subpages."""
    shape = {"children": 3, "comments": pages, "databases": 10, "rows": pages // 20}
    workspace = generate(pages, SEED, **shape)
    rows, nested = [], []
    for page_id in workspace.page_ids():
        parent = _page(workspace, page_id).parent
        if isinstance(parent, DataSource):
            rows.append(page_id)
            workspace.add_block(page_id, "paragraph", "Text")
            workspace.add_comment(page_id, "Seen.")
        elif parent is not None:
            nested.append(page_id)
    chance = random.Random(SEED)
    for some in (rows, nested):
        workspace.unsearchable.update(chance.sample(some, len(some) // 4))
    return workspace


def edit(api: StandIn, number: int) -> Ids:
    """Edit pages, half of them pages that search skips, if there are any; return what they hold."""
    workspace, chance = api.workspace, random.Random(SEED)
    skipped = [page for page in workspace.page_ids() if page in workspace.unsearchable]
    listed = [page for page in workspace.page_ids() if page not in workspace.unsearchable]
    chosen = chance.sample(skipped, number // 2 if skipped else 0)
    chosen += chance.sample(listed, number - len(chosen))
    for minute, page_id in enumerate(chosen):
        time = f"2026-11-16T09:{minute:02}:00.000Z"  # after all others
        blocks = [placed.block for placed in workspace.blocks_of(page_id)]
        texts = [block["id"] for block in blocks if block["type"] == "paragraph"]
        if texts:
            workspace.edit_block(texts[0], "Edited.", time)
        else:
            workspace.edit_page(page_id, time)
    return {"pages": set(chosen), "blocks": _blocks(workspace, chosen)}


def existing(api: StandIn, streams: list[str]) -> Ids:
    """All that streams can deliver; of comments, those on pages."""
    workspace = api.workspace
    pages = workspace.page_ids()
    comments = (workspace.comments_of(_page(workspace, page)) for page in pages)
    ids = {
        "users": {user["id"] for user in workspace.users()},
        "pages": set(pages),
        "databases": set(workspace.database_ids()),
        "blocks": _blocks(workspace, pages),
        "comments": {comment.id for some in comments for comment in some},
    }
    return {stream: ids[stream] for stream in streams}


def _blocks(workspace: Workspace, pages: list[str]) -> set[str]:
    return {placed.block["id"] for page in pages for placed in workspace.blocks_of(page)}


def _page(workspace: Workspace, page_id: str) -> Page:
    page = workspace.find(page_id)
    assert isinstance(page, Page)
    return page
