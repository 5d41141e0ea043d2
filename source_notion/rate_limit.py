"""Waiting as long as Notion asks to."""

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

from source_notion.objects import in_notion_format, transient_error
from source_notion.responses import TimedBody
from source_notion.shared import LOGGER, SharedInSync, is_shutting_down

# Too many requests, and an overloaded service: https://developers.notion.com/reference/status-codes
SLOW_DOWN = (429, 529)
BLOCKED = b"public_api_request_blocked"


class RateLimitGate(SharedInSync):
    """Keeps every request of a sync back while Notion asks to slow down.

    Notion counts requests in fixed windows of a minute. A second limit holds for the whole workspace, where a wait may
    take many minutes. The runtime's `HTTPAPIBudget` does not read `Retry-After`.
    https://developers.notion.com/reference/request-limits
    """

    SECONDS_WITHOUT_ADVICE = 10.0
    LONGEST_WAIT = 3600.0

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.began = ""  # by the `Date` of the sync's first answer: this machine's clock may be wrong
        self._opens_at = 0.0
        self._shortest_wait = 1.0
        self._turn = Lock()

    def wait(self) -> None:
        """Return when a request may be sent; log each minute that it may not."""
        with self._turn:
            while (seconds := self._opens_at - time.monotonic()) > 0:
                if seconds > 60:
                    LOGGER.info(f"Still waiting for Notion's rate limit, {seconds:.0f} seconds.")
                if is_shutting_down():
                    raise transient_error("The program ends while Notion's rate limit lasts.")
                time.sleep(min(seconds, 60))

    def insist(self, response: Any, *_: Any, **how: Any) -> Any:
        """A hook of `requests`: if Notion asks to slow down, wait and send the request again, which uses up no retry."""
        while True:
            response.raw = TimedBody(response.raw)  # before it is read
            self.began = self.began or in_notion_format(_date_of(response))
            if response.status_code not in SLOW_DOWN or BLOCKED in response.content:
                self._shortest_wait = 1.0
                return response
            self._close(self._advice(response))
            self.wait()
            response = response.connection.send(response.request, **how)

    def _close(self, seconds: float) -> None:
        now = time.monotonic()
        if now >= self._opens_at:  # and not the answer to a request that was under way when it closed
            self._shortest_wait = min(2 * self._shortest_wait, 60.0)
        if now + seconds > self._opens_at + 1:
            LOGGER.info(f"Notion asks to slow down: all requests wait for {seconds:.0f} seconds.")
        self._opens_at = max(self._opens_at, now + seconds)

    def _advice(self, response: Any) -> float:
        """How long to wait: `Retry-After` may be missing, a date, or not positive."""
        try:
            seconds = float(response.headers["Retry-After"])
        except (KeyError, ValueError):
            seconds = self.SECONDS_WITHOUT_ADVICE
        return max(self._shortest_wait, min(seconds, self.LONGEST_WAIT))


def _date_of(response: Any) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):  # a proxy may have dropped it
        return datetime.now(timezone.utc)
