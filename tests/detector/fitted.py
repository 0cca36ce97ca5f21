"""Series as a job has them, fitted."""

from collections.abc import Sequence

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, fit
from specter_detector.models.online import REASONS
from specter_detector.series import Labels, labels_of
from specter_detector.verdict import Verdict, Verdicts
from specter_detector.watched import Watched

STEP = 300.0


def named(*names: str) -> list[Labels]:
    """Return the labels of series that differ in one label."""
    return [labels_of({"i": name}) for name in names]


def watched(
    times: Floats, values: Floats, labels: Sequence[Labels], options: FitOptions | None = None
) -> Watched:
    """Return the series `labels` with the history `values` (series, n), at the end of `times`."""
    options = options or FitOptions(step=STEP)
    result = Watched(options, 15.0)
    result.learn(labels, fit(times, values, options, with_state=True), float(times[-1]))
    return result


def constant_history(level: float, *, until: float, days: float = 1.0) -> tuple[Floats, Floats]:
    """Return times up to `until` and the values (1, n) of a constant."""
    times: Floats = np.arange(until - days * 86400.0, until + 1.0, STEP)
    return times, np.full((1, times.size), level)


def verdicts_of(verdicts: Sequence[Verdict]) -> Verdicts:
    """Return a tick's verdicts of series that were there."""

    def column(name: str) -> Floats:
        return np.array([getattr(verdict, name) for verdict in verdicts], np.float64)

    return Verdicts(
        tuple(verdict.labels for verdict in verdicts),
        np.ones(len(verdicts), np.bool_),
        column("value"),
        column("score"),
        column("direction").astype(np.int8),
        np.array([REASONS.index(verdict.reason) for verdict in verdicts], np.int8),
        column("yhat"),
        column("lower"),
        column("upper"),
        column("confidence").astype(np.float32),
    )
