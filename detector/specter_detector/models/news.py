"""What is news: an anomaly once, a noisy hour not at every spike, the next outage again.

What an alarm told is no news, nor is what is up to `AFTER_ALARM` times as large, halved every day: the rest
of an incident is seldom of one size. It begins to count one step after the alarm began.

Once errors have stayed within the edge of their tail for `QUIET_AFTER` steps, the incident is over and a new
one may come. Each side of the expectation has a quiet of its own, because the recovery from an outage is an
error on the other side. From then on

- a single error is news if it is about as large as the alarm was, and far beyond the edge: what is smaller
  belongs to what is known, and one that is near an edge which was passed lately is mostly chance;
- an error that has lasted is news at the edge, whatever was told: chance seldom lasts.
"""

import numpy as np

from specter_detector.models.arrays import Bools, Singles
from specter_detector.models.state import State

FRESH_DAYS = 1.0
AFTER_ALARM = 1.8
HOLD = 1.0  # steps for which an alarm stays one
QUIET_AFTER = 7.0  # steps: as many as a shift takes to be believed
RECURRING = 0.5  # of what is no news, so 0.9 of the alarm
CLEAR = 2.5  # edges
LASTED = 0.2  # steps: of samples closer than that, the windows overlap
TIMELY = 1e-3  # steps by which a sum of parts of a step may be off


def told(state: State, elapsed: float) -> Singles:
    """Return (2, series) up to what size an error is no news, above and below; `state` is moved on in time.

    While an alarm is held, that is what it was when it began.

    Args:
        state: before the sample.
        elapsed: steps since the last one.
    """
    state.alarmed += np.float32(elapsed)
    until, since = np.float32(HOLD - TIMELY), np.float32(LASTED - TIMELY)
    if state.alarmed.min() >= until and state.outside.max() < since and state.outside.min() > -since:
        return state.fresh
    lasting, held = np.flatnonzero(np.abs(state.outside) >= since), np.flatnonzero(state.alarmed < until)
    sizes = state.fresh.copy()
    side = (state.outside[lasting] < 0).astype(np.int64)
    again = np.isinf(state.quiet[side, lasting])
    sizes[side[again], lasting[again]] = 0.0
    sizes[:, held] = state.fresh_before[:, held]
    return sizes


def tell(
    state: State, days: float, alarm: Bools, size: Singles, above: Bools, weight: Singles, before: Singles
) -> None:
    """Remember what has been told, and forget some of it.

    Args:
        state: changed.
        days: since the last sample.
        alarm: (series,) whether the error is news.
        size: (series,) of the errors, 0 of those that do not matter.
        above: (series,) side of the error.
        weight: (series,) steps that the sample stands for, 0 where it is not learnt from.
        before: what `told` returned.
    """
    alarms = np.flatnonzero(alarm)
    began = alarms[state.alarmed[alarms] >= HOLD - TIMELY]
    if began.size:
        state.alarmed[began] = 0.0
        state.fresh_before[:, began] = before[:, began]
    state.fresh *= np.float32(0.5 ** (days / FRESH_DAYS))
    for side, there in enumerate((above, ~above)):
        of_side, fresh = size * there, state.fresh[side]
        np.maximum(fresh, of_side, out=fresh)
        told_now = alarms[there[alarms]]
        if told_now.size:
            fresh[told_now] = np.maximum(fresh[told_now], np.float32(AFTER_ALARM) * size[told_now])
            state.quiet[side, told_now[weight[told_now] > 0]] = 0.0
        if state.quiet[side].min() < np.inf:
            _await_quiet(state, side, of_side, weight)


def _await_quiet(state: State, side: int, size: Singles, weight: Singles) -> None:
    """Count the quiet of a side where something was told; after enough of it the same is news again."""
    waiting = np.flatnonzero(state.quiet[side] < np.inf)
    edge, fresh = state.tails.edge[side, waiting], state.fresh[side, waiting]
    quiet = np.where(size[waiting] > edge, np.float32(0), state.quiet[side, waiting] + weight[waiting])
    again = quiet >= QUIET_AFTER - TIMELY
    least = np.maximum(RECURRING * fresh, CLEAR * edge)
    state.fresh[side, waiting] = np.where(again, np.minimum(fresh, least), fresh)
    state.quiet[side, waiting] = np.where(again, np.float32(np.inf), quiet)
