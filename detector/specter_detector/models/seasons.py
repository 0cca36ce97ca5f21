"""Trend and seasons of a batch of series: the profiles of the day and the week.

Trend by batched STL; the profile of a period is the median over its cycles of the detrended values,
because a mean lets an outage of hours leak into the season (rms error after 6 h of outage in 14 cycles:
0.36 of the noise against 1.73).
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats, Ints, Singles
from specter_detector.models.medians import cycle_columns, median_of_cycles
from specter_detector.models.profile import smooth
from specter_detector.models.stl import StlSettings, stl_operator

DAYS = 7
BINS = 24
FULL_CYCLES = 3.0
MANY_CYCLES = 8.0
WEEKS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of history whose season is looked for.

    Attributes:
        values: (series, n), near 0, NaN where nothing is known.
        filled: the same with every gap filled.
        index: (n,) whole steps since the epoch's local midnight.
        period: steps of a day.
        cycles: (series,) days observed.
    """

    values: Singles
    filled: Singles
    index: Ints
    period: int
    cycles: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Seasons:
    """What a decomposition finds: trend (series, n), day (series, period), week (series, 7 period)."""

    trend: Singles
    day: Singles
    week: Singles | None


def batched_seasons(window: Window) -> Seasons:
    """Find trend and seasons of all series at once."""
    period, index = window.period, window.index
    trend = _trend(window.filled, period)
    detrended = window.values - trend
    day = day_profile(detrended, index, period, window.cycles)
    if window.values.shape[1] < WEEKS * DAYS * period - period:
        return Seasons(trend, day, None)
    rest = detrended - day.take(index % period, axis=1)
    return Seasons(trend, day, week_profile(rest, day, index, period, window.cycles))


def day_profile(detrended: Singles, index: Ints, period: int, cycles: Floats) -> Singles:
    """Return (series, period) the profile of the day: smoothed over ten minutes, an hour with few cycles.

    Args:
        detrended: (series, n), NaN where nothing is known.
        index: (n,) whole steps since the epoch's local midnight.
        period: steps of a day.
        cycles: (series,) days observed; the profile is shrunk up to three of them.
    """
    medians = _phase_medians(detrended, index % period, period)
    few = cycles < MANY_CYCLES
    day = smooth(medians, period // 144) if not few.all() else medians
    if few.any():
        day = np.where(few[:, None], smooth(medians, period // BINS if period > BINS else 0), day)
    return _centred(day, np.clip((cycles - 0.5) / (FULL_CYCLES - 0.5), 0.0, 1.0))


def week_profile(rest: Singles, day: Singles, index: Ints, period: int, cycles: Floats) -> Singles:
    """Return (series, 7 period) the profile of the week, none (0) up to 13 days, and as much as returns.

    Args:
        rest: (series, n) without trend and day, NaN where nothing is known.
        day: (series, period) its profile.
        index: (n,) whole steps since the epoch's local midnight.
        period: steps of a day.
        cycles: (series,) days observed.
    """
    share = np.where(cycles < WEEKS * DAYS - 1, 0.0, _returning(rest, day, index, period))
    return _centred(_week(rest, day, index, period), share)


def _week(rest: Singles, day: Singles, index: Ints, period: int) -> Singles:
    """Return (series, 7 period) what each day of the week adds: a multiple of the day, and a smooth rest.

    The multiple keeps the edges of a quieter day sharp, which smoothing would blur.
    """
    length = DAYS * period
    medians = _phase_medians(rest, index % length, length)
    square = np.sum(day * day, axis=1)
    product = np.einsum("sdp,sp->sd", medians.reshape(len(rest), DAYS, period), day)
    multiple = product / np.where(square > 0, square, 1.0)[:, None]
    scaled = (multiple[:, :, None] * day[:, None, :]).reshape(len(rest), length)
    week: Singles = scaled + smooth(medians - scaled, max(1, period // BINS))
    return week


def _returning(rest: Singles, day: Singles, index: Ints, period: int) -> Floats:
    """Return (series,) 0…1, how much of the week's profile returns: odd weeks against even ones.

    Where the halves share c of their squares, their mean shares 2c / (1 + c) with what returns
    (Spearman and Brown). Two weeks of wander share nothing, a weekend all.
    """
    odd = index // (DAYS * period) % 2 == 1
    halves = (_week(rest[:, part], day, index[part], period) for part in (odd, ~odd))
    one, other = (half - half.mean(axis=1, keepdims=True) for half in halves)
    square = np.sum(one * one + other * other, axis=1, dtype=np.float64)
    common = np.sum(2.0 * one * other, axis=1, dtype=np.float64) / np.where(square > 0, square, 1.0)
    shared = np.maximum(common, 0.0)
    returning: Floats = 2.0 * shared / (1.0 + shared)
    return returning


def _centred(profile: Singles, share: Floats) -> Singles:
    centred: Singles = profile - profile.mean(axis=1, keepdims=True)
    centred *= share[:, None].astype(np.float32)
    return centred


def _trend(filled: Singles, period: int) -> Singles:
    jump = max(1, period // 6)
    settings = StlSettings(period, trend_jump=jump, low_pass_jump=max(1, period // 10))
    return stl_operator(filled.shape[1], settings, np.float32).trend(filled).astype(np.float32)


def _phase_medians(values: Singles, phase: Ints, period: int) -> Singles:
    """Return (series, period) medians of each phase; those without a value are interpolated."""
    columns = cycle_columns(phase, period)
    nothing = np.full((len(values), 1), np.nan, np.float32)
    padded = np.concatenate([values, nothing], axis=1, dtype=np.float32)
    medians = median_of_cycles(padded.take(columns, axis=1))
    places = np.arange(period)
    for row in np.flatnonzero(np.isnan(medians).any(axis=1)):
        known = np.isfinite(medians[row])
        if known.any():
            medians[row] = np.interp(places, places[known], medians[row, known], period=period)
        else:
            medians[row] = 0.0
    return medians
