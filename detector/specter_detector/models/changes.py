"""What no single residual shows: noise that changed, and a season that changed its shape.

Each day that ends now, a day ago and so on gives two numbers: the median |residual| of its last quarter,
and the median |hourly mean residual| of all of it, less its level. Medians, so that an incident of a few
hours is none of them. What they were on the days before says how far they stray by themselves:

    score = |log(today / usual)| / max(log(least), margin * largest |log(past / usual)|)

A change of the noise counts both ways, one of the shape only when it grows. These are findings beside the
anomaly score, not part of it: on the series of cloud services they come once a series and month, too often
for a page and rarely enough to read.
"""

import warnings

import numpy as np

from specter_detector.models.arrays import Floats, Singles, nan_median

PAST_DAYS, LEAST_DAYS = 14, 5
HOURS = 24
LEAST_NOISE, LEAST_SHAPE = 1.5, 2.0  # times as much as usual
MARGIN = 2.5


def change_scores(rest: Singles, period: int) -> Singles:
    """Return (series, 2) how unusual noise and shape of the last day are: 1 is the edge, 0 unknown.

    Args:
        rest: (series, n) values less trend and season, NaN where nothing is known.
        period: steps of a day.
    """
    days = min(rest.shape[1] // period, PAST_DAYS + 1)
    if days < LEAST_DAYS + 1:
        return np.zeros((len(rest), 2), np.float32)
    daily = rest[:, rest.shape[1] - days * period :].reshape(len(rest), days, period)
    noise = _score(nan_median(np.abs(daily[:, :, -max(1, period // 4) :])), LEAST_NOISE, rises_only=False)
    size = max(1, period // HOURS)
    hours = daily[:, :, : period // size * size].reshape(len(rest), days, -1, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour without a value is NaN
        means = hours.mean(axis=3) if not np.isnan(rest).any() else np.nanmean(hours, axis=3)
    means = means - nan_median(means)[:, :, None]
    shape = _score(nan_median(np.abs(means)), LEAST_SHAPE, rises_only=True)
    return np.stack([noise, shape], axis=1).astype(np.float32)


def _score(daily: Floats, least: float, *, rises_only: bool) -> Floats:
    """Return (series,) the score of the last of `daily` (series, days) beside the days before."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(daily)
    logs = np.where(np.isfinite(logs), logs, np.nan)
    past, today = logs[:, :-1], logs[:, -1]
    usual = nan_median(past)
    strays = np.nan_to_num(np.abs(past - usual[:, None])).max(axis=1)
    change = today - usual
    score = (change if rises_only else np.abs(change)) / np.maximum(np.log(least), MARGIN * strays)
    enough = np.isfinite(past).sum(axis=1) >= LEAST_DAYS
    return np.where(enough & np.isfinite(change), np.maximum(score, 0.0), 0.0)
