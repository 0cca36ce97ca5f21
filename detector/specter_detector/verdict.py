"""What a tick says of one series."""

import math
from dataclasses import dataclass

from specter_detector.series import Labels, text_of

SIDES = {-1: "below", 0: "at", 1: "above"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One series at one tick.

    Attributes:
        labels: of the series.
        value: NaN where there is none; may be infinite.
        score: see `models.online`; NaN while nothing can be said.
        direction: -1, 0, 1: the side of the expectation on which the value lies.
        reason: a word of `online.REASONS`.
        yhat, lower, upper: expectation and band.
        confidence: 0…1.
    """

    labels: Labels
    value: float
    score: float
    direction: int
    reason: str
    yhat: float
    lower: float
    upper: float
    confidence: float

    @property
    def anomalous(self) -> bool:
        """Whether the score is above 1."""
        return self.score > 1

    def __str__(self) -> str:
        known = math.isfinite(self.value)
        where = f"{self.value:.6g} is {SIDES[self.direction]}" if known else "no value for"
        return (
            f"{text_of(self.labels)} scores {self.score:.3g} ({self.reason}): "
            f"{where} the expected {self.yhat:.6g} ({self.lower:.6g} to {self.upper:.6g})"
        )
