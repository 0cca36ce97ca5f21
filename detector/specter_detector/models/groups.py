"""Judge the series of one entity together: each may be normal while their combination is not.

A service's rate and latency rise together; one up and one down, both inside their
own bands, is no ordinary moment. Input are standardised residuals (about N(0, 1)),
batched over groups with equally many members: histories (groups, members, ticks),
ticks to score (..., groups, members).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import MAD_TO_SIGMA, Floats, nan_median

MIN_TICKS = 288
LEAST_SCALE = 0.1  # of a residual's 1: a member that was still does not make every move an anomaly
LEAST_EIGENVALUE = 0.05
EDGE_PROBABILITY = 2e-4  # of a clean tick, at the edge
BLOCKS = 28
INCIDENTS = 3  # the block maximum taken: one incident spans at most two blocks
MAX_TAIL_INDEX = 0.5
CELL = 36


@dataclass(frozen=True, slots=True, eq=False)
class GroupScores:
    """`score`: 0 at the centre, 1 at the edge, unbounded; NaN during warm-up and without a member.

    `contributions` (one more axis, members) sum to 1 where the score is known: a missing member's
    is 0. NaN elsewhere.
    """

    score: Floats
    contributions: Floats


class GroupModel(Protocol):
    """What both models of a group can do."""

    @classmethod
    def learn(cls, history: Floats) -> Self:
        """Learn from residuals (groups, members, ticks), NaN for missing."""

    def score(self, residuals: Floats) -> GroupScores:
        """Score (..., groups, members)."""


@dataclass(frozen=True, slots=True, eq=False)
class RobustDistance:
    """Mahalanobis distance by robust location and covariance, over its edge.

    Location and scale are medians and MADs; correlations Gnanadesikan and Kettenring's,
    (s(u+v)^2 - s(u-v)^2) / (s(u+v)^2 + s(u-v)^2) with MADs s, eigenvalues at least 0.05
    (Maronna and Zamar, 2002, without the second projection, which has no use for a tick
    that misses a member). The edge is the chi-squared quantile of a clean tick at
    2e-4, times how much further distances reached out of sample (at least 1): each half
    of the history is measured by the other's fit. Members with NaN are left out: the
    marginal distribution of the others judges, by their own quantile.

    A member's contribution is z_i (S^-1 z)_i over the squared distance, negatives cut:
    it adds up, and a member at its expectation carries nothing, though its failure to
    move along may be what is odd.

    Warm-up: below 288 ticks with two members (or the only one), the score is NaN.
    """

    location: Floats
    scale: Floats
    correlation: Floats
    precision: Floats
    widening: Floats

    @classmethod
    def learn(cls, history: Floats) -> Self:
        """Learn from (groups, members, ticks)."""
        fitted = _fit(history)
        reached = crosswise(history, lambda past, ahead: cls(*_fit(past), np.ones(len(past)))._measure(ahead))
        edges = np.array([edge_of(row) for row in reached])
        widening = np.where(ready(history), np.maximum(edges, 1.0), np.nan)
        return cls(*fitted, widening)

    def score(self, residuals: Floats) -> GroupScores:
        """Score (..., groups, members); leading axes are ticks, say."""
        z = self.standardise(residuals)
        score, parts = _mahalanobis(z, self.correlation, self.precision)
        score = score / self.widening
        return GroupScores(score, shares(parts, np.isfinite(z), score))

    def standardise(self, residuals: Floats) -> Floats:
        """Return (residual - location) / scale, infinite values as NaN."""
        return np.where(np.isfinite(residuals), (residuals - self.location) / self.scale, np.nan)

    def whiten(self, residuals: Floats) -> Floats:
        """Return (..., groups, members) in uncorrelated coordinates, a missing member at its expectation."""
        roots = np.linalg.inv(np.linalg.cholesky(self.correlation))
        z = np.nan_to_num(self.standardise(residuals), nan=0.0)
        whitened: Floats = np.einsum("gij,...gj->...gi", roots, z)
        return whitened

    def _measure(self, history: Floats) -> Floats:
        """Return the scores (groups, ticks) of (groups, members, ticks)."""
        return np.moveaxis(self.score(np.moveaxis(history, -1, 0)).score, 0, -1)


def _fit(history: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return location, scale (groups, members) and correlation (groups, members, members) and its inverse."""
    values = np.where(np.isfinite(history), history, np.nan)
    location = nan_median(values)
    scale = np.maximum(_mad(values, location), LEAST_SCALE)
    z = (values - location[..., np.newaxis]) / scale[..., np.newaxis]
    members = history.shape[1]
    correlation = np.tile(np.eye(members), (history.shape[0], 1, 1))
    for i in range(members):
        for j in range(i):
            together, apart = _mad(z[:, i] + z[:, j]) ** 2, _mad(z[:, i] - z[:, j]) ** 2
            total = together + apart
            # NaN, for members never seen together, is no correlation.
            shared = np.where(total > 0, (together - apart) / np.where(total > 0, total, 1.0), 0.0)
            correlation[:, i, j] = correlation[:, j, i] = shared
    values_of, vectors = np.linalg.eigh(correlation)
    least = np.maximum(values_of, LEAST_EIGENVALUE)[:, np.newaxis, :]
    back = np.swapaxes(vectors, -1, -2)
    return location, scale, (vectors * least) @ back, (vectors / least) @ back


