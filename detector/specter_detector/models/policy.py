"""What counts as an anomaly for the reader of the score, whatever the model thinks."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

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


ANY_DEVIATION = Policy()
