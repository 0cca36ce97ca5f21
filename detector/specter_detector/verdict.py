"""What a tick says of series."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Bools, Floats, Singles
from specter_detector.models.online import REASONS
from specter_detector.series import Labels, text_of

LASTING_SCORE = 0.4
"""An anomaly that stays scores lower, because it is no longer news, and above this: as the alert has it."""
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

    @property
    def lasting(self) -> bool:
        """Whether it is outside of its band as it was before: no longer news, and not over."""
        return LASTING_SCORE < self.score <= 1 and not self.lower <= self.value <= self.upper

    def __str__(self) -> str:
        known = math.isfinite(self.value)
        where = f"{self.value:.6g} is {SIDES[self.direction]}" if known else "no value for"
        return (
            f"{text_of(self.labels)} scores {self.score:.3g} ({self.reason}): "
            f"{where} the expected {self.yhat:.6g} ({self.lower:.6g} to {self.upper:.6g})"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """All series of a batch at one tick, (series,) each; iterating gives a `Verdict` a series.

    Attributes:
        labels: of the series.
        present: whether the query returned the series, be it with a value that is no number.
        value, score, direction, yhat, lower, upper, confidence: see `Verdict`.
        reason: index into `online.REASONS`.
    """

    labels: tuple[Labels, ...]
    present: Bools
    value: Floats
    score: Floats
    direction: NDArray[np.int8]
    reason: NDArray[np.int8]
    yhat: Floats
    lower: Floats
    upper: Floats
    confidence: Singles

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Verdict]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> Verdict:
        return Verdict(
            self.labels[row],
            float(self.value[row]),
            float(self.score[row]),
            int(self.direction[row]),
            REASONS[self.reason[row]],
            float(self.yhat[row]),
            float(self.lower[row]),
            float(self.upper[row]),
            float(self.confidence[row]),
        )

    @property
    def anomalous(self) -> Bools:
        """Which scores are above 1."""
        return self.score > 1


def joined_verdicts(parts: Sequence[Verdicts]) -> Verdicts:
    """Return the series of all `parts`, behind each other."""
    if len(parts) == 1:
        return parts[0]
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in (_NONE, *parts)])
        for field in fields(Verdicts)
        if field.name != "labels"
    }
    return Verdicts(tuple(labels for part in parts for labels in part.labels), **columns)


_NONE = Verdicts(
    (), np.zeros(0, np.bool_), np.zeros(0), np.zeros(0), np.zeros(0, np.int8), np.zeros(0, np.int8),
    np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.float32),
)  # fmt: skip
