"""The running detector as the web pages see it: its jobs, and the histories of single series."""

import datetime as dt
import heapq
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from specter_core.clock import Clock, align_down
from specter_core.metrics import SERVICE, SERVICE_DEPLOYED, SERVICE_VERSION
from specter_detector.config import Query
from specter_detector.histories import QueryHistory
from specter_detector.jobs import Job
from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.fit import FitOptions
from specter_detector.models.replay import DAY
from specter_detector.names import LABEL_NAME
from specter_detector.output import NAME
from specter_detector.reader import DatasourceError, SeriesReader
from specter_detector.series import Labels, text_of
from specter_detector.verdict import Verdict
from specter_detector.web.feedback import Window, covered
from specter_detector.web.stretch import Stretch, Task, runs
from specter_detector.web.units import unit_of
from specter_detector.web.views import (
    STATES,
    Event,
    NoAnswerError,
    Order,
    Page,
    QueryView,
    Row,
    State,
    TooLongError,
    UnknownSeriesError,
)

LOGGER = logging.getLogger(__name__)
MOST_STEPS = 12_000
"""Of one replay: 28 days and a week before them at 5 minutes; some four seconds of a processor."""
WARM_UP, LEAST_WARM_UP = 7 * DAY, DAY
LEARNT_BEFORE = 14 * DAY
MOST_EVENTS = 100
EVENT_STEP = 300.0


class Histories(Protocol):
    """Where the history of one series comes from."""

    def one(self, query: Query, labels: Labels, start: float, end: float) -> tuple[Floats, Floats]:
        """Return times (n,), the multiples of the step from `start` to `end`, and values (n,), NaN for none.

        Raises:
            DatasourceError: there is no answer.
            UnknownSeriesError: there is no such series in that time.
        """

    def deployments(self, labels: Labels, start: float, end: float) -> list[Event]:
        """Return when which versions of the service in `labels` were new; none without such a label.

        Raises:
            DatasourceError: there is no answer.
        """


class ReplayRunner(Protocol):
    """Runs `stretch.judge`; see `worker.ReplayWorker`."""

    def run(self, task: Task) -> Stretch:
        """Return what came of `task`."""


class KeptHistories:
    """Histories that the detector keeps anyway; from the data source what it does not.

    Args:
        kept: returns the history of each query by its alias; a reload may change them.
        source: asked for the rest.
    """

    def __init__(self, kept: Callable[[], Mapping[str, QueryHistory]], source: "ReaderHistories") -> None:
        self._kept = kept
        self._source = source

    def one(self, query: Query, labels: Labels, start: float, end: float) -> tuple[Floats, Floats]:
        """Return the history of one series of `query`; see `Histories`."""
        kept = self._kept().get(query.alias)
        if kept is not None:
            first, last = -align_down(-start, query.step), align_down(end, query.step)
            values = kept.values(first, last, [labels])[0]
            if np.isfinite(values).any():
                return np.arange(first, last + query.step / 2, query.step), values
        return self._source.one(query, labels, start, end)

    def deployments(self, labels: Labels, start: float, end: float) -> list[Event]:
        """Return when which versions of the service in `labels` were new."""
        return self._source.deployments(labels, start, end)


class ReaderHistories:
    """Histories from the data source.

    Args:
        reader: returns what asks it; a reload may change it.
    """

    def __init__(self, reader: Callable[[], SeriesReader]) -> None:
        self._reader = reader

    def one(self, query: Query, labels: Labels, start: float, end: float) -> tuple[Floats, Floats]:
        """Return the history of one series of `query`; see `Histories`."""
        asked = replace(query, expr=narrowed(query.expr, labels))
        history = self._reader().history(asked, start, end, (labels,))
        if labels not in history.labels:
            raise UnknownSeriesError(
                f"query {query.alias} has no series {text_of(labels)} between {_time(start)} and {_time(end)}"
            )
        return history.times, history.values[history.labels.index(labels)]

    def deployments(self, labels: Labels, start: float, end: float) -> list[Event]:
        """Return when which versions of the service in `labels` were new; none without such a label."""
        service = dict(labels).get(SERVICE)
        if service is None:
            return []
        expr = f"{SERVICE_DEPLOYED}{{{SERVICE}={_quoted(service)}}}"
        query = Query("deployments", expr, EVENT_STEP, (-math.inf, math.inf), "UTC", 0.0, EVENT_STEP)
        history = self._reader().history(query, start, end)
        events = [
            Event(float(history.times[first]), dict(of).get(SERVICE_VERSION, "deployment"))
            for of, row in zip(history.labels, history.values, strict=True)
            for first, _ in runs(np.isfinite(row))
        ]
        return sorted(events, key=lambda event: event.at)[-MOST_EVENTS:]


