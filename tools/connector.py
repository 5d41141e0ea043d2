"""Runs the connector as `source-notion` does, and reports each response of Notion: `python -m tools.connector`."""

import logging
import os
from pathlib import Path

from source_notion.run import run
from tools.observer import REPORT


class Responses(logging.Handler):
    """Reports the status of each response, which urllib3 logs when it debugs."""

    def __init__(self, report: Path) -> None:
        super().__init__()
        self._report = report.open("a", buffering=1, encoding="utf-8")

    def emit(self, entry: logging.LogRecord) -> None:
        if entry.levelno > logging.DEBUG:
            logging.getLogger().handle(entry)
        elif isinstance(entry.args, tuple) and len(entry.args) == 8:
            # The address, method, target and version, then the status and the length.
            self._report.write(f'{{"response": {entry.args[6]}}}\n')


if __name__ == "__main__":
    responses = logging.getLogger("urllib3.connectionpool")
    responses.setLevel(logging.DEBUG)
    responses.propagate = False  # the connector prints what its root logger gets
    responses.addHandler(Responses(Path(os.environ[REPORT])))
    run()
