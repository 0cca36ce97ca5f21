"""Tail calibration: what a series' errors reach once in a while is its normal.

Residual tails differ so much between series that the best fixed threshold lies at 5 scales on one and at
30 on another. So the edge of the band is a multiple of the k-th largest block maximum of |z| in the past
week, apart for both directions. A block has `BLOCK` steps and gives one maximum, so a contiguous incident
takes as many places as it spans blocks. Exact, at O(k) a block: today's largest in a sorted list, the past
days' as a list made at midnight.
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats

BLOCK = 6  # steps
RANK = 5
PAST_DAYS = 6  # beside today


@dataclass(slots=True, eq=False)
class Tails:
    """Block maxima of a batch of series; every array ends with (2, series): above, below the expectation.

    Attributes:
        current: maximum of the block that is open.
        today: (RANK, 2, series) largest block maxima of the day so far, descending.
        days: (PAST_DAYS, RANK, 2, series) the same of the days before.
        past: (RANK, 2, series) the largest of `days`.
        rank: the RANK-th largest of all of them, 0 while there are fewer.
        block, day: the numbers of the open block and day, -1 before the first.
    """

    current: Floats
    today: Floats
    days: Floats
    past: Floats
    rank: Floats
    block: int = -1
    day: int = -1

    def seen(self, magnitude: Floats, step: int, period: int) -> None:
        """Take in (2, series) magnitudes at `step`, 0 on the side where there is none."""
        block, day = step // BLOCK, step // period
        if block != self.block:
            if self.block >= 0:
                self._close_block()
            if day != self.day and self.day >= 0:
                self._close_day(day - self.day)
            self.block, self.day = block, day
        np.maximum(self.current, magnitude, out=self.current)

    def _close_block(self) -> None:
        rest = self.current.astype(np.float32)
        for place in self.today:
            larger = np.maximum(place, rest)
            np.minimum(place, rest, out=rest)
            place[...] = larger
        self.current[...] = 0.0
        # The k-th largest of two descending lists: with i of one, the other gives k - i.
        rank = np.maximum(self.today[RANK - 1], self.past[RANK - 1])
        for taken in range(1, RANK):
            np.maximum(rank, np.minimum(self.today[taken - 1], self.past[RANK - 1 - taken]), out=rank)
        self.rank = rank

    def _close_day(self, passed: int) -> None:
        for _ in range(min(passed, PAST_DAYS)):
            self.days = np.concatenate([self.today[None], self.days[:-1]])
            self.today = np.zeros_like(self.today)
        every = self.days.reshape(PAST_DAYS * RANK, *self.today.shape[1:])
        self.past = -np.sort(-every, axis=0)[:RANK]


def no_tails(series: int) -> Tails:
    """Return the tails of series of which nothing has been seen."""
    return Tails(
        np.zeros((2, series)),
        np.zeros((RANK, 2, series), np.float32),
        np.zeros((PAST_DAYS, RANK, 2, series), np.float32),
        np.zeros((RANK, 2, series), np.float32),
        np.zeros((2, series), np.float32),
    )
