"""One fit of a batch of series: shapes for those that are watched already, the state too for new ones."""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import LARGEST_VALUE, Bools, Floats, Ints, Singles
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays, calendar_phases
from specter_detector.models.leak import leak_scores
from specter_detector.models.learners import Kind, learner
from specter_detector.models.online import adopt
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.models.profile import nearest
from specter_detector.models.replay import DAY, replay
from specter_detector.models.shape import Shape
from specter_detector.models.state import State

REPLAYED_DAYS, REPLAYED_STEPS = 8, 10_000
"""Of history, at most: a state remembers a week at most, and a step takes half a millisecond."""

LEAK_DAYS = 7

REPLAY_REFITS_A_DAY = {"seasonal": 1.0, "stl": 1 / 7, "mstl": 1 / 7}
"""The reference takes a tenth of a second a series."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit.

    Attributes:
        kind: what learns shapes; see `learners.learner`.
        step: seconds between two values of the history; it divides a day.
        tz: the time zone whose day and week the seasons follow.
        holidays: days that are like a Sunday.
        policy: what counts as an anomaly.
    """

    kind: Kind = "seasonal"
    step: float = 300.0
    tz: str = "UTC"
    holidays: Holidays = NO_HOLIDAYS
    policy: Policy = ANY_DEVIATION

    def phases(self, times: Floats) -> Floats:
        """Return the phases of Unix `times` (s), see `calendar.calendar_phases`."""
        return calendar_phases(times, self.step, self.tz, self.holidays)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What was learnt of a batch of series.

    Attributes:
        shape: of all history that was given.
        state: after the last value; None where only the shape was asked for.
        last_seen: (series,) Unix time (s) of the last value, NaN where there is none.
        leaks: (series,) scores of leaks towards a limit; None where no limits were given.
    """

    shape: Shape
    state: State | None
    last_seen: Floats
    leaks: Singles | None = None


def fit(
    times: Floats,
    values: Floats,
    options: FitOptions,
    *,
    with_state: bool,
    limits: Floats | None = None,
    excluded: Bools | None = None,
) -> Fitted:
    """Learn the shapes of `values` and, `with_state`, replay them for the state the running model would have.

    Args:
        times: (n,) Unix seconds, `options.step` apart, all multiples of it; at least one.
        values: (series, n), NaN or infinite where nothing is known.
        options: see `FitOptions`.
        with_state: whether to replay.
        limits: (series,) where each ends, NaN for nowhere; None where that is not known.
        excluded: (series, n) samples that are not learnt from; None for none.
    """
    values = np.where(np.abs(values) < LARGEST_VALUE, values, np.nan)
    learn = learner(options.kind)
    period = round(DAY / options.step)
    taught = values if excluded is None else np.where(excluded, np.nan, values)
    shape = learn(taught, options.phases(times), period, first=float(times[0] / options.step))
    state = None
    if with_state:
        begin = max(_begin(values), len(times) - min(REPLAYED_DAYS * period, REPLAYED_STEPS))
        replayed = replay(
            times,
            values,
            options.step,
            tz=options.tz,
            holidays=options.holidays,
            policy=options.policy,
            learn=learn,
            refits_a_day=REPLAY_REFITS_A_DAY[options.kind],
            begin=begin,
            excluded=excluded,
        )
        state = replayed.state
        end = times[-1:]
        adopt(state, replayed.shape, shape, float(end[0] / options.step), float(options.phases(end)[0]))
    leaks = None if limits is None else _leaks(times, values, options, shape, limits)
    return Fitted(shape, state, _last_seen(times, values), leaks)


def _leaks(times: Floats, values: Floats, options: FitOptions, shape: Shape, limits: Floats) -> Singles:
    late = slice(-LEAK_DAYS * shape.day.shape[1], None)
    index = nearest(options.phases(times[late]))
    level = values[:, late] - shape.day[:, index % shape.day.shape[1]]
    if shape.week is not None:
        level = level - shape.week[:, index % shape.week.shape[1]]
    return leak_scores(times[late], level, limits)


def _begin(values: Floats) -> int:
    """Return the first column with a value, the last one if there is none."""
    known: Ints = np.flatnonzero(np.isfinite(values).any(axis=0))
    return int(known[0]) if known.size else values.shape[1] - 1


def _last_seen(times: Floats, values: Floats) -> Floats:
    known = np.isfinite(values)
    last = values.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), times[last], np.nan)
