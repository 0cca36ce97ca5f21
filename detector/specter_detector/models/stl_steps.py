"""The seasonal half of an STL iteration, for many series at once, and its transpose.

With C the loess over the cycles of each phase (extended by a cycle at both ends), F the three
moving averages and L the low-pass loess, a detrended series d has the season

    S d = (middle of C d) - L F C d.

All are linear, so S can be multiplied from the left as well, by its transpose: that is how
`stl_thin` folds the iterations into one thin matrix without ever making one of (n, n).
Source: Cleveland et al. (1990), steps 2 to 4 of the inner loop.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from specter_detector.models.loess import Loess, Reals
from specter_detector.models.stl_settings import StlSettings


class CycleSmoother:
    """Loess along the cycles of each phase: (series, n) to (series, n), or n + 2 periods if extended."""

    __slots__ = ("_groups", "_period", "n", "size")

    def __init__(self, n: int, settings: StlSettings, dtype: DTypeLike, *, extend: bool) -> None:
        self.n = n
        self.size = n + 2 * settings.period if extend else n
        self._period = settings.period
        cycles, longer = divmod(n, settings.period)

        def smoother(count: int) -> Loess:
            window, degree, jump = settings.seasonal, settings.seasonal_deg, settings.seasonal_jump
            return Loess(count, window, degree, jump, dtype, extrapolate=extend)

        # The first phases of an incomplete last cycle have been seen once more than the others.
        self._groups = [(slice(longer, settings.period), cycles, smoother(cycles))]
        if longer:
            self._groups.append((slice(0, longer), cycles + 1, smoother(cycles + 1)))

    def apply(self, values: Reals, out: Reals | None = None) -> Reals:
        """Smooth each phase of `values` (series, n)."""
        if out is None:
            out = np.empty((values.shape[0], self.size), dtype=values.dtype)
        more = (self.size - self.n) // self._period
        for phases, cycles, smoother in self._groups:
            smoother.apply_to_cycles(
                self._by_phase(values, phases, cycles), self._by_phase(out, phases, cycles + more)
            )
        return out

    def adjoint(self, values: Reals) -> Reals:
        """Multiply with the transpose: (series, size) to (series, n)."""
        out = np.empty((values.shape[0], self.n), dtype=values.dtype)
        more = (self.size - self.n) // self._period
        for phases, cycles, smoother in self._groups:
            seen = self._by_phase(values, phases, cycles + more)
            self._by_phase(out, phases, cycles)[...] = smoother.adjoint_to_cycles(seen)
        return out

    def _by_phase(self, values: Reals, phases: slice, cycles: int) -> Reals:
        """View (series, points) as (series, cycles, phases); the points end where the last phase does."""
        row, item = values.strides
        shape = (values.shape[0], cycles, phases.stop - phases.start)
        return as_strided(values[:, phases.start :], shape, (row, self._period * item, item))


def low_pass_averages(values: Reals, period: int) -> Reals:
    """Average over a period, over a period again and over 3 points: (series, n) to (series, n - 2 periods).

    By cumulative sums, in float64: in float32 their rounding would grow with the length of the series.
    """
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    once = _differences(sums, period)
    twice = _differences(np.cumsum(once, axis=1, out=once), period)
    result = twice[:, :-2] + twice[:, 1:-1]
    result += twice[:, 2:]
    result /= 3.0 * period * period
    return result.astype(values.dtype, copy=False)


def _differences(sums: Reals, length: int) -> Reals:
    """Return the sums over `length` points from cumulative `sums`."""
    result = sums[:, length - 1 :].copy()
    result[:, 1:] -= sums[:, :-length]
    return result


class SeasonalStep:
    """Detrended series to seasons, both (series, n)."""

    __slots__ = ("_cycles", "_period", "low_pass")

    def __init__(self, n: int, settings: StlSettings, dtype: DTypeLike) -> None:
        self._period = settings.period
        self._cycles = CycleSmoother(n, settings, dtype, extend=True)
        window, degree, jump = settings.low_pass_window, settings.low_pass_deg, settings.low_pass_jump
        self.low_pass = Loess(n, window, degree, jump, dtype)

    def apply(self, detrended: Reals, out: Reals | None = None) -> Reals:
        """Return the season of each of `detrended`."""
        smooth = self._cycles.apply(detrended)
        low = self.low_pass.apply(low_pass_averages(smooth, self._period))
        result: Reals = np.subtract(smooth[:, self._period : -self._period], low, out=out)
        return result

    def adjoint(self, values: Reals) -> Reals:
        """Multiply with the transpose: both (series, n)."""
        smooth = -self._averages_adjoint(self.low_pass.adjoint(values))
        smooth[:, self._period : -self._period] += values
        return self._cycles.adjoint(smooth)

    def low_pass_rows(self) -> Reals:
        """Return the (nodes, n) matrix from detrended series to the nodes of the low-pass loess, L F C."""
        return self._cycles.adjoint(self._averages_adjoint(self.low_pass.node_rows()))

    def _averages_adjoint(self, values: Reals) -> Reals:
        # The averages are a symmetric kernel of 2 periods + 1 points, applied where it fits: their
        # transpose is the same kernel applied wherever it touches.
        return low_pass_averages(np.pad(values, ((0, 0), (2 * self._period,) * 2)), self._period)


def trend_loess(n: int, settings: StlSettings, dtype: DTypeLike) -> Loess:
    """Return the trend's half of an iteration: deseasonalised series to trends, both (series, n)."""
    return Loess(n, settings.trend_window, settings.trend_deg, settings.trend_jump, dtype)
