"""Requests that are sent again: answered as before, and counted once, in bounded memory."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from specter_core.clock import Clock

MAX_KEYS = 20_000
MAX_BYTES = 16 * 1024 * 1024
LIFETIME = 24 * 3600.0

Key = tuple[str, str]


@dataclass(slots=True)
class Remembered:
    """What became of a request; `status` is 0 while it is under way."""

    fingerprint: bytes
    at: float
    status: int = 0
    body: bytes = b""


class Idempotency:
    """Remembers answers by (sender, key): for a day, at most so many keys and bytes, the oldest go first.

    Args:
        clock: of which the monotonic time is used.
        max_keys: how many.
        max_bytes: of answers.
    """

    def __init__(self, clock: Clock, *, max_keys: int = MAX_KEYS, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._max_bytes = max_bytes
        self._bytes = 0
        self._known: OrderedDict[Key, Remembered] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: Key, fingerprint: bytes) -> Remembered | None:
        """Return what is known of `key`; None means that the request is new, and now under way."""
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.get(key)
            if known is not None and now - known.at <= LIFETIME:
                return known
            if known is not None:
                self._drop(key)
            self._known[key] = Remembered(fingerprint, now)
            while len(self._known) > self._max_keys:
                self._drop(next(iter(self._known)))
        return None

    def end(self, key: Key, status: int, body: bytes) -> None:
        """Remember the answer of the request under way."""
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return
            known.status, known.body = status, body
            self._bytes += len(body)
            while self._bytes > self._max_bytes and len(self._known) > 1:
                self._drop(next(iter(self._known)))

    def forget(self, key: Key) -> None:
        """Let the request be sent again: nothing of it was counted."""
        with self._lock:
            if key in self._known:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        self._bytes -= len(self._known.pop(key).body)
