"""Missing values: fill them for the decomposition, which needs every step, and for nothing else."""

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.profile import nearest, phase_median


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
