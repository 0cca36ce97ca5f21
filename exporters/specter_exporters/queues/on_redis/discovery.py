"""Find keys by a pattern with SCAN, in bounded steps, so that a database of millions is not held up."""

from collections.abc import Sequence

from specter_core.clock import Clock
from specter_exporters.queues.on_redis.session import Session

COUNT = 1000
"""Keys that the server looks at in one step, some tenths of a millisecond."""
STEP_SECONDS = 0.1
"""Seconds that a scrape spends on it; the next goes on where it ended."""
AGAIN_AFTER = 30.0
"""Seconds from the end of one pass to the beginning of the next."""
MOST_KEYS = 5000
"""More are not remembered: the names of a pass are held in memory."""


class Finder:
    """The keys of a database that match a glob.

    Args:
        pattern: the glob.
        clock: the time.
    """

    def __init__(self, pattern: str, clock: Clock) -> None:
        self._pattern = pattern
        self._clock = clock
        self._cursor: bytes = b"0"
        self._passing: set[str] = set()
        self._found: tuple[str, ...] = ()
        self._again = float("-inf")
        self.complete = False

    def keys(self, session: Session) -> Sequence[str]:
        """Return the keys that are known, sorted, after going on with the search.

        Those of the last whole pass, and what the present one has found.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses to be searched.
        """
        began = self._clock.monotonic()
        if began < self._again:
            return self._found
        while self._clock.monotonic() - began < STEP_SECONDS:
            self._cursor, keys = session.one("SCAN", self._cursor, "MATCH", self._pattern, "COUNT", COUNT)
            if len(self._passing) < MOST_KEYS:
                self._passing.update(key.decode("utf-8", "replace") for key in keys)
            if self._cursor == b"0":
                self._found = tuple(sorted(self._passing))
                self._passing = set()
                self._again = self._clock.monotonic() + AGAIN_AFTER
                self.complete = True
                return self._found
        self._found = tuple(sorted({*self._found, *self._passing}))
        return self._found


def literal(text: str) -> str:
    """Return `text` as a glob that matches nothing else."""
    return "".join(f"\\{each}" if each in "*?[]\\^-" else each for each in text)
