"""Groups with several usual states, which one ellipse cannot hold: isolation forests.

Source: Liu, Ting, Zhou, Isolation forest (2008); scikit-learn, fixed random state.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Floats
from specter_detector.models.groups import GroupScores, RobustDistance, crosswise, edge_of, ready, shares

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]

TREES = 100
TREE_SAMPLES = 512
BALLAST_SHARE = 0.1
PROBES = 64
BALLAST_RADII = (1.5, 4.0)  # of the history's 99 % radius


@dataclass(frozen=True, slots=True, eq=False)
class IsolationForestGroup:
    """Isolation forests, one a group, in the coordinates that `RobustDistance` makes uncorrelated.

    For groups with several usual states, which one ellipse cannot hold. Without the
    coordinates a forest, which cuts one member at a time, does not see a broken
    correlation. Nor can it tell what is outside of all it learnt from its outermost
    points, so a tenth of ballast is strewn far around them. Score: how far the anomaly
    score is above its median, 1 at the edge learnt out of sample, or where most of what
    is 4 times the history's 99 % radius away gets, if that is nearer. It is bounded
    (about 2.5), so it tells that, not how much.
    A member's contribution is by how much the score falls with it at its expectation.

    Slow: 0.4 s to learn and 6 ms to score a group. Warm-up as `RobustDistance`.
    """

    frame: RobustDistance
    forests: tuple["IsolationForest | None", ...]
    centre: Floats
    edge: Floats

    @classmethod
    def learn(cls, history: Floats) -> Self:
        """Learn from (groups, members, ticks)."""
        frame, groups = RobustDistance.learn(history), history.shape[0]
        points = frame.whiten(np.moveaxis(history, -1, 0))
        known: NDArray[np.bool_] = np.asarray(np.isfinite(history).any(axis=1))
        forests: list[IsolationForest | None] = [None] * groups
        centre, edge = np.full(groups, np.nan), np.full(groups, np.nan)
        for group in np.flatnonzero(ready(history)).tolist():
            seen = points[:, group][known[group]]
            forests[group] = forest = _forest(seen)
            reached = crosswise(seen.T[np.newaxis], _isolation_elsewhere)[0]
            centre[group] = np.median(reached)
            far = _isolation(forest, _around(seen, PROBES, BALLAST_RADII[1], BALLAST_RADII[1]))
            attainable = float(np.quantile(far, 0.1)) - centre[group]
            edge[group] = min(edge_of(np.maximum(reached - centre[group], 0.0)), attainable)
        return cls(frame, tuple(forests), centre, edge)

    def score(self, residuals: Floats) -> GroupScores:
        """Score (..., groups, members)."""
        known = np.isfinite(residuals)
        members = residuals.shape[-1]
        # Row 0 as it is, row 1 + i with member i missing, which puts it at its expectation.
        missing = np.eye(members + 1, members, -1, dtype=np.bool_)
        lead = (members + 1,) + (1,) * (residuals.ndim - 1) + (members,)
        without = np.where(missing.reshape(lead), np.nan, residuals)
        points = self.frame.whiten(without)
        isolation = np.full(points.shape[:-1], np.nan)
        for group, forest in enumerate(self.forests):
            if forest is not None:
                rows = points[..., group, :]
                isolation[..., group] = _isolation(forest, rows.reshape(-1, members)).reshape(rows.shape[:-1])
        above = np.maximum((isolation - self.centre) / self.edge, 0.0)
        score = np.where(known.any(axis=-1), above[0], np.nan)
        return GroupScores(score, shares(np.moveaxis(isolation[0] - isolation[1:], 0, -1), known, score))


def _forest(points: Floats) -> "IsolationForest":
    # Imported here: 1 s that only those with forests have to pay.
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    ballast = _around(points, int(BALLAST_SHARE * len(points)), *BALLAST_RADII)
    samples = min(TREE_SAMPLES, len(points))
    forest = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=0)
    return forest.fit(np.concatenate([points, ballast]))


def _around(points: Floats, count: int, nearest: float, farthest: float) -> Floats:
    """Return the same random places on every call, so many 99 % radii of `points` away."""
    random = np.random.default_rng(0)
    away = random.standard_normal((count, points.shape[1]))
    radius = float(np.quantile(np.linalg.norm(points, axis=1), 0.99))
    away *= (
        radius * random.uniform(nearest, farthest, (count, 1)) / np.linalg.norm(away, axis=1, keepdims=True)
    )
    return away


def _isolation(forest: "IsolationForest", points: Floats) -> Floats:
    """Return the anomaly score (0 to 1) of each row."""
    return -np.asarray(forest.score_samples(points), np.float64)


def _isolation_elsewhere(past: Floats, ahead: Floats) -> Floats:
    return _isolation(_forest(past[0].T), ahead[0].T)[np.newaxis]
