"""Sessions: stretches of events of one user without a long pause."""

from collections import OrderedDict

LIMIT = 100_000


class Sessions:
    """Follows the sessions that are not over; fixed memory.

    Args:
        idle: seconds without an event after which a session is over.
        limit: how many are followed; further ones are only counted as untracked.
    """

    def __init__(self, idle: float, limit: int = LIMIT) -> None:
        self._idle = idle
        self._limit = limit
        # Hash → (first, last) event, the session that is idle longest first.
        self._open: OrderedDict[int, tuple[float, float]] = OrderedDict()
        self.untracked = 0

    @property
    def active(self) -> int:
        """How many were not over when `expire` was called last."""
        return len(self._open)

    def touch(self, hashed: int, now: float) -> list[float]:
        """Note an event of a session at `now`; return the durations of those found to be over."""
        ended = self.expire(now)
        known = self._open.get(hashed)
        if known is not None:
            # A clock that was set back makes no session shorter.
            self._open[hashed] = (known[0], max(known[1], now))
            self._open.move_to_end(hashed)
        elif len(self._open) < self._limit:
            self._open[hashed] = (now, now)
        else:
            self.untracked += 1
        return ended

    def expire(self, now: float) -> list[float]:
        """Forget the sessions that are over at `now`; return their durations in seconds."""
        ended: list[float] = []
        while self._open:
            hashed, (first, last) = next(iter(self._open.items()))
            # Of a clock that was far ahead and has been set right, nothing may last until then.
            if abs(now - last) <= self._idle:
                break
            del self._open[hashed]
            ended.append(last - first)
        return ended
