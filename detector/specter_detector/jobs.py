"""One job: the series of one query under one model and one scheduler.

Knows which series have a model, which were there at the last tick and which
outputs are still open, and turns a tick's values into output samples. No I/O.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from specter_core.metrics import ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER
from specter_detector.config import Model, Query, Scheduler
from specter_detector.models.score import score
from specter_detector.models.seasonal import FitOptions, FittedModel
from specter_detector.output import InvalidLabelsError, Sample, output_labels
from specter_detector.series import Labels, Vector

FORGET_AFTER = 86400.0
"""Seconds after which a series that vanished is no longer counted as absent."""

WARMING_REFITS = 12
"""While series wait for a model, fits come this many times as often."""


class Job:
    """State of one job. Ticks and fits come from different threads."""

    def __init__(
        self, query: Query, model: Model, scheduler: Scheduler, metric_format: Mapping[str, str]
    ) -> None:
        self.query = query
        self.model = model
        self.scheduler = scheduler
        self.options = FitOptions(query.step, model.periods, scheduler.fit_every, model.z_threshold, query.tz)
        self.counts: dict[str, int] = {}
        self._policy = replace(model.policy, data_range=query.data_range)
        self._metric_format = metric_format
        self._lock = threading.Lock()
        self._models: dict[Labels, FittedModel] = {}
        self._last_seen: dict[Labels, float] = {}
        self._outputs: dict[Labels, dict[str, Labels]] = {}
        self._open: dict[Labels, None] = {}
        self._unknown: frozenset[Labels] = frozenset()
        self._present: frozenset[Labels] = frozenset()
        self._waits: dict[Labels, float] = {}
        self._last_fit: float | None = None

    # --- fits ---

    def fit_due(self, now: float) -> bool:
        """Whether history should be read and fitted at `now`.

        Sooner than `fit_every` while a series waits for a model, but ever less so
        for one that came away from fits without: it may never have enough history.
        """
        if self._last_fit is None:
            return True
        every = self.scheduler.fit_every
        soonest = every / WARMING_REFITS
        with self._lock:
            waits = [self._waits.get(labels, soonest) for labels in self._unknown]
        return now - self._last_fit >= min([every, *waits])

    def fit_started(self, now: float) -> None:
        """Note that a fit was tried at `now`, whatever comes of it."""
        self._last_fit = now

    def fit_finished(self) -> None:
        """Double the wait of every series that still has no model, up to `fit_every`."""
        every = self.scheduler.fit_every
        with self._lock:
            for labels in self._unknown - self._models.keys():
                self._waits[labels] = min(every, 2 * self._waits.get(labels, every / WARMING_REFITS))

    @property
    def present(self) -> frozenset[Labels]:
        """The series of the last tick."""
        return self._present

    def install(self, labels: Labels, model: FittedModel) -> None:
        """Use `model` for the series `labels` from the next tick on."""
        with self._lock:
            self._models[labels] = model
            self._waits.pop(labels, None)
            self._last_seen.setdefault(labels, model.fitted_until)

    def fitted(self, labels: Labels) -> FittedModel | None:
        """Return the model of a series, or None."""
        with self._lock:
            return self._models.get(labels)

    # --- ticks ---

    def observe(self, at: float, vector: Vector) -> tuple[list[Sample], int]:
        """Score the series of `vector` at `at`.

        Returns:
            The output samples, with a staleness marker for each series scored
            before and not now, and the number of series that cannot be written.
        """
        with self._lock:
            models = dict(self._models)
        samples: list[Sample] = []
        scored: dict[Labels, None] = {}
        unwritable = invalid = 0
        for labels, value in vector.samples.items():
            self._last_seen[labels] = at
            model = models.get(labels)
            if model is None:
                continue
            if not np.isfinite(value):
                invalid += 1
                continue
            try:
                samples += self._score(at, labels, value, model)
            except InvalidLabelsError:
                unwritable += 1
                continue
            scored[labels] = None
        samples += self._close(at, [labels for labels in self._open if labels not in scored])
        self._open = scored
        absent = [labels for labels in models if labels not in vector.samples]
        self._present = frozenset(vector.samples)
        self._unknown = self._present - models.keys()
        self.counts = {
            "scored": len(scored),
            "warming": len(self._unknown),
            "absent": len(absent) - self._forget(at, absent),
            "invalid": invalid,
            "over_limit": vector.cut,
        }
        return samples, unwritable

    def close(self, at: float) -> list[Sample]:
        """End every open output: nothing is known at `at`, and an old score must not look current."""
        samples = self._close(at, list(self._open))
        self._open = {}
        self.counts = {}
        return samples

    def _score(self, at: float, labels: Labels, value: float, model: FittedModel) -> list[Sample]:
        result = score(np.array([value]), model.predict(np.array([at])), self._policy)
        values = {
            ANOMALY_SCORE: result.score,
            YHAT: result.yhat,
            YHAT_LOWER: result.lower,
            YHAT_UPPER: result.upper,
        }
        return [
            Sample(names, float(values[name][0]), at, self.query.alias if name == ANOMALY_SCORE else "")
            for name, names in self._names(labels).items()
        ]

    def _close(self, at: float, gone: list[Labels]) -> list[Sample]:
        return [Sample(names, None, at) for labels in gone for names in self._names(labels).values()]

    def _names(self, labels: Labels) -> dict[str, Labels]:
        """Return the output labels by output name, made once a series."""
        known = self._outputs.get(labels)
        if known is None:
            variables = {
                "QUERY_KEY": self.query.alias,
                "MODEL_ALIAS": self.model.alias,
                "SCHEDULER_ALIAS": self.scheduler.alias,
            }
            known = {
                name: output_labels(labels, self._metric_format, {**variables, "VAR": name})
                for name in self.model.provide_series
            }
            self._outputs[labels] = known
        return known

    def _forget(self, at: float, absent: list[Labels]) -> int:
        """Drop what has been gone for long, so that churn does not fill the memory."""
        old = [labels for labels in absent if at - self._last_seen.get(labels, 0.0) > FORGET_AFTER]
        with self._lock:
            for labels in old:
                self._models.pop(labels, None)
        for labels in old:
            self._outputs.pop(labels, None)
        for labels in [key for key, seen in self._last_seen.items() if at - seen > FORGET_AFTER]:
            self._last_seen.pop(labels, None)
            with self._lock:
                self._waits.pop(labels, None)
        return len(old)
