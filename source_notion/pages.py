"""Which pages and databases the streams over them read, and in which order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from logging import getLogger
from threading import Condition
from typing import Any, ClassVar, Optional

from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    ParentStreamConfig,
    SubstreamPartitionRouter,
)
from airbyte_cdk.sources.types import StreamSlice

from source_notion.known_pages import Discovery, FoundPage, KnownPages
from source_notion.objects import transient_error
from source_notion.page_state import PageState, Progress
from source_notion.rate_limit import NotionClock
from source_notion.skipped import Skipped

LOGGER = getLogger("airbyte")


@dataclass
class PageRouter(SubstreamPartitionRouter):
    """One partition a page, from the page edited longest ago to the newest.

    Search lists the newest first. Read in that order, no state would be true before the end; read
    from the oldest up, a sync that is cut off goes on where it was. The runtime's own router reads
    in the order of the parent stream, and knows no page by itself.

    Attributes:
        only_changed_pages: whether to read the pages edited since the last sync, or all.
        discovered_by: the streams that discover pages, whose saved state says which.
        discovers: whether this stream is one of them.
        as_one: whether to give one slice for all pages, which reads `due_pages`.
        max_under_way: how many pages may be read at once; with more, the state would lag behind.
    """

    only_changed_pages: bool = True
    discovered_by: Sequence[ParentStreamConfig] = field(default_factory=list)
    discovers: bool = False
    as_one: bool = False
    max_under_way: str = "20"

    # After so many, something larger is broken.
    MAX_FAILURES_IN_A_ROW: ClassVar[int] = 50

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        self._stream_name = (parameters or {}).get("stream_name", "")
        self._parent = self.parent_stream_configs[0].stream
        self._known = KnownPages.of(self.config)
        self._clock = NotionClock.of(self.config)
        self._changed = Condition()
        self._progress: Optional[Progress] = None

    def get_stream_state(self) -> Mapping[str, Any]:
        """The state by now. The runtime asks for it at each slice, and at the end."""
        with self._changed:
            state = self._progress.state() if self._progress else self._before()
        if self.discovers:
            state["discovered"] = self._known.saved()
        return {self._parent.name: state}

    def stream_slices(self) -> Iterable[StreamSlice]:
        if self.as_one:
            yield StreamSlice(partition={"pages": "all"}, cursor_slice={})
            return
        max_under_way = InterpolatedString.create(self.max_under_way, parameters={})
        room = int(max_under_way.eval(self.config))
        progress = self._list()
        for page in sorted(progress.due.values()):
            with self._changed:
                self._changed.wait_for(lambda: len(progress.under_way) < room)
                if progress.failures_in_a_row >= self.MAX_FAILURES_IN_A_ROW:
                    raise transient_error(
                        f"{self.MAX_FAILURES_IN_A_ROW} pages in a row could not be read, so the "
                        "stream stops here. The next sync goes on from there."
                    )
                progress.give_out(page)
            yield StreamSlice(
                partition={"page_id": page.id},
                cursor_slice={},
                extra_fields={
                    "last_edited_time": page.last_edited_time,
                    "is_news": page.is_news,
                    "since": progress.since,
                    "began": progress.began,
                },
            )
        self._all_given_out(progress)

    def due_pages(self) -> Iterator[FoundPage]:
        """The pages to be read, in the order of the listing."""
        progress = self._list()
        for found in self._listed():
            due = progress.due.get(found.page["id"])
            if due and due.last_edited_time == found.page["last_edited_time"]:
                del progress.due[due.id]  # other lists may have it too
                yield found
        self._all_given_out(progress)

    def finish(self, page_id: str, failed: list[str], discovery: Discovery) -> bool:
        """Note that a page was read.

        Args:
            page_id: the page.
            failed: the ids of what could not be read: the page, or pages discovered in it.
            discovery: what was discovered in it, and read after it.

        Returns:
            whether it was the last one.
        """
        progress = self._progress
        assert progress is not None
        with self._changed:
            self._known.remember(discovery, self._clock.now or progress.began)
            for found in discovery.pages:
                progress.add_discovered(found)
            progress.finish(page_id, failed)
            self._changed.notify()
            if progress.is_finished:
                self._report(progress)
            return progress.is_finished

    def _before(self) -> PageState:
        return {**self._parent.cursor.state}  # type: ignore[typeddict-item]

    def _list(self) -> Progress:
        """List all pages before the first slice: the runtime moves the state once there is one."""
        self._known.recall(each.stream.cursor.state for each in self.discovered_by)
        self._known.is_traversed = self._known.is_traversed or self.discovers
        now = self._clock.now
        pages = self._listed()
        first = next(pages, None)  # the clock is right after an answer
        progress = Progress(self._before(), self._since(), now or self._clock.began)
        progress.reads_all, progress.repeats = not self.only_changed_pages, self.as_one
        for found in chain([first] if first else [], pages):
            progress.take(found, self._known.discovered_at(found.origin))
        self._progress = progress
        return progress

    def _listed(self) -> Iterator[FoundPage]:
        for partition in self._parent.generate_partitions():
            for record in partition.read():
                yield FoundPage(**record)  # type: ignore[arg-type]

    def _since(self) -> str:
        """How far back the listing goes."""
        (partition,) = self._parent.generate_partitions()
        return (partition.to_slice() or {})["start_time"]

    def _all_given_out(self, progress: Progress) -> None:
        with self._changed:
            progress.is_complete = True
            if progress.is_finished and not self.as_one:
                self._report(progress)

    def _report(self, progress: Progress) -> None:
        """Say how many pages were found, in which way."""
        ways = progress.ways
        said = f"Stream {self._stream_name} found {ways['search']} pages through search"
        if self._known.goes_by_search_only:
            LOGGER.info(f"{said} alone.")
            return
        LOGGER.info(
            f"{said}, {ways['database']} more through their databases, and {ways['parent']} more within "
            "other pages"
            + (
                "."
                if self._known.is_traversed
                else ", which this sync does not walk: the stream blocks does."
            )
        )


@dataclass
class DatabaseRouter(SubstreamPartitionRouter):
    """One partition a database, with what its data sources know of it.

    Databases cannot be listed; data sources can, and name theirs. A slice carries the `properties` of
    all the database's data sources and the newest `last_edited_time` among them. The runtime's own
    router would give a partition for each data source.
    """

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters or {})
        self._stream_name = (parameters or {}).get("stream_name", "")
        self._skipped = Skipped.of(self.config)
        self._is_complete = False

    def get_stream_state(self) -> Optional[Mapping[str, Any]]:
        """The state by now. The runtime asks for it a last time when everything was read."""
        if self._is_complete:
            self._skipped.summarize(self._stream_name)
        return super().get_stream_state()

    def stream_slices(self) -> Iterable[StreamSlice]:
        databases: dict[str, dict[str, Any]] = {}
        for data_source in super().stream_slices():
            known = databases.setdefault(
                data_source.partition["database_id"], {"properties": [], "last_edited_time": ""}
            )
            known["properties"] += data_source.extra_fields["properties"] or []
            known["last_edited_time"] = max(
                known["last_edited_time"], data_source.extra_fields["last_edited_time"]
            )
        for database_id, known in databases.items():
            yield StreamSlice(
                partition={"database_id": database_id}, cursor_slice={}, extra_fields=known
            )
        self._is_complete = True
