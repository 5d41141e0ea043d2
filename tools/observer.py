"""Runs the connector between PyAirbyte and us: `python -m tools.observer COMMAND ...`.

PyAirbyte 0.71 stops a read at the first error of any stream, or at an exit code, and throws away what all streams have
delivered. So a read passes on the records and states, in their order, and keeps the errors; it ends with
exit code 0, and PyAirbyte writes what came. The other commands pass everything on.

The report is a file of JSON lines: the connector's logs, errors and stream statuses as they are, how many records came
(`{"records": {stream: count}}`), the process that reads (`{"reads": pid}`) and how the connector ended (`{"ended":
code}`). `tools/connector.py` adds Notion's responses to it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

REPORT = "SOURCE_NOTION_REPORT"  # the environment variable with the report's path
SECONDS_BETWEEN_COUNTS = 0.25


class Observer:
    """Looks at each line of the connector, and says which ones to pass on."""

    def __init__(self, report: TextIO, is_read: bool) -> None:
        self._report = report
        self._is_read = is_read
        self._records: Counter[str] = Counter()
        self._counted_at = 0.0

    def passes(self, line: bytes) -> bool:
        """Take a line into the report; False for what would end the read."""
        message = _message(line)
        kind = message.get("type")
        if kind == "RECORD":
            self._records[message["record"]["stream"]] += 1
            self.count(at_least_every=SECONDS_BETWEEN_COUNTS)
        elif kind in ("LOG", "TRACE"):
            self.note(message)
        is_error = kind == "TRACE" and message["trace"].get("type") == "ERROR"
        return not self._is_read or (bool(message) and not is_error)

    def count(self, at_least_every: float = 0.0) -> None:
        """Report how many records came, unless that was just done."""
        if time.monotonic() >= self._counted_at + at_least_every:
            self._counted_at = time.monotonic()
            self.note({"records": self._records})

    def note(self, entry: dict[str, Any]) -> None:
        self._report.write(json.dumps(entry) + "\n")


def _message(line: bytes) -> dict[str, Any]:
    """The message on a line; empty for another text, as the half of a message when the connector was stopped."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def main(arguments: list[str]) -> int:
    """Run the connector, and give the exit code for PyAirbyte."""
    is_read = arguments[:1] == ["read"]
    with (
        Path(os.environ[REPORT]).open("a", buffering=1, encoding="utf-8") as report,
        subprocess.Popen([sys.executable, "-m", "tools.connector", *arguments], stdout=subprocess.PIPE) as connector,
    ):
        signal.signal(signal.SIGTERM, lambda *_: connector.terminate())
        observer = Observer(report, is_read)
        if is_read:
            observer.note({"reads": os.getpid()})
        try:
            for line in connector.stdout or ():
                if observer.passes(line):
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
        except BrokenPipeError:  # nobody listens any more
            connector.kill()
        code = connector.wait()
        observer.count()
        observer.note({"ended": code})
    return 0 if is_read or code == -signal.SIGTERM else abs(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
