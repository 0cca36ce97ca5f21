"""The history of each query: filled by ticks, and from the server where ticks left gaps."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from specter_core.clock import align_down
from specter_detector.models.arrays import Floats, Ints
from specter_detector.series import History, Labels
from specter_detector.store.errors import StoreError
from specter_detector.store.ring import Ring
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)

CELLS = 4_000_000
"""Values asked for at once: weeks of many series would otherwise be in memory together."""

Read = Callable[[float, float], History]


class QueryHistory:
    """The history of one query on its grid; used by the threads of ticks and of fits.

    A disk that refuses costs history, which is then read from the server again, and no tick.

    Args:
        ring: what holds it.
        step: seconds.
        retention: seconds after which a vanished series makes room for others, where there is none.
        telemetry: where refusals are counted.
    """

    def __init__(self, ring: Ring, step: float, retention: float, telemetry: Telemetry) -> None:
        self._ring = ring
        self._step = step
        self._retention = retention
        self._telemetry = telemetry
        self._failing = False

    def add(self, at: float, samples: Mapping[Labels, float]) -> None:
        """Remember a tick, if it falls on the grid."""
        if align_down(at, self._step) != at:
            return
        lost = self._kept(lambda: self._ring.append(at, samples))
        if lost:
            self._kept(lambda: self._forget(at - self._retention))

    def fill(self, start: float, end: float, series: int, read: Read) -> None:
        """Read what is missing between `start` and `end` (Unix s, both inclusive), some time at a time.

        Args:
            start: a multiple of the step.
            end: another one.
            series: about how many there are.
            read: returns the history between two times.
        """
        self._kept(lambda: self._forget(start))
        for first, last in self._ring.gaps(start, end):
            for piece in self._pieces(first, last, series):
                history = read(*piece)
                self._kept(lambda history=history: self._ring.write(history))  # type: ignore[misc]

    def _pieces(self, first: float, last: float, series: int) -> Iterator[tuple[float, float]]:
        length = self._step * (max(1, CELLS // max(1, series)) - 1)
        while first <= last:
            yield first, min(first + length, last)
            first += length + self._step

    def labels(self) -> tuple[tuple[Labels, ...], Floats]:
        """Return the series there are and, (series,), the Unix time (s) of the last value of each."""
        labels = self._ring.labels
        seen = [self._ring.last_seen(each) for each in labels]
        return labels, np.array([np.nan if at is None else at for at in seen])

    def values(self, start: float, end: float, labels: Sequence[Labels]) -> Floats:
        """Return (series, n) the values of `labels` between `start` and `end`, NaN where there is none."""
        return self._ring.history(start, end, labels).values

    def reader(self, start: float, end: float, labels: Sequence[Labels]) -> Callable[[Ints], Floats]:
        """Return what gives the values of some of `labels`, by their places."""
        return lambda rows: self.values(start, end, [labels[row] for row in rows.tolist()])

    def close(self) -> None:
        """Write what is not on disk yet."""
        self._kept(self._ring.flush)

    def _forget(self, before: float) -> int:
        self._ring.forget(self._ring.vanished(before))
        return 0

    def _kept(self, change: Callable[[], int | None]) -> int:
        """Change the ring; a disk that refuses is said once and counted."""
        try:
            lost = change() or 0
        except StoreError as error:
            self._telemetry.storage_failed("history")
            if not self._failing:
                LOGGER.warning("history is not kept: %s", error)
            self._failing = True
            return 0
        if self._failing:
            LOGGER.info("history is kept again")
        self._failing = False
        return lost
