"""Judge counts near zero (failed logins, errors a step) as counts, not by a Gaussian band.

A count k with expectation mu is Poisson or, with dispersion alpha > 0, negative
binomial: variance = mu + alpha * mu^2. Its score is the signed z whose normal
tail equals the count's mid-p tail, P(K > k) + P(K = k) / 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from specter_detector.models.arrays import Floats, nan_median

SMALLEST_MEAN = 1e-12
LARGEST_COUNT = 1e15
POISSON = 1e-7  # the least dispersion computed with; below it 1/alpha loses digits
# At the expectation the tail correction is 0/0, and small next to the step of one count.
CENTRE = 0.25
CHUNK = 8192  # values at a time, so that temporaries stay in the cache
PRIOR_COUNT = 0.5  # Jeffreys' prior of a Poisson rate
TRIM_Z = 4.0
TRIM_ROUNDS = 8
MAX_MEDIAN = 10.0
LEAST_FANO = 0.3
MULTIPLES_SHARE = 0.99
MULTIPLE_TOLERANCE = 0.02
MAX_MODE = 12
NO_STEP = 2e-3  # of a value: differences below it are rounding
SCREENED = 64  # values of a series that are looked at first
PART = 16


def z_score(counts: ArrayLike, mu: ArrayLike, alpha: ArrayLike) -> Floats:
    """Return the signed z-equivalent of `counts`; the three arguments broadcast.

    The deviance residual r with the saddlepoint correction log(u/r)/r, u being the
    Wald statistic of a lattice: within 0.04 of the exact z for |z| > 2.5 and alpha <= 2
    (0.12 for alpha <= 10), without underflow however far the tail.
    Sources: Barndorff-Nielsen (1986); Daniels, Tail probability approximations (1987).

    Args:
        counts: what was seen, rounded to whole counts; NaN or negative gives NaN.
        mu: the expected count; below 1e-12 it counts as that, so z stays finite.
        alpha: dispersion, 0 for Poisson.

    Returns:
        z, 0 at `mu`, unbounded but finite. 2.5 ms for 100,000 counts; exact tails by
        scipy's incomplete beta and inverse normal take 6 ms and underflow.
    """
    shape = np.broadcast_shapes(np.shape(counts), np.shape(mu), np.shape(alpha))
    flat = [np.broadcast_to(np.asarray(a, np.float64), shape).reshape(-1) for a in (counts, mu, alpha)]
    result = np.empty(flat[0].size)
    for start in range(0, result.size, CHUNK):
        part = slice(start, start + CHUNK)
        result[part] = _z(*(array[part] for array in flat))
    return result.reshape(shape)


def _z(counts: Floats, mu: Floats, alpha: Floats) -> Floats:
    k = np.minimum(np.rint(np.where(counts >= 0, counts, np.nan)), LARGEST_COUNT)
    mu, alpha = np.maximum(mu, SMALLEST_MEAN), np.maximum(alpha, POISSON)
    deviation, spread = k - mu, alpha * mu
    halved = k * np.log(np.maximum(k, 0.1) / mu)
    halved -= (k + 1 / alpha) * np.log1p(alpha * deviation / (1 + spread))
    deviance = np.maximum(2 * halved, 1e-12)
    r = np.sqrt(deviance)
    # k + 1/6 is Gosper's correction of Stirling's formula; it holds down to k = 0.
    wald = deviation / (k + mu + 2 * k * spread)
    ratio = 4 * wald * wald * (k + 1 / 6) * (1 + alpha * k) / deviance
    corrected = r + 0.5 * np.log(ratio + 1e-30) * r / (deviance + CENTRE)
    # At k = 0 the tail is exp(-deviance/2) / 2 exactly; this is its z within 0.01 (fitted).
    none = deviance / (r + (1 + 0.02448 * r) / (0.6853 + 0.4199 * r))
    z: Floats = np.copysign(np.where(k > 0, np.maximum(corrected, 0.0), none), deviation)
    return z


def predictive(mu: ArrayLike, alpha: ArrayLike, samples: ArrayLike) -> tuple[Floats, Floats]:
    """Widen (mu, alpha) by not knowing mu better than `samples` values of history tell.

    The rate's posterior is Gamma(s, 1/samples), s = mu * samples + 1/2 (Jeffreys), so the
    next count has mean s / samples and dispersion alpha + (1 + alpha) / s. The first
    error after a month of zeros at 5 min (8,064 values) has z = 4.0, two at once 5.8:
    one alone is news but no anomaly at a threshold of 5. NaN where `samples` is 0.
    """
    mu, alpha, samples = (np.asarray(a, np.float64) for a in (mu, alpha, samples))
    evidence = np.maximum(mu, 0.0) * samples + PRIOR_COUNT
    mean: Floats = evidence / np.where(samples > 0, samples, np.nan)
    dispersed: Floats = alpha + (1 + alpha) / evidence + 0 * mean
    return mean, dispersed


def upper_edge(mu: ArrayLike, alpha: ArrayLike, z: ArrayLike) -> Floats:
    """Return the largest count with a `z_score` of at most `z` (> 0); arguments broadcast."""
    mu, alpha, z = _together(mu, alpha, z)
    inside = np.floor(mu)
    width = 2 * z * np.sqrt(mu + alpha * mu * mu) + z * z * (1 + alpha * mu) + 2
    outside = np.ceil(mu + width)
    while (within := z_score(outside, mu, alpha) <= z).any():
        outside = np.where(within, 2 * outside, outside)
    return _bisect(inside, outside, lambda count: z_score(count, mu, alpha) <= z)


def lower_edge(mu: ArrayLike, alpha: ArrayLike, z: ArrayLike) -> Floats:
    """Return the smallest count with a `z_score` of at least -`z` (z > 0); 0 where 0 is normal."""
    mu, alpha, z = _together(mu, alpha, z)
    outside = np.full(mu.shape, -1.0)
    return _bisect(np.ceil(mu), outside, lambda count: (count >= 0) & (z_score(count, mu, alpha) >= -z))


def _together(mu: ArrayLike, alpha: ArrayLike, z: ArrayLike) -> tuple[Floats, Floats, Floats]:
    mu, alpha, z = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (mu, alpha, z)))
    return np.maximum(mu, SMALLEST_MEAN), alpha, z


def _bisect(inside: Floats, outside: Floats, holds: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """Return the last whole number from `inside` towards `outside` for which it holds."""
    while (np.abs(outside - inside) > 1).any():
        middle = np.floor((inside + outside) / 2)
        within = holds(middle)
        inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
    return inside


def dispersion(counts: Floats, mu: Floats) -> Floats:
    """Estimate alpha of each series from its history, by moments on trimmed data.

    alpha = sum((k - mu)^2 - k) / sum(mu^2), over counts at most about 4 sd above mu as
    alpha has it; begun at alpha = 0 and repeated, so an incident never gets in. A series
    of n values at mean mu tells alpha to about sqrt(2/n) / mu: below mu = 0.1 little.

    Args:
        counts: (..., m) whole counts, NaN ignored.
        mu: what was expected of each, broadcastable to `counts`.

    Returns:
        (...), at least 0; NaN without an observation.
    """
    observed = np.isfinite(counts) & np.isfinite(mu)
    k, expected = np.where(observed, counts, 0.0), np.where(observed, mu, 0.0)
    excess, weight = (k - expected) ** 2 - k, expected * expected
    alpha = np.where(observed.any(axis=-1), 0.0, np.nan)
    for _ in range(TRIM_ROUNDS):
        a = alpha[..., np.newaxis]
        # Cornish-Fisher: z scales and the skewness of the tail.
        skewness = (TRIM_Z**2 - 1) / 6 * (1 + 2 * a * expected)
        kept = k - expected <= TRIM_Z * np.sqrt(expected + a * weight) + skewness
        above = np.where(kept, excess, 0.0).sum(axis=-1)
        below = np.where(kept, weight, 0.0).sum(axis=-1)
        before = alpha
        alpha = np.where(below > 0, np.maximum(above / np.where(below > 0, below, 1.0), 0.0), alpha)
        if np.allclose(alpha, before, rtol=0.01, atol=1e-4, equal_nan=True):
            break
    return alpha


@dataclass(frozen=True, slots=True, eq=False)
class CountShape:
    """Which series are counts, and the value of one count (NaN where they are not)."""

    is_count: NDArray[np.bool_]
    quantum: Floats


def is_count(values: Floats, *, default_quantum: float = 1.0) -> CountShape:
    """Tell which of `values` (series x m, NaN ignored) to treat as counts, from history.

    Counts are never negative, 99 % are multiples of one quantum (1/300 for a rate over
    300 s), have a median below 10 quanta, and vary at least 0.3 times as much as a Poisson
    (variance / mean), which a number of replicas or an `up` does not. Only zeros are
    counts of `default_quantum`, none where that is NaN; another constant, or nothing observed, is none.
    """
    quantum = np.full(len(values), np.nan)
    for number in np.flatnonzero(_may_be_counts(values)):
        row = values[number]
        quantum[number] = _quantum(row[np.isfinite(row)], default_quantum)
    return CountShape(np.isfinite(quantum), quantum)


def _may_be_counts(values: Floats) -> NDArray[np.bool_]:
    """Tell whose values repeat or are few, and lie below 10 of the steps between them, by some of them.

    A measurement hardly has one value twice; what has a large median is no count near zero.
    """
    some = values[:, :: max(1, values.shape[1] // SCREENED)].astype(np.float32)
    ranked = np.sort(some, axis=1)
    repeats = (ranked[:, 1:] <= ranked[:, :-1]).any(axis=1)
    known = np.isfinite(some).sum(axis=1)
    candidates: NDArray[np.bool_] = (repeats | (known <= MAX_MODE)) & ~(ranked[:, :1] < 0).any(axis=1)
    steps = np.diff(ranked, axis=1)
    steps[~(steps > NO_STEP * ranked[:, 1:])] = np.nan
    large = nan_median(steps) * MAX_MEDIAN <= nan_median(ranked)
    return candidates & ~large


def _quantum(row: Floats, default: float) -> float:
    if row.size == 0 or row.min() < 0:
        return np.nan
    positive = row[row > 0]
    if positive.size == 0:
        return default
    # The commonest positive value is a small multiple of the quantum; float32 merges rounding noise.
    distinct, sizes = np.unique(positive.astype(np.float32), return_counts=True)
    if distinct.size == positive.size > MAX_MODE or distinct[0] == np.inf:
        return np.nan
    mode = float(distinct[np.argmax(sizes)])
    # What has more strays in a part than the whole may have is none; mostly that is all there is to look at.
    part, strays = positive[: positive.size // PART], (1 - MULTIPLES_SHARE) * positive.size + 1
    for divisor in range(1, MAX_MODE + 1):
        if np.count_nonzero(~_multiples(part, mode / divisor)[1]) > strays:
            continue
        multiples, near = _multiples(positive, mode / divisor)
        if np.mean(near) >= MULTIPLES_SHARE:
            quantum = float(positive[near] @ multiples[near] / (multiples[near] @ multiples[near]))
            # Without the largest: one absurd value makes no constant a count.
            quanta = np.sort(row / quantum)[: max(1, int(MULTIPLES_SHARE * row.size))]
            steady = quanta.var() < LEAST_FANO * quanta.mean()
            return np.nan if steady or np.median(quanta) >= MAX_MEDIAN else quantum
    return np.nan


def _multiples(positive: Floats, unit: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the nearest multiples of `unit`, and which values are near one that is not 0."""
    units = positive / unit
    multiples = np.rint(units)
    return multiples, (np.abs(units - multiples) < MULTIPLE_TOLERANCE) & (multiples > 0)
