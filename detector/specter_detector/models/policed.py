"""A tick whose score follows a policy."""

from dataclasses import replace

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.online import ABSENT, LEVEL_SHIFT, NONE, Judged, State, tick
from specter_detector.models.policy import ANY_DEVIATION, OUT_OF_RANGE_SCORE, Policy
from specter_detector.models.shape import Shape


def policed_tick(
    shape: Shape, state: State, step: float, phase: float, values: Floats, *, policy: Policy = ANY_DEVIATION
) -> Judged:
    """Return what `online.tick` says of `values`, under `policy`; `state` is changed."""
    return under_policy(tick(shape, state, step, phase, values), values, policy)


def under_policy(judged: Judged, values: Floats, policy: Policy) -> Judged:
    """Apply `policy` to what was judged of `values` (series,).

    The minimum deviations widen the band; where both are set both must be
    exceeded, and a deviation within one scores 0. The published band is cut at
    the data range, the score is not: a rate of 0 inside the band stays below 1.
    The score of an absent series stays as it is.
    """
    lowest, highest = policy.data_range
    yhat = np.clip(judged.yhat, lowest, highest)
    least_below, least_above = (
        np.maximum(absolute, relative * np.abs(yhat))
        for absolute, relative in zip(policy.min_dev, policy.min_rel_dev, strict=True)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        deviation = values - yhat
        high = deviation > 0
        width = np.where(high, judged.upper - judged.yhat, judged.yhat - judged.lower)
        least = np.where(high, least_above, least_below)
        share = np.divide(width, np.maximum(width, least), out=np.ones_like(width), where=width < least)
        score = np.where(np.abs(deviation) <= least, 0.0, judged.score * share)
        if policy.direction == "above_expected":
            score = np.where(high, score, 0.0)
        elif policy.direction == "below_expected":
            score = np.where(high, 0.0, score)
        impossible = (values < lowest) | (values > highest)
        score = np.where(impossible, np.maximum(score, OUT_OF_RANGE_SCORE), score)
    # Unknown stays unknown: in warm-up, and of values that are not there.
    score = np.where(np.isnan(judged.score) | ~np.isfinite(values), judged.score, score)
    quiet = (score <= 1) & (judged.reason != LEVEL_SHIFT) & (judged.reason != ABSENT)
    return replace(
        judged,
        score=score,
        yhat=yhat,
        lower=np.maximum(yhat - np.maximum(judged.yhat - judged.lower, least_below), lowest),
        upper=np.minimum(yhat + np.maximum(judged.upper - judged.yhat, least_above), highest),
        reason=np.where(quiet, NONE, judged.reason),
    )
