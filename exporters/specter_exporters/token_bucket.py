"""A limit on how fast something may come: a bucket that fills with time, up to what comes in two seconds."""

import math
import threading
from collections.abc import Callable


class TokenBucket:
    """Let through `per_second` on average, and twice as many at once.

    It holds one at least: below that it would never let one through.

    Who knows what it takes calls `take`. Who learns it afterwards calls `wait`, which lets in while something
    is left, and then `pay`: the level may go below zero by that one.

    Args:
        per_second: how fast it fills.
        monotonic: seconds that never step back.
    """

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._burst = max(1.0, 2 * per_second)
        self._monotonic = monotonic
        self._level = self._burst
        self._filled = monotonic()
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Take `amount` and return 0, or take nothing and return the seconds until there is enough."""
        with self._lock:
            self._fill()
            if amount <= self._level:
                self._level -= amount
                return 0.0
            return (amount - self._level) / self._rate

    def wait(self) -> int:
        """Return 0 while something is left, else after how many whole seconds it will be."""
        with self._lock:
            self._fill()
            return 0 if self._level > 0 else max(1, math.ceil(-self._level / self._rate))

    def pay(self, amount: float) -> None:
        """Take away what something let in by `wait` has cost; nothing costs as much as one."""
        with self._lock:
            self._level -= max(1, amount)

    def _fill(self) -> None:
        now = self._monotonic()
        self._level = min(self._burst, self._level + (now - self._filled) * self._rate)
        self._filled = now
