"""One job: the series of one query under one model and one scheduler.

Knows which series are watched and which were there at the last tick, takes over
what fits have learnt, and turns a tick's values into output samples. No I/O.
"""

import math
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
from specter_detector.findings import Findings
from specter_detector.models.arrays import Ints
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.output import Sample
from specter_detector.outputs import Outputs
from specter_detector.series import History, Labels, Vector
from specter_detector.verdict import Verdict
from specter_detector.watched import Watched

FORGET_AFTER = 86400.0
"""Seconds after which a series that vanished is forgotten, and its absence no anomaly any more."""

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


class Job:
    """State of one job. Ticks and fits come from different threads."""

    def __init__(
        self, query: Query, model: Model, scheduler: Scheduler, metric_format: Mapping[str, str]
    ) -> None:
        self.query = query
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
        self._last_seen: dict[Labels, float] = {}
        self._unknown: frozenset[Labels] = frozenset()
        self._present: frozenset[Labels] = frozenset()
        self._latest: tuple[float, list[Verdict]] | None = None
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

    def to_fit(self, history: History) -> tuple[Ints, Ints]:
        """Return the rows of `history` that are known and need a new shape, and those that are new.

        What was neither there at the last tick nor in the last day of history is not looked at: it would be
        forgotten at once.
        """
        recent = history.times > history.times[-1] - FORGET_AFTER
        alive = np.isfinite(history.values[:, recent]).any(axis=1)
        known = np.array([labels in self._known for labels in history.labels], np.bool_)
        alive |= np.array([labels in self._present for labels in history.labels], np.bool_)
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

    def observe(self, at: float, vector: Vector) -> Observation:
        """Judge the series of `vector`, and those that it lacks, at Unix time `at` (s)."""
        self._take_over(at)
        for labels in vector.samples:
            self._last_seen[labels] = at
        gone = self._forget(at)
        verdicts = self._watched.judge(at, vector.samples)
        told = {verdict.labels: _values(verdict) for verdict in verdicts if math.isfinite(verdict.score)}
        samples, unwritable = self._outputs.tick(at, told)
        self._outputs.forget(gone)
        self._present = frozenset(vector.samples)
        self._unknown = frozenset(labels for labels in vector.samples if labels not in self._watched)
        waiting = [_unjudged(labels, vector.samples[labels]) for labels in self._unknown]
        self._latest = at, verdicts + waiting
        present = [verdict for verdict in verdicts if verdict.labels in vector.samples]
        valid = sum(math.isfinite(verdict.value) for verdict in present)
        scored = {verdict.labels for verdict in present if math.isfinite(verdict.value)} & told.keys()
        self.counts = {
            "scored": len(scored.difference(unwritable)),
            "warming": len(self._unknown) + valid - len(scored),
            "absent": len(verdicts) - len(present),
            "invalid": len(present) - valid,
            "over_limit": vector.cut,
        }
        return Observation(samples, len(unwritable), self._alarms.begun(at, verdicts))

    def close(self, at: float) -> list[Sample]:
        """End every open output: nothing is known at `at`, and an old score must not look current."""
        self.counts = {}
        self._latest = None
        return self._outputs.close(at)

    # --- what others may know, from any thread ---

    @property
    def latest_at(self) -> float | None:
        """Unix time (s) of the last tick; None before the first, and while there is no answer."""
        latest = self._latest
        return None if latest is None else latest[0]

    def latest(self) -> list[Verdict]:
        """Return what the last tick said of each series, those too that wait for their first fit."""
        latest = self._latest
        return [] if latest is None else list(latest[1])

    def _take_over(self, at: float) -> None:
        with self._lock:
            learnt, self._learnt = self._learnt, []
        for labels, fitted in learnt:
            self._watched.learn(labels, fitted, at)
            for each, last_seen in zip(labels, fitted.last_seen.tolist(), strict=True):
                self._last_seen.setdefault(each, at if np.isnan(last_seen) else last_seen)

    def _forget(self, at: float) -> set[Labels]:
        """Drop what has been gone for long, so that churn neither fills the memory nor alarms for ever."""
        gone = {labels for labels, seen in self._last_seen.items() if at - seen > FORGET_AFTER}
        self._watched.leave(gone)
        with self._lock:
            self._known -= gone
            for labels in gone:
                self._waits.pop(labels, None)
        for labels in gone:
            del self._last_seen[labels]
        return gone


def _unjudged(labels: Labels, value: float) -> Verdict:
    """Return the verdict on a series of which nothing has been learnt."""
    return Verdict(labels, value, math.nan, 0, "", math.nan, math.nan, math.nan, 0.0)


def _values(verdict: Verdict) -> dict[str, float]:
    return {
        ANOMALY_SCORE: verdict.score,
        YHAT: verdict.yhat,
        YHAT_LOWER: verdict.lower,
        YHAT_UPPER: verdict.upper,
        ANOMALY_CONFIDENCE: verdict.confidence,
        ANOMALY_DIRECTION: float(verdict.direction),
    }
