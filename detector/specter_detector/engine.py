"""What happens at a tick and at a fit: read, score or learn, write. Threads and waiting are elsewhere."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field, replace

import numpy as np

from specter_core.clock import Clock, align_down
from specter_detector.asking import Answer, Asking
from specter_detector.config import DetectorConfig, Query
from specter_detector.datasource import BrokenError, DatasourceError, SlowError, UnreachableError
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.exclusions import REACH, Window, excluded
from specter_detector.fitting import FitError, FitRequest, Fitter
from specter_detector.histories import QueryHistory
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.limits import limits_of
from specter_detector.marks import Marks
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.outputs import Written
from specter_detector.reader import SeriesReader
from specter_detector.series import Labels, Vector
from specter_detector.telemetry import Telemetry
from specter_detector.troubles import Troubles
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
        self._troubles = Troubles()
        # Jobs that have been fitted since the start, and queries of which that has been told.
        self._fitted: set[str] = set()
        self._told: set[str] = set()
        self._asking = Asking(reader, config.reader.queries, self._troubles, telemetry)
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
        self._marks = Marks([job.key for job in self.jobs], writer, telemetry, clock.time())

    def tick(self, scheduler: str, at: float) -> None:
        """Score every query of `scheduler` at `at` and write the result.

        Queries are asked at the same time and their scores written as they come, so that a slow one delays
        its own alone. Ticks that a job has missed, whatever the reason, are judged and written before.

        Raises:
            UnreachableError: the data source is out of reach; what it did answer has been scored.
        """
        started = self._clock.monotonic()
        jobs = self._jobs(scheduler)
        budget = jobs[0].scheduler.infer_every * WRITE_SHARE if jobs else 0.0
        unreachable: UnreachableError | None = None
        tally = _Tally(self._windows)
        asked = {self._threads.submit(self._asking.ask, sharing, at): sharing for sharing in _by_query(jobs)}
        for future in as_completed(asked):
            sharing = asked[future]
            try:
                self._take(sharing, at, future.result(), tally)
            except UnreachableError as error:
                unreachable = error
            except (SlowError, BrokenError):
                # Counted and logged. The next tick that is answered makes up for this one.
                LOGGER.debug("query %s is made up for later", sharing[0].query.alias)
            except DatasourceError:
                # Counted and logged; nothing is known of its series, and nothing will be.
                for job in sharing:
                    self._marks.write(job.key, at, job.close(at))
            except Exception:
                # A defect must cost a query its tick, and not the others theirs.
                LOGGER.exception("query %s at %.0f failed", sharing[0].query.alias, at)
                self._pass_over(sharing, at)
            if _waiting(asked):
                self._writer.flush(0.0)
        # Once a tick, whatever became of the queries: what is older waits for it, too.
        self._writer.flush(budget)
        self._report(jobs)
        self._telemetry.excluding(Counter(each.kind for each in tally.windows if each.start <= at < each.end))
        self._telemetry.caught_up(len(tally.judged))
        self._telemetry.skipped(tally.lost)
        self._telemetry.ticked(self._clock.monotonic() - started)
        if unreachable is not None:
            raise unreachable

    def give_up(self, scheduler: str, at: float) -> None:
        """Do not come back to the ticks of `scheduler` up to `at` (Unix s): a defect is in the way."""
        self._pass_over(self._jobs(scheduler), at)

    def flush(self, budget: float) -> None:
        """Deliver what waits for the writer's server for `budget` seconds; for the time between ticks."""
        self._writer.flush(budget)

    def _pass_over(self, jobs: Sequence[Job], at: float) -> None:
        self._telemetry.skipped(max((job.pass_over(at) for job in jobs), default=0))

    def _take(self, jobs: Sequence[Job], at: float, answer: Answer, tally: "_Tally") -> None:
        """Judge what there is of one query, the ticks that were missed before the present."""
        alias = jobs[0].query.alias
        for then, vector in answer.missed:
            self._remember(alias, then, vector)
            # A tick that was broken off has been judged for some of the queries.
            for job in (job for job in jobs if job.ticked is not None and then > job.ticked):
                self._marks.write(job.key, then, self._observe(job, then, vector, tally.windows))
                tally.judged.add(then)
        tally.due |= answer.due
        tally.older = max(tally.older, answer.older)
        self._remember(alias, at, answer.present)
        # Before the series are judged: a fit that ends meanwhile is taken over by the next tick.
        first = alias not in self._told and jobs[0].key in self._fitted
        for job in jobs:
            self._marks.write(job.key, at, self._observe(job, at, answer.present, tally.windows))
        if first:
            self._told.add(alias)
            counts = jobs[0].counts
            LOGGER.info(
                "query %s: %d series are scored, %d warm up", alias, counts["scored"], counts["warming"]
            )

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
            self._troubles.begins(alias, "fit", str(error))
            return
        job.fit_finished()
        self._fitted.add(job.key)
        self._troubles.ends(alias, "fit")
        self._telemetry.fitted(alias, self._clock.monotonic() - started, self._clock.time())

    def close(self, at: float, budget: float, keys: Container[str] | None = None) -> None:
        """End the open outputs of the jobs `keys`, all if None, at `at`; tries for `budget` seconds."""
        for job in self.jobs:
            if keys is None or job.key in keys:
                self._marks.write(job.key, at, job.close(at))
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

    def _remember(self, alias: str, at: float, vector: Vector) -> None:
        self._histories[alias].add(at, vector.samples)

    def _limits(self, query: Query, at: float, series: Sequence[Labels]) -> Floats | None:
        """Return the limit of each of `series`; None where there is no answer, or nothing to ask."""
        if query.limit is None:
            return None
        try:
            vector = self._reader.instant(replace(query, expr=query.limit), at)
        except UnreachableError:
            raise
        except DatasourceError as error:
            self._troubles.begins(query.alias, "capacity limit", str(error))
            return None
        self._troubles.ends(query.alias, "capacity limit")
        return limits_of(series, vector.samples)

    def _observe(self, job: Job, at: float, vector: Vector, windows: Sequence[Window]) -> Written:
        learning = _learning(job.query.alias, at, vector.samples, windows)
        with self._telemetry.judging(job.query.alias, self._clock.monotonic):
            seen = job.observe(at, vector, learning)
        for alarm in seen.alarms:
            LOGGER.info("query %s: an alarm begins: %s", job.query.alias, alarm)
        return seen.written

    def _report(self, jobs: list[Job]) -> None:
        for alias in {job.query.alias for job in jobs}:
            of_query = [job for job in self.jobs if job.query.alias == alias]
            totals: Counter[str] = Counter()
            for job in of_query:
                totals.update(job.counts)
            self._telemetry.series(alias, totals)
            self._telemetry.judged(
                alias, sum(job.scores for job in of_query), sum(job.anomalous for job in of_query)
            )


