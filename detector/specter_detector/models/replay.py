"""Replay a stretch of history as the running detector would have seen it: sample by sample, refits included.

Causal: what is said of a sample uses earlier samples only. The same calls as online, so the same numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Bools, Floats, Ints, Singles
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays, calendar_phases
from specter_detector.models.online import Judged, adopt, tick
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.models.shape import Learner, Shape, learn_shape, unknown_shape
from specter_detector.models.state import State, no_state

DAY = 86400.0
WINDOW_DAYS = 28.0
REFITS_A_DAY = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One sample of each series, judged and learnt from.

    Attributes:
        index: column of the sample.
        judged: what was said of it.
        shape: in use.
        state: after the sample; changed by the next.
        phase: of the sample (`calendar.calendar_phases`).
    """

    index: int
    judged: Judged
    shape: Shape
    state: State
    phase: float


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What was said of each sample, and what is known after the last.

    Attributes:
        score, confidence, reason, z: (series, n) each; see `online.Judged`.
        direction, yhat, lower, upper: the same; 0 and NaN before `begin`.
        shape: in use at the end.
        state: after the last sample.
    """

    score: Floats
    confidence: Floats
    reason: Ints
    z: Singles
    direction: NDArray[np.int8]
    yhat: Floats
    lower: Floats
    upper: Floats
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
    window_days: float = WINDOW_DAYS,
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
        window_days: how far back a refit looks.
        begin: the first sample to judge; those before are only learnt from.
        excluded: (n,) or (series, n) samples that are judged and never learnt from: maintenance,
            deployments, incidents. None for none.
    """
    score, confidence = np.full(values.shape, np.nan), np.zeros(values.shape)
    reason, z = np.zeros(values.shape, np.int64), np.zeros(values.shape, np.float32)
    direction = np.zeros(values.shape, np.int8)
    yhat, lower, upper = (np.full(values.shape, np.nan) for _ in range(3))
    shape, state = unknown_shape(len(values), _period(step)), no_state(len(values))
    for moment in moments(
        times, values, step, tz=tz, holidays=holidays, policy=policy, learn=learn,
        refits_a_day=refits_a_day, window_days=window_days, begin=begin, excluded=excluded,
    ):  # fmt: skip
        index, judged, shape, state = moment.index, moment.judged, moment.shape, moment.state
        score[:, index], confidence[:, index] = judged.score, judged.confidence
        reason[:, index], z[:, index] = judged.reason, judged.z
        direction[:, index], yhat[:, index] = judged.direction, judged.yhat
        lower[:, index], upper[:, index] = judged.lower, judged.upper
    return Replayed(score, confidence, reason, z, direction, yhat, lower, upper, shape, state)


def moments(
    times: Floats,
    values: Floats,
    step: float,
    *,
    tz: str = "UTC",
    holidays: Holidays = NO_HOLIDAYS,
    policy: Policy = ANY_DEVIATION,
    learn: Learner = learn_shape,
    refits_a_day: float = REFITS_A_DAY,
    window_days: float = WINDOW_DAYS,
    begin: int = 0,
    excluded: Bools | None = None,
) -> Iterator[Moment]:
    """Yield what `replay` collects, sample by sample, with what is known at each."""
    period = _period(step)
    every = max(1, int(period / refits_a_day))
    longest = max(1, round(window_days * period))
    phases = calendar_phases(times, step, tz, holidays)
    shape = unknown_shape(len(values), period)
    state = no_state(len(values))
    taught = None if excluded is None else np.broadcast_to(~excluded, values.shape)
    known = values if taught is None else np.where(taught, values, np.nan)
    for index in range(begin, len(times)):
        if index and (index == begin or index % every == 0):
            window = slice(max(0, index - longest), index)
            learnt = learn(known[:, window], phases[window], period, first=times[window.start] / step)
            adopt(state, shape, learnt, times[index] / step, phases[index])
            shape = learnt
        judged = tick(
            shape, state, times[index] / step, phases[index], values[:, index],
            policy=policy, learn=None if taught is None else taught[:, index],
        )  # fmt: skip
        yield Moment(index, judged, shape, state, float(phases[index]))


def _period(step: float) -> int:
    return max(2, round(DAY / step))
