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

    def applied(
        self, score: Floating, values: Floats, yhat: Floats, width: Floating
    ) -> tuple[Floating, Bools | None]:
        """Return what `score` becomes, and which values are impossible (None where all are possible).

        The minimum deviations widen the band; where both are set both must be exceeded, and a deviation
        within one scores 0. Impossible values score above 1 in any direction.

        Args:
            score: (series,) |value - yhat| / width.
            values: (series,) finite.
            yhat: (series,) what was expected.
            width: (series,) distance from `yhat` to the edge of the band.
        """
        if self.direction != "both" or any(self.min_dev + self.min_rel_dev):
            deviation = values - yhat
            above = deviation > 0
            least = np.where(above, *reversed(self._least(yhat)))
            widened = width / np.maximum(np.maximum(width, least), np.finfo(np.float32).tiny)
            score = np.where(np.abs(deviation) <= least, 0.0, score * widened).astype(score.dtype)
            if self.direction != "both":
                score *= above if self.direction == "above_expected" else ~above
        lowest, highest = self.data_range
        if np.isinf(lowest) and np.isinf(highest):
            return score, None
        impossible: Bools = (values < lowest) | (values > highest)
        return np.where(impossible, np.maximum(score, OUT_OF_RANGE_SCORE), score), impossible

    def band(self, yhat: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
        """Return expectation and edges as published: widened by the minima, cut at the range."""
        if self == ANY_DEVIATION:
            return yhat, yhat - width, yhat + width
        lowest, highest = self.data_range
        yhat = np.clip(yhat, lowest, highest)
        below, above = (np.maximum(width, least) for least in self._least(yhat))
        return yhat, np.maximum(yhat - below, lowest), np.minimum(yhat + above, highest)

    def _least(self, yhat: Floats) -> tuple[Floats | float, Floats | float]:
        """Return the least deviation that counts, below and above."""
        below, above = (
            np.maximum(absolute, relative * np.abs(yhat)) if relative else absolute
            for absolute, relative in zip(self.min_dev, self.min_rel_dev, strict=True)
        )
        return below, above


ANY_DEVIATION = Policy()
