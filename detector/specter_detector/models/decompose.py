"""Trend and seasons by statsmodels' STL and MSTL.

Loess is evaluated at every `jump`-th point and interpolated between: 28 days at
5 minutes take 0.1 s instead of many seconds, and differ by less than the noise.
References: Cleveland et al., STL (1990); Bandara, Hyndman, Bergmeir, MSTL (2021).
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats

JUMPS_A_PERIOD = 2


@dataclass(frozen=True, slots=True, eq=False)
class Decomposition:
    """`trend` and one array a period in `seasons`, each as long as the series."""

    trend: Floats
    seasons: tuple[Floats, ...]


def decompose(values: Floats, periods: tuple[int, ...]) -> Decomposition:
    """Split `values` (no NaN) into a trend and a season for each of `periods` (steps, ascending).

    Every period must fit at least twice; with none the trend is the median.
    """
    if not periods:
        return Decomposition(np.full(values.size, np.median(values)), ())
    # Imported here: 1.2 s that only a process that fits has to pay.
    from statsmodels.tsa.seasonal import MSTL, STL  # noqa: PLC0415

    jump = max(1, periods[0] // JUMPS_A_PERIOD)
    if len(periods) == 1:
        single = STL(values, period=periods[0], trend_jump=jump, low_pass_jump=jump).fit()
        return Decomposition(np.asarray(single.trend), (np.asarray(single.seasonal),))
    several = MSTL(
        values, periods=periods, stl_kwargs={"trend_jump": jump, "low_pass_jump": jump}, iterate=1
    ).fit()
    seasons = np.asarray(several.seasonal).reshape(values.size, -1)
    return Decomposition(np.asarray(several.trend), tuple(seasons.T))
