"""Slow noise that is a function of time alone, so that history and live traffic share it."""

import numpy as np
from numpy.typing import NDArray

# Seconds between two independent values, and the weight of each octave (sum 1): minutes to hours.
OCTAVES = ((1500.0, 0.3), (5400.0, 0.35), (23400.0, 0.35))


def slow_noise(times: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return noise in [-1, 1] at `times` (epoch seconds, any shape), the same for the same `seed`.

    Value noise: a hash gives each lattice point of an octave its value, a smoothstep joins them, so
    the noise is continuous and any stretch of it can be computed without the stretch before.
    """
    total = np.zeros_like(times)
    for octave, (period, weight) in enumerate(OCTAVES):
        position = times / period
        cell = np.floor(position)
        fraction = position - cell
        left = _hashed(cell, seed * len(OCTAVES) + octave)
        right = _hashed(cell + 1.0, seed * len(OCTAVES) + octave)
        total += weight * (left + (right - left) * fraction * fraction * (3.0 - 2.0 * fraction))
    return total


def _hashed(cells: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return a uniform value in [-1, 1) for each integer of `cells` (splitmix64)."""
    start = np.uint64((seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    state = np.atleast_1d(cells).astype(np.int64).astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + start
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    unit = (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return (2.0 * unit - 1.0).reshape(np.shape(cells))
