"""Simple detectors to compare with. All but the random one have full confidence in what they say."""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.series import Floats, LabelledSeries, Scores

DAY = 86_400.0
SAME = 1e-7

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

    def __init__(self, seconds: float = DAY, alarm_above: float = 1.0, fewest: int = 2) -> None:
        """Look back over `seconds`, once they hold `fewest`; `alarm_above` deviations make a score of 1."""
        self.name = f"rolling z, {seconds / 3600:g} h"
        self.seconds = seconds
        self.alarm_above = alarm_above
        self.fewest = fewest

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample."""
        windows = [max(round(self.seconds / one.step), 2) for one in series]
        return [
            _sure(rolling_z(one.values, window, self.fewest) / self.alarm_above)
            for one, window in zip(series, windows, strict=True)
        ]


def rolling_z(values: Floats, window: int, fewest: int = 2) -> Floats:
    """Return (n,) |value - mean| / deviation over up to `window` samples before each, not counting it.

    From running sums, so a window costs nothing. NaN where the value is missing or fewer than `fewest` are
    known before it; inf where those are all the same and it is not, 0 where it is too. The same is what
    differs by less than 1e-7 of the largest distance from the first value.
    """
    present = np.isfinite(values)
    if not present.any():
        return np.full(values.size, np.nan)
    offset = values[present][0]
    centred = np.where(present, values - offset, 0.0)
    scale = float(np.max(np.abs(centred))) or 1.0
    centred /= scale
    count = _before(present.astype(np.float64), window)
    safe = np.maximum(count, 1)
    mean = _before(centred, window) / safe
    spread = np.sqrt(np.maximum(_before(centred**2, window) / safe - mean**2, 0.0))
    spread[spread < SAME] = 0.0  # what rounding leaves of a constant
    away = np.abs(centred - mean)
    away[away < SAME] = 0.0
    z = np.divide(away, spread, out=np.where(away > 0, np.inf, 0.0), where=spread > 0)
    return np.where(present & (count >= fewest), z, np.nan)


def _before(values: Floats, window: int) -> Floats:
    """Return the sum of up to `window` values before each."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(values.size)
    inside: Floats = sums[index] - sums[np.maximum(index - window, 0)]
    return inside


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
