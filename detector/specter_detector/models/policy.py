"""What counts as an anomaly for the reader of a score, whatever the model thinks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Floats

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

    def matters(self, values: Floats, yhat: Floats) -> NDArray[np.bool_] | None:
        """Tell which deviations of `values` from `yhat` count; None where all of them do.

        With both minimum deviations set, both have to be exceeded.
        """
        if self.direction == "both" and not any(self.min_dev + self.min_rel_dev):
            return None
        lowest, highest = self.data_range
        expected = np.clip(yhat, lowest, highest)
        deviation = values - expected
        least = [
            np.maximum(absolute, relative * np.abs(expected))
            for absolute, relative in zip(self.min_dev, self.min_rel_dev, strict=True)
        ]
        below, above = -deviation > least[0], deviation > least[1]
        if self.direction == "above_expected":
            return above
        return below if self.direction == "below_expected" else above | below

    def impossible(self, values: Floats) -> NDArray[np.bool_] | None:
        """Tell which `values` lie outside of the range; None where it has no bounds."""
        lowest, highest = self.data_range
        if np.isinf(lowest) and np.isinf(highest):
            return None
        outside: NDArray[np.bool_] = (values < lowest) | (values > highest)
        return outside

    def band(self, yhat: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
        """Return expectation and edges as published: widened by the minima, cut at the range."""
        lowest, highest = self.data_range
        yhat = np.clip(yhat, lowest, highest)
        below, above = (
            np.maximum(width, np.maximum(absolute, relative * np.abs(yhat)))
            if absolute or relative
            else width
            for absolute, relative in zip(self.min_dev, self.min_rel_dev, strict=True)
        )
        return yhat, np.maximum(yhat - below, lowest), np.minimum(yhat + above, highest)


ANY_DEVIATION = Policy()
