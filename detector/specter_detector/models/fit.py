"""One fit of a batch of series: shapes for those that are watched already, the state too for new ones."""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays, calendar_phases
from specter_detector.models.learners import Kind, learner
from specter_detector.models.online import adopt
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.models.replay import DAY, replay
from specter_detector.models.shape import Shape
from specter_detector.models.state import State

MOST_REPLAYED = 20_000
"""Steps of history that are replayed at most: weeks at usual steps, seven seconds of work at any."""

REPLAY_REFITS_A_DAY = {"seasonal": 1.0, "stl": 1 / 7, "mstl": 1 / 7}
"""The reference takes a tenth of a second a series; what a state remembers is a week old at most."""


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
    """

    shape: Shape
    state: State | None
    last_seen: Floats


def fit(times: Floats, values: Floats, options: FitOptions, *, with_state: bool) -> Fitted:
    """Learn the shapes of `values` and, `with_state`, replay them for the state the running model would have.

    Args:
        times: (n,) Unix seconds, `options.step` apart, all multiples of it; at least one.
        values: (series, n), NaN or infinite where nothing is known.
        options: see `FitOptions`.
        with_state: whether to replay.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    learn = learner(options.kind)
    period = round(DAY / options.step)
    shape = learn(values, options.phases(times), period, first=float(times[0] / options.step))
    state = None
    if with_state:
        late = slice(max(_begin(values), len(times) - MOST_REPLAYED), None)
        replayed = replay(
            times[late],
            values[:, late],
            options.step,
            tz=options.tz,
            holidays=options.holidays,
            policy=options.policy,
            learn=learn,
            refits_a_day=REPLAY_REFITS_A_DAY[options.kind],
        )
        state = replayed.state
        adopt(
            state,
            replayed.shape,
            shape,
            float(times[-1] / options.step),
            float(options.phases(times[-1:])[0]),
        )
    return Fitted(shape, state, _last_seen(times, values))


def _begin(values: Floats) -> int:
    """Return the first column with a value, the last one if there is none."""
    known: Ints = np.flatnonzero(np.isfinite(values).any(axis=0))
    return int(known[0]) if known.size else values.shape[1] - 1


def _last_seen(times: Floats, values: Floats) -> Floats:
    known = np.isfinite(values)
    last = values.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), times[last], np.nan)
