"""A week of a detector in accelerated time: does its memory grow?

Real are the engine, its threads, what it makes of answers, the history and the checkpoints on disk, the
spool on disk, and what is encoded. Not real are the data source, which makes up an answer every ten minutes,
the server that is written to, which takes everything at once, and the fits, of which there are a few hundred
that are given to all series (`assembly.Replicas`). Every hour one series in a hundred is replaced by a new
one, as pods are; what is gone is forgotten after a day, and its history after a week. All series are fitted,
and what is known is saved, every twelve hours.
"""

import multiprocessing
import statistics
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson

from benchmarks import report
from benchmarks.servicing.assembly import Assembly, MovedClock, config_of
from benchmarks.servicing.memory import anonymous_mb
from benchmarks.servicing.series import METRIC, some_labels, values_at
from specter_detector.allocation import return_large_arrays
from specter_detector.config import Query
from specter_detector.identity import Identities
from specter_detector.remote_write import Outcome
from specter_detector.series import History, Labels, Vector

SERIES = 10_000
DAY, HOUR = 86400.0, 3600.0
BEGIN = 1_790_000_100.0 - 1_790_000_100.0 % DAY
STEP = 600.0
WARM_UP = 8.5
"""Days until there are as many series as there will be: the history has those of a week."""
FIT_EVERY = 12 * HOUR
CHURN = 100
"""One in as many series is replaced every hour."""


class MadeUp:
    """A data source whose series come and go; the labels of those that stay are the same objects.

    Args:
        series: at a time.
    """

    def __init__(self, series: int) -> None:
        self._series = series
        self._identities = Identities()
        self._labels = self._named(series, 0)
        self._made = series

    def replace(self) -> None:
        """Let some series go and others come."""
        count = self._series // CHURN
        place = self._made % self._series
        self._labels[place : place + count] = self._named(count, self._made)
        self._made += count
        self._identities.keep(())

    def _named(self, count: int, first: int) -> list[Labels]:
        """Return the labels of `count` series from number `first` on, as a reader makes them of an answer."""
        texts = [orjson.dumps(dict(labels)) for labels in some_labels(count, METRIC, first)]
        return [labels for labels in map(self._identities.find, texts) if labels is not None]

    def instant(
        self, query: Query, at: float, first: Collection[Labels] = (), *, timeout: float | None = None
    ) -> Vector:
        """See `SeriesReader`."""
        del query, first, timeout
        return Vector(dict(zip(self._labels, values_at(at, self._series).tolist(), strict=True)))

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """See `SeriesReader`."""
        return self.range(query, start, end, query.step, first)

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        """See `SeriesReader`; there is nothing that ticks have not brought."""
        del query, first
        times = np.arange(start, end + step / 2, step)
        return History(times, (), np.empty((0, times.size)))


class Sink:
    """A server that takes everything."""

    def send(self, body: bytes, timeout: float) -> Outcome:
        """See `RequestSink`."""
        del body, timeout
        return Outcome("ok")


def report_soak(days: float) -> None:
    """Report how much larger memory is on the last of `days` days than on the first, in percent."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        sizes = pool.submit(_soaked, days).result()
    first, last = statistics.median(sizes[:DAILY]), statistics.median(sizes[-DAILY:])
    report("soak_rss_growth_percent", 100 * (last / first - 1), "%")
    report("soak_rss_mb", last, "MB")
    report("soak_rss_peak_mb", max(sizes), "MB")


DAILY = round(DAY / STEP)


def _soaked(days: float) -> list[float]:
    """Return the megabytes of anonymous memory after each tick of `days` days behind the warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        return list(_sizes(Path(folder), days))[round(WARM_UP * DAILY) :]


def _sizes(folder: Path, days: float) -> Iterator[float]:
    return_large_arrays()
    clock, source = MovedClock(), MadeUp(SERIES)
    clock.at = BEGIN
    config = config_of("http://127.0.0.1:9", SERIES, every="10m", step="10m", window="7d")
    detector = Assembly(config, folder, clock=clock, reader=source, sink=Sink(), begin=BEGIN, pause=0.0)
    with closing(detector):
        for number in range(round((WARM_UP + days) * DAILY)):
            clock.at = at = BEGIN + STEP * number
            if number % round(HOUR / STEP) == 0:
                source.replace()
            if number % round(FIT_EVERY / STEP) == 1:
                detector.fit(clock.at)
                detector.save_at_next_tick()
            detector.tick(at)
            detector.wait_until_saved()
            yield anonymous_mb()
