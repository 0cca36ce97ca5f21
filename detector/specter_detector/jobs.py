"""One job: the series of one query under one model and one scheduler.

Knows which series are watched and which were there at the last tick, takes over
what fits have learnt, and turns a tick's values into output samples. No I/O.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specter_core.metrics import (
    ANOMALY_CONFIDENCE,
    ANOMALY_DIRECTION,
    ANOMALY_SCORE,
    YHAT,
    YHAT_LOWER,
    YHAT_UPPER,
)
from specter_detector.alarms import Alarms
from specter_detector.config import Model, Query, Scheduler
from specter_detector.defaults import RETENTION
from specter_detector.findings import Findings
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.models.batch import joined, take
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.models.shape import Shape
from specter_detector.models.state import State
from specter_detector.output import Sample
from specter_detector.outputs import Outputs
from specter_detector.series import Labels, Vector
from specter_detector.verdict import Verdict, Verdicts, joined_verdicts
from specter_detector.watched import Watched

WARMING_REFITS = 12
"""While series wait for their first fit, fits come this many times as often."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a tick.

    Attributes:
        samples: output, with a staleness marker for each series that had one before and has none now.
        unwritable: number of series whose labels cannot be written.
        alarms: those that began, as far as they are worth a line.
    """

    samples: list[Sample]
    unwritable: int
    alarms: list[Verdict]


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What a job knows of its series, as it is saved.

    Attributes:
        at: Unix time (s) of the last tick.
        labels: of the series, (series,).
        last_seen: (series,) Unix time (s) of the last value.
        shape, state: of the same series.
    """

    at: float
    labels: tuple[Labels, ...]
    last_seen: Floats
    shape: Shape
    state: State


