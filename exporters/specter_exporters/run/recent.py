"""What goes on in this process, bounded: what never ends is forgotten."""

import threading
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
MOST = 1000


class Recent(Generic[K, V]):
    """Values by key, the newest `most` of them. Safe for threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: dict[K, V] = {}
        self._lock = threading.Lock()

    def put(self, key: K, value: V) -> None:
        """Keep `value`; of more than `most`, the oldest goes."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                del self._values[next(iter(self._values))]

    def pop(self, key: K) -> V | None:
        """Return the value of `key` and keep it no longer; None if there is none."""
        with self._lock:
            return self._values.pop(key, None)
