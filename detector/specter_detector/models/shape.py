"""What a refit learns of many series: profiles of the day and the week, and how noise varies over them.

    value = level + day[phase] + week[phase] + noise
    sd(noise) = scale * spread[phase] * (expected / reference) ** power

Trend and seasons come from a decomposition (`seasons`). Level and scale are not learnt here but online
(`online`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from specter_detector.models.arrays import MAD_TO_SIGMA, Bools, Floats, Ints, Singles, nan_median
from specter_detector.models.counts import is_count
from specter_detector.models.gaps import fill
from specter_detector.models.profile import nearest
from specter_detector.models.seasons import BINS, DAYS, Seasons, Window, batched_seasons

LEAST_CYCLES = 1.5
PRIOR = 24.0  # samples of the overall noise that each bin of the pattern starts with
LEAST_SPREAD = 0.3
LEAST_LEVEL = 0.05  # of the reference: noise shrinks no further below it
CLIP = 4.0
SAMPLE, GOLDEN = 512, (5**0.5 - 1) / 2
FOLLOWED = 0.25
"""How much of the measured proportionality of noise to level is followed: some of it is chance."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The seasons of a batch of series.

    The profiles lie in memory phase by phase (Fortran's order): a tick reads one phase of all series.

    Attributes:
        day: (series, period) float32, deviation at each phase of the day, mean 0.
        week: (series, 7 period) float32 on top of it; None where the history spans less than 13 days.
        spread: (series, bins) float32, noise in each part of the day relative to the whole, at least 0.3.
        power: (series,) 0…1, how the noise grows with the expected value.
        reference: (series,) the expected value at which `spread` holds; positive where `power` is.
        quantum: (series,) value of one count; 0 for what is no count.
        cycles: (series,) days of history behind it.
    """

    day: Singles
    week: Singles | None
    spread: Singles
    power: Singles
    reference: Singles
    quantum: Floats
    cycles: Floats

    def part(self, rows: slice) -> "Shape":
        """Return the shape of some of the series, which shares its memory with this one's."""
        week = None if self.week is None else self.week[rows]
        return Shape(
            self.day[rows], week, self.spread[rows], self.power[rows],
            self.reference[rows], self.quantum[rows], self.cycles[rows],
        )  # fmt: skip

    @property
    def bytes_per_series(self) -> float:
        """Return the memory that one series takes."""
        arrays = (self.day, self.week, self.spread, self.power, self.reference, self.quantum, self.cycles)
        return sum(array.nbytes for array in arrays if array is not None) / len(self.day)


Learner = Callable[[Floats, Floats, int], Shape]
"""Like `learn_shape`: values (series, n), phases (n,) and the steps of a day in, a shape out."""


Decompose = Callable[[Window], Seasons]


def unknown_shape(series: int, period: int) -> Shape:
    """Return the shape of series of which nothing is known: no season, even noise."""
    return Shape(
        np.zeros((series, period), np.float32, order="F"),
        None,
        np.ones((series, min(BINS, period)), np.float32, order="F"),
        np.zeros(series, np.float32),
        np.ones(series, np.float32),
        np.zeros(series),
        np.zeros(series),
    )


def learn_shape(values: Floats, phases: Floats, period: int, decompose: Decompose = batched_seasons) -> Shape:
    """Learn the shapes of `values`.

    Args:
        values: (series, n) on the step's grid, NaN where nothing is known or where a window is excluded.
        phases: (n,) steps since the epoch's local midnight, as `calendar.calendar_phases` returns them.
        period: steps of a day.
        decompose: finds trend and seasons.

    Returns:
        A season of zeros where fewer than 1.5 days were observed; a shrunk one up to three days.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    observed = np.isfinite(values)
    cycles = observed.sum(axis=1) / period
    shape = unknown_shape(len(values), period)
    counted = is_count(values)
    quantum = np.where(counted.is_count, counted.quantum, 0.0)
    usable = np.flatnonzero(cycles >= LEAST_CYCLES)
    if values.shape[1] < 2 * period or not usable.size:
        return Shape(shape.day, None, shape.spread, shape.power, shape.reference, quantum, cycles)
    rows = values[usable]
    filled = _filled(rows, observed[usable], phases, period)
    window = Window(rows, filled, phases, period, cycles[usable])
    seasons = decompose(window)
    index = nearest(phases)
    season = seasons.day[:, index % period]
    rest = rows - seasons.trend - season
    week: Singles | None = None
    if seasons.week is not None:
        rest = rest - seasons.week[:, index % (DAYS * period)]
        week = np.zeros((len(values), DAYS * period), np.float32, order="F")
        week[usable] = seasons.week
    shape.day[usable] = seasons.day
    spread, power, reference = _noise(rest, seasons.trend + season, index, period)
    shape.spread[usable], shape.power[usable], shape.reference[usable] = spread, power, reference
    return Shape(shape.day, week, shape.spread, shape.power, shape.reference, quantum, cycles)


def grown(expected: Any, reference: Any, power: Any) -> Any:
    """Return how much more noise there is at `expected` than at `reference`; 1 where power is 0."""
    return np.maximum(expected / reference, LEAST_LEVEL) ** power


def _filled(rows: Floats, observed: Bools, phases: Floats, period: int) -> Floats:
    filled = rows.copy()
    for row in np.flatnonzero(~observed.all(axis=1)):
        filled[row] = fill(rows[row], phases, period)
    return filled


def _noise(rest: Floats, expected: Floats, index: Ints, period: int) -> tuple[Floats, Floats, Floats]:
    """Return spread by part of the day, power and reference of each series."""
    bins = min(BINS, period)
    where = (index % period) * bins // period
    magnitude = np.abs(rest)
    # Medians of a sample: golden steps fall into no pattern of gaps.
    sample = (np.arange(SAMPLE) * GOLDEN % 1.0 * rest.shape[1]).astype(np.int64)
    overall = np.nan_to_num(nan_median(magnitude[:, sample]))[:, None]
    clipped = np.minimum(magnitude, CLIP * MAD_TO_SIGMA * overall)
    known = np.isfinite(clipped)
    member = np.zeros((rest.shape[1], bins))
    member[np.arange(rest.shape[1]), where] = 1.0
    number = known @ member
    total = np.where(known, clipped, 0.0) @ member
    mean = (total.sum(axis=1) / np.maximum(number.sum(axis=1), 1.0))[:, None]
    noise = (total + PRIOR * mean) / (number + PRIOR)
    noise = np.where(mean > 0, noise / np.where(mean > 0, mean, 1.0), 1.0)
    noise = np.maximum(noise, LEAST_SPREAD)
    level = (np.where(known, expected, 0.0) @ member) / np.maximum(number, 1.0)
    reference = np.median(expected[:, sample], axis=1)
    power = _power(np.log(noise), level, reference)
    reference = np.where(power > 0, reference, 1.0)
    spread = np.maximum(noise / grown(level, reference[:, None], power[:, None]), LEAST_SPREAD)
    spread = np.maximum(spread, (np.roll(spread, 1, axis=1) + 2 * spread + np.roll(spread, -1, axis=1)) / 4)
    return spread, power, reference


def _power(noise: Floats, level: Floats, reference: Floats) -> Floats:
    """Return the slope of log noise over log level; 0 where the level hardly moves or is not above 0."""
    positive = (level.min(axis=1) > 0) & (reference > 0)
    x = np.log(np.where(positive[:, None], level, 1.0))
    x = x - x.mean(axis=1, keepdims=True)
    y = noise - noise.mean(axis=1, keepdims=True)
    square = (x * x).sum(axis=1)
    product = (x * y).sum(axis=1)
    explained = product * product > 0.5 * square * (y * y).sum(axis=1)
    slope = np.clip(product / (square + 0.1), 0.0, 1.0)
    return np.where(positive & explained & (square > 0.05), FOLLOWED * slope, 0.0)
