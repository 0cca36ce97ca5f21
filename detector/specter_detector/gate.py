"""Let a few through at a time, each only as long as it may wait."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from specter_detector.datasource import SlowError, UnreachableError


class Gate:
    """At most `places` calls at a time; the others wait until their deadline.

    Args:
        places: calls at a time.
        monotonic: returns seconds that never step back.
    """

    def __init__(self, places: int, monotonic: Callable[[], float]) -> None:
        self._free = places
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody is let through any more."""
        return self._closed

    def close(self) -> None:
        """Turn away who waits and who comes; return at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @contextmanager
    def place(self, deadline: float) -> Iterator[None]:
        """Hold a place.

        Raises:
            SlowError: there was none until `deadline`.
            UnreachableError: the gate is closed.
        """
        with self._changed:
            while not self._free and not self._closed:
                left = deadline - self._monotonic()
                if left <= 0:
                    raise SlowError("no answer in time: all of max_concurrent_queries were running")
                self._changed.wait(left)
            if self._closed:
                raise UnreachableError("the reader has been closed")
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify()
