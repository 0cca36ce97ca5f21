"""Simple detectors to compare with. All but the random one have full confidence in what they say."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.evaluation.series import Floats, LabelledSeries, Scores

DAY = 86_400.0
ROWS_AT_ONCE = 4096

GAUSSIAN_WINDOW = 6400
GAUSSIAN_STEP = 100
GAUSSIAN_LEAST_DEVIATION = 1e-6
GAUSSIAN_DIGITS = 12


class AlwaysOn:
    """An alarm on every sample."""

    name = "always in alarm"

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score 2 everywhere."""
        return [_sure(np.full(len(one.times), 2.0)) for one in series]


class Random:
    """Uniform noise, the same on every run."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score between 0 and 1 at random."""
        random = np.random.default_rng(self.seed)
        return [_sure(random.random(len(one.times))) for one in series]


class RollingZ:
    """Deviations from the mean of the time before, in standard deviations of it."""

    def __init__(self, seconds: float = DAY, alarm_above: float = 1.0) -> None:
        """Look back over `seconds`; `alarm_above` standard deviations make a score of 1."""
        self.name = f"rolling z, {seconds / 3600:g} h"
        self.seconds = seconds
        self.alarm_above = alarm_above

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample."""
        return [
            _sure(rolling_z(one.values, max(round(self.seconds / one.step), 2)) / self.alarm_above)
            for one in series
        ]


def rolling_z(values: Floats, window: int) -> Floats:
    """Return (n,) |value - mean| / deviation over the `window` samples before each, not counting it.

    NaN where the value is missing or fewer than two are known before it; inf where those are all the same and
    it is not, 0 where it is too.
    """
    before = sliding_window_view(np.concatenate((np.full(window, np.nan), values)), window)[:-1]
    parts = [
        _z(values[start : start + ROWS_AT_ONCE], before[start : start + ROWS_AT_ONCE])
        for start in range(0, len(values), ROWS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _z(values: Floats, before: Floats) -> Floats:
    known = ~np.isnan(before)
    count = known.sum(axis=1)
    enough = count >= 2
    count = np.maximum(count, 1)
    mean = np.where(known, before, 0.0).sum(axis=1) / count
    squares = np.where(known, before - mean[:, None], 0.0) ** 2
    deviation = np.sqrt(squares.sum(axis=1) / count)
    off = np.abs(values - mean)
    z = np.divide(off, deviation, out=np.where(off > 0, np.inf, 0.0), where=deviation > 0)
    return np.where(enough & ~np.isnan(values), z, np.nan)


def windowed_gaussian(values: Floats) -> Floats:
    """Return (n,) one minus the tail probability of each value under a Gaussian of those before it.

    The benchmark's own simple detector, after its description: the Gaussian has the mean and the standard
    deviation of all values so far until there are 6400, then of a window of 6400 that moves by 100 at a time.
    Scores have 12 digits, as in the benchmark's files: so those above 7.1 standard deviations are 1, and the
    published results come out.
    """
    mean, deviation = np.zeros(len(values)), np.ones(len(values))
    average = squares = 0.0
    for index, value in enumerate(values[: GAUSSIAN_WINDOW + 1]):
        if index:
            mean[index], deviation[index] = average, np.sqrt(squares / index)
        step = value - average
        average += step / (index + 1)
        squares += step * (value - average)
    for start in range(0, len(values) - GAUSSIAN_WINDOW, GAUSSIAN_STEP):
        window = values[start : start + GAUSSIAN_WINDOW]
        uses = slice(start + GAUSSIAN_WINDOW, start + GAUSSIAN_WINDOW + GAUSSIAN_STEP)
        mean[uses], deviation[uses] = window.mean(), window.std()
    deviation[deviation == 0] = GAUSSIAN_LEAST_DEVIATION
    z = np.abs(values - mean) / deviation
    score = 1 - 0.5 * np.array([math.erfc(one / math.sqrt(2)) for one in z.tolist()])
    score[:1] = 0.0  # nothing is known before the first
    return np.round(score, GAUSSIAN_DIGITS)


def _sure(score: Floats) -> Scores:
    return Scores(score, np.where(np.isnan(score), np.nan, 1.0))
