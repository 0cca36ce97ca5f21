"""Replay a stretch of history as the running detector would have seen it: sample by sample, refits included.

Causal: what is said of a sample uses earlier samples only. The same calls as online, so the same numbers.
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Bools, Floats, Ints, Singles
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays, calendar_phases
from specter_detector.models.online import adopt, tick
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.models.shape import Learner, Shape, learn_shape, unknown_shape
from specter_detector.models.state import State, no_state

DAY = 86400.0
WINDOW_DAYS = 28
REFITS_A_DAY = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What was said of each sample, and what is known after the last.

    Attributes:
        score, confidence, reason, z: (series, n) each; see `online.Judged`.
        shape: in use at the end.
        state: after the last sample.
    """

    score: Floats
    confidence: Floats
    reason: Ints
    z: Singles
    shape: Shape
    state: State


def replay(
    times: Floats,
    values: Floats,
    step: float,
    *,
    tz: str = "UTC",
    holidays: Holidays = NO_HOLIDAYS,
    policy: Policy = ANY_DEVIATION,
    learn: Learner = learn_shape,
    refits_a_day: float = REFITS_A_DAY,
    begin: int = 0,
    excluded: Bools | None = None,
) -> Replayed:
    """Score every sample of `values` from `begin` on.

    Args:
        times: (n,) Unix seconds, `step` apart.
        values: (series, n), NaN where nothing is known.
        step: seconds.
        tz: time zone of the series' days.
        holidays: days that are like a Sunday.
        policy: what counts as an anomaly.
        learn: what a refit calls.
        refits_a_day: how often it does; less than one for a refit every few days.
        begin: the first sample to judge; those before are only learnt from.
        excluded: (n,) or (series, n) samples that are judged and never learnt from: maintenance,
            deployments, incidents. None for none.
    """
    period = max(2, round(DAY / step))
    every = max(1, int(period / refits_a_day))
    phases = calendar_phases(times, step, tz, holidays)
    shape = unknown_shape(len(values), period)
    state = no_state(len(values))
    taught = None if excluded is None else np.broadcast_to(~excluded, values.shape)
    known = values if taught is None else np.where(taught, values, np.nan)
    score, confidence = np.full(values.shape, np.nan), np.zeros(values.shape)
    reason, z = np.zeros(values.shape, np.int64), np.zeros(values.shape, np.float32)
    for index in range(begin, len(times)):
        if index and (index == begin or index % every == 0):
            window = slice(max(0, index - WINDOW_DAYS * period), index)
            learnt = learn(known[:, window], phases[window], period, first=times[window.start] / step)
            adopt(state, shape, learnt, times[index] / step, phases[index])
            shape = learnt
        learnt_from = None if taught is None else taught[:, index]
        judged = tick(
            shape, state, times[index] / step, phases[index], values[:, index],
            policy=policy, learn=learnt_from,
        )  # fmt: skip
        score[:, index], confidence[:, index] = judged.score, judged.confidence
        reason[:, index], z[:, index] = judged.reason, judged.z
    return Replayed(score, confidence, reason, z, shape, state)
