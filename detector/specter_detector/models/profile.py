"""A seasonal profile: the usual deviation at each phase of a period.

The median over cycles, because a mean lets an outage of hours leak into the
season: with 6 h of outage in 14 cycles the median's error is less than half of
the mean's.
"""

import numpy as np

from specter_detector.models.arrays import Floats, Ints, Singles


def nearest(phases: Floats) -> Ints:
    """Round to whole phases, halves up: numpy rounds them to even, so that every other phase stays empty."""
    return np.floor(phases + 0.5).astype(np.int64)


def phase_median(values: Floats, phases: Floats, period: int) -> Floats:
    """Return the median of `values` at each of `period` phases, ignoring NaN.

    Phases without an observation are interpolated around the circle.
    """
    index = nearest(phases) % period
    observed = np.isfinite(values)
    where, known = index[observed], values[observed]
    # One sort for all phases: by phase, then by value, so that medians are at known places.
    order = np.lexsort((known, where))
    ranked = known[order]
    groups, first, sizes = np.unique(where[order], return_index=True, return_counts=True)
    middle = (ranked[first + (sizes - 1) // 2] + ranked[first + sizes // 2]) / 2
    result: Floats = np.interp(np.arange(period), groups, middle, period=period)
    return result


def smooth(profile: Singles, half_width: int) -> Singles:
    """Average each phase with its `half_width` neighbours on both sides, around the circle.

    Weights fall off linearly (a triangle), so that a short peak keeps its place. The phases are the last axis
    of `profile`. Two running means in a row: the same, and no dearer for a wider one.
    """
    half_width = min(half_width, (profile.shape[-1] - 1) // 2)
    if half_width < 1:
        return profile
    ends = profile[..., -half_width:], profile[..., :half_width]
    padded = np.concatenate([ends[0], profile, ends[1]], axis=-1)
    return _running_mean(_running_mean(padded, half_width + 1), half_width + 1)


def _running_mean(values: Singles, width: int) -> Singles:
    total = np.cumsum(values, axis=-1, dtype=np.float64)
    sums = total[..., width - 1 :].copy()
    sums[..., 1:] -= total[..., :-width]
    return (sums / width).astype(values.dtype)
