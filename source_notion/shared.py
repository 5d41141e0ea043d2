"""What all components of one sync share."""

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import RLock
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

LOGGER = logging.getLogger("airbyte")

Shared = TypeVar("Shared", bound="SharedInSync")


class SharedInSync:
    """Has one instance for each sync, which lives as long as a component of the sync holds it.

    The runtime builds each component by itself, but hands the same configuration object to all of a sync. So the
    identity of that object, and not its content, tells which components belong together.
    """

    lock: ClassVar[RLock] = RLock()
    _instances: ClassVar["WeakValueDictionary[tuple[type, int], SharedInSync]"] = WeakValueDictionary()
    # The runtime finds the tables before it builds the streams, with components that do not live on.
    _latest: ClassVar["deque[SharedInSync]"] = deque(maxlen=16)

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config  # while this lives, no other object has its id

    @classmethod
    def of(cls: type[Shared], config: Mapping[str, Any]) -> Shared:
        """The instance of the sync with this configuration."""
        with SharedInSync.lock:
            key = (cls, id(config))
            instance: Any = SharedInSync._instances.get(key) or cls(config)
            SharedInSync._instances[key] = instance
            SharedInSync._latest.append(instance)
            return instance


def is_shutting_down() -> bool:
    """Whether the program ends: its main thread failed, and executors refuse new work. Nobody will read what is waited for."""
    try:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(int)
    except RuntimeError as error:  # or there is no room for another thread
        return "shutdown" in str(error)
    return False


class Skipped(SharedInSync):
    """What a sync could not deliver: one message for each reason, and the sum at a stream's end."""

    MAX_IDS_IN_A_MESSAGE = 10

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._reasons: dict[str, Counter[str]] = defaultdict(Counter)
        self._said: set[str] = set()
        self._failures: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def warn(self, stream: str, what: str, reason: str, explanation: str) -> None:
        with self.lock:
            self._reasons[stream][reason] += 1
        LOGGER.warning(f"Stream {stream} skipped {what}: {explanation}")

    def say_once(self, message: str) -> None:
        with self.lock:
            is_news = message not in self._said
            self._said.add(message)
        if is_news:
            LOGGER.warning(message)

    def fail(self, stream: str, page_id: str, reason: str) -> bool:
        """Note that a page could not be read; returns whether it is the first with this reason."""
        with self.lock:
            ids = self._failures[stream][reason]
            ids.append(page_id)
            return len(ids) == 1

    def summarize(self, stream: str) -> None:
        reasons = self._reasons.pop(stream, Counter())
        if reasons:
            parts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            LOGGER.warning(f"Stream {stream} skipped {sum(reasons.values())} in total: {parts}.")
        for ids in self._failures.pop(stream, {}).values():
            if len(ids) > 1:
                shown = ", ".join(ids[: self.MAX_IDS_IN_A_MESSAGE])
                more = " …" if len(ids) > self.MAX_IDS_IN_A_MESSAGE else ""
                LOGGER.warning(
                    f"Stream {stream} could not read {len(ids)} pages, {shown}{more}, all for the reason given for the first."
                )
