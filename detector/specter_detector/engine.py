"""What happens at a tick and at a fit: read, score or learn, write. Threads and waiting are elsewhere."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from specter_core.clock import Clock, align_down
from specter_detector.config import DetectorConfig, Query
from specter_detector.fitting import FitError, Fitter
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.limits import limits_of
from specter_detector.models.arrays import Floats
from specter_detector.outputs import Written
from specter_detector.reader import DatasourceError, SeriesReader, UnreachableError
from specter_detector.series import Labels, Vector
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
        fit_reader: SeriesReader,
        writer: Destination,
        fitter: Fitter,
        telemetry: Telemetry,
        clock: Clock,
    ) -> None:
        self._queries = config.reader.queries
        self._reader = reader
        self._fit_reader = fit_reader
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
            )
            for model in config.models.values()
            for scheduler in model.schedulers
            for query in model.queries
        )

    def tick(self, scheduler: str, at: float) -> None:
        """Score every query of `scheduler` at `at` and write the result.

        Raises:
            UnreachableError: the data source is out of reach; open outputs have
                been ended, in case that the writer's server is another one.
        """
        started = self._clock.monotonic()
        jobs = [job for job in self.jobs if job.scheduler.alias == scheduler]
        vectors: dict[str, Vector] = {}
        unreachable: UnreachableError | None = None
        for alias in dict.fromkeys(job.query.alias for job in jobs):
            try:
                vectors[alias] = self._read(alias, at)
            except UnreachableError as error:
                unreachable = error
                break
            except DatasourceError:
                continue
        written = [self._observe(job, at, vectors.get(job.query.alias)) for job in jobs]
        self._report(jobs)
        self._writer.enqueue(scheduler, at, written)
        self._writer.flush(jobs[0].scheduler.infer_every * WRITE_SHARE if jobs else 0.0)
        self._telemetry.ticked(self._clock.monotonic() - started)
        if unreachable is not None:
            raise unreachable

    def fit(self, job: Job, now: float) -> None:
        """Read the history of `job` up to `now` and learn from it, batch by batch.

        A failure leaves what has been learnt as it is and is logged once.

        Raises:
            UnreachableError: the data source is out of reach.
        """
        started = self._clock.monotonic()
        job.fit_started(now)
        alias = job.query.alias
        end = align_down(now, job.query.step)
        try:
            history = self._fit_reader.history(job.query, end - job.scheduler.fit_window, end, job.present)
            known, new = job.to_fit(history)
            batches = self._fitter.fit_all(
                history.times,
                history.values,
                job.options,
                known=known,
                new=new,
                limits=self._limits(job.query, now, history.labels),
            )
            for rows, fitted in batches:
                labels = [history.labels[row] for row in rows]
                job.install(labels, fitted)
                for finding in job.findings.new(now, labels, fitted.shape.changes):
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

    def close(self, at: float, budget: float) -> None:
        """End every open output at `at`, trying for `budget` seconds."""
        for scheduler in dict.fromkeys(job.scheduler.alias for job in self.jobs):
            jobs = [job for job in self.jobs if job.scheduler.alias == scheduler]
            self._writer.enqueue(scheduler, at, [job.close(at) for job in jobs])
        self._writer.flush(budget)

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
            vector = self._fit_reader.instant(replace(query, expr=query.limit), at)
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
        seen = job.observe(at, vector)
        for alarm in seen.alarms:
            LOGGER.info("query %s: an alarm begins: %s", job.query.alias, alarm)
        return seen.written

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
