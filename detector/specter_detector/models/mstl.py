"""MSTL of many series at once: several seasons by STLs in turn, equal to statsmodels' to rounding.

Each period in turn, the shortest first: the season found for it before is put back, the STL of that
period fits it anew, and it is taken out again; after `iterate` rounds the trend is that of the last STL.
Source: Bandara, Hyndman, Bergmeir, MSTL: A Seasonal-Trend Decomposition Algorithm for Time Series
with Multiple Seasonal Patterns (2021), without its Box-Cox transformation.
"""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import DTypeLike

from specter_detector.models.arrays import Floats
from specter_detector.models.stl import StlOperator, StlSettings, chunks, stl_operator

FIRST_WINDOW = 11
WINDOW_STEP = 4


class StlOptions(TypedDict, total=False):
    """Settings that all STLs share; see `StlSettings`."""

    trend: int | None
    low_pass: int | None
    seasonal_deg: int
    trend_deg: int
    low_pass_deg: int
    seasonal_jump: int
    trend_jump: int
    low_pass_jump: int
    inner_iter: int


def mstl(
    values: Floats,
    periods: Sequence[int],
    windows: Sequence[int] | None = None,
    iterate: int = 2,
    *,
    dtype: DTypeLike = np.float64,
    **options: Unpack[StlOptions],
) -> tuple[Floats, tuple[Floats, ...]]:
    """Split each of `values` (series, n) into a trend and a season for each of `periods`.

    Args:
        values: in any unit; a row with NaN comes back as NaN and leaves the others alone.
        periods: points of each season, at least 2 and less than half of n.
        windows: seasonal window of each period, odd; 11, 15, 19… from the shortest period on if None.
        iterate: rounds over the periods; with one period there is one round.
        dtype: precision of the computation, see `StlOperator`.
        options: settings of every STL, as in `StlSettings`.

    Returns:
        The trend (series, n), and one such array a period, ascending by period.

    Raises:
        ValueError: a setting is out of range, a period too long, `values` not of two dimensions.
    """
    if values.ndim != 2:
        raise ValueError(f"values of shape {values.shape}: mstl takes (series, n)")
    if iterate < 1:
        raise ValueError(f"iterate is {iterate}: give at least 1")
    n = values.shape[1]
    operators = [
        stl_operator(n, StlSettings(period=period, seasonal=window, **options), dtype)
        for period, window in _sorted(periods, windows, n)
    ]
    rounds = iterate if len(operators) > 1 else 1
    trend = np.empty(values.shape)
    seasons = np.zeros((len(operators), *values.shape))
    for rows in chunks(*values.shape):
        trend[rows] = _rounds(values[rows], operators, rounds, seasons[:, rows])
    return trend, tuple(seasons)


def _rounds(values: Floats, operators: list[StlOperator], rounds: int, seasons: Floats) -> Floats:
    """Return the trend, and write `seasons` (periods, series, n), zero at the start."""
    rest, trend = values.astype(np.float64), values
    for _ in range(rounds):
        for operator, season in zip(operators, seasons, strict=True):
            rest += season
            trend, season[...] = operator.decompose(rest)
            rest -= season
    return trend


def _sorted(periods: Sequence[int], windows: Sequence[int] | None, n: int) -> list[tuple[int, int]]:
    """Return pairs of period and window, ascending."""
    if not periods:
        raise ValueError("no periods: give at least one, or take a median instead of a trend")
    if windows is None:
        pairs = [(period, FIRST_WINDOW + WINDOW_STEP * rank) for rank, period in enumerate(sorted(periods))]
    elif len(windows) == len(periods):
        pairs = sorted(zip(periods, windows, strict=True))
    else:
        raise ValueError(f"{len(periods)} periods and {len(windows)} windows: give one window a period")
    longest = pairs[-1][0]
    if longest >= n / 2:
        raise ValueError(
            f"period {longest} takes more than {2 * longest} points, these series have {n}: leave it out"
        )
    return pairs
