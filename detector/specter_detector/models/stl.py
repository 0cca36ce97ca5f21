"""STL of many series at once, equal to statsmodels' to rounding.

A non-robust STL is a linear map of the series: its weights depend on positions alone. So it is made
once for a length and settings, and applied to many series as matrix products: with a `trend_jump`
above 1 all iterations of the trend fold into one thin matrix (`stl_thin`); where the trend has too
many nodes for that, the iterations are run, each step a banded matrix or a moving average.

Source: Cleveland, Cleveland, McRae, Terpenning, STL: A Seasonal-Trend Decomposition Procedure Based
on Loess (1990). `statsmodels.tsa.seasonal.STL` is the reference of the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from specter_detector.models.arrays import Floats
from specter_detector.models.loess import Loess, Reals
from specter_detector.models.stl_settings import StlSettings
from specter_detector.models.stl_steps import SeasonalStep, trend_loess
from specter_detector.models.stl_thin import ThinPlan, is_thin, thin_plan

__all__ = ["StlOperator", "StlSettings", "stl_operator"]

# A chunk's arrays stay near the processor (130 series of a week at 5 minutes), but a product of few rows
# is slow; an array of a chunk never has more than 16 MB.
CHUNK_POINTS = 2**18
MOST_POINTS = 2**21
FEWEST_SERIES, MOST_SERIES = 32, 1024
OPERATORS_KEPT = 8


@dataclass(frozen=True, slots=True, eq=False)
class IteratedPlan:
    """Trends and seasons by running the iterations."""

    step: SeasonalStep
    loess: Loess
    iterations: int

    def trend(self, centred: Reals, centres: Reals, out: Reals) -> None:
        """Write the trends of `centred` + `centres` to `out`."""
        self.decompose(centred, centres, out, np.empty_like(centred))

    def decompose(self, centred: Reals, centres: Reals, trend: Reals, seasonal: Reals) -> None:
        """Write trends and seasons."""
        smooth = np.zeros_like(centred)
        season = np.empty_like(centred)
        rest = np.empty_like(centred)
        for _ in range(self.iterations):
            self.step.apply(np.subtract(centred, smooth, out=rest), season)
            self.loess.apply(np.subtract(centred, season, out=rest), smooth)
        np.add(smooth, centres[:, None], out=trend)
        seasonal[...] = season


class StlOperator:
    """The STL of series of `n` points, made once and applied to any number of them. Immutable.

    A row with a value that is NaN or infinite comes back as NaN and leaves the other rows alone:
    fill gaps before. Each series is centred first, so that offsets cost no digits; results do not
    depend on which other rows there are, to rounding.

    Args:
        n: points of a series, at least two periods.
        settings: of the STL.
        dtype: precision of the computation, float64 or float32 (about 1e-6 of the range of a
            series, in three quarters of the time where jumps are long). Results are float64 in any case.

    Raises:
        ValueError: too few points, or another dtype.
    """

    __slots__ = ("_plan", "dtype", "n", "settings")

    n: int
    settings: StlSettings
    dtype: np.dtype[np.floating[Any]]
    _plan: ThinPlan | IteratedPlan

    def __init__(self, n: int, settings: StlSettings, dtype: DTypeLike = np.float64) -> None:
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"dtype is {kind}: give float32 or float64")
        if n < 2 * settings.period:
            raise ValueError(
                f"{n} points are less than two periods of {settings.period}: "
                f"give at least {2 * settings.period} points, or leave the season out"
            )
        plan = (
            thin_plan(n, settings, kind)
            if is_thin(n, settings)
            else IteratedPlan(
                SeasonalStep(n, settings, kind), trend_loess(n, settings, kind), settings.inner_iter
            )
        )
        for name, value in {"n": n, "settings": settings, "dtype": kind, "_plan": plan}.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: an operator is immutable, it may be shared")

    def __reduce__(self) -> tuple[type["StlOperator"], tuple[int, StlSettings, DTypeLike]]:
        # Made anew in another process: quicker than sending megabytes.
        return StlOperator, (self.n, self.settings, self.dtype)

    def trend(self, values: Reals) -> Floats:
        """Return the trend of each of `values` (series, n), in their unit.

        Raises:
            ValueError: `values` has another shape.
        """
        self.check(values)
        trend = np.empty(values.shape)
        for rows in chunks(*values.shape):
            centred, centres = self._centred(values[rows])
            self._plan.trend(centred, centres, trend[rows])
        return trend

    def decompose(self, values: Floats) -> tuple[Floats, Floats]:
        """Return trend and season of each of `values` (series, n), in their unit.

        Raises:
            ValueError: `values` has another shape.
        """
        self.check(values)
        trend, seasonal = np.empty(values.shape), np.empty(values.shape)
        for rows in chunks(*values.shape):
            centred, centres = self._centred(values[rows])
            self._plan.decompose(centred, centres, trend[rows], seasonal[rows])
            seasonal[rows][np.isnan(centres)] = np.nan
        return trend, seasonal

    def check(self, values: Reals) -> None:
        """Raise ValueError where `values` is not (series, n)."""
        if values.ndim != 2 or values.shape[1] != self.n:
            raise ValueError(f"values of shape {values.shape}: this operator takes (series, {self.n})")

    def _centred(self, values: Reals) -> tuple[Reals, Floats]:
        """Return values around zero in the operator's precision, and the centres: NaN for a row to leave out.

        Such a row is computed as zeros; its centre makes its trend NaN.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            centres = values.mean(axis=1, dtype=np.float64)
        lost = ~np.isfinite(centres)
        if not lost.any():
            return (values - centres[:, None]).astype(self.dtype, copy=False), centres
        centred = np.zeros(values.shape, dtype=self.dtype)
        centred[~lost] = values[~lost] - centres[~lost, None]
        centres[lost] = np.nan
        return centred, centres


def chunks(series: int, n: int) -> Iterator[slice]:
    """Yield slices of rows that are computed at once."""
    size = max(1, min(MOST_SERIES, max(FEWEST_SERIES, CHUNK_POINTS // n), MOST_POINTS // n))
    for first in range(0, series, size):
        yield slice(first, first + size)


def stl_operator(n: int, settings: StlSettings, dtype: DTypeLike = np.float64) -> StlOperator:
    """Return the operator for series of `n` points, from the cache if one was asked for lately.

    The last 8 are kept. One for n = 2016, period 288 and jumps of 56 and 29 has 3 MB, a thin one
    never more than 64 MB; one for 28 days by the minute with jumps of 1 has 84 MB.

    Raises:
        ValueError: see `StlOperator`.
    """
    return _kept(n, settings, np.dtype(dtype))


@lru_cache(maxsize=OPERATORS_KEPT)
def _kept(n: int, settings: StlSettings, dtype: np.dtype[Any]) -> StlOperator:
    return StlOperator(n, settings, dtype)
