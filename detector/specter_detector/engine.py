"""What happens at a tick and at a fit: read, score or learn, write. Threads and waiting are elsewhere."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import replace
from math import inf

import numpy as np

from specter_core.clock import Clock, align_down
from specter_detector.config import DetectorConfig, Query
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.exclusions import REACH, Window, excluded
from specter_detector.fitting import FitError, FitRequest, Fitter
from specter_detector.histories import QueryHistory
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.limits import limits_of
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.outputs import Written
from specter_detector.reader import DatasourceError, SeriesReader, UnreachableError
from specter_detector.series import History, Labels, Vector
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Destination

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
        writer: Destination,
        fitter: Fitter,
        exclusions: ExclusionReader,
        feedback: Callable[[], Sequence[Window]],
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._exclusions = exclusions
        self._feedback = feedback
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
        identities = Identities()
        self.jobs = tuple(
            Job(
                config.reader.queries[query],
                model,
                config.schedulers[scheduler],
                config.writer.form,
                max_bands=config.writer.max_bands,
                identities=identities,
                retention=config.reader.retention,
            )
            for model in config.models.values()
            for scheduler in model.schedulers
            for query in model.queries
        )
        now = clock.time()
        last = {job.key: writer.last_tick(job.key) for job in self.jobs}
        # A tick that is yet to come was written under another clock.
        self._written_before = {key: -inf if at is None or at > now else at for key, at in last.items()}

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
                    self._write(job, at, self._observe(job, at, vector))
            self._writer.flush(0.0 if _waiting(asked) else budget)
        self._report(jobs, at)
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
                    self._write(job, at, self._observe(job, at, vector))
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
            self._telemetry.fit_failed(alias)
            if isinstance(error, UnreachableError):
                raise
            self._fails(alias, "fit", str(error))
            return
        job.fit_finished()
        self._works(alias, "fit")
        self._telemetry.fitted(alias, self._clock.monotonic() - started, self._clock.time())

    def close(self, at: float, budget: float, keys: Container[str] | None = None) -> None:
        """End the open outputs of the jobs `keys`, all if None, at `at`; tries for `budget` seconds."""
        for job in self.jobs:
            if keys is None or job.key in keys:
                self._write(job, at, job.close(at))
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
            self._excluded(query, times, labels),
        )
        return request, labels

    def update_exclusions(self, now: float) -> None:
        """Read again, if it is time, when series must not be learnt from.

        Raises:
            UnreachableError: the data source is out of reach.
        """
        if self._exclusions.due(now):
            self._exclusions.update(now)

    @property
    def _windows(self) -> Sequence[Window]:
        """When what must not be learnt from. What somebody called normal is to be learnt from."""
        windows = (*self._exclusions.windows, *self._feedback())
        return [window for window in windows if window.kind != "normal"]

    def _excluded(
        self, query: Query, times: Floats, labels: Sequence[Labels]
    ) -> Callable[[Ints], Bools | None]:
        windows = self._windows

        def of(rows: Ints) -> Bools | None:
            found = excluded(times, [labels[row] for row in rows.tolist()], windows, alias=query.alias)
            return found if found.any() else None

        return of

    def _learning(self, alias: str, at: float, series: Collection[Labels]) -> dict[Labels, bool]:
        """Return False for each of `series` that must not be learnt from at `at`."""
        windows = [each for each in self._windows if each.start <= at < each.end + REACH]
        if not windows:
            return {}
        named = tuple(series)
        rows = excluded(np.array([at]), named, windows, alias=alias)[:, 0]
        return dict.fromkeys((named[row] for row in np.flatnonzero(rows).tolist()), False)

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

    def _observe(self, job: Job, at: float, vector: Vector | None) -> Written:
        if vector is None:
            return job.close(at)
        learning = self._learning(job.query.alias, at, vector.samples)
        with self._telemetry.judging(job.query.alias, self._clock.monotonic):
            seen = job.observe(at, vector, learning)
        for alarm in seen.alarms:
            LOGGER.info("query %s: an alarm begins: %s", job.query.alias, alarm)
        return seen.written

    def _write(self, job: Job, at: float, written: Written) -> None:
        """Hand over what `job` has to say of `at`, unless an earlier process has.

        It may have said something else, from a state that was never saved, and the server would refuse the
        second value of one time.
        """
        if at > self._written_before[job.key]:
            self._writer.enqueue(job.key, at, [written])

    def _report(self, jobs: list[Job], at: float) -> None:
        for alias in {job.query.alias for job in jobs}:
            of_query = [job for job in self.jobs if job.query.alias == alias]
            totals: Counter[str] = Counter()
            for job in of_query:
                totals.update(job.counts)
            self._telemetry.series(alias, totals)
            self._telemetry.judged(
                alias, sum(job.scores for job in of_query), sum(job.anomalous for job in of_query)
            )
        self._telemetry.excluding(Counter(each.kind for each in self._windows if each.start <= at < each.end))

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
