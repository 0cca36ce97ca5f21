"""Whether a day and a week help out of sample: the errors of the forecasters, each made before its value."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from specter_detector.backtesting.chunk import Setting
from specter_detector.backtesting.outcome import warm_up_samples
from specter_detector.models.learners import learner
from specter_detector.models.online import UNWEEKLY
from specter_detector.models.replay import DAY, moments
from specter_detector.series import History

DAILY = 2


@dataclass(frozen=True, slots=True)
class Gain:
    """By which share errors are smaller with a season than without; negative where they are larger."""

    share: float
    UNKNOWN: ClassVar["Gain"]


Gain.UNKNOWN = Gain(math.nan)


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean error of the best forecaster, relative to the level alone, and what the seasons gain."""

    tz: str
    best: float
    day: Gain
    week: Gain


def losses(history: History, setting: Setting) -> Losses:
    """Replay `history` and compare the errors of level, day and week, medians over the series.

    Each forecaster's error is the model's own running mean of them, taken once an hour after the warm-up.
    """
    options = setting.options
    first = warm_up_samples(history.times, options.step, None)
    every = max(1, round(3600.0 / options.step))
    level, day, week = [], [], []
    for moment in moments(
        history.times,
        history.values,
        options.step,
        tz=options.tz,
        holidays=options.holidays,
        policy=options.policy,
        learn=learner(options.kind),
        refits_a_day=DAY / setting.fit_every,
        window_days=setting.fit_window / DAY,
    ):
        if moment.index < first or moment.index % every:
            continue
        loss = moment.state.loss.astype(np.float64)
        level.append(loss[:DAILY].min(axis=0))
        day.append(loss[DAILY:UNWEEKLY].min(axis=0))
        week.append(
            np.full_like(level[-1], np.nan) if moment.shape.week is None else loss[UNWEEKLY:].min(axis=0)
        )
    if not level:
        return Losses(options.tz, math.nan, Gain.UNKNOWN, Gain.UNKNOWN)
    levels, days, weeks = (np.array(each) for each in (level, day, week))
    known = np.isfinite(weeks)
    daily = _ratio(days, levels)
    weekly = _ratio(np.where(known, weeks, 0.0), np.where(known, days, 0.0))
    whole = np.where(known, np.fmin(weeks, days), days)
    best = _ratio(np.minimum(whole, levels), levels)
    return Losses(options.tz, best, Gain(1 - daily), Gain(1 - weekly) if known.any() else Gain.UNKNOWN)


def _ratio(
    errors: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    against: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> float:
    """Return the median over series of the ratio of the sums over time."""
    total, reference = errors.sum(axis=0), against.sum(axis=0)
    some = reference > 0
    return float(np.median(total[some] / reference[some])) if some.any() else math.nan
