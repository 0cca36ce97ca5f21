"""Missing values: fill them for the decomposition, which needs every step, and for nothing else."""

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.profile import nearest, phase_median


def trim(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Cut the missing values before the first and after the last observation.

    Infinite values count as missing and become NaN. Empty when nothing was observed.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    observed = np.flatnonzero(np.isfinite(values))
    if observed.size == 0:
        return times[:0], values[:0]
    kept = slice(observed[0], observed[-1] + 1)
    return times[kept], values[kept]


def fill(values: Floats, phases: Floats, period: int) -> Floats:
    """Replace NaN by the usual value of the phase, shifted to meet both ends of the gap.

    A straight line across a gap of days would put a flat stretch into the season;
    this keeps its shape. `values` holds at least one number.
    """
    observed = np.isfinite(values)
    if observed.all():
        return values
    usual = phase_median(values, phases, period)[nearest(phases) % period]
    index = np.arange(values.size)
    shift = np.interp(index, index[observed], (values - usual)[observed])
    return np.where(observed, values, usual + shift)
