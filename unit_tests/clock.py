"""The clock of the code under test: the standard library's own, which tests move.

Everything in this process follows it, the connector and the runtime alike. It knows none of their modules;
it asks of them only that they wait with `time.sleep` and tell the time with `time` and `datetime`. The
stand-in of the API took the functions that it needs before, and keeps the real ones.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from threading import Lock

import pytest
import time_machine

REAL_SLEEP, REAL_MONOTONIC = time.sleep, time.monotonic


class Clock:
    """Moves time.

    Attributes:
        began: when the test began, to the second.
        naps: the waits in seconds, as of retries and of the rate limit: noted, and slept by the clock only.
    """

    # Shorter ones are how threads take turns, and are slept for real.
    SHORTEST_NAP = 0.5

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self.began = datetime.now(timezone.utc).replace(microsecond=0)
        self.naps: list[float] = []
        self._traveller = traveller
        self._stands_still = False
        self._ahead = 0.0
        self._lock = Lock()

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._ahead += seconds
            self._traveller.shift(seconds)

    def stand_still_at(self, now: datetime) -> None:
        """Show this time, to the second, until `forward` moves it; naps do not."""
        self._traveller.move_to(int(now.timestamp()), tick=False)
        self._stands_still = True

    def sleep(self, seconds: float) -> None:
        if seconds < self.SHORTEST_NAP:
            REAL_SLEEP(seconds)
            return
        with self._lock:
            self.naps.append(seconds)
            self._ahead += seconds
            if not self._stands_still:
                self._traveller.shift(seconds)

    def monotonic(self) -> float:
        return REAL_MONOTONIC() + self._ahead


@contextmanager
def moved_clock() -> Iterator[Clock]:
    """Puts a clock in the place of the standard library's."""
    with time_machine.travel(time.time()) as traveller, pytest.MonkeyPatch.context() as patch:
        clock = Clock(traveller)
        patch.setattr(time, "sleep", clock.sleep)
        patch.setattr(time, "monotonic", clock.monotonic)
        yield clock
