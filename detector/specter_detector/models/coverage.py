"""How much of a period has been observed, and how often: a span with a hole in it is no history."""

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.profile import nearest

MIN_SHARE = 0.2
"""Share of the phases below which a profile is guesswork; eight hours on five days are 0.24 of a week."""


def cycles_seen(values: Floats, phases: Floats, period: int) -> float:
    """Return how often, on average, the phases of `period` (steps) were observed that were at all.

    0 when too few of them were. Never more than the cycles that `values` spans.
    """
    where = nearest(phases[np.isfinite(values)]) % period
    distinct = np.unique(where).size
    if distinct < MIN_SHARE * period:
        return 0.0
    return float(min(where.size / distinct, values.size / period))