class LiveWatch:
    """A `views.Watch` of running jobs.

    Args:
        jobs: returns those that run now; a reload may change them.
        histories: of single series.
        replays: what judges them.
        windows: returns the feedback, see `feedback.FeedbackStore.windows`.
        clock: the time.
    """

    def __init__(
        self,
        jobs: Callable[[], Sequence[Job]],
        *,
        histories: Histories,
        replays: ReplayRunner,
        windows: Callable[[], Sequence[Window]],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._histories = histories
        self._replays = replays
        self._windows = windows
        self._clock = clock

    def now(self) -> float:
        """Return Unix time (s)."""
        return self._clock.time()

    def aliases(self) -> list[str]:
        """Return the alias of every query."""
        return list(dict.fromkeys(job.query.alias for job in self._jobs()))

    def queries(self) -> list[QueryView]:
        """Return every query."""
        return [self.query(alias) for alias in self.aliases()]

    def query(self, alias: str) -> QueryView:
        """Return one query."""
        jobs = self._of(alias)
        states: dict[State, int] = dict.fromkeys(STATES, 0)
        for job in jobs:
            present = job.present
            for verdict in job.latest():
                states[state_of(verdict, present)] += 1
        query, ticks = jobs[0].query, [job.latest_at for job in jobs if job.latest_at is not None]
        return QueryView(
            query.alias, query.expr, query.tz, query.step, unit_of(query.expr),
            tuple(job.model.alias for job in jobs), min(ticks, default=None), states,
            max(job.counts.get("over_limit", 0) for job in jobs),
        )  # fmt: skip

    def series(
        self, alias: str | None, *, text: str = "", order: Order = "score", offset: int = 0, limit: int = 50
    ) -> Page:
        """Return series of the query `alias`, of all for None; see `views.Watch`."""
        jobs = self._of(alias) if alias is not None else self._distinct()
        words = text.casefold().split()
        rows = [row for job in jobs for row in _rows(job) if _matches(row, words)]
        chosen = heapq.nsmallest(offset + limit, rows, key=_by_score if order == "score" else _by_name)
        return Page(tuple(chosen[offset:]), len(rows))

    def one(self, alias: str, labels: Labels, model: str | None = None) -> Row | None:
        """Return a series at the last tick; None where it is not watched now."""
        job = self._job(alias, model)
        at, verdicts, present = job.latest_at, job.latest(), job.present
        for verdict in verdicts:
            if at is not None and verdict.labels == labels:
                return Row(alias, job.model.alias, state_of(verdict, present), verdict, at)
        return None

    def meant(self, alias: str, labels: Labels) -> Labels:
        """Return the labels of the series that is meant; see `views.Watch`."""
        watched = self._watched(alias)
        if labels in watched or any(name == NAME for name, _ in labels):
            return labels
        found = [each for each in watched if _nameless(each) == labels]
        return found[0] if len(found) == 1 else labels

    def expect(self, alias: str, labels: Labels, start: float, end: float) -> None:
        """Raise UnknownSeriesError where there is no such series; see `views.Watch`."""
        if labels in self._watched(alias):
            return
        query = self._job(alias, None).query
        self._history(query, labels, start - query.step, end)

    def options(self, alias: str, model: str | None = None) -> FitOptions:
        """Return the settings in use."""
        return self._job(alias, model).options

    def longest(self, alias: str) -> float:
        """Return the longest stretch (s) that one request may replay."""
        return MOST_STEPS * self._job(alias, None).query.step - LEAST_WARM_UP

    def replay(self, alias: str, labels: Labels, start: float, end: float, options: FitOptions) -> Stretch:
        """Return what `options` say of a series from `start` to `end` (Unix s)."""
        query = self._job(alias, None).query
        step, longest = query.step, self.longest(alias)
        end = align_down(min(end, self.now()), step)
        start = align_down(min(start, end - step), step)
        if end - start > longest:
            raise TooLongError(
                f"{(end - start) / DAY:.3g} days in steps of {step:g} s are more than one request may "
                f"replay: choose at most {longest / DAY:.3g} days"
            )
        begin = start - min(WARM_UP, MOST_STEPS * step - (end - start))
        times, values = self._history(query, labels, begin - LEARNT_BEFORE, end)
        incidents = covered(self._windows(), alias, labels, times, kind="incident")
        return self._replays.run(_task(times, values, options, begin=begin, start=start, incidents=incidents))

    def events(self, alias: str, labels: Labels, start: float, end: float) -> list[Event]:
        """Return the deployments beside a series; none where they are not known."""
        try:
            return self._histories.deployments(labels, start, end)
        except DatasourceError as error:
            # They are a help to the eye: without them the rest is worth showing all the same.
            LOGGER.warning("no deployments beside query %s: %s", alias, error)
            return []

    def _history(self, query: Query, labels: Labels, start: float, end: float) -> tuple[Floats, Floats]:
        try:
            return self._histories.one(query, labels, start, end)
        except UnknownSeriesError as error:
            raise UnknownSeriesError(f"{error}{self._near(query.alias, labels)}") from None
        except DatasourceError as error:
            raise NoAnswerError(f"the data source does not answer: {error}") from error

    def _watched(self, alias: str) -> frozenset[Labels]:
        """Return the series of a query at the last tick, and those that have not been gone for long."""
        return frozenset[Labels]().union(*(job.known | job.present for job in self._of(alias)))

    def _near(self, alias: str, labels: Labels) -> str:
        """Return which watched series may be meant: the one with the most of these labels."""
        wanted = frozenset(labels)
        shared = [(len(wanted & frozenset(each)), each) for each in self._watched(alias)]
        most, near = min(shared, key=lambda pair: (-pair[0], pair[1]), default=(0, ()))
        return f"; near it is {text_of(near)}" if most else ""

    def _distinct(self) -> list[Job]:
        """Return a job for each query and model: with several schedulers they say the same."""
        return list({(job.query.alias, job.model.alias): job for job in reversed(self._jobs())}.values())[
            ::-1
        ]

    def _of(self, alias: str) -> list[Job]:
        jobs = [job for job in self._distinct() if job.query.alias == alias]
        if not jobs:
            raise UnknownSeriesError(f"there is no query {alias!r}: /api/v1/queries lists them")
        return jobs

    def _job(self, alias: str, model: str | None) -> Job:
        jobs = self._of(alias)
        for job in jobs:
            if model is None or job.model.alias == model:
                return job
        known = ", ".join(job.model.alias for job in jobs)
        raise UnknownSeriesError(f"no model {model!r} watches query {alias}: expected one of {known}")


def state_of(verdict: Verdict, present: frozenset[Labels]) -> State:
    """Return what is known of a series: unknown is neither normal nor anomalous."""
    if verdict.labels not in present:
        return "absent"
    if not math.isfinite(verdict.value):
        return "invalid"
    if math.isnan(verdict.score):
        return "warming"
    return "anomalous" if verdict.anomalous or verdict.lasting else "normal"


def narrowed(expr: str, labels: Labels) -> str:
    """Return `expr` limited to series with these labels: evaluated as it is, and little of it sent.

    The right side is one series with just these labels, so `and` needs no knowledge of the expression.
    """
    wanted = "vector(1)"
    for name, value in labels:
        # A dollar would refer to a group of the regular expression, which has none.
        wanted = f'label_replace({wanted}, {_quoted(name)}, {_quoted(value.replace("$", "$$"))}, "", "")'
    names = ", ".join(name if LABEL_NAME.fullmatch(name) else _quoted(name) for name, _ in labels)
    return f"({expr}\n) and on({names}) {wanted}"


def _nameless(labels: Labels) -> Labels:
    return tuple(label for label in labels if label[0] != NAME)


def _time(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _task(
    times: Floats, values: Floats, options: FitOptions, *, begin: float, start: float, incidents: Bools
) -> Task:
    # A series that began later has no use for the empty days before.
    known = np.flatnonzero(np.isfinite(values))
    first = int(known[0]) if known.size else times.size - 1
    shown = int(np.searchsorted(times, start))
    begun = min(max(int(np.searchsorted(times, begin)), first), shown)
    return Task(times, values, options, begun, shown, incidents)


def _rows(job: Job) -> list[Row]:
    at = job.latest_at
    if at is None:
        return []
    present = job.present
    return [
        Row(job.query.alias, job.model.alias, state_of(verdict, present), verdict, at)
        for verdict in job.latest()
    ]


def _matches(row: Row, words: Sequence[str]) -> bool:
    if not words:
        return True
    text = f"{row.query} {text_of(row.verdict.labels)}".casefold()
    return all(word in text for word in words)


def _by_score(row: Row) -> tuple[bool, float, str, Labels]:
    unknown = math.isnan(row.verdict.score)
    return unknown, 0.0 if unknown else -row.verdict.score, row.query, row.verdict.labels


def _by_name(row: Row) -> tuple[str, Labels]:
    return row.query, row.verdict.labels
