"""What a refit learns of many series: profiles of the day and the week, and how noise varies over them.

    value = level + day[phase] + week[phase] + noise
    sd(noise) = scale * spread[phase] * (expected / reference) ** power

Trend and seasons come from a decomposition (`seasons`). Level and scale are not learnt here but online
(`online`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np

from specter_detector.models.arrays import (
    LARGEST_VALUE,
    MAD_TO_SIGMA,
    Bools,
    Floats,
    Ints,
    Singles,
    nan_median,
    some_columns,
)
from specter_detector.models.batch import views
from specter_detector.models.changes import change_scores
from specter_detector.models.counts import is_count
from specter_detector.models.gaps import fill
from specter_detector.models.profile import nearest
from specter_detector.models.seasons import BINS, DAYS, WEEKS, Seasons, Window, batched_seasons
from specter_detector.models.spectrum import Cycles, cycle_over, find_cycles, no_cycles

LEAST_CYCLES = 1.5
PRIOR = 24.0  # samples of the overall noise that each bin of the pattern starts with
LEAST_SPREAD = 0.3
LEAST_LEVEL = 0.05  # of the reference: noise shrinks no further below it
CLIP = 4.0
ABSURD = 100.0  # times the usual distance from the middle
PART = 128  # series at a time
SAMPLE = 512
SLOPE_SAMPLE = 2048
SURE = 2.0  # standard errors
EXPLAINED = 0.75
"""Share of the pattern of noise over the day that the level has to explain (r squared) to be followed."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The seasons of a batch of series, and what else a refit sees.

    The profiles lie in memory phase by phase (Fortran's order): a tick reads one phase of all series.

    Attributes:
        day: (series, period) float32, deviation at each phase of the day, mean 0.
        week: (series, 7 period) float32 on top of it; None where the history spans less than 13 days.
        spread: (series, bins) float32, noise in each part of the day relative to the whole, at least 0.3.
        power: (series,) 0…1, how the noise grows with the expected value.
        reference: (series,) the expected value at which `spread` holds; positive where `power` is.
        quantum: (series,) value of one count; 0 for what is no count.
        cycles: (series,) days of history behind it.
        changes: (series, 2) how unusual noise and season of the last day were (`changes`).
        other: a season that is neither a day nor a week (`spectrum`).
    """

    SERIES_AXIS: ClassVar[int] = 0

    day: Singles
    week: Singles | None
    spread: Singles
    power: Singles
    reference: Singles
    quantum: Floats
    cycles: Floats
    changes: Singles
    other: Cycles


class Learner(Protocol):
    """What a refit calls; see `learn_shape`."""

    def __call__(self, values: Floats, phases: Floats, period: int, *, first: float = 0.0) -> Shape:
        """Learn the shapes of `values`."""


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
        np.zeros((series, 2), np.float32),
        no_cycles(series),
    )


def learn_shape(
    values: Floats,
    phases: Floats,
    period: int,
    *,
    first: float = 0.0,
    decompose: Decompose = batched_seasons,
) -> Shape:
    """Learn the shapes of `values`.

    Args:
        values: (series, n) on the step's grid, NaN where nothing is known or where a window is excluded.
        phases: (n,) steps since the epoch's local midnight, as `calendar.calendar_phases` returns them.
        period: steps of a day.
        first: step of the first column since the epoch, where there is a wall clock other than UTC's;
            what is neither a day nor a week knows no daylight saving.
        decompose: finds trend and seasons.

    Returns:
        A season of zeros where fewer than 1.5 days were observed; a shrunk one up to three days.
    """
    shape = unknown_shape(len(values), period)
    week: Singles | None = None
    if values.shape[1] >= WEEKS * DAYS * period - period:
        week = np.zeros((len(values), DAYS * period), np.float32, order="F")
    shape = replace(shape, week=week)
    weekly = False
    for start in range(0, len(values), PART):
        part = slice(start, start + PART)
        weekly |= _learn(views(shape, part), values[part], phases, period, first, decompose)
    return shape if weekly else replace(shape, week=None)


def _learn(
    shape: Shape, values: Floats, phases: Floats, period: int, first: float, decompose: Decompose
) -> bool:
    """Learn a few series, so that all stays in a processor's cache; tell whether they have a week."""
    observed = np.abs(values) < LARGEST_VALUE
    shape.cycles[...] = observed.sum(axis=1) / period
    # Of zeros alone nobody knows whether they are counts: the first value would be one count, however large.
    counted = is_count(np.where(observed, values, np.nan), default_quantum=np.nan)
    shape.quantum[...] = np.nan_to_num(counted.quantum)
    usable = np.flatnonzero(shape.cycles >= LEAST_CYCLES)
    if values.shape[1] < 2 * period or not usable.size:
        return False
    whole = usable.size == len(values) and bool(observed.all())
    rows = values if whole else np.where(observed[usable], values[usable], np.nan)
    # Near 0 for float32; the middle of what is known, whatever the unit.
    sample = some_columns(rows.shape[1], SAMPLE)
    origin = nan_median(rows[:, sample])
    origin = np.where(np.isfinite(origin), origin, 0.0)
    around = rows - origin[:, None]
    # Squares of what is far from 1 would leave float32; a power of two loses no digit.
    usual = np.nan_to_num(nan_median(np.abs(around[:, sample])))
    unit = np.exp2(np.floor(np.log2(np.where(usual > 0, usual, 1.0))))
    near = (around / unit[:, None]).astype(np.float32)
    filled = near if whole else _filled(near, phases, period)
    # The trend is a mean: one absurd value would be in all of it.
    bound = (ABSURD * usual / unit)[:, None].astype(np.float32)
    filled = np.clip(filled, -bound, bound)
    index = nearest(phases)
    seasons = decompose(Window(near, filled, index, period, shape.cycles[usable]))
    expected = seasons.trend + seasons.day.take(index % period, axis=1)
    if seasons.week is not None and shape.week is not None:
        expected += seasons.week.take(index % (DAYS * period), axis=1)
        shape.week[usable] = seasons.week * unit[:, None]
    rest = near - expected
    shape.day[usable] = seasons.day * unit[:, None]
    other = find_cycles(rest, first)
    if other.period.any():
        rows = np.flatnonzero(other.period)
        rest[rows] -= cycle_over(other, rows, first + np.arange(rest.shape[1]))
        shape.other.period[usable], shape.other.profile[usable] = other.period, other.profile * unit[:, None]
        shape.other.anchor[usable] = other.anchor
    spread, power, reference = _noise(rest, expected, unit, origin, index, period)
    shape.spread[usable], shape.power[usable], shape.reference[usable] = spread, power, reference
    shape.changes[usable] = change_scores(rest, period)
    return seasons.week is not None


def grown(expected: Any, reference: Any, power: Any) -> Any:
    """Return how much more noise there is at `expected` than at `reference`; 1 where power is 0."""
    return np.maximum(expected / reference, LEAST_LEVEL) ** power


def _filled(rows: Singles, phases: Floats, period: int) -> Singles:
    filled = rows.copy()
    for row in np.flatnonzero(np.isnan(rows).any(axis=1)):
        filled[row] = fill(rows[row], phases, period)
    return filled


def _noise(
    rest: Singles, expected: Singles, unit: Floats, origin: Floats, index: Ints, period: int
) -> tuple[Singles, Singles, Singles]:
    """Return spread by part of the day, power and reference of each series."""
    bins = min(BINS, period)
    where = (index % period) * bins // period
    # Sums over stretches of one bin, then over stretches: an hour is an hour of every day.
    starts = np.flatnonzero(np.diff(where, prepend=-1))
    member = np.zeros((starts.size, bins), np.float32)
    member[np.arange(starts.size), where[starts]] = 1.0

    def by_bin(values: Singles) -> Singles:
        total: Singles = np.add.reduceat(values, starts, axis=1) @ member
        return total

    sample = some_columns(rest.shape[1], SAMPLE)
    magnitude = np.abs(rest)
    overall = np.nan_to_num(nan_median(magnitude[:, sample])).astype(np.float32)[:, None]
    np.minimum(magnitude, CLIP * MAD_TO_SIGMA * overall, out=magnitude)
    if np.isnan(magnitude).any():
        known = np.isfinite(magnitude)
        number = by_bin(known.astype(np.float32))
        magnitude[~known] = 0.0
        expected = np.where(known, expected, np.float32(0))
    else:
        number = np.broadcast_to(np.bincount(where, minlength=bins).astype(np.float32), (len(rest), bins))
    total = by_bin(magnitude)
    mean = (total.sum(axis=1) / np.maximum(number.sum(axis=1), 1.0))[:, None]
    noise = (total + PRIOR * mean) / (number + PRIOR)
    noise = np.where(mean > 0, noise / np.where(mean > 0, mean, 1.0), 1.0)
    noise = np.maximum(noise, LEAST_SPREAD)
    level = by_bin(expected) / np.maximum(number, 1.0) * unit[:, None] + origin[:, None]
    reference = np.median(expected[:, sample], axis=1) * unit + origin
    points = some_columns(rest.shape[1], SLOPE_SAMPLE)
    followed = np.flatnonzero(_explained(noise, level) & (reference > 0))
    power = np.zeros(len(rest))
    if followed.size:
        some = np.ix_(followed, points)
        power[followed] = _power(
            rest[some], expected[some] * unit[followed, None] + origin[followed, None], reference[followed]
        )
    reference = np.where(power > 0, reference, 1.0)
    spread = np.maximum(noise / grown(level, reference[:, None], power[:, None]), LEAST_SPREAD)
    spread = np.maximum(spread, (np.roll(spread, 1, axis=1) + 2 * spread + np.roll(spread, -1, axis=1)) / 4)
    return spread.astype(np.float32), power.astype(np.float32), reference.astype(np.float32)


def _explained(noise: Singles, level: Floats) -> Bools:
    """Tell whether the noise of the parts of the day is mostly a power of their levels."""
    positive = level.min(axis=1) > 0
    x = np.log(np.where(positive[:, None], level, 1.0))
    y = np.log(noise)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    common = np.sum(x * y, axis=1)
    shared = common**2 > EXPLAINED * np.sum(x * x, axis=1) * np.sum(y * y, axis=1)
    followed: Bools = positive & shared
    return followed


def _power(rest: Singles, expected: Floats, reference: Floats) -> Floats:
    """Return the slope of log noise over log level, as far as it is sure; 0 where a level is not above 0."""
    positive = expected.min(axis=1) > 0
    known = np.isfinite(rest) & (rest != 0) & positive[:, None]
    number = np.maximum(known.sum(axis=1, keepdims=True), 1)
    x = np.log(np.where(known, np.maximum(expected, LEAST_LEVEL * reference[:, None]), 1.0))
    y = np.log(np.where(known, np.abs(rest), 1.0))
    x = np.where(known, x - x.sum(axis=1, keepdims=True) / number, 0.0)
    y = np.where(known, y - y.sum(axis=1, keepdims=True) / number, 0.0)
    square = np.sum(x * x, axis=1) + 1e-9
    error = np.sqrt(np.mean(y * y, axis=1) / square)
    slope: Floats = np.clip(np.sum(x * y, axis=1) / square - SURE * error, 0.0, 1.0)
    return slope
