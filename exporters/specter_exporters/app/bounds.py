"""Bounded label values: what keeps one bad caller from flooding Prometheus with series."""

import threading

OTHER = "other"


class BoundedLabel:
    """Admit the first `limit` distinct values of a label; every later one becomes `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._admitted: set[str] = set()
        self.renew()

    def renew(self) -> None:
        """Go on in a forked process: a thread of the parent may have held the lock, and is not here."""
        self._lock = threading.Lock()

    def admit(self, value: str) -> str:
        """Return `value` if it is, or can still be, one of the admitted ones, else `other`."""
        with self._lock:
            if value in self._admitted:
                return value
            if len(self._admitted) < self._limit:
                self._admitted.add(value)
                return value
        return OTHER
