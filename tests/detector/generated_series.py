"""Series as a service makes them: a day, a week, Poisson counts, lognormal latencies, one-minute windows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats

DAY = 86400
SCRAPE = 15.0
FIT_STEP = 300
BUCKETS = np.array([0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0])


@dataclass(frozen=True)
class Generated:
    """History at 5 minutes, then a further stretch at 15 seconds."""

    times: Floats
    values: Floats
    live_times: Floats
    live_values: Floats


def load(times: Floats) -> Floats:
    """Busy at 14:00, quiet at night, 60 % at weekends; between 0.2 and 1."""
    hour, weekday = (times / 3600) % 24, (times // DAY + 3) % 7
    return (0.35 + 0.65 * np.exp(-(((hour - 14) / 4.5) ** 2))) * np.where(weekday >= 5, 0.6, 1.0)


def request_rate(times: Floats, rng: np.random.Generator, peak: float) -> Floats:
    """Requests a second in one-minute windows, sampled every 15 s."""
    counts = rng.poisson(peak * load(times) * SCRAPE)
    return np.convolve(counts, np.ones(4))[: counts.size] / 60


def latency(times: Floats, rng: np.random.Generator, sigma: float) -> Floats:
    """A latency that grows with load; lognormal noise, correlated over a minute."""
    noise = np.convolve(rng.normal(size=times.size + 3), np.ones(4) / 2, "valid")
    return 0.1 * (0.8 + 0.4 * load(times)) * np.exp(sigma * noise)


def p95(times: Floats, rng: np.random.Generator, peak: float) -> Floats:
    """What histogram_quantile(0.95) says of a minute's requests; NaN without any."""
    scaled = np.log(np.maximum(BUCKETS, 1e-9) / 0.05) / 0.5
    cumulative = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in scaled])
    rates = peak * load(times) * SCRAPE
    counts = np.stack([rng.poisson(rates * share) for share in np.diff(cumulative)], axis=1)
    window = np.cumsum(counts, axis=0)
    window[4:] -= window[:-4].copy()
    below = np.cumsum(window, axis=1)
    total = below[:, -1]
    rank = 0.95 * total
    index = np.argmax(below >= rank[:, None], axis=1)
    row = np.arange(total.size)
    before = np.where(index > 0, below[row, np.maximum(index - 1, 0)], 0)
    inside = np.maximum(below[row, index] - before, 1)
    value = BUCKETS[index] + (BUCKETS[index + 1] - BUCKETS[index]) * (rank - before) / inside
    return np.where(total > 0, value, np.nan)


MAKERS: dict[str, Callable[[Floats, np.random.Generator, float], Floats]] = {
    "request_rate": request_rate,
    "latency": latency,
    "p95": p95,
}


def generate(
    kind: str, seed: int, parameter: float, *, end: int = 1_700_006_400, days: int = 28
) -> Generated:
    """Return `days` of history before `end` and the day after it.

    `parameter` is the peak rate of `request_rate` and `p95`, the noise of `latency`.
    """
    rng = np.random.default_rng(seed)
    end = 1_700_006_400 - 1_700_006_400 % DAY
    times = np.arange(end - days * DAY, end + DAY, SCRAPE)
    values = MAKERS[kind](times, rng, parameter)
    past = (times < end) & (times % FIT_STEP == 0)
    live = times >= end
    return Generated(times[past], values[past], times[live], values[live])
