"""A seasonal profile: the usual deviation at each phase of a period.

The median over cycles, because a mean lets an outage of hours leak into the
season: with 6 h of outage in 14 cycles the median's error is less than half of
the mean's.
"""

import numpy as np

from specter_detector.models.arrays import Floats, Ints


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


def smooth(profile: Floats, half_width: int) -> Floats:
    """Average each phase with its `half_width` neighbours on both sides, around the circle.

    Weights fall off linearly (a triangle), so that a short peak keeps its place. The phases are the last axis
    of `profile`.
    """
    period = profile.shape[-1]
    half_width = min(half_width, (period - 1) // 2)
    if half_width < 1:
        return profile
    weights = np.concatenate([np.arange(1, half_width + 2), np.arange(half_width, 0, -1)]).astype(np.float64)
    padded = np.concatenate([profile[..., -half_width:], profile, profile[..., :half_width]], axis=-1)
    smoothed = np.zeros(profile.shape)
    for offset, weight in enumerate(weights / weights.sum()):
        smoothed += weight * padded[..., offset : offset + period]
    return smoothed
