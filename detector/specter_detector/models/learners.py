"""What a refit may call: the batched default, and statsmodels' STL and MSTL as the reference.

The reference decomposes series by series. Loess is evaluated at every half day and interpolated between:
28 days at 5 minutes take 0.1 s instead of many seconds, and differ by less than the noise. The profile of a
period is the smoothed median over its cycles of the seasonal component; its last cycle alone is four times as
noisy (rms error 1.96 against 0.49 where a sample's noise is 5).
References: Cleveland et al., STL (1990); Bandara, Hyndman, Bergmeir, MSTL (2021).
"""

from functools import partial
from typing import Literal

import numpy as np

from specter_detector.models.arrays import Singles
from specter_detector.models.seasons import DAYS, Seasons, Window, day_profile, week_profile
from specter_detector.models.shape import Learner, learn_shape

Kind = Literal["seasonal", "stl", "mstl"]

JUMPS_A_DAY = 2


def learner(kind: Kind) -> Learner:
    """Return what learns the shapes of series (see `shape.learn_shape`).

    Args:
        kind: `seasonal`, the batched default; `stl`, statsmodels' STL with the day; `mstl`, its MSTL with
            the day and, from two weeks on, the week.
    """
    if kind == "seasonal":
        return learn_shape
    return partial(learn_shape, decompose=stl_seasons if kind == "stl" else mstl_seasons)


def stl_seasons(window: Window) -> Seasons:
    """Find trend and day of each series by statsmodels' STL."""
    trend, seasons = _decomposed(window, (window.period,))
    return Seasons(trend, _day(window, seasons[0]), None)


def mstl_seasons(window: Window) -> Seasons:
    """Find trend, day and week of each series by statsmodels' MSTL; the week needs more than two of it."""
    week = DAYS * window.period
    if window.values.shape[1] <= 2 * week:
        return stl_seasons(window)
    trend, seasons = _decomposed(window, (window.period, week))
    day = _day(window, seasons[0])
    profile = week_profile(seasons[1], day, window.index, window.period, window.cycles)
    return Seasons(trend, day, profile)


def _day(window: Window, season: Singles) -> Singles:
    return day_profile(season, window.index, window.period, window.cycles)


def _decomposed(window: Window, periods: tuple[int, ...]) -> tuple[Singles, Singles]:
    """Return trend (series, n) and the seasonal components (periods, series, n)."""
    # Imported here: over a second that only those have to pay who ask for the reference.
    from statsmodels.tsa.seasonal import MSTL, STL  # noqa: PLC0415

    jump = max(1, window.period // JUMPS_A_DAY)
    trend = np.empty(window.values.shape, np.float32)
    seasons = np.empty((len(periods), *window.values.shape), np.float32)
    for row, values in enumerate(window.filled.astype(np.float64)):
        if len(periods) == 1:
            found = STL(values, period=periods[0], trend_jump=jump, low_pass_jump=jump).fit()
        else:
            jumps = {"trend_jump": jump, "low_pass_jump": jump}
            found = MSTL(values, periods=periods, stl_kwargs=jumps, iterate=1).fit()
        trend[row] = found.trend
        seasons[:, row] = np.asarray(found.seasonal).reshape(values.size, -1).T
    return trend, seasons
