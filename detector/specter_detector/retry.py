"""Exponential backoff with full jitter.

A random wait between nothing and the doubled limit, so that many clients of one
server do not come back in step
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base` seconds at first, doubled each time, never more than `cap`."""

    base: float
    cap: float

    def delay(self, attempt: int, random: Random) -> float:
        """Return the seconds to wait after failure number `attempt` (from 0)."""
        limit = min(self.cap, self.base * 2.0 ** min(attempt, 32))
        # Never nothing at all: a loop without a pause would hammer a server that refuses at once.
        return max(self.base / 4, random.uniform(0.0, limit))
