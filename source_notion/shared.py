"""What all components of one sync share."""

from collections import deque
from collections.abc import Mapping
from threading import RLock
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

Shared = TypeVar("Shared", bound="SharedInSync")


class SharedInSync:
    """Has one instance for each sync, which lives as long as a component of the sync holds it.

    The runtime builds each component by itself. What it hands to all of them is the same
    configuration object, so that object tells which components belong to one sync.
    """

    _instances: ClassVar["WeakValueDictionary[tuple[type, int], SharedInSync]"] = (
        WeakValueDictionary()
    )
    _lock: ClassVar[RLock] = RLock()

    # The runtime finds the tables before it builds the streams, with components that do not live on.
    _latest: ClassVar["deque[SharedInSync]"] = deque(maxlen=16)

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config  # while this lives, no other object has its id

    @classmethod
    def of(cls: type[Shared], config: Mapping[str, Any]) -> Shared:
        """The instance of the sync with this configuration."""
        with SharedInSync._lock:
            key = (cls, id(config))
            instance: Any = SharedInSync._instances.get(key)
            if instance is None:
                instance = SharedInSync._instances[key] = cls(config)
                SharedInSync._latest.append(instance)
            return instance
