"""What happens at a tick and at a fit: read, score or learn, write. Threads and waiting are elsewhere."""

import logging
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import replace

import numpy as np

from specter_core.clock import Clock, align_down
from specter_detector.config import DetectorConfig, Query
from specter_detector.fitting import FitError, FitRequest, Fitter
from specter_detector.histories import QueryHistory
from specter_detector.jobs import Job
from specter_detector.limits import limits_of
from specter_detector.models.arrays import Floats
from specter_detector.output import Sample
from specter_detector.reader import DatasourceError, SeriesReader, UnreachableError
from specter_detector.series import History, Labels, Vector
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer

LOGGER = logging.getLogger(__name__)
WRITE_SHARE = 0.3
"""Share of the time between two ticks that may go into retrying writes."""


class Engine:
    """Runs ticks (one thread) and fits (another) over the jobs of a configuration."""

    def __init__(
        self,
        config: DetectorConfig,
        *,
        reader: SeriesReader,
        threads: Executor,
        histories: Mapping[str, QueryHistory],
        writer: Writer,
        fitter: Fitter,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._queries = config.reader.queries
        self._reader = reader
        self._threads = threads
        self._histories = histories
        self._writer = writer
        self._fitter = fitter
        self._telemetry = telemetry
        self._clock = clock
        self._failing: dict[tuple[str, str], str] = {}
        self._failing_lock = threading.Lock()
        self.jobs = tuple(
            Job(
                config.reader.queries[query],
                model,
                config.schedulers[scheduler],
                config.writer.metric_format,
                config.reader.retention,
            )
            for model in config.models.values()
            for scheduler in model.schedulers
            for query in model.queries
        )

    def tick(self, scheduler: str, at: float) -> None:
        """Score every query of `scheduler` at `at` and write the result.

        Queries are asked at the same time and their scores written as they come, so that a slow one delays
        its own alone.

        Raises:
            UnreachableError: the data source is out of reach; what it did answer has been scored.
        """
        started = self._clock.monotonic()
        jobs = self._jobs(scheduler)
        budget = jobs[0].scheduler.infer_every * WRITE_SHARE if jobs else 0.0
        unreachable: UnreachableError | None = None
        asked = {self._threads.submit(self._read, alias, at): alias for alias in _queries(jobs)}
        for future in as_completed(asked):
            vector: Vector | None = None
            try:
                vector = future.result()
            except UnreachableError as error:
                unreachable = error
                continue
            except DatasourceError:
                # Counted and logged by `_read`; nothing is known of its series.
                vector = None
            else:
                self._remember(asked[future], at, vector)
            for job in jobs:
                if job.query.alias == asked[future]:
                    self._writer.enqueue(self._observe(job, at, vector))
            self._writer.flush(0.0 if _waiting(asked) else budget)
        self._report(jobs)
        self._telemetry.ticked(self._clock.monotonic() - started)
        if unreachable is not None:
            raise unreachable

    def catch_up(self, scheduler: str, first: float, last: float) -> int:
        """Run the ticks from `first` to `last` (Unix s, both inclusive) that were missed.

        Each query is asked once for all of them. A tick of which the server has nothing is not judged: when
        the server itself was away, nothing is known, and that is no absence.

        Returns:
            How many of them were judged, of the query with the most.

        Raises:
            UnreachableError: the data source is out of reach.
        """
        judged = 0
        for alias in _queries(self._jobs(scheduler)):
            jobs = [job for job in self._jobs(scheduler) if job.query.alias == alias]
            try:
                history = self._reader.range(
                    self._queries[alias], first, last, jobs[0].scheduler.infer_every, jobs[0].present
                )
            except UnreachableError:
                raise
            except DatasourceError as error:
                self._fails(alias, "catching up", str(error))
                continue
            self._works(alias, "catching up")
            ticks = set()
            for at, vector in _vectors(history):
                self._remember(alias, at, vector)
                # A tick that was broken off has been judged for some of the queries.
                for job in (job for job in jobs if job.ticked is None or at > job.ticked):
                    self._writer.enqueue(self._observe(job, at, vector))
                    ticks.add(at)
            judged = max(judged, len(ticks))
        self._writer.flush(self._jobs(scheduler)[0].scheduler.infer_every * WRITE_SHARE)
        return judged

    def fit(self, job: Job, now: float) -> None:
        """Read what is missing of the history of `job` up to `now` and learn from it, batch by batch.

        A failure leaves what has been learnt as it is and is logged once.

        Raises:
            UnreachableError: the data source is out of reach.
        """
        started = self._clock.monotonic()
        job.fit_started(now)
        alias = job.query.alias
        try:
            request, labels = self._request(job, now)
            for rows, fitted in self._fitter.fit_all(request):
                chosen = [labels[row] for row in rows.tolist()]
                job.install(chosen, fitted)
                for finding in job.findings.new(now, chosen, fitted.shape.changes):
                    LOGGER.info("query %s: %s", alias, finding)
        except (DatasourceError, FitError) as error:
            self._telemetry.fitted(alias, self._clock.monotonic() - started, "error")
            if isinstance(error, UnreachableError):
                raise
            self._fails(alias, "fit", str(error))
            return
        job.fit_finished()
        self._works(alias, "fit")
        self._telemetry.fitted(alias, self._clock.monotonic() - started, "ok")

    def close(self, at: float, budget: float, keys: Container[str] | None = None) -> None:
        """End the open outputs of the jobs `keys`, all if None, at `at`; tries for `budget` seconds."""
        ended = [job for job in self.jobs if keys is None or job.key in keys]
        self._writer.enqueue([sample for job in ended for sample in job.close(at)])
        self._writer.flush(budget)

    def _jobs(self, scheduler: str) -> list[Job]:
        return [job for job in self.jobs if job.scheduler.alias == scheduler]

    def _request(self, job: Job, now: float) -> tuple[FitRequest, Sequence[Labels]]:
        query = job.query
        end = align_down(now, query.step)
        start = align_down(end - job.scheduler.fit_window, query.step)
        history = self._histories[query.alias]
        present = job.present
        history.fill(
            start, end, len(present), lambda first, last: self._reader.history(query, first, last, present)
        )
        labels, last_seen = history.labels()
        known, new = job.to_fit(labels, last_seen, end)
        times = np.arange(start, end + query.step / 2, query.step)
        request = FitRequest(
            times,
            history.reader(start, end, labels),
            job.options,
            known,
            new,
            self._limits(query, now, labels),
        )
        return request, labels

    def _remember(self, alias: str, at: float, vector: Vector) -> None:
        self._histories[alias].add(at, vector.samples)

    def _read(self, alias: str, at: float) -> Vector:
        try:
            # Known series first: one that a new one pushed beyond the limit would look absent.
            known = frozenset[Labels]().union(*(job.known for job in self.jobs if job.query.alias == alias))
            vector = self._reader.instant(self._queries[alias], at, known)
        except UnreachableError:
            self._telemetry.read(alias, "unreachable")
            raise
        except DatasourceError as error:
            self._telemetry.read(alias, "error")
            self._fails(alias, "query", str(error))
            raise
        self._works(alias, "query")
        self._telemetry.read(alias, "ok" if vector.samples else "empty")
        if vector.cut:
            self._fails(alias, "limit", f"{vector.cut} series beyond max_series_per_query are not watched")
        else:
            self._works(alias, "limit")
        return vector

    def _limits(self, query: Query, at: float, series: Sequence[Labels]) -> Floats | None:
        """Return the limit of each of `series`; None where there is no answer, or nothing to ask."""
        if query.limit is None:
            return None
        try:
            vector = self._reader.instant(replace(query, expr=query.limit), at)
        except UnreachableError:
            raise
        except DatasourceError as error:
            self._fails(query.alias, "capacity limit", str(error))
            return None
        self._works(query.alias, "capacity limit")
        return limits_of(series, vector.samples)

    def _observe(self, job: Job, at: float, vector: Vector | None) -> list[Sample]:
        if vector is None:
            return job.close(at)
        seen = job.observe(at, vector)
        for alarm in seen.alarms:
            LOGGER.info("query %s: an alarm begins: %s", job.query.alias, alarm)
        if seen.unwritable:
            self._telemetry.dropped("invalid", seen.unwritable * len(job.model.provide_series))
            message = f"{seen.unwritable} series have labels that cannot be written"
            self._fails(job.query.alias, "labels", message)
        else:
            self._works(job.query.alias, "labels")
        return seen.samples

    def _report(self, jobs: list[Job]) -> None:
        for alias in {job.query.alias for job in jobs}:
            totals: dict[str, int] = {}
            for job in self.jobs:
                if job.query.alias == alias:
                    for state, count in job.counts.items():
                        totals[state] = totals.get(state, 0) + count
            self._telemetry.series(alias, totals)

    def _fails(self, alias: str, what: str, message: str) -> None:
        """Log a failure when it begins or changes, not at every tick."""
        with self._failing_lock:
            known = self._failing.get((alias, what))
            self._failing[alias, what] = message
        if known != message:
            LOGGER.warning("query %s: %s: %s", alias, what, message)

    def _works(self, alias: str, what: str) -> None:
        with self._failing_lock:
            known = self._failing.pop((alias, what), None)
        if known is not None:
            LOGGER.info("query %s: %s works again", alias, what)


def _queries(jobs: Sequence[Job]) -> Sequence[str]:
    return tuple(dict.fromkeys(job.query.alias for job in jobs))


def _waiting(asked: Mapping[Future[Vector], str]) -> bool:
    return any(not future.done() for future in asked)


def _vectors(history: History) -> Iterator[tuple[float, Vector]]:
    """Yield the times at which there is any series, and those that there are."""
    known = np.isfinite(history.values)
    for column, at in enumerate(history.times.tolist()):
        rows = np.flatnonzero(known[:, column])
        if rows.size:
            values = history.values[rows, column].tolist()
            yield (
                at,
                Vector(
                    {history.labels[row]: value for row, value in zip(rows.tolist(), values, strict=True)}
                ),
            )