@dataclass(slots=True)
class _Tally:
    """What holds for all queries of a tick, and the ticks before it.

    Attributes:
        windows: when what must not be learnt from.
        judged: ticks before this one that were judged now.
        due: those that should have been there.
        older: how many are too old to be made up for.
    """

    windows: Sequence[Window]
    judged: set[float] = field(default_factory=set)
    due: set[float] = field(default_factory=set)
    older: int = 0

    @property
    def lost(self) -> int:
        """Number of those of which no query knows anything any more."""
        return len(self.due - self.judged) + self.older


def _learning(
    alias: str, at: float, series: Collection[Labels], windows: Sequence[Window]
) -> dict[Labels, bool]:
    """Return False for each of `series` that must not be learnt from at `at`."""
    open_ = [each for each in windows if each.start <= at < each.end + REACH]
    if not open_:
        return {}
    named = tuple(series)
    rows = excluded(np.array([at]), named, open_, alias=alias)[:, 0]
    return dict.fromkeys((named[row] for row in np.flatnonzero(rows).tolist()), False)


def _by_query(jobs: Sequence[Job]) -> Sequence[list[Job]]:
    """Return the jobs that share a query, query by query."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.query.alias, []).append(job)
    return list(found.values())


def _waiting(asked: Iterable[Future[Answer]]) -> bool:
    return any(not future.done() for future in asked)
