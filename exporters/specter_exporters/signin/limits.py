"""A limit on how fast something may come: a bucket that fills with time."""

import threading
from collections.abc import Callable


class TokenBucket:
    """Let through `per_second` on average and `burst` at once.

    Args:
        per_second: how fast it fills.
        burst: how much it holds.
        monotonic: seconds that never step back.
    """

    def __init__(self, per_second: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._level = burst
        self._filled = monotonic()
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Take `amount` and return 0, or take nothing and return the seconds until there is enough."""
        with self._lock:
            now = self._monotonic()
            self._level = min(self._burst, self._level + (now - self._filled) * self._rate)
            self._filled = now
            if amount <= self._level:
                self._level -= amount
                return 0.0
            return (amount - self._level) / self._rate
