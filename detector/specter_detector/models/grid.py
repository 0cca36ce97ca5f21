"""Raw samples of a series -> one value for each step, and raw counters -> increases."""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats

MIN_COUNTER_VALUES = 24
MIN_RISES = 6
MAX_RESET_SHARE = 0.05
RESET_DROP = 0.5
MAX_FILLED_GAP = 5


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """`values[i]` belongs to `times[i]`, every multiple of the step from first to last; NaN is missing."""

    times: Floats
    values: Floats


def regular(timestamps: Floats, values: Floats, step: float) -> Grid:
    """Put samples on the multiples of `step` (s); no value is computed, only moved.

    A sample goes to the nearest slot, half-way to the later one. Of several in one
    slot the nearest to it stays, of equally near ones the later, of the same
    timestamp the last given. NaN and infinite values are missing samples: they
    compete with none. The grid reaches from the first to the last timestamp, also
    where these hold nothing, so what is missing at an end shows as NaN.

    Args:
        timestamps: Unix times (s), in any order.
        values: as long.
        step: seconds, > 0.

    Returns:
        A grid, empty for no samples. One sample is a grid of one.

    Raises:
        ValueError: for lengths that differ, a step <= 0, or a timestamp that is not finite.
    """
    if timestamps.shape != values.shape or timestamps.ndim != 1:
        raise ValueError(f"expected one value a timestamp, got {timestamps.shape} and {values.shape}")
    if not step > 0:
        raise ValueError(f"the step is {step}, expected seconds above 0")
    if not np.isfinite(timestamps).all():
        raise ValueError("a timestamp is not finite")
    if timestamps.size == 0:
        return Grid(np.empty(0), np.empty(0))
    slots = np.floor(timestamps / step + 0.5).astype(np.int64)
    first = int(slots.min())
    times: Floats = np.arange(first, int(slots.max()) + 1, dtype=np.float64) * float(step)
    result = np.full(times.size, np.nan)
    observed = np.flatnonzero(np.isfinite(values))
    away = np.abs(timestamps - slots * float(step))
    # The winner of a slot is written last: far before near, early before late, first before last given.
    order = observed[np.lexsort((observed, timestamps[observed], -away[observed]))]
    # With repeated indices numpy keeps the last assignment.
    result[slots[order] - first] = values[order]
    return Grid(times, result)


def counter_increase(values: Floats, *, max_gap: int = MAX_FILLED_GAP) -> Floats:
    """Return by how much a raw counter grew in each step; arrays (..., m), in and out.

    A fall is a reset to 0: the increase is the new value, as Prometheus has it (what
    was counted between the last sample and the reset is lost). The first value has no
    predecessor: NaN. Missing values stay NaN. The first value after a gap holds the
    increase of the whole gap; as of one step it would be a spike, so it is divided by
    the number of steps since the last value; after more than `max_gap` missing ones it
    is NaN, because resets in the gap are unseen.
    """
    index = np.arange(values.shape[-1])
    known = np.isfinite(values)
    # For every step the latest step before it that holds a value, -1 for none.
    latest = np.maximum.accumulate(np.where(known, index, -1), axis=-1)
    before = np.concatenate([np.full((*values.shape[:-1], 1), -1), latest[..., :-1]], axis=-1)
    steps = index - before
    usable = known & (before >= 0) & (steps <= max_gap + 1)
    if values.size == 0:
        return np.empty(values.shape)
    previous = np.take_along_axis(values, np.maximum(before, 0), axis=-1)
    with np.errstate(invalid="ignore"):  # infinite values are missing, and not usable
        growth = values - previous
    increase = np.where(growth < 0, values, growth)
    result: Floats = np.where(usable, increase / np.maximum(steps, 1), np.nan)
    return result


def looks_like_counter(values: Floats) -> bool:
    """Tell whether the history (m,) is a raw counter: it never falls but to start anew.

    True only with evidence: at least 24 values, none negative; at least 6 rises; and
    falls few (at most 5 % of the steps, and a sixth of the rises), each to less than
    half the value before. A constant is no counter, nor is a ramp that falls slowly.
    A gauge that rises on every step of the history is taken for one: nothing tells
    them apart.
    """
    known = values[np.isfinite(values)]
    if known.size < MIN_COUNTER_VALUES or known.min() < 0:
        return False
    growth = np.diff(known)
    falls, rises = growth < 0, int(np.sum(growth > 0))
    resets = int(np.sum(falls))
    few = resets <= MAX_RESET_SHARE * growth.size and MIN_RISES * resets <= rises
    deep = bool((known[1:][falls] < RESET_DROP * known[:-1][falls]).all())
    return rises >= MIN_RISES and few and deep
