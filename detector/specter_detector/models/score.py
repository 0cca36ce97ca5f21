"""Compare values with a band: how anomalous is what was seen.

Score: 0 at the expected value, 1 at the edge of the band, above 1 anomalous,
unbounded. NaN where the value is NaN or infinite: unknown is not normal.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.seasonal import Band

Direction = Literal["both", "above_expected", "below_expected"]

OUT_OF_RANGE_SCORE = 1.01
"""The least score of a value that its declared range does not allow."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as an anomaly for the reader of the score, whatever the model thinks.

    Attributes:
        direction: on which side of the expectation a deviation counts.
        min_dev: least absolute deviation (below, above), in the series' unit.
        min_rel_dev: least deviation as a share of the expected value (below, above).
        data_range: values that are possible at all (lowest, highest).
    """

    direction: Direction = "both"
    min_dev: tuple[float, float] = (0.0, 0.0)
    min_rel_dev: tuple[float, float] = (0.0, 0.0)
    data_range: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Score, expected value and published band of each value."""

    score: Floats
    yhat: Floats
    lower: Floats
    upper: Floats


def score(values: Floats, band: Band, policy: Policy) -> Scored:
    """Score `values` against `band` under `policy`; all arrays have one shape.

    The minimum deviations widen the band; where both are set both must be
    exceeded, and a deviation within one scores 0. The published band is cut at
    the data range, the score is not: a rate of 0 inside the band stays below 1.
    """
    lowest, highest = policy.data_range
    yhat = np.clip(band.yhat, lowest, highest)
    least_below, least_above = (
        np.maximum(absolute, relative * np.abs(yhat))
        for absolute, relative in zip(policy.min_dev, policy.min_rel_dev, strict=True)
    )
    below, above = np.maximum(band.below, least_below), np.maximum(band.above, least_above)
    deviation = values - yhat
    high = deviation > 0
    with np.errstate(over="ignore"):  # beyond the largest number it is infinite, which is above 1 too
        result = np.abs(deviation) / np.where(high, above, below)
    result = np.where(np.abs(deviation) <= np.where(high, least_above, least_below), 0.0, result)
    if policy.direction == "above_expected":
        result = np.where(high, result, 0.0)
    elif policy.direction == "below_expected":
        result = np.where(high, 0.0, result)
    impossible = (values < lowest) | (values > highest)
    result = np.where(impossible, np.maximum(result, OUT_OF_RANGE_SCORE), result)
    result = np.where(np.isfinite(values), result, np.nan)
    return Scored(result, yhat, np.maximum(yhat - below, lowest), np.minimum(yhat + above, highest))
