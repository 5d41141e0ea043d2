"""Which pages, databases and views the streams over them read, and in which order."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from math import inf
from threading import Condition
from typing import Any, Optional

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.interpolation.macros import duration
from airbyte_cdk.sources.declarative.partition_routers import SubstreamPartitionRouter
from airbyte_cdk.sources.types import StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_notion.objects import edited_at
from source_notion.page_state import DuePage, Progress
from source_notion.rate_limit import RateLimitGate
from source_notion.shared import LOGGER, Skipped, is_shutting_down
from source_notion.workspace import Discovery, FoundPage, Workspace


@dataclass
class PageRouter(SubstreamPartitionRouter):
    """Partitions of a few pages each, from the page edited longest ago to the newest.

    Search lists the newest first. Read in that order, no state would be true before the end; read from the oldest up,
    a sync that is cut off goes on where it was. The runtime's own router keeps the order of the parent stream, and
    moves its state only at the end.
    """

    reads_all: bool = False  # whether to read all pages, or those edited since the last sync
    discovers: bool = False  # whether this stream discovers pages
    lookback_window: str = ""  # how far behind its state the parent lists: that of its cursor
    as_one: bool = False  # whether to give one slice for all pages, which reads `due_pages`
    max_under_way: str = "2"  # how many partitions may be read at once; with more, the state would lag behind

    SECONDS_BETWEEN_STATES = 30.0  # the runtime emits one every ten minutes

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._stream_name = parameters["stream_name"]  # which the runtime adds
        self._parent = self.parent_stream_configs[0].stream
        self._workspace = Workspace.of(self.config)
        self._gate = RateLimitGate.of(self.config)
        self._skipped = Skipped.of(self.config)
        self._changed = Condition()
        self._slices_under_way = 0
        self._emitted_at = 0.0  # when a state was last emitted, in seconds
        self.progress: Progress = None  # type: ignore[assignment]  # until all pages are listed

    def get_stream_state(self, has_ended: bool = True) -> Mapping[str, Any]:
        """The state by now. The runtime also asks at each slice, but emits only what it gets after the last one."""
        with self._changed:
            progress, unanswered = self.progress, {**self._workspace.unanswered}
            state: Any = progress.state(unanswered, has_ended) if progress else self._parent.cursor.state
            if progress and (self.discovers or progress.is_finished):
                state["discovered"] = progress.known_of(self._workspace.discovered(), unanswered)
            return {self._parent.name: state}

    def stream_slices(self) -> Iterable[StreamSlice]:
        if self.as_one:
            yield StreamSlice(partition={"pages": "all"}, cursor_slice={})
            return
        progress = self._list()
        self._report_if_finished()  # there may be nothing to read
        while pages := self._next_pages():
            about = {"pages": pages, "began": progress.began}
            yield StreamSlice(partition={"from_page": pages[0].page_id}, cursor_slice={}, extra_fields=about)

    def _next_pages(self) -> list[DuePage]:
        """Pages to be read, when there is room for them; none if none are left, or if the stream has to stop."""
        threads = int(InterpolatedString.create(self.max_under_way, parameters={}).eval(self.config))
        room = inf if self._workspace.is_test_read else threads
        progress = self.progress
        with self._changed:
            while progress.due and not progress.must_stop:
                if self._slices_under_way < room:
                    self._slices_under_way += 1
                    return progress.give_out(room)
                if not self._changed.wait(timeout=1) and is_shutting_down():
                    break
        return []

    def due_pages(self) -> Iterator[FoundPage]:
        """The pages to be read, in the order of the listing."""
        progress = self._list()
        for found in self._listed():
            id = found.page["id"]
            if progress.due.get(id) == edited_at(found.page):
                yield found
                del progress.due[id]  # another list may have it too
        self._report_if_finished()

    def finish(
        self, page: DuePage, has_failed: bool, discovery: Discovery, emit_state: Callable[[Mapping[str, Any]], None]
    ) -> list[DuePage]:
        """Note that a page was read, or could not be; emit the state if it is time to. Returns what was discovered in it.

        One thread at a time: no state says less than the one before, and the end is reported once.
        """
        with self._changed:
            discovered = self.progress.finish(page, has_failed, discovery)
            self._workspace.remember(discovery)
            if time.time() - self._emitted_at > self.SECONDS_BETWEEN_STATES:
                self._emitted_at = time.time()
                emit_state(self.get_stream_state(has_ended=False))
            if self.progress.must_stop and not self.progress.is_finished:
                self._skipped.say_once(
                    f"Stream {self._stream_name} stops here, because {Progress.MAX_FAILURES_IN_A_ROW} pages in a row "
                    "could not be read. The next sync continues from there."
                )
            self._report_if_finished()
            return discovered

    def give_back(self) -> None:
        """Note that a slice was read, or was left: another may be given out."""
        with self._changed:
            self._slices_under_way -= 1
            self._changed.notify()

    def _list(self) -> Progress:
        """List all pages before the first slice: the runtime moves the state once there is one."""
        self._workspace.has_discovering_stream |= self.discovers
        before: Any = {**self._parent.cursor.state}
        if self.as_one:
            before.pop("delivered", None)  # the lookback window comes again, as in any listing
        (partition,) = self._parent.generate_partitions()
        since = (partition.to_slice() or {})["start_time"]
        pages = self._listed()
        first = list(islice(pages, 1))  # with it comes the time by Notion's clock
        lookback: Any = duration(self.lookback_window)
        self.progress = Progress(before, since, self._gate.began, lookback, self.reads_all)
        for found in chain(first, pages):
            self.progress.take(found)
        self.progress.settle(self._workspace.unanswered)
        return self.progress

    def _listed(self) -> Iterator[FoundPage]:
        for partition in self._parent.generate_partitions():
            for record in partition.read():
                yield FoundPage(**record)

    def _report_if_finished(self) -> None:
        """Say how many pages were found, in which way, and what was skipped."""
        progress = self.progress
        if not progress.is_finished:
            return
        progress.due.clear()  # an empty dict keeps its size
        progress.listed.clear()
        ways, stream, ended = progress.ways, self._stream_name, self._workspace.ended
        self._skipped.summarize(stream)
        if progress.discoveries and ended:
            LOGGER.warning(
                f"Stream {stream} discovered {progress.discoveries} pages after {', '.join(ended)} had ended. They are "
                f"missing there until the next sync. Move {stream} to the top of the catalog."
            )
        elif not self.discovers:
            ended.append(stream)
        if progress.asked_since:
            LOGGER.warning(
                f"Stream {stream} asked only about pages edited since {progress.asked_since}, as the settings say. New "
                "comments on older pages are missing. They arrive if their page is edited or the setting is emptied."
            )
        said = f"Stream {stream} found {ways['search']} pages through search"
        if self.config.get("page_discovery") == "search":
            LOGGER.info(f"{said} only.")
            return
        said += f", {ways['database']} more through their databases, and {ways['parent']} more within other pages."
        if not self._workspace.has_discovering_stream:
            said += " To discover pages within pages, sync the stream blocks too."
        LOGGER.info(said)


@dataclass
class DatabaseRouter(SubstreamPartitionRouter):
    """One partition a database, with the `properties` of all its data sources and their newest edit.

    Databases cannot be listed; data sources can, and name theirs. The runtime's own router would give a partition for
    each data source.
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._stream_name = parameters.get("stream_name", "")
        self._skipped = Skipped.of(self.config)
        self._is_complete = False

    def get_stream_state(self) -> Optional[Mapping[str, Any]]:
        """The runtime asks for the state a last time when everything was read."""
        if self._is_complete:
            self._skipped.summarize(self._stream_name)
        return super().get_stream_state()

    def stream_slices(self) -> Iterable[StreamSlice]:
        databases: dict[str, dict[str, Any]] = {}
        for each in super().stream_slices():
            database_id = each.partition["database_id"]
            if not isinstance(database_id, str):
                self._skipped.warn(
                    self._stream_name, "a database", "without an id", "Its data source has no id for it."
                )
                continue
            about = databases.setdefault(database_id, {"properties": [], "last_edited_time": ""})
            about["properties"] += each.extra_fields["properties"] or []
            about["last_edited_time"] = max(about["last_edited_time"], edited_at(each.extra_fields))
        for id, about in databases.items():
            yield StreamSlice(partition={"database_id": id}, cursor_slice={}, extra_fields=about)
        self._is_complete = True


@dataclass
class ViewRouter(SubstreamPartitionRouter):
    """One partition a view. A database whose views cannot be listed costs only its own, and fails the stream at the end.

    The runtime's own router would stop there, and leave out those of all databases after it.
    """

    def stream_slices(self) -> Iterable[StreamSlice]:
        failures: list[Exception] = []
        for database in self.parent_stream_configs[0].stream.generate_partitions():
            try:
                for view in database.read():
                    yield StreamSlice(partition={"view_id": view["id"]}, cursor_slice={})
            except AirbyteTracedException as error:
                if error.failure_type == FailureType.config_error:
                    raise  # that of one is that of all
                failures.append(error)
        if failures:
            raise failures[0]
