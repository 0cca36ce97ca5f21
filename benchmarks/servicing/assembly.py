"""A detector of the real pieces, with a stopwatch at each of their joints."""

import multiprocessing
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
from prometheus_client import CollectorRegistry

from benchmarks.servicing.series import METRIC, fitted_until
from specter_core.config import parse_config
from specter_detector.config import DetectorConfig, Query, resolve
from specter_detector.disk_spool import DiskSpool
from specter_detector.engine import Engine
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.fitting import LARGEST_BATCH, FitRequest
from specter_detector.histories import QueryHistory
from specter_detector.models.arrays import Ints
from specter_detector.models.batch import size, take
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.outputs import Written
from specter_detector.prometheus_api import open_api
from specter_detector.reader import SeriesReader
from specter_detector.remote_write import RequestSink
from specter_detector.saving import SAVE_EVERY, Savings
from specter_detector.schema import DetectorSchema
from specter_detector.series import History, Labels, Vector
from specter_detector.storage import Storage
from specter_detector.store.folder import DataFolder
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Destination, Writer

ALIAS = "q"
TEMPLATES = 256
"""Series that are fitted at most; what was learnt of them is given to all others."""
PATIENCE = 10.0
"""Seconds of one go at writing."""


class MovedClock:
    """The machine's clock, which may be set ahead."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.ahead = 0.0

    def time(self) -> float:
        """Return Unix time (s): `at`, where that is set."""
        return time.time() if self.at is None else self.at

    def monotonic(self) -> float:
        """Return seconds that never step back, `ahead` of the machine's."""
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        """Block for `seconds`."""
        time.sleep(seconds)


