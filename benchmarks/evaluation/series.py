"""A labelled series, the scores of one, and what a detector under test looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSeries:
    """One series on a regular grid.

    Attributes:
        name: what it is called in reports; never looked at by a detector.
        times: (n,) Unix seconds, `step` apart, ascending.
        values: (n,) NaN where there is no sample.
        anomalous: (n,) the label of each sample.
        step: seconds between two samples.
        scored_from: index of the first sample that counts; those before are warm-up.
        labelled: (n,) False where a sample has no label, which is never scored; None where all have one.
        tz: IANA name of the time zone its days follow.
        holidays: ISO dates in `tz` that behave like a Sunday, known beforehand.
    """

    name: str
    times: Floats
    values: Floats
    anomalous: Bools
    step: float
    scored_from: int = 0
    labelled: Bools | None = None
    tz: str = "UTC"
    holidays: frozenset[str] = frozenset()

    @property
    def scored(self) -> Bools:
        """Return (n,) whether each sample counts: past the warm-up, and with a label."""
        past = np.arange(len(self.times)) >= self.scored_from
        return past if self.labelled is None else past & self.labelled


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a detector said of one series, both (n,).

    `score`: above 1 is an alarm, NaN where it says nothing. `confidence`: 0…1, NaN where it has none.
    """

    score: Floats
    confidence: Floats


class Detector(Protocol):
    """A detector under test: causal, so that a sample's score uses nothing after it."""

    name: str

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample of every series, each series alone."""
