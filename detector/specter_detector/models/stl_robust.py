"""A robust STL: gross outliers are replaced by the fit before the fit that counts.

This is NOT the robust STL of Cleveland et al. (1990), whose bisquare weights differ by series, so
that nothing could be shared between them. See `robust_decompose` for what it is and how good.
"""

import numpy as np

from specter_detector.models.arrays import MAD_TO_SIGMA, Floats
from specter_detector.models.stl import StlOperator, chunks

LIMIT = 4.0
PASSES = 3


def robust_decompose(
    operator: StlOperator, values: Floats, *, limit: float = LIMIT, passes: int = PASSES
) -> tuple[Floats, Floats]:
    """Return trend and season of each of `values` (series, n), outliers left out.

    The first fit is made of medians (a level a cycle, a season of the medians of each phase). Then,
    `passes` times: values farther than `limit` scales from the fit are replaced by it, and the
    result is decomposed by `operator`. The scale is 1.4826 times the median of the absolute
    residuals. A series that no value is far off in has the plain decomposition.

    Measured on 12 series of 14 cycles of 288 points with an outage of 6 h, 20 times the noise deep, in
    the eighth / in the last cycle; rms errors in units of the noise. `limit`, `passes` and the
    first fit were chosen on these series, so the figures flatter; the test asserts bounds of the first
    two columns. Without an outage the plain errors are 0.07 and 0.54.

    ============================  =============  =============  ====================
    rms error                     trend          season         season, last cycle
    ============================  =============  =============  ====================
    plain                         1.13 / 1.46    1.25 / 1.82    0.77 / 5.42
    this                          0.07 / 0.07    0.54 / 0.54    0.76 / 0.81
    statsmodels, robust=True      0.10 / 0.10    0.60 / 0.65    0.84 / 1.15
    ============================  =============  =============  ====================

    Where the trend is steep at an end (14 noises a cycle) and the outage is in the last cycle the
    trend's error is 0.48: the first level is a line through the middles of the cycles.

    Args:
        operator: for series of n points.
        values: in any unit; a row with NaN comes back as NaN.
        limit: scales beyond which a value is an outlier.
        passes: at least 1.

    Raises:
        ValueError: `values` has another shape, `passes` or `limit` is not positive.
    """
    if passes < 1 or limit <= 0:
        raise ValueError(f"passes = {passes}, limit = {limit}: give at least one pass and a positive limit")
    operator.check(values)
    trend, seasonal = np.empty(values.shape), np.empty(values.shape)
    for rows in chunks(*values.shape):
        trend[rows], seasonal[rows] = _robust(operator, values[rows], limit, passes)
    return trend, seasonal


def _robust(operator: StlOperator, values: Floats, limit: float, passes: int) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore"):
        fit = _medians_fit(values, operator.settings.period)
        for _ in range(passes):
            residuals = np.abs(values - fit)
            scales = MAD_TO_SIGMA * np.median(residuals, axis=1, keepdims=True)
            trend, seasonal = operator.decompose(np.where(residuals > limit * scales, fit, values))
            fit = trend + seasonal
    return trend, seasonal


def _medians_fit(values: Floats, period: int) -> Floats:
    """Return a level and a season of medians, (series, n).

    The level is the median of each cycle and a line between their middles, taken again once the
    season is known: on what is left without it, six hours of outage move the median of a day by
    less than half of the noise.
    """
    count, n = values.shape
    cycles = n // period
    whole = cycles * period
    season = np.zeros((count, 1, period))
    for _ in range(2):
        level = _level(values[:, :whole].reshape(count, cycles, period) - season, n)
        rest = (values - level)[:, :whole].reshape(count, cycles, period)
        season = np.median(rest, axis=1, keepdims=True)
    result: Floats = level + season[:, 0, np.arange(n) % period]
    return result


def _level(by_cycle: Floats, n: int) -> Floats:
    """Return a line through the medians of (series, cycles, period), evaluated at `n` points."""
    _, cycles, period = by_cycle.shape
    medians = np.median(by_cycle, axis=2)
    place = (np.arange(n) + 0.5) / period - 0.5
    left = np.clip(place.astype(np.int64), 0, cycles - 2)
    right = place - left
    result: Floats = medians[:, left] * (1 - right) + medians[:, left + 1] * right
    return result
