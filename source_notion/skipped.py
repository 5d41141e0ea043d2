"""What a sync could not deliver, and how it says so."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from threading import Lock
from typing import Any

from source_notion.shared import SharedInSync

LOGGER = logging.getLogger("airbyte")


class Skipped(SharedInSync):
    """What each stream had to skip, and what failed: each reason once, and the sum at the end."""

    MAX_IDS_IN_A_MESSAGE = 10

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self._failures: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._lock = Lock()

    def warn(self, stream: str, what: str, reason: str, explanation: str) -> None:
        with self._lock:
            self._reasons[stream][reason] += 1
        LOGGER.warning(f"Stream {stream} left out {what}: {explanation}")

    def fail(self, stream: str, page_id: str, reason: str) -> bool:
        """Note that a page could not be read; returns whether it is the first one for this reason."""
        with self._lock:
            ids = self._failures[stream][reason]
            ids.append(page_id)
            return len(ids) == 1

    def summarize(self, stream: str) -> None:
        with self._lock:
            reasons = self._reasons.pop(stream, Counter())
            failures = self._failures.pop(stream, {})
        for reason, ids in failures.items():
            if len(ids) > 1:
                shown = ", ".join(ids[: self.MAX_IDS_IN_A_MESSAGE])
                more = " and others" if len(ids) > self.MAX_IDS_IN_A_MESSAGE else ""
                LOGGER.warning(
                    f"Stream {stream} could not read {len(ids)} pages, {shown}{more}: {reason}"
                )
        if reasons:
            parts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            LOGGER.warning(f"Stream {stream} left out {sum(reasons.values())} in all: {parts}.")
