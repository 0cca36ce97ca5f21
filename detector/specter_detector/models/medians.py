"""Medians over the cycles of a season, for many series at once.

numpy sorts rows; here a few values lie behind each other a cycle apart, millions of times. A sorting network
compares whole arrays instead: seven cycles take 5 us a series of 2,016 values against 70 us by `np.sort`.
Source: Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M (Batcher's merge exchange).
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from specter_detector.models.arrays import Ints, Singles


def median_of_cycles(cycles: Singles) -> Singles:
    """Return (series, period) the medians of `cycles` (series, cycles, period) without NaN; NaN for none.

    `cycles` is overwritten.
    """
    number = cycles.shape[1]
    missing = np.isnan(cycles)
    known = np.full((1, cycles.shape[2]), number) if not missing.any() else number - missing.sum(axis=1)
    cycles[missing] = np.inf
    _sort(cycles)
    if (known == number).all():
        return (cycles[:, (number - 1) // 2] + cycles[:, number // 2]) * np.float32(0.5)
    # Half of each: the sum of two may be infinite.
    low = np.take_along_axis(cycles, np.maximum((known - 1) // 2, 0)[:, None], axis=1)[:, 0]
    high = np.take_along_axis(cycles, np.minimum(known // 2, number - 1)[:, None], axis=1)[:, 0]
    middle: Singles = np.where(known > 0, low * np.float32(0.5) + high * np.float32(0.5), np.float32(np.nan))
    return middle


def cycle_columns(phase: Ints, period: int) -> Ints:
    """Return (cycles, period) the columns of each phase, `len(phase)` where it comes once less."""
    order = np.argsort(phase, kind="stable")
    sizes = np.bincount(phase, minlength=period)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    slots = np.arange(int(sizes.max()))[:, None]
    return np.where(slots < sizes, order[np.minimum(first + slots, len(order) - 1)], len(phase))


def _sort(cycles: Singles) -> None:
    """Sort along the axis of the cycles."""
    for one, other in _exchanges(cycles.shape[1]):
        larger = np.maximum(cycles[:, one], cycles[:, other])
        np.minimum(cycles[:, one], cycles[:, other], out=cycles[:, one])
        cycles[:, other] = larger


@cache
def _exchanges(number: int) -> tuple[tuple[int, int], ...]:
    return tuple(_merge_exchange(number))


def _merge_exchange(number: int) -> Iterator[tuple[int, int]]:
    half = 1 << max(0, (number - 1).bit_length() - 1)
    p = half
    while p and number > 1:
        q, r, distance = half, 0, p
        while True:
            yield from ((i, i + distance) for i in range(number - distance) if i & p == r)
            if q == p:
                break
            distance, q, r = q - p, q // 2, p
        p //= 2
