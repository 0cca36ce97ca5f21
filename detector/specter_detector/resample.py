"""Put samples on a grid as an instant query at each of its points would."""

import numpy as np

from specter_detector.models.arrays import Floats, Ints

STALE = 0x7FF0000000000002
"""The bits of the NaN that ends a series."""


def resample(stamps: Ints, values: Floats, grid: Ints, lookback: int, *, closed: bool) -> tuple[Floats, bool]:
    """Return the newest value at or before each point of `grid`, NaN where there is none.

    Args:
        stamps: (samples,) ascending, in ms.
        values: (samples,).
        grid: (points,) ascending, in ms.
        lookback: ms; an older sample counts for nothing.
        closed: whether a sample of just this age still counts: up to Prometheus 2 it does, from 3 on not.

    Returns:
        (points,), and whether there is a sample for any of them. A staleness marker is none, a NaN is one.
    """
    if not stamps.size:
        return np.full(grid.size, np.nan), False
    last = np.searchsorted(stamps, grid, side="right") - 1
    age = grid - stamps[last]
    there = (last >= 0) & ((age <= lookback) if closed else (age < lookback))
    there &= values.view(np.uint64)[last] != STALE
    return np.where(there, values[last], np.nan), bool(there.any())
