"""When ticks are due: at multiples of the interval, each once."""

from dataclasses import dataclass
from math import inf

from specter_core.clock import align_down


@dataclass(slots=True)
class TickSchedule:
    """Ticks of one scheduler; `interval` in seconds."""

    interval: float
    _last: float | None = None

    def start(self, now: float) -> None:
        """Count from `now`: the tick at or before it belongs to an earlier run."""
        self._last = align_down(now, self.interval)

    @property
    def due(self) -> float:
        """Unix time (s) of the next tick; of the first one, minus infinity before `start`."""
        return -inf if self._last is None else self._last + self.interval

    def wait(self, now: float) -> float:
        """Return the seconds until the next tick, 0 when one is due."""
        if self._last is None:
            self.start(now)
            return self.interval
        if now < self._last - self.interval:
            # The clock was set back: wait for its next tick, not for hours until it catches up.
            self.start(now)
        return max(0.0, (self._last or 0.0) + self.interval - now)

    def take(self, now: float) -> float:
        """Return the tick to run, the newest not after `now`."""
        self._last = align_down(now, self.interval)
        return self._last
