"""Waiting as long as Notion asks to, and telling the time by its clock."""

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from source_notion.objects import in_notion_format
from source_notion.shared import SharedInSync

LOGGER = logging.getLogger("airbyte")

# Too many requests, and an overloaded service: https://developers.notion.com/reference/status-codes
SLOW_DOWN = (429, 529)


class RateLimitGate(SharedInSync):
    """Keeps every request of a sync back while Notion asks to slow down.

    Notion counts requests in fixed windows of a minute, 180 or 600 by plan, and more over the whole
    workspace, for which a wait may take many minutes. The runtime's `HTTPAPIBudget` would have to
    know these numbers, and does not read `Retry-After`.
    https://developers.notion.com/reference/request-limits
    """

    SECONDS_WITHOUT_ADVICE = 10.0

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._opens_at = 0.0

    def wait(self) -> None:
        """Return when a request may be sent; log each minute that it may not."""
        while (seconds := self._opens_at - time.monotonic()) > 0:
            if seconds > 60:
                LOGGER.info(f"Still waiting for Notion's rate limit, {seconds:.0f} seconds.")
            time.sleep(min(seconds, 60))

    def update(self, request: Any, response: Any) -> None:
        """Close if the response asks for it."""
        if response.status_code not in SLOW_DOWN:
            return
        request.was_told_to_slow_down = True
        try:
            seconds = float(response.headers["Retry-After"])
        except (KeyError, ValueError):
            seconds = self.SECONDS_WITHOUT_ADVICE
        opens_at = time.monotonic() + seconds
        if opens_at > self._opens_at + 1:
            LOGGER.info(f"Notion asks to slow down: all requests wait for {seconds:.0f} seconds.")
        self._opens_at = max(self._opens_at, opens_at)


def was_told_to_slow_down(request: Any) -> bool:
    """Whether an answer to a request asked to slow down: its attempts do not count then."""
    return getattr(request, "was_told_to_slow_down", False)


class NotionClock(SharedInSync):
    """Tells the time by the `Date` of Notion's answers: that of this machine may be wrong."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._first_date: Optional[datetime] = None
        self._first_at = 0.0

    def update(self, response: Any) -> None:
        """Take the time of the sync's first answer."""
        if self._first_date is None:
            try:
                date = parsedate_to_datetime(response.headers["Date"])
            except (KeyError, ValueError):
                date = datetime.now(timezone.utc)
            self._first_at, self._first_date = time.monotonic(), date

    @property
    def began(self) -> str:
        """When the sync began, as far as Notion's answers show."""
        return in_notion_format(self._first_date or datetime.now(timezone.utc))

    @property
    def now(self) -> Optional[str]:
        """What time it is; None before the first answer."""
        if self._first_date is None:
            return None
        elapsed = timedelta(seconds=time.monotonic() - self._first_at)
        return in_notion_format(self._first_date + elapsed)
