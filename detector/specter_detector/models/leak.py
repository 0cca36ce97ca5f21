"""Slow leaks: a level that creeps one way, too slowly for any band to notice.

The history is thinned to medians of 32 equal blocks, which outlast noise, a
collection's sawtooth and short incidents. A leak is all of these:
- Kendall's tau of the blocks is at least 0.7: a single level shift has at most 0.5,
  two teeth of a restart about 0.5;
- it is no random walk, whose tau alone would look significant in one of seven: either
  the blocks lie close to Theil and Sen's line (it grows by 24 of their scales around
  it), or the changes from block to block, independent in a random walk, lean one way by
  Wilcoxon's signed rank. One jump, however high, is one change;
- it goes on: neither stopped nor reset in the last blocks;
- it matters: see `find_leaks`.
Sources: Sen (1968); Kendall (1975); Wilcoxon (1945).

A process that leaks and is restarted daily is no leak here, as it never gets
anywhere; nor is a sawtooth of collections. One whose floor rises under the sawtooth is.
A sawtooth of which the history shows less than one tooth is a leak until it falls.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specter_detector.models.arrays import MAD_TO_SIGMA, Floats, nan_median

DAY = 86400.0
HORIZON = 4 * DAY
MOST_URGENT = 1e6
BLOCKS = 32
MIN_NODES = 2 * BLOCKS
MIN_BLOCKS_SEEN = 24
MIN_TAU = 0.7
MIN_Z = 3.5  # this and the next each let 0.1 % of random walks through
MIN_STRAIGHTNESS = 24.0
ENDS = 4  # blocks at either end that tell whether it goes on
LEAST_SHARE = 0.5  # of the slope's growth that must be there still; and of its pace, lately, half of that


@dataclass(frozen=True, slots=True, eq=False)
class Leaks:
    """One value a series; NaN (and no leak) where less than 3/4 of the blocks were observed.

    `slope` is Theil and Sen's, in units a second; `level` the newest; `tau` (Kendall, -1 to 1)
    and `z` (Wilcoxon, about -5 to 5) are signed as the slope; `straightness` is the growth over
    the scale around the line, at least 0; `exhaustion` is in seconds, infinite without a limit ahead.
    """

    slope: Floats
    level: Floats
    tau: Floats
    z: Floats
    straightness: Floats
    exhaustion: Floats
    leak: NDArray[np.bool_]


def find_leaks(
    times: Floats,
    trend: Floats,
    *,
    limit: ArrayLike = np.nan,
    noise: ArrayLike = np.nan,
    horizon: float = HORIZON,
    min_growth: float = 6.0,
    min_rel_growth: float = 0.05,
) -> Leaks:
    """Judge many series at once, for rises and falls alike.

    Args:
        times: (m,) evenly spaced Unix times (s), at least 64, else everything is unknown.
        trend: (series, m) values without their seasons, NaN for missing; 64 to 128 nodes
            of a trend are enough, all values of a week do no harm.
        limit: where it ends, scalar or (series,), above or below; NaN for none.
        noise: scale of the series' noise; NaN estimates it from neighbours in `trend`.
        horizon: with a limit, a leak reaches it within so many seconds.
        min_growth: without one, it grows in the history by so many noise scales,
        min_rel_growth: and by this share of the larger end's magnitude.
    """
    series, m = trend.shape
    if m < MIN_NODES:
        unknown = np.full(series, np.nan)
        none = np.zeros(series, dtype=np.bool_)
        return Leaks(unknown, unknown, unknown, unknown, unknown, unknown, none)
    size = m // BLOCKS
    # Whatever does not fill a block is cut at the old end.
    trend, times = trend[:, m - size * BLOCKS :], times[m - size * BLOCKS :]
    blocks = nan_median(trend.reshape(series, BLOCKS, size))
    spacing = float(times[-1] - times[0]) / (times.size - 1) * size
    blocks = np.where((np.isfinite(blocks).sum(axis=1) >= MIN_BLOCKS_SEEN)[:, np.newaxis], blocks, np.nan)
    slope, tau = _slope_and_tau(blocks, spacing)
    unknown = np.isnan(slope)
    z = np.where(unknown, np.nan, _signed_rank(np.diff(blocks, axis=1)))
    growth = slope * spacing * (BLOCKS - 1)
    straightness = _straightness(blocks, slope * spacing)
    newest, up = nan_median(blocks[:, -ENDS:]), np.sign(slope)
    level = newest + slope * spacing * ENDS / 2
    lately = newest - nan_median(blocks[:, -3 * ENDS : -2 * ENDS])
    goes_on = (up * (newest - nan_median(blocks[:, :ENDS])) >= LEAST_SHARE * np.abs(growth)) & (
        up * lately >= LEAST_SHARE / 2 * np.abs(slope) * spacing * 2 * ENDS
    )
    no_walk = (up * z >= MIN_Z) | (straightness >= MIN_STRAIGHTNESS)
    significant = (up * tau >= MIN_TAU) & no_walk & goes_on
    limit, noise = np.broadcast_to(limit, series), np.broadcast_to(noise, series)
    scale = np.where(np.isnan(noise), _neighbour_noise(trend), noise)
    reach = np.maximum(np.abs(level), np.abs(level - growth))
    large = (np.abs(growth) >= min_growth * scale) & (np.abs(growth) >= min_rel_growth * reach)
    left = exhaustion(level, slope, np.where(np.isnan(limit), np.copysign(np.inf, slope), limit))
    matters = np.where(np.isnan(limit), large, left <= horizon)
    return Leaks(slope, level, tau, z, straightness, left, significant & matters)


def leak_scores(
    times: Floats, trend: Floats, limit: Floats, *, horizon: float = HORIZON
) -> NDArray[np.float32]:
    """Return (series,) how urgent each series' leak towards its limit is: `horizon` over the time left.

    1 where the limit is met in `horizon` seconds, at most 1e6; 0 without a leak, without a limit (NaN), or
    with more time than that. Arguments as `find_leaks` has them.
    """
    found = find_leaks(times, trend, limit=limit, horizon=horizon)
    urgent = found.leak & np.isfinite(limit)
    left = np.where(urgent, np.maximum(found.exhaustion, horizon / MOST_URGENT), np.inf)
    return (horizon / left).astype(np.float32)


def exhaustion(level: ArrayLike, slope: ArrayLike, limit: ArrayLike) -> Floats:
    """Return the seconds until `level` meets `limit` at `slope` (units a second); shapes broadcast.

    The direction of the slope decides on which side a limit is ahead: one behind or a
    slope of 0 gives infinity, at the limit 0, NaN in any argument NaN.
    """
    level, slope, limit = (np.asarray(a, np.float64) for a in (level, slope, limit))
    unknown = np.isnan(level) | np.isnan(slope) | np.isnan(limit)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        left = (limit - level) / slope
    left = np.where((limit == level) & ~unknown, 0.0, np.where(left >= 0, left, np.inf))
    result: Floats = np.where(unknown, np.nan, left)
    return result


def _slope_and_tau(blocks: Floats, spacing: float) -> tuple[Floats, Floats]:
    first, second = np.triu_indices(blocks.shape[1], 1)
    change = blocks[:, second] - blocks[:, first]
    pairs = np.maximum(np.isfinite(change).sum(axis=1), 1)
    tau = np.where(np.isnan(change).all(axis=1), np.nan, np.nansum(np.sign(change), axis=1) / pairs)
    return nan_median(change / ((second - first) * spacing)), tau


def _straightness(blocks: Floats, slope: Floats) -> Floats:
    """Return the growth over the window in robust scales of the blocks around their line (slope a block)."""
    around = blocks - slope[:, np.newaxis] * np.arange(BLOCKS)
    scale = MAD_TO_SIGMA * nan_median(np.abs(around - nan_median(around)[:, np.newaxis]))
    growth = np.abs(slope) * (BLOCKS - 1)
    with np.errstate(over="ignore"):  # blocks exactly on their line are infinitely straight
        result: Floats = np.where(
            growth > 0, growth / np.maximum(scale, np.finfo(np.float64).tiny), 0 * growth
        )
    return result


def _signed_rank(changes: Floats) -> Floats:
    """Return Wilcoxon's signed-rank statistic of each row in standard deviations; NaN counts as no change."""
    changes = np.nan_to_num(changes, nan=0.0)
    n = changes.shape[1]
    # Rounding noise on an even slope would rank at random, which is as good.
    ranks = np.argsort(np.argsort(np.abs(changes), axis=1, kind="stable"), axis=1) + 1
    statistic: Floats = (np.sign(changes) * ranks).sum(axis=1) / np.sqrt(n * (n + 1) * (2 * n + 1) / 6)
    return statistic


def _neighbour_noise(trend: Floats) -> Floats:
    change = np.diff(trend, axis=1)
    spread = nan_median(np.abs(change - nan_median(change)[:, np.newaxis]))
    scale: Floats = MAD_TO_SIGMA / np.sqrt(2) * spread
    return scale