class Parts(dict[str, float]):
    """Seconds of wall-clock time by what they were spent on."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what happens inside as `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self[name] = self.get(name, 0.0) + time.perf_counter() - started


class TimedReader:
    """Counts the time of instant queries."""

    def __init__(self, reader: SeriesReader, parts: Parts) -> None:
        self._reader = reader
        self._parts = parts

    def instant(
        self, query: Query, at: float, first: Collection[Labels] = (), *, timeout: float | None = None
    ) -> Vector:
        """See `SeriesReader`."""
        with self._parts.of("read"):
            return self._reader.instant(query, at, first, timeout=timeout)

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """See `SeriesReader`."""
        return self._reader.history(query, start, end, first)

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        """See `SeriesReader`."""
        return self._reader.range(query, start, end, step, first)


class TimedWriter:
    """Counts the time of encoding and spooling, and that of sending."""

    def __init__(self, writer: Destination, parts: Parts) -> None:
        self._writer = writer
        self._parts = parts

    def enqueue(self, scheduler: str, at: float, written: Sequence[Written]) -> None:
        """See `Destination`."""
        with self._parts.of("encode"):
            self._writer.enqueue(scheduler, at, written)

    def flush(self, budget: float) -> bool:
        """See `Destination`."""
        with self._parts.of("write"):
            return self._writer.flush(budget)

    def last_tick(self, scheduler: str) -> float | None:
        """See `Destination`."""
        return self._writer.last_tick(scheduler)

    def close(self) -> None:
        """See `Destination`."""
        self._writer.close()


class TimedHistory(QueryHistory):
    """Counts the time that a tick takes to be remembered."""

    parts: Parts

    def add(self, at: float, samples: Mapping[Labels, float]) -> None:
        """See `QueryHistory`."""
        with self.parts.of("remember"):
            super().add(at, samples)


class Replicas:
    """A fitter that has learnt of a few series beforehand and says the same of all others.

    The values of each batch are read as if they were fitted, and there is a pause as if it took its time.
    """

    def __init__(self, fitted: Fitted, pause: float) -> None:
        self._fitted = fitted
        self._pause = pause

    def fit_all(self, request: FitRequest) -> Iterator[tuple[Ints, Fitted]]:
        """See `Fitter`."""
        largest = LARGEST_BATCH["seasonal"]
        for rows, with_state in ((request.new, True), (request.known, False)):
            for begin in range(0, rows.size, largest):
                batch = rows[begin : begin + largest]
                time.sleep(self._pause)
                values = request.values(batch)
                seen = np.where(np.isfinite(values).any(axis=1), request.times[-1], np.nan)
                alike = batch % size(self._fitted.shape)
                shape = take(self._fitted.shape, alike)
                assert self._fitted.state is not None
                yield batch, Fitted(shape, take(self._fitted.state, alike) if with_state else None, seen)

    def close(self) -> None:
        """Nothing to give back."""


class Assembly:
    """An engine, what it writes through and what it remembers, in `folder`.

    Args:
        config: with one query, `ALIAS`.
        folder: where it remembers.
        clock: its time.
        reader: whom it asks.
        sink: to whom it writes.
        begin: Unix time (s) of the first tick, on the grid; there is nothing to be read before it.
        pause: seconds that a batch of a fit takes.
    """

    def __init__(
        self,
        config: DetectorConfig,
        folder: Path,
        *,
        clock: MovedClock,
        reader: SeriesReader,
        sink: RequestSink,
        begin: float,
        pause: float,
    ) -> None:
        query, (scheduler,) = config.reader.queries[ALIAS], config.schedulers.values()
        self.parts = Parts()
        self._clock = clock
        self._scheduler = scheduler.alias
        telemetry = Telemetry(CollectorRegistry())
        telemetry.prepare([ALIAS])
        self._storage = Storage(DataFolder.open(folder))
        ring = self._storage.ring(query, scheduler.fit_window)
        past = begin - query.step * np.arange(1, scheduler.fit_window / query.step)[::-1]
        ring.write(History(past, (), np.empty((0, past.size))))
        history = TimedHistory(ring, query.step, config.reader.retention, telemetry)
        history.parts = self.parts
        timeout = config.writer.connection.timeout
        spool = DiskSpool(folder / "spool", max_bytes=1 << 30, max_age=86400.0, dropped=telemetry.dropped)
        self._writer = TimedWriter(
            Writer(sink, spool, clock=clock, random=Random(1), telemetry=telemetry, timeout=timeout),
            self.parts,
        )
        self._threads = ThreadPoolExecutor(1, "query")
        self._api = open_api(config.reader)
        self.engine = Engine(
            config,
            reader=TimedReader(reader, self.parts),
            threads=self._threads,
            histories={ALIAS: history},
            writer=self._writer,
            fitter=Replicas(_fitted(begin, query), pause),
            exclusions=ExclusionReader(self._api, horizon=scheduler.fit_window, timeout=timeout),
            feedback=tuple,
            telemetry=telemetry,
            clock=clock,
        )
        (self.job,) = self.engine.jobs
        self._savings = Savings(self.engine.jobs, self._storage, clock=clock, telemetry=telemetry)

    def tick(self, at: float) -> dict[str, float]:
        """Run the tick at Unix time `at` (s); return the seconds of its parts, and `tick`, all of it."""
        self.parts.clear()
        started = time.perf_counter()
        self.engine.tick(self._scheduler, at)
        # All that belongs to the tick, also what it would leave for the next one.
        while not self._writer.flush(PATIENCE):
            pass
        self._savings.save_if_due()
        whole = time.perf_counter() - started
        return {**self.parts, "score": whole - sum(self.parts.values()), "tick": whole}

    def fit(self, now: float) -> None:
        """Fit all series."""
        self.engine.fit(self.job, now)

    def save_at_next_tick(self) -> None:
        """Let the time pass that is between two checkpoints."""
        self._clock.ahead += SAVE_EVERY

    def wait_until_saved(self) -> None:
        """Wait for the checkpoint that was begun."""
        self._savings.wait()

    def close(self) -> None:
        """Save, and close files and connections."""
        self._threads.shutdown()
        self._savings.close()
        self._api.close()
        self._writer.close()
        self._storage.close()


def _fitted(end: float, query: Query) -> Fitted:
    """Fit in a process of its own, as the detector does: what that takes is not this one's memory."""
    count = min(TEMPLATES, -(-query.max_series // 20))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(fitted_until, end, count, FitOptions(step=query.step)).result()


def config_of(
    url: str, series: int, *, every: str = "15s", step: str = "5m", window: str = "28d"
) -> DetectorConfig:
    """Return the configuration of a detector of one query of `series` series, with all other defaults.

    But for time-outs: on a machine that others use, too, a slow tick is a figure and no failure.

    Args:
        url: of the server.
        series: how many there are.
        every: time between ticks.
        step: of the history.
        window: how much of it is fitted and kept.
    """
    text = f"""
reader:
  datasource_url: {url}
  timeout: 60s
  queries: {{{ALIAS}: {{expr: {METRIC}, step: {step}, max_series: {series}}}}}
writer: {{timeout: 60s}}
schedulers: {{default: {{infer_every: {every}, fit_window: {window}}}}}
presets: []
"""
    return resolve(parse_config(text, DetectorSchema, file="benchmark"))
