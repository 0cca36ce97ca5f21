"""How far a forecast goes astray, learnt from errors on data it had not seen.

Residuals of the fitted part are too small (the fit has followed its own noise),
so scale and tails come from a holdout, forecast the way the service forecasts:
season from the past, level from the hours before.
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import MAD_TO_SIGMA, Floats, Ints

BINS = 24
LOWEST_BIN = 0.3  # of the overall scale: a bin that happened to be quiet stays a sample, not a law
BLOCKS_A_RANK = 14


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Scale of the errors by phase (`BINS` of the shortest period, or one) and their tails in scales."""

    scale: Floats
    tail_below: float
    tail_above: float


def rolling_errors(deseasonalised: Floats, *, start: int, window: int, every: int) -> Floats:
    """Return the errors from `start` on, forecasting each by the median of the `window` before.

    The level is renewed `every` steps, as refits do. NaN stays NaN; so does what
    follows a window without an observation.
    """
    errors = np.full(deseasonalised.size - start, np.nan)
    for refit in range(start, deseasonalised.size, every):
        past = deseasonalised[max(0, refit - window) : refit]
        past = past[np.isfinite(past)]
        if past.size:
            ahead = slice(refit, refit + every)
            errors[refit - start : refit - start + every] = deseasonalised[ahead] - np.median(past)
    return errors


def calibrate(errors: Floats, phases: Floats, period: int | None, *, block: int, floor: float) -> Calibration:
    """Learn scale and tails from out-of-sample `errors` (NaN ignored).

    Args:
        errors: value minus forecast.
        phases: the phase of each error in steps.
        period: steps of the period over which the scale may vary; None for one scale.
        block: steps of a block for the tails, longer than incidents usually last.
        floor: smallest scale, for series that are constant.
    """
    observed = np.isfinite(errors)
    bins = BINS if period is not None and period >= BINS else 1
    if not observed.any():
        return Calibration(np.full(bins, floor), 0.0, 0.0)
    magnitude = np.abs(errors)
    overall = max(MAD_TO_SIGMA * float(np.median(magnitude[observed])), floor)
    scale = np.full(bins, overall)
    where = np.zeros(errors.size, dtype=np.int64)
    if period is not None and bins > 1:
        where = bin_of(phases, period, bins)
        scale = _binned_scale(magnitude, where, bins, overall)
    standardised = errors / scale[where]
    return Calibration(scale, _tail(-standardised, block), _tail(standardised, block))


def bin_of(phases: Floats, period: int, bins: int) -> Ints:
    """Return which of `bins` equal parts of the period each phase is in."""
    fraction = (phases % period) / period
    return np.minimum(fraction * bins, bins - 1).astype(np.int64)


def _binned_scale(magnitude: Floats, where: Ints, bins: int, overall: float) -> Floats:
    scale = np.full(bins, overall)
    for index in range(bins):
        members = magnitude[where == index]
        members = members[np.isfinite(members)]
        if members.size >= BINS:
            scale[index] = MAD_TO_SIGMA * float(np.median(members))
    # Neighbours share evidence; the larger of both keeps a short noisy hour noisy.
    shared = (np.roll(scale, 1) + 2 * scale + np.roll(scale, -1)) / 4
    result: Floats = np.maximum(np.maximum(scale, shared), LOWEST_BIN * overall)
    return result


def _tail(standardised: Floats, block: int) -> float:
    """Return a high block maximum: what a block of this series reaches once in a while.

    Of 28 blocks the third largest maximum: one incident, which spans at most two
    blocks, cannot widen the band for the next.
    """
    padding = -standardised.size % block
    padded = np.concatenate([standardised, np.full(padding, np.nan)]).reshape(-1, block)
    maxima = np.sort(np.where(np.isfinite(padded), padded, 0.0).max(axis=1))[::-1]
    return max(0.0, float(maxima[min(len(maxima) - 1, len(maxima) // BLOCKS_A_RANK)]))