class Job:
    """State of one job. Ticks and fits come from different threads."""

    def __init__(
        self,
        query: Query,
        model: Model,
        scheduler: Scheduler,
        metric_format: Mapping[str, str],
        retention: float = RETENTION,
    ) -> None:
        self.key = f"{scheduler.alias}/{model.alias}/{query.alias}"
        self.query = query
        self._retention = retention
        self.model = model
        self.scheduler = scheduler
        policy = replace(model.policy, data_range=query.data_range)
        self.options = FitOptions(model.kind, query.step, query.tz, query.holidays, policy)
        self.counts: dict[str, int] = {}
        variables = {
            "QUERY_KEY": query.alias,
            "MODEL_ALIAS": model.alias,
            "SCHEDULER_ALIAS": scheduler.alias,
        }
        self._outputs = Outputs(query.alias, metric_format, variables, model.provide_series)
        self._watched = Watched(self.options, scheduler.infer_every)
        self._alarms = Alarms()
        self.findings = Findings()
        self._latest = joined_verdicts([])
        self._ticked: float | None = None
        self._last_seen: dict[Labels, float] = {}
        self._unknown: frozenset[Labels] = frozenset()
        self._present: frozenset[Labels] = frozenset()
        # Between the threads: what fits have learnt and the next tick takes over.
        self._lock = threading.Lock()
        self._learnt: list[tuple[Sequence[Labels], Fitted]] = []
        self._known: frozenset[Labels] = frozenset()
        self._waits: dict[Labels, float] = {}
        self._last_fit: float | None = None

    # --- fits ---

    def fit_due(self, now: float) -> bool:
        """Whether history should be read and fitted at `now`.

        Sooner than `fit_every` while a series waits for its first fit, but ever less so
        for one that came away from fits without: it may have no history.
        """
        if self._last_fit is None:
            return True
        every = self.scheduler.fit_every
        soonest = every / WARMING_REFITS
        with self._lock:
            waits = [self._waits.get(labels, soonest) for labels in self._unknown - self._known]
        return now - self._last_fit >= min([every, *waits])

    def fit_started(self, now: float) -> None:
        """Note that a fit was tried at `now`, whatever comes of it."""
        self._last_fit = now

    def fit_finished(self) -> None:
        """Double the wait of every series that is still not known, up to `fit_every`."""
        every = self.scheduler.fit_every
        with self._lock:
            for labels in self._unknown - self._known:
                self._waits[labels] = min(every, 2 * self._waits.get(labels, every / WARMING_REFITS))

    @property
    def present(self) -> frozenset[Labels]:
        """The series of the last tick."""
        return self._present

    @property
    def known(self) -> frozenset[Labels]:
        """The series that have been fitted and not forgotten."""
        return self._known

    def to_fit(self, labels: Sequence[Labels], last_seen: Floats, at: float) -> tuple[Ints, Ints]:
        """Return the rows of series that are known and need a new shape, and of those that are new.

        What was neither there at the last tick nor within the retention before `at` is not looked at: it would be
        forgotten at once.

        Args:
            labels: of the series there is history of.
            last_seen: (series,) Unix time (s) of the last value of each, NaN for none.
            at: Unix time (s).
        """
        known = np.array([each in self._known for each in labels], np.bool_)
        present = np.array([each in self._present for each in labels], np.bool_)
        alive: Bools = present | (last_seen > at - self._retention)
        return np.flatnonzero(known), np.flatnonzero(~known & alive)

    def install(self, labels: Sequence[Labels], fitted: Fitted) -> None:
        """Use what was learnt of the series `labels` from the next tick on."""
        with self._lock:
            self._learnt.append((labels, fitted))
            if fitted.state is not None:
                self._known |= frozenset(labels)
            for each in labels:
                self._waits.pop(each, None)

    # --- ticks ---

    def observe(self, at: float, vector: Vector, learn: Mapping[Labels, bool] | None = None) -> Observation:
        """Judge the series of `vector`, and those that it lacks, at Unix time `at` (s).

        What `learn` has as False is judged and not learnt from.
        """
        self._take_over(at)
        for labels in vector.samples:
            self._last_seen[labels] = at
        gone = self._forget(at)
        verdicts = self._watched.judge(at, vector.samples, learn or {})
        told = np.isfinite(verdicts.score)
        values = {verdicts.labels[row]: _values(verdicts[row]) for row in np.flatnonzero(told).tolist()}
        samples, unwritable = self._outputs.tick(at, values)
        self._outputs.forget(gone)
        self._present = frozenset(vector.samples)
        self._unknown = frozenset(labels for labels in vector.samples if labels not in self._watched)
        valid = verdicts.present & np.isfinite(verdicts.value)
        scored = int(np.count_nonzero(valid & told)) - len(unwritable)
        present = int(np.count_nonzero(verdicts.present))
        self.counts = {
            "scored": scored,
            "warming": len(self._unknown) + int(np.count_nonzero(valid & ~told)),
            "absent": len(verdicts) - present,
            "invalid": present - int(np.count_nonzero(valid)),
            "over_limit": vector.cut,
        }
        self._latest, self._ticked = verdicts, at
        return Observation(samples, len(unwritable), self._alarms.begun(at, verdicts))

    @property
    def latest(self) -> Verdicts:
        """What the last tick said."""
        return self._latest

    @property
    def ticked(self) -> float | None:
        """Unix time (s) of the last tick, None before the first."""
        return self._ticked

    def learnt(self) -> Learnt | None:
        """Return a copy of what is known of the series; None while that is nothing. Called between ticks."""
        blocks = self._watched.blocks
        if not blocks or self._ticked is None:
            return None
        labels = tuple(labels for block in blocks for labels in block.labels)
        last_seen = np.array([self._last_seen.get(each, np.nan) for each in labels])
        everything = [take(block.shape, range(len(block.labels))) for block in blocks]
        states = [take(block.state, range(len(block.labels))) for block in blocks]
        if len(blocks) == 1:
            return Learnt(self._ticked, labels, last_seen, everything[0], states[0])
        return Learnt(self._ticked, labels, last_seen, joined(everything), joined(states))

    def restore(self, learnt: Learnt) -> None:
        """Go on from where `learnt` was saved. Called before the first tick."""
        self._watched.restore(learnt.labels, learnt.shape, learnt.state)
        self._last_seen = dict(zip(learnt.labels, learnt.last_seen.tolist(), strict=True))
        self._known = frozenset(learnt.labels)
        self._ticked = learnt.at

    def close(self, at: float) -> list[Sample]:
        """End every open output: nothing is known at `at`, and an old score must not look current."""
        self.counts = {}
        return self._outputs.close(at)

    def _take_over(self, at: float) -> None:
        with self._lock:
            learnt, self._learnt = self._learnt, []
        for labels, fitted in learnt:
            self._watched.learn(labels, fitted, at)
            for each, last_seen in zip(labels, fitted.last_seen.tolist(), strict=True):
                if each in self._watched:
                    self._last_seen.setdefault(each, at if np.isnan(last_seen) else last_seen)

    def _forget(self, at: float) -> set[Labels]:
        """Drop what has been gone for long, so that churn neither fills the memory nor alarms for ever."""
        gone = {labels for labels, seen in self._last_seen.items() if at - seen > self._retention}
        self._watched.leave(gone)
        with self._lock:
            self._known -= gone
            for labels in gone:
                self._waits.pop(labels, None)
        for labels in gone:
            del self._last_seen[labels]
        return gone


def _values(verdict: Verdict) -> dict[str, float]:
    return {
        ANOMALY_SCORE: verdict.score,
        YHAT: verdict.yhat,
        YHAT_LOWER: verdict.lower,
        YHAT_UPPER: verdict.upper,
        ANOMALY_CONFIDENCE: verdict.confidence,
        ANOMALY_DIRECTION: float(verdict.direction),
    }
