"""The usual alert: how many standard deviations off the mean of the last day."""

from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.series import Floats, LabelledSeries, Scores
from benchmarks.evaluation.synthetic_families import DAY

_FEWEST = 12  # samples before it says anything


class RollingZ:
    """Rolling z-score over one day, at 5 sigma.

    The day ends before the sample. NaN where there is no sample or fewer than an hour of them in the day.
    """

    name = "rolling z-score, 1 day, 5 sigma"

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score each sample by its distance from the mean of the day before it."""
        return [Scores(rolling_z(one.values, DAY) / 5, np.full(one.values.size, np.nan)) for one in series]


def rolling_z(values: Floats, window: int) -> Floats:
    """Return |value - mean| / standard deviation of the up to `window` samples before each.

    A constant window makes 0 of the same value and infinity of another.
    """
    present = np.isfinite(values)
    if not present.any():
        return np.full(values.size, np.nan)
    offset = values[present][0]
    centred = np.where(present, values - offset, 0.0)
    scale = float(np.max(np.abs(centred))) or 1.0
    centred /= scale
    count = _before(present.astype(np.float64), window)
    enough = present & (count >= _FEWEST)
    safe = np.maximum(count, 1)
    mean = _before(centred, window) / safe
    spread = np.sqrt(np.maximum(_before(centred**2, window) / safe - mean**2, 0.0))
    spread[spread < 1e-7] = 0.0  # what rounding leaves of a constant
    away = np.abs(centred - mean)
    away[away < 1e-7] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where((spread == 0) & (away == 0), 0.0, away / spread)
    return np.where(enough, z, np.nan)


def _before(values: Floats, window: int) -> Floats:
    """Return the sum of up to `window` values before each."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(values.size)
    inside: Floats = sums[index] - sums[np.maximum(index - window, 0)]
    return inside
