"""Seasons that are neither a day nor a week: a job every 50 minutes, a rotation every 36 hours.

Looked for in what trend, day and week leave: the peak of the periodogram, where it stands out of its
surroundings, because residuals are no white noise. What is found has to prove itself: learnt on the first
two thirds of the window, its profile has to lower the absolute error on the last third.
Divisors of a day need no season of their own; the profile of the day has them.
Sources: Fisher's test for the largest periodogram ordinate (1929), with a local background.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import fft  # type: ignore[import-untyped]

from specter_detector.models.arrays import (
    MAD_TO_SIGMA,
    Bools,
    Floats,
    Ints,
    Singles,
    nan_median,
    some_columns,
)

BINS = 16  # of a profile
LEAST_CYCLES = 6.0  # in the window
SHORTEST = 4.0  # steps
PROMINENT = 25.0  # power over its surroundings'; white noise has this once in 1e10 frequencies
SURROUNDINGS = 64  # frequencies
LEARN_SHARE = 2 / 3
LEAST_GAIN = 0.03
CLIP = 4.0
MULTIPLES = 8
NEARLY = 0.3
SAMPLE = 512
SHIFTS = (-0.3, -0.15, 0.0, 0.15, 0.3)  # of a frequency, in cycles of the window


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """Another season of each series.

    Attributes:
        period: (series,) steps, 0 for none.
        profile: (series, `BINS`) deviation in each part of the period, counted from `anchor`.
        anchor: (series,) step at which the period begins.
    """

    SERIES_AXIS: ClassVar[int] = 0

    period: Floats
    profile: Singles
    anchor: Floats


def no_cycles(series: int) -> Cycles:
    """Return none."""
    return Cycles(np.zeros(series), np.zeros((series, BINS), np.float32, order="F"), np.zeros(series))


def cycle_at(cycles: Cycles, rows: Ints, step: float) -> Singles:
    """Return the deviation of the series `rows`, each of which has a period, at `step`, interpolated."""
    return cycle_over(cycles, rows, np.array([step]))[:, 0]


def cycle_over(cycles: Cycles, rows: Ints, steps: Floats) -> Singles:
    """Return (rows, steps) the same at many steps."""
    place = (steps - cycles.anchor[rows, None]) / cycles.period[rows, None] % 1.0 * BINS - 0.5
    low = np.floor(place).astype(np.int64)
    share = (place - low).astype(np.float32)
    of = rows[:, None]
    left, right = cycles.profile[of, low % BINS], cycles.profile[of, (low + 1) % BINS]
    result: Singles = (1 - share) * left + share * right
    return result


def find_cycles(rest: Singles, first: float) -> Cycles:
    """Look for a further season in each series.

    Args:
        rest: (series, n) values less trend, day and week; NaN where nothing is known.
        first: step of the first column.
    """
    found = no_cycles(len(rest))
    scale = MAD_TO_SIGMA * nan_median(np.abs(rest[:, some_columns(rest.shape[1], SAMPLE)]))[:, None]
    bounded = np.clip(np.nan_to_num(rest, nan=0.0), -CLIP * scale, CLIP * scale).astype(np.float32)
    period = _prominent_periods(bounded)
    for row in np.flatnonzero(period):
        proven = _proven(bounded[row], np.isfinite(rest[row]), period[row])
        if proven:
            found.period[row], found.anchor[row] = proven, first
            found.profile[row] = _Folded(bounded[row], np.isfinite(rest[row]), proven).profile
    return found


class _Folded:
    """One series laid over itself.

    Attributes:
        profile: (`BINS`,) mean of what is known in each part of the period, less their mean.
    """

    def __init__(self, values: Singles, known: Bools, period: float) -> None:
        self._place = (np.arange(values.size) / period % 1.0 * BINS).astype(np.int64)
        self._values = values
        number = np.bincount(self._place[known], minlength=BINS)
        mean = np.bincount(self._place[known], weights=values[known], minlength=BINS) / np.maximum(number, 1)
        self.profile: Singles = (mean - mean.mean()).astype(np.float32)

    def error(self, where: Bools) -> float:
        """Return the mean squared error of the profile."""
        return float(np.square(self._values[where] - self.profile[self._place[where]]).mean())


def _proven(values: Singles, known: Bools, period: float) -> float:
    """Return `period`, or a multiple, where its profile helps out of sample, more exactly; 0 if none does.

    A short pulse has harmonics as strong as itself, and its period is a multiple of theirs.
    """
    n = values.size
    learnt = np.arange(n) < LEARN_SHARE * n
    past, later = known & learnt, known & ~learnt
    if not later.any() or not past.any():
        return 0.0
    best, least = 0.0, (1 - LEAST_GAIN) * float(np.square(values[later]).mean())
    for multiple in range(1, MULTIPLES + 1):
        candidates = [1 / (1 / period + shift / n) * multiple for shift in SHIFTS]
        candidate = min(candidates, key=lambda each: _Folded(values, past, each).error(past))
        error = _Folded(values, past, candidate).error(later)
        if candidate <= n / LEAST_CYCLES and error < least:
            best, least = candidate, (1 - LEAST_GAIN) * error
    return best


def _prominent_periods(bounded: Singles) -> Floats:
    """Return (series,) the period (steps) of the lowest prominent frequency, 0 where none is.

    The lowest of those near the most prominent: the others may be its harmonics.
    """
    n = bounded.shape[1]
    low, high = int(LEAST_CYCLES), int(n / SHORTEST)
    if high - low < 2 * SURROUNDINGS:
        return np.zeros(len(bounded))
    window = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2).astype(np.float32)
    spectrum = fft.rfft(bounded * window, axis=1)[:, : high + 2]
    power = spectrum.real**2 + spectrum.imag**2
    around = _surroundings(power)
    ratio = power / np.maximum(around, np.finfo(np.float32).tiny)
    inside = ratio[:, low:high]
    largest = inside.max(axis=1)
    peaks = (inside >= ratio[:, low - 1 : high - 1]) & (inside >= ratio[:, low + 1 : high + 1])
    peak = low + np.argmax(peaks & (inside >= NEARLY * largest[:, None]), axis=1)
    rows = np.arange(len(bounded))
    # Between two frequencies: the vertex of the parabola through the logarithms.
    left, middle, right = (
        np.log(power[rows, peak + side] + np.finfo(np.float32).tiny) for side in (-1, 0, 1)
    )
    bend = left - 2 * middle + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    return np.where(largest > PROMINENT, n / (peak + np.clip(shift, -0.5, 0.5)), 0.0)


def _surroundings(power: Singles) -> Singles:
    """Return the mean power around each frequency, by medians of blocks: a peak does not raise its own."""
    size = SURROUNDINGS
    blocks = power.shape[1] // size
    medians = np.median(power[:, : blocks * size].reshape(len(power), blocks, size), axis=2) / np.log(2)
    centres = (np.arange(blocks) + 0.5) * size
    places = np.clip(np.arange(power.shape[1]), centres[0], centres[-1])
    low = np.minimum(((places - centres[0]) / size).astype(np.int64), max(0, blocks - 2))
    share = ((places - centres[low]) / size).astype(np.float32)
    upper = np.minimum(low + 1, blocks - 1)
    around: Singles = medians[:, low] * (1 - share) + medians[:, upper] * share
    return around
