"""What a sync has done so far, from the observer's report, and the line that shows it while it runs."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from shutil import get_terminal_size
from threading import Event, Thread
from types import TracebackType
from typing import Any, Optional, TextIO

WIDTH = 79
LONGEST_TIME = len("1234 s  ")
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_BETWEEN_LINES = 10  # if nobody sees them redrawn

_WAIT = re.compile(r"(?:slow down|rate limit)\D*(\d+) seconds")
_STREAM = re.compile(r"\bstream (\w+)", re.IGNORECASE)


@dataclass
class Stream:
    """What a sync has done with one stream.

    Attributes:
        records: how many the connector delivered.
        status: what the connector said last: STARTED, RUNNING, COMPLETE or INCOMPLETE.
        began: when it was started, in seconds.
        ended: when it was complete or incomplete.
        warnings: how many warnings name it.
    """

    records: int = 0
    status: str = ""
    began: float = 0.0
    ended: float = 0.0
    warnings: int = 0

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended - self.began)


@dataclass
class Report:
    """Reads the observer's report.

    Attributes:
        path: the report's file.
        streams: by name, in the order in which they were started.
        warnings: the connector's warnings, each once.
        warned: how many warnings there were.
        reasons: the errors, each with the streams that failed for it.
        reader: the process that reads for PyAirbyte, once there is one.
        is_stopped: whether the person stopped the sync.
    """

    path: Path
    streams: dict[str, Stream] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    warned: int = 0
    reasons: dict[str, list[str]] = field(default_factory=dict)
    reader: Optional[int] = None
    is_stopped: bool = False
    _latest: str = ""
    _responses: deque[float] = field(default_factory=deque)
    _waits_until: float = 0.0
    _exit_code: int = 0
    _is_over: bool = False
    _position: int = 0

    def update(self) -> None:
        """Take what was added to the report since the last time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as report:
            report.seek(self._position)
            for line in report:
                if not line.endswith(b"\n"):
                    break  # it is still being written
                self._position += len(line)
                self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        if "response" in entry:
            self._responses.append(time.monotonic())
        elif "records" in entry:
            self._count(entry["records"])
        elif "log" in entry:
            self._take_log(entry["log"]["level"], entry["log"]["message"])
        elif "trace" in entry:
            self._take_trace(entry["trace"])
        elif "reads" in entry:
            self.reader, self._is_over = entry["reads"], False
        elif "ended" in entry:
            self._exit_code, self._is_over = entry["ended"], True

    def _count(self, records: dict[str, int]) -> None:
        for name, count in records.items():
            stream = self.streams.setdefault(name, Stream())
            if count > stream.records:
                self._latest = name
            stream.records = count

    def _take_log(self, level: str, message: str) -> None:
        wait = _WAIT.search(message)
        if wait:
            self._waits_until = time.monotonic() + int(wait[1])
        if level != "WARN":
            return
        self.warned += 1
        self.warnings[message] = None
        names = [name for name in _STREAM.findall(message) if name in self.streams]
        if names:
            self.streams[names[0]].warnings += 1

    def _take_trace(self, trace: dict[str, Any]) -> None:
        detail = trace.get("stream_status") or trace.get("error") or {}
        name = (detail.get("stream_descriptor") or {}).get("name", "")
        if trace["type"] == "ERROR":
            streams = self.reasons.setdefault(detail["message"], [])
            if name not in streams:
                streams.append(name)
        elif trace["type"] == "STREAM_STATUS":
            stream = self.streams.setdefault(name, Stream())
            stream.status = detail["status"]
            if stream.status == "STARTED":
                stream.began = trace["emitted_at"] / 1000
            stream.ended = trace["emitted_at"] / 1000

    def finish(self, selected: list[str]) -> None:
        """Take the rest of the report, and find the streams that failed without a reason."""
        self.update()
        for name in selected:
            self.streams.setdefault(name, Stream())
        of_streams = {reason: names for reason, names in self.reasons.items() if any(names)}
        self.reasons = of_streams or self.reasons  # an error of no stream only sums up the others
        explained = {name for names in self.reasons.values() for name in names}
        incomplete = [
            name for name, stream in self.streams.items() if stream.status != "COMPLETE" and name not in explained
        ]
        if incomplete and not self.is_stopped and "" not in explained:
            reason = "The connector calls it incomplete. Its warnings say why."
            if self._exit_code:
                how = f"signal {-self._exit_code}" if self._exit_code < 0 else self._exit_code
                reason = f"The connector ended before it was complete (exit code: {how})."
            self.reasons[reason] = incomplete

    @property
    def failed(self) -> set[str]:
        """The streams that failed."""
        return {name for names in self.reasons.values() for name in names}

    @property
    def records(self) -> int:
        """How many records came, in all streams."""
        return sum(stream.records for stream in self.streams.values())

    def line(self) -> str:
        """What the sync does now, in one line."""
        if self.is_stopped:
            return "Stopping: what has arrived is being written"
        if not self._position:
            return "Starting"
        if self._is_over and self.reader is not None:
            return f"{self.records:,} records, writing them"
        now = time.monotonic()
        while self._responses and self._responses[0] < now - 60:
            self._responses.popleft()
        line = f"{len(self._responses)} requests/min"
        if self._waits_until > now:
            line += f", rate limit: wait {self._waits_until - now:.0f} s"
        if self.reader is None:
            return f"Looking for databases, {line}"
        line = f"{self.records:,} records, {line}"
        if not self._latest:
            return line
        of_latest = f" {self.streams[self._latest].records:,} of "
        room = WIDTH - LONGEST_TIME - len(of_latest) - len(line)
        return shortened(self._latest, room) + of_latest + line if room > 1 else line


def shortened(name: str, width: int) -> str:
    """A name of at most so many characters. If there is room, its end stays, which tells tables apart."""
    if len(name) <= width:
        return name
    end = 13 if width >= 20 else 0
    return name[: width - 1 - end] + "…" + name[len(name) - end :]


class LiveLine:
    """Shows the report's line while a sync runs: redrawn on a terminal, else every ten seconds."""

    def __init__(self, report: Report, screen: TextIO) -> None:
        self._report = report
        self._screen = screen
        self._is_redrawn = screen.isatty()
        self._width = min(WIDTH, get_terminal_size().columns - 1) if self._is_redrawn else WIDTH
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._is_redrawn:
            self._write(" " * self._width + "\r")

    def _run(self) -> None:
        began = shown = time.monotonic()
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._report.update()
            now = time.monotonic()
            line = f"{now - began:4.0f} s  {self._report.line()}"[: self._width]
            if self._is_redrawn:
                self._write(line.ljust(self._width) + "\r")  # the ^C of a terminal goes where it is drawn again
            elif now >= shown + SECONDS_BETWEEN_LINES:
                shown = now
                self._write(line + "\n")

    def _write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()
