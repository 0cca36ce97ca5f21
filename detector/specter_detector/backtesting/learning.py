"""Learn shapes so that what is learnt of a series does not depend on which others are learnt beside it.

A product of matrices adds up in another order for one row than for sixteen, which moves the last digits. So
rows go through in blocks of one size, filled up with a row that is there already, and those with too little
history for a season apart from the others. Then a replay gives the same numbers in any grouping.
"""

from functools import partial

import numpy as np

from specter_detector.models.arrays import LARGEST_VALUE, Floats, Ints
from specter_detector.models.batch import joined, take, views
from specter_detector.models.learners import Kind, learner
from specter_detector.models.shape import LEAST_CYCLES, Learner, Shape

BLOCKS = {"seasonal": 16, "stl": 1, "mstl": 1}
"""Rows at once; the reference decomposes row by row, so more would only be work."""


def steady_learner(kind: Kind) -> Learner:
    """Return `learners.learner(kind)`, each row of whose shapes depends on that row of the values alone."""
    return partial(_learn, learner(kind), BLOCKS[kind])


def _learn(
    learn: Learner, block: int, values: Floats, phases: Floats, period: int, *, first: float = 0.0
) -> Shape:
    observed = (np.abs(values) < LARGEST_VALUE).sum(axis=1) / period
    usable = observed >= LEAST_CYCLES
    order: list[Ints] = []
    shapes: list[Shape] = []
    for kind in (np.flatnonzero(usable), np.flatnonzero(~usable)):
        for start in range(0, kind.size, block):
            rows = kind[start : start + block]
            padded = np.concatenate([rows, np.repeat(rows[:1], block - rows.size)])
            shape = learn(values[padded], phases, period, first=first)
            order.append(rows)
            shapes.append(views(shape, slice(0, rows.size)))
    return take(joined(shapes), np.argsort(np.concatenate(order)))
