"""Time as a value that is passed in, so that tests decide what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """What code that needs the time asks for."""

    def time(self) -> float:
        """Return seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds that never step back, from an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Block for `seconds` (no-op when zero or negative)."""


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never step back, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block for `seconds` (no-op when zero or negative)."""
        if seconds > 0:
            time.sleep(seconds)


def align_down(timestamp: float, step: float) -> float:
    """Return the last multiple of `step` (seconds) at or before `timestamp`."""
    return timestamp - timestamp % step
