"""Replay a stretch of history as the running detector would have seen it: sample by sample, refits included.

Causal: what is said of a sample uses earlier samples only. The same calls as online, so the same numbers.
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays, calendar_phases
from specter_detector.models.online import adopt, tick
from specter_detector.models.shape import learn_shape, unknown_shape
from specter_detector.models.state import no_state

DAY = 86400.0
WINDOW_DAYS = 28
REFITS_A_DAY = 8


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """(series, n) each; see `online.Judged`."""

    score: Floats
    confidence: Floats
    reason: Ints


def replay(
    times: Floats, values: Floats, step: float, *, tz: str = "UTC", holidays: Holidays = NO_HOLIDAYS
) -> Replayed:
    """Score every sample of `values`.

    Args:
        times: (n,) Unix seconds, `step` apart.
        values: (series, n), NaN where nothing is known.
        step: seconds.
        tz: time zone of the series' days.
        holidays: days that are like a Sunday.
    """
    period = max(2, round(DAY / step))
    every = max(1, period // REFITS_A_DAY)
    phases = calendar_phases(times, step, tz, holidays)
    shape = unknown_shape(len(values), period)
    state = no_state(len(values))
    score, confidence = np.full(values.shape, np.nan), np.zeros(values.shape)
    reason = np.zeros(values.shape, np.int64)
    for index in range(len(times)):
        if index and index % every == 0:
            window = slice(max(0, index - WINDOW_DAYS * period), index)
            learnt = learn_shape(values[:, window], phases[window], period)
            adopt(state, shape, learnt, phases[index])
            shape = learnt
        judged = tick(shape, state, times[index] / step, phases[index], values[:, index])
        score[:, index], confidence[:, index] = judged.score, judged.confidence
        reason[:, index] = judged.reason
    return Replayed(score, confidence, reason)
