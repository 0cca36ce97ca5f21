"""What counts as an anomaly for the reader of a score, whatever the model thinks."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Bools, Floats

Floating = NDArray[np.floating[Any]]

Direction = Literal["both", "above_expected", "below_expected"]

OUT_OF_RANGE_SCORE = 1.01
"""The least score of a value that its declared range does not allow."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which deviations matter.

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

    def applied(self, score: Floating, values: Floats, yhat: Floats) -> tuple[Floating, Bools | None]:
        """Return what `score` becomes, and which values are impossible (None where all are possible).

        The minimum deviations widen the band; where both are set both must be exceeded, and a deviation
        within one scores 0. Impossible values score above 1 in any direction.

        Args:
            score: (series,) 1 where a value is at the edge of its band.
            values: (series,) finite.
            yhat: (series,) what was expected.
        """
        if self.direction != "both" or any(self.min_dev + self.min_rel_dev):
            deviation = values - yhat
            above = deviation > 0
            least = np.where(above, *reversed(self._least(yhat)))
            size = np.abs(deviation)
            most = size / np.where(least > 0, least, np.inf) + np.where(least > 0, 0.0, np.inf)
            score = np.where(size <= least, 0.0, np.minimum(score, most)).astype(score.dtype)
            if self.direction != "both":
                score *= above if self.direction == "above_expected" else ~above
        lowest, highest = self.data_range
        if np.isinf(lowest) and np.isinf(highest):
            return score, None
        impossible: Bools = (values < lowest) | (values > highest)
        return np.where(impossible, np.maximum(score, OUT_OF_RANGE_SCORE), score), impossible

    def band(self, yhat: Floats, below: Floating, above: Floating) -> tuple[Floats, Floats, Floats]:
        """Return expectation and edges as published: widened by the minima, cut at the range."""
        if self == ANY_DEVIATION:
            return yhat, yhat - below, yhat + above
        lowest, highest = self.data_range
        yhat = np.clip(yhat, lowest, highest)
        least = self._least(yhat)
        below, above = np.maximum(below, least[0]), np.maximum(above, least[1])
        return yhat, np.maximum(yhat - below, lowest), np.minimum(yhat + above, highest)

    def _least(self, yhat: Floats) -> tuple[Floats | float, Floats | float]:
        """Return the least deviation that counts, below and above."""
        below, above = (
            np.maximum(absolute, relative * np.abs(yhat)) if relative else absolute
            for absolute, relative in zip(self.min_dev, self.min_rel_dev, strict=True)
        )
        return below, above


ANY_DEVIATION = Policy()
