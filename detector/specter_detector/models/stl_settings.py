"""What an STL is fitted with, under the names and rules of statsmodels."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class StlSettings:
    """Settings of a non-robust STL; hashable, so that operators can be cached by them.

    Attributes:
        period: points of a season, at least 2.
        seasonal: window of the loess over the cycles of a phase, in cycles; odd, at least 3.
        trend: window of the trend's loess in points; odd, above `period`. None for the smallest
            odd number from 1.5 period / (1 - 1.5 / seasonal) on.
        low_pass: window of the low-pass loess in points; odd, above `period`. None for the
            smallest such number.
        seasonal_deg, trend_deg, low_pass_deg: 0 for locally constant, 1 for locally linear.
        seasonal_jump, trend_jump, low_pass_jump: the loess is evaluated at every so many-th point
            and interpolated between.
        inner_iter: iterations, at least 1.

    Raises:
        ValueError: a setting is out of range; the message names it.
    """

    period: int
    seasonal: int = 7
    trend: int | None = None
    low_pass: int | None = None
    seasonal_deg: int = 1
    trend_deg: int = 1
    low_pass_deg: int = 1
    seasonal_jump: int = 1
    trend_jump: int = 1
    low_pass_jump: int = 1
    inner_iter: int = 5

    def __post_init__(self) -> None:
        _whole("period", self.period, least=2)
        _whole("seasonal", self.seasonal, least=3, odd=True)
        for name in ("trend", "low_pass"):
            window = getattr(self, name)
            if window is not None:
                _whole(name, window, least=self.period + 1, odd=True, why="a window above period")
        for name in ("seasonal_deg", "trend_deg", "low_pass_deg"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"{name} is {getattr(self, name)!r}: give 0 (constant) or 1 (linear)")
        for name in ("seasonal_jump", "trend_jump", "low_pass_jump", "inner_iter"):
            _whole(name, getattr(self, name), least=1)

    @property
    def trend_window(self) -> int:
        """Return the window of the trend in points, also where it was left to the default."""
        if self.trend is not None:
            return self.trend
        return math.ceil(1.5 * self.period / (1 - 1.5 / self.seasonal)) | 1

    @property
    def low_pass_window(self) -> int:
        """Return the window of the low-pass loess in points, also where it was left to the default."""
        return self.low_pass if self.low_pass is not None else (self.period + 1) | 1


def _whole(name: str, value: object, *, least: int, odd: bool = False, why: str = "") -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)
    if not whole or int(value) < least or (odd and int(value) % 2 == 0):  # type: ignore[call-overload]
        kind = "an odd whole number" if odd else "a whole number"
        reason = f" ({why})" if why else ""
        raise ValueError(f"{name} is {value!r}: give {kind} from {least} on{reason}")
