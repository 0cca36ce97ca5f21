"""Tail calibration: what a series' errors reach once in a while is its normal.

Residual tails differ so much between series that the best fixed threshold lies at 5 scales on one and at
30 on another. So the edge of the band is a multiple of the k-th largest block maximum of |z| in the past
week, apart for both directions. A block has `BLOCK` steps and gives one maximum, so a contiguous incident
takes as many places as it spans blocks. Exact, at O(k) a block: today's largest in a sorted list, the past
days' as a list made at midnight. Three digits are enough for those: half precision.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Singles

Halves = NDArray[np.float16]

BLOCK = 3  # steps
RANK = 8
PAST_DAYS = 6  # beside today
EDGE = 5.45  # scales, at least
LIGHT, HEAVY = (2.85, 1.2), (5.5, 1.68)  # tails, and how far beyond them the band reaches


@dataclass(slots=True, eq=False)
class Tails:
    """Block maxima of a batch of series; every array ends with (2, series): above, below the expectation.

    Attributes:
        current: maximum of the block that is open.
        today: (RANK, 2, series) largest block maxima of the day so far, descending.
        days: (PAST_DAYS, RANK, 2, series) the same of the days before.
        past: (RANK, 2, series) the largest of `days`.
        edge: of the band in scales, as it was when the last block closed.
    """

    SERIES_AXIS: ClassVar[int] = -1

    current: Singles
    today: Singles
    days: Halves
    past: Singles
    edge: Singles

    def close_block(self, days_passed: int) -> None:
        """Take the open block into the day, that into the week if it has ended, and set the edge."""
        rest = self.current.copy()
        for place in self.today:
            larger = np.maximum(place, rest)
            np.minimum(place, rest, out=rest)
            place[...] = larger
        self.current[...] = 0.0
        for _ in range(min(days_passed, PAST_DAYS)):
            self.days[1:] = self.days[:-1].copy()
            self.days[0] = self.today
            self.today[...] = 0.0
        if days_passed:
            every = self.days.reshape(PAST_DAYS * RANK, *self.today.shape[1:])
            self.past[...] = -np.sort(-every, axis=0)[:RANK]
        tail = self.rank()
        margin = (HEAVY[1] - LIGHT[1]) / (HEAVY[0] - LIGHT[0])
        self.edge[...] = np.maximum(
            EDGE, tail * (LIGHT[1] + np.clip(tail - LIGHT[0], 0, HEAVY[0] - LIGHT[0]) * margin)
        )

    def rank(self) -> Singles:
        """Return (2, series) the RANK-th largest block maximum of the week, 0 while there are fewer."""
        # The k-th largest of two descending lists: with i of one, the other gives k - i.
        rank: Singles = np.maximum(self.today[RANK - 1], self.past[RANK - 1])
        for taken in range(1, RANK):
            np.maximum(rank, np.minimum(self.today[taken - 1], self.past[RANK - 1 - taken]), out=rank)
        return rank


def no_tails(series: int) -> Tails:
    """Return the tails of series of which nothing has been seen."""

    def zeros(*leading: int) -> Singles:
        return np.zeros((*leading, 2, series), np.float32)

    days = zeros(PAST_DAYS, RANK).astype(np.float16)
    return Tails(zeros(), zeros(RANK), days, zeros(RANK), zeros() + np.float32(EDGE))