def _mad(values: Floats, centre: Floats | None = None) -> Floats:
    centre = nan_median(values) if centre is None else centre
    scale: Floats = MAD_TO_SIGMA * nan_median(np.abs(values - centre[..., np.newaxis]))
    return scale


def _mahalanobis(z: Floats, correlation: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Return distances over their chi-squared edge and each member's part of the squared distance."""
    # Imported here: 0.3 s that only those with groups have to pay.
    from scipy.special import chdtri  # type: ignore[import-untyped]  # noqa: PLC0415

    known = np.isfinite(z)
    filled = np.where(known, z, 0.0)
    solved = np.einsum("gij,...gj->...gi", precision, filled)
    partial = np.nonzero(np.atleast_1d(~known.all(axis=-1) & known.any(axis=-1)))
    if partial[0].size:
        # Missing members become independent ones at 0: what is left is the marginal of the others.
        both = known[partial][:, :, np.newaxis] & known[partial][:, np.newaxis, :]
        marginal = np.where(both, correlation[partial[-1]], np.eye(z.shape[-1]))
        solved[partial] = np.linalg.solve(marginal, filled[partial][..., np.newaxis])[..., 0]
    parts = filled * solved
    quantiles = np.append(np.nan, chdtri(np.arange(1, z.shape[-1] + 1), EDGE_PROBABILITY))
    squared = np.maximum(parts.sum(axis=-1), 0.0) / quantiles[known.sum(axis=-1)]
    return np.sqrt(squared), parts


def shares(parts: Floats, known: NDArray[np.bool_], score: Floats) -> Floats:
    """Return `parts` without negatives, as shares of 1; equal ones where none is positive."""
    positive = np.where(known, np.maximum(parts, 0.0), 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    equal = known / np.maximum(known.sum(axis=-1, keepdims=True), 1)
    shares = np.where(total > 0, positive / np.where(total > 0, total, 1.0), equal)
    return np.where(np.isnan(score)[..., np.newaxis], np.nan, shares)


def ready(history: Floats) -> NDArray[np.bool_]:
    """Tell which groups of (groups, members, ticks) were seen for long enough."""
    seen = np.isfinite(history).sum(axis=1) >= min(2, history.shape[1])
    return np.atleast_1d(seen.sum(axis=1) >= MIN_TICKS)


def crosswise(history: Floats, reach: Callable[[Floats, Floats], Floats]) -> Floats:
    """Return what each half of the ticks reaches by the fit to the other half (groups, ticks).

    The halves alternate every 36 ticks, so that a group that began lately is in both.
    """
    even = np.arange(history.shape[-1]) // CELL % 2 == 0
    result = np.full((history.shape[0], history.shape[-1]), np.nan)
    result[:, even] = reach(history[..., ~even], history[..., even])
    result[:, ~even] = reach(history[..., even], history[..., ~even])
    return result


def edge_of(reached: Floats) -> float:
    """Return what a tick reaches with `EDGE_PROBABILITY`, from what (ticks,) reached; NaN ignored.

    The median and the third largest of 28 block maxima lie on a Pareto tail, continued
    to that probability: light tails go on a little, heavy ones far.
    """
    known = reached[np.isfinite(reached)]
    size = known.size // BLOCKS
    if size == 0:
        return np.nan
    maxima = np.sort(known[known.size - size * BLOCKS :].reshape(BLOCKS, size).max(axis=1))
    middle, high = float(np.median(maxima)), float(maxima[-INCIDENTS])
    beyond_middle, beyond_high = np.log(2) / size, INCIDENTS / (size * BLOCKS)
    if middle <= 0:
        return high
    index = np.clip(np.log(high / middle) / np.log(beyond_middle / beyond_high), 0.0, MAX_TAIL_INDEX)
    return high * float(max(beyond_high / EDGE_PROBABILITY, 1.0) ** index)
