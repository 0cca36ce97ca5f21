"""One job: the series of one query under one model and one scheduler.

Knows which series are watched and which were there at the last tick, takes over
what fits have learnt, and turns a tick's values into output samples. No I/O.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specter_core.metrics import (
    ANOMALY_CONFIDENCE,
    ANOMALY_DIRECTION,
    ANOMALY_SCORE,
    YHAT,
    YHAT_LOWER,
    YHAT_UPPER,
    Y,
)
from specter_detector.alarms import Alarms
from specter_detector.config import Model, Query, Scheduler
from specter_detector.defaults import RETENTION
from specter_detector.findings import Findings
from specter_detector.formats import OutputFormat
from specter_detector.identities import Identities
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.outputs import Outputs, Written
from specter_detector.series import Labels, Vector
from specter_detector.store.checkpoint import Learnt
from specter_detector.verdict import Verdict, Verdicts
from specter_detector.watched import Watched

WARMING_REFITS = 12
"""While series wait for their first fit, fits come this many times as often."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a tick.

    Attributes:
        written: output, with a staleness marker for each series that had one before and has none now.
        alarms: those that began, as far as they are worth a line.
    """

    written: Written
    alarms: list[Verdict]


class Job:
    """State of one job. Ticks and fits come from different threads."""

    def __init__(
        self,
        query: Query,
        model: Model,
        scheduler: Scheduler,
        form: OutputFormat,
        *,
        max_bands: int,
        identities: Identities,
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
        # Series with a score at the last tick, and those of them whose score is above 1.
        self.scores = self.anomalous = 0
        variables = {
            "QUERY_KEY": query.alias,
            "MODEL_ALIAS": model.alias,
            "SCHEDULER_ALIAS": scheduler.alias,
            "ANOMALY_TYPE": query.anomaly_type,
        }
        self._outputs = Outputs(
            query.alias,
            form,
            variables,
            model.provide_series,
            bands=model.bands,
            max_bands=max_bands,
            identities=identities,
        )
        self._watched = Watched(self.options, scheduler.infer_every)
        self._alarms = Alarms()
        self.findings = Findings()
        self._ticked: float | None = None
        self._renewals = 0
        self._last_seen: dict[Labels, float] = {}
        self._unknown: frozenset[Labels] = frozenset()
        self._present: frozenset[Labels] = frozenset()
        self._latest: tuple[float, Verdicts, dict[Labels, float]] | None = None
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

        What was neither there at the last tick nor within the retention before `at` is not looked at: it
        would be forgotten at once.

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
        written = self._outputs.tick(at, verdicts.labels, _columns(verdicts), verdicts.anomalous)
        self._outputs.forget(gone)
        self._present = frozenset(vector.samples)
        self._unknown = frozenset(labels for labels in vector.samples if labels not in self._watched)
        waiting = {labels: vector.samples[labels] for labels in self._unknown}
        valid = verdicts.present & np.isfinite(verdicts.value)
        scored = int(np.count_nonzero(valid & told))
        present = int(np.count_nonzero(verdicts.present))
        self.counts = {
            "scored": scored - len(written.unwritable),
            "warming": len(self._unknown) + int(np.count_nonzero(valid)) - scored,
            "absent": len(verdicts) - present,
            "invalid": present - int(np.count_nonzero(valid)),
            "over_limit": vector.cut,
        }
        self.scores = int(np.count_nonzero(told))
        self.anomalous = int(np.count_nonzero(verdicts.anomalous))
        self._latest = (at, verdicts, waiting)
        # With the clock set back what was later stays what has been seen.
        self._ticked = at if self._ticked is None else max(self._ticked, at)
        return Observation(written, self._alarms.begun(at, verdicts))

    @property
    def ticked(self) -> float | None:
        """Unix time (s) of the newest tick, None before the first."""
        return self._ticked

    def pass_over(self, at: float) -> int:
        """Count the ticks up to `at` (Unix s) as seen; return how many were not."""
        if self._ticked is None:
            return 0
        passed = max(0, round((at - self._ticked) / self.scheduler.infer_every))
        self._ticked = max(self._ticked, at)
        return passed

    @property
    def renewals(self) -> int:
        """How often something that a fit learnt was taken over."""
        return self._renewals

    def learnt(self) -> Learnt | None:
        """Return what is known of the series, as it is now; None while that is nothing.

        Called between ticks; what it returns may be saved from any thread.
        """
        parts = self._watched.snapshot()
        if not parts or self._ticked is None:
            return None
        return Learnt(self._ticked, parts, dict(self._last_seen))

    def restore(self, learnt: Learnt) -> None:
        """Go on from where `learnt` was taken. Called before the first tick."""
        self._last_seen = dict(learnt.last_seen)
        self._ticked = learnt.at
        self._watched.restore(learnt.parts)
        self._known = frozenset(learnt.labels)
        # What vanishes meanwhile must not look current: nobody else will end its outputs.
        self._outputs.reopen([each for each in learnt.labels if learnt.last_seen.get(each) == learnt.at])

    def close(self, at: float) -> Written:
        """End every open output: nothing is known at `at`, and an old score must not look current."""
        self.counts = {}
        self.scores = self.anomalous = 0
        self._latest = None
        if self._ticked is not None:
            # Nothing is written behind a staleness marker.
            self._ticked = max(self._ticked, at)
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
        if latest is None:
            return []
        _, verdicts, waiting = latest
        return [*verdicts, *(_unjudged(labels, value) for labels, value in waiting.items())]

    def _take_over(self, at: float) -> None:
        with self._lock:
            learnt, self._learnt = self._learnt, []
        self._watched.learn_all(learnt, at)
        self._renewals += len(learnt)
        for labels, fitted in learnt:
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


def _unjudged(labels: Labels, value: float) -> Verdict:
    """Return the verdict on a series of which nothing has been learnt."""
    return Verdict(labels, value, nan, 0, "", nan, nan, nan, 0.0)


def _columns(verdicts: Verdicts) -> dict[str, Floats]:
    """Return the values of each output, (series,), NaN where nothing can be said."""
    told = np.isfinite(verdicts.score)
    columns: dict[str, NDArray[Any]] = {
        ANOMALY_SCORE: verdicts.score,
        Y: verdicts.value,
        YHAT: verdicts.yhat,
        YHAT_LOWER: verdicts.lower,
        YHAT_UPPER: verdicts.upper,
        ANOMALY_CONFIDENCE: verdicts.confidence,
        ANOMALY_DIRECTION: verdicts.direction,
    }
    return {name: np.where(told, column, np.nan) for name, column in columns.items()}
