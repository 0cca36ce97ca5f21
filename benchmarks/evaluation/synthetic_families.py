"""Made-up series of the kinds a monitoring team meets, whose level and noise are known at each sample.

Every family is a function of a grid, a random generator and the holidays; its parameters are drawn from the
generator, so that no two series of a family are alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.evaluation.series import Floats

STEP = 300.0
DAY = 288
"""Samples a day."""

_SUNDAY = 6
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The samples of a batch: `times` and `local`, (n,) seconds, the latter as a clock in `tz` shows them."""

    times: Floats
    local: Floats
    scored_from: int
    tz: str


@cache
def make_grid(first_day: str, history_days: float, scored_days: float, tz: str = "UTC") -> Grid:
    """Return the grid of `history_days` and then `scored_days` from midnight UTC of an ISO date."""
    start = datetime.fromisoformat(first_day).replace(tzinfo=UTC).timestamp()
    scored_from = round(history_days * DAY)
    times: Floats = start + STEP * np.arange(scored_from + round(scored_days * DAY), dtype=np.float64)
    zone = ZoneInfo(tz)
    offsets = [
        (datetime.fromtimestamp(time, zone).utcoffset() or timedelta()).total_seconds() for time in times
    ]
    return Grid(times, times + np.array(offsets), scored_from, tz)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """One healthy series and the truth about it, all (n,).

    Attributes:
        values: what is observed; never negative.
        level: the expectation of each value.
        sigma: the standard deviation of each value around its level.
        whole: the values are counts.
    """

    values: Floats
    level: Floats
    sigma: Floats
    whole: bool = False

    @property
    def unit(self) -> Floats:
        """The size of a one-sigma fault: sigma, and for counts at least 1, the least that can be seen."""
        return np.maximum(self.sigma, 1.0) if self.whole else self.sigma


Holidays = frozenset[str]
Family = Callable[[Grid, Generator, Holidays], Made]


def requests(grid: Grid, rng: Generator, holidays: Holidays) -> Made:
    """Rate of requests: day, week, sharp morning ramp; noise proportional to the level."""
    wander = 1 + 0.02 * _wander(grid, rng)
    season = _season(grid, rng, holidays, swing=rng.uniform(0.25, 0.5), ramp=rng.uniform(0.3, 0.8))
    level = _scale(rng, 5, 5000) * season * wander
    sigma = rng.uniform(0.03, 0.08) * level
    return _settled(level + sigma * rng.standard_normal(level.size), level, sigma)


def throughput(grid: Grid, rng: Generator, holidays: Holidays) -> Made:
    """Bytes a second: day and week; one sample in twenty has the heavy tail of Student's t with 5 degrees."""
    level = _scale(rng, 1e5, 1e9) * _season(grid, rng, holidays, swing=rng.uniform(0.2, 0.4), ramp=0.0)
    sigma = rng.uniform(0.03, 0.07) * level
    share, degrees = 0.05, 5.0
    tail = rng.random(level.size) < share
    noise = np.where(tail, rng.standard_t(degrees, level.size), rng.standard_normal(level.size))
    noise /= np.sqrt(1 - share + share * degrees / (degrees - 2))
    return _settled(level + sigma * noise, level, sigma)


def latency(grid: Grid, rng: Generator, holidays: Holidays) -> Made:
    """Seconds: lognormal around a level with a weak day."""
    swing = rng.uniform(0.03, 0.1)
    level = _scale(rng, 0.005, 2) * _season(grid, rng, holidays, swing=swing, ramp=0.0, weekend=1.0)
    spread = rng.uniform(0.05, 0.2)
    return _lognormal(level, spread, rng.standard_normal(level.size))


def cpu(grid: Grid, rng: Generator, holidays: Holidays) -> Made:  # noqa: ARG001
    """Per cent of a processor: no season; AR(1) noise on a slow wander."""
    sigma = rng.uniform(0.5, 2.5)
    level = rng.uniform(30, 60) + 2 * sigma * _wander(grid, rng)
    noise = _autoregressive(level.size, rng.uniform(0.4, 0.9), rng)
    return _settled(level + sigma * noise, level, np.full(level.size, sigma))


def memory(grid: Grid, rng: Generator, holidays: Holidays) -> Made:  # noqa: ARG001
    """Bytes of a process that collects garbage: a sawtooth of unforeseeable teeth, which counts as noise."""
    count = grid.times.size
    level = np.full(count, rng.uniform(1e9, 8e9))
    tooth, jitter = rng.uniform(0.05, 0.15) * level, 0.01 * level
    shortest = int(rng.integers(12, 48))
    lengths = rng.integers(shortest, 2 * shortest, count // shortest + 2)
    rise = np.concatenate([(np.arange(length) + 0.5) / length - 0.5 for length in lengths])
    rise = rise[int(rng.integers(shortest)) :][:count]
    values = level + tooth * rise + jitter * rng.standard_normal(count)
    return _settled(values, level, np.sqrt(tooth**2 / 12 + jitter**2))


def counts_daily(grid: Grid, rng: Generator, holidays: Holidays) -> Made:
    """Events in five minutes: Poisson, with a day and a week."""
    swing = rng.uniform(0.25, 0.5)
    return _poisson(_scale(rng, 3, 600) * _season(grid, rng, holidays, swing=swing, ramp=0.3), rng)


def counts_rare(grid: Grid, rng: Generator, holidays: Holidays) -> Made:  # noqa: ARG001
    """Errors in five minutes: Poisson near zero, the same at all hours."""
    return _poisson(np.full(grid.times.size, _scale(rng, 0.05, 10)), rng)


def queue(grid: Grid, rng: Generator, holidays: Holidays) -> Made:
    """Depth of a queue: whole, lognormal AR(1) around a day and a week."""
    level = _scale(rng, 15, 300) * _season(grid, rng, holidays, swing=rng.uniform(0.2, 0.45), ramp=0.0)
    noise = _autoregressive(level.size, rng.uniform(0.3, 0.8), rng)
    made = _lognormal(level, rng.uniform(0.06, 0.2), noise)
    return _settled(made.values, level, np.sqrt(made.sigma**2 + 1 / 12), whole=True)


FAMILIES: dict[str, Family] = {
    made.__name__: made
    for made in (requests, throughput, latency, cpu, memory, counts_daily, counts_rare, queue)
}
SEASONAL = ("requests", "throughput", "counts_daily", "queue")
"""The families with a pronounced day and week."""


def settled(values: Floats, *, whole: bool) -> Floats:
    """Return `values` as they can be observed: not negative, and whole where they are counts."""
    return np.maximum(np.rint(values) if whole else values, 0.0)


def _settled(values: Floats, level: Floats, sigma: Floats, *, whole: bool = False) -> Made:
    return Made(settled(values, whole=whole), level, sigma, whole)


def _poisson(level: Floats, rng: Generator) -> Made:
    return Made(rng.poisson(level).astype(np.float64), level, np.sqrt(level), whole=True)


def _lognormal(level: Floats, spread: float, noise: Floats) -> Made:
    """Return a series of mean `level` whose logarithm has the standard deviation `spread`."""
    values = level * np.exp(spread * noise - spread**2 / 2)
    return Made(values, level, level * float(np.sqrt(np.expm1(spread**2))))


def _scale(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _autoregressive(count: int, phi: float, rng: Generator) -> Floats:
    """Return stationary AR(1) noise of standard deviation 1, cut off where memory is below 1e-6."""
    kernel = phi ** np.arange(int(np.ceil(np.log(1e-6) / np.log(phi))))
    shocks = rng.standard_normal(count + kernel.size - 1)
    noise: Floats = np.convolve(shocks, kernel / np.sqrt(np.sum(kernel**2)), mode="valid")
    return noise


def _wander(grid: Grid, rng: Generator) -> Floats:
    """Return three slow waves of 4 to 20 days: mean about 0, root mean square about 1."""
    days = (grid.times - grid.times[0]) / 86_400
    waves = [np.sin(2 * np.pi * (days / rng.uniform(4, 20) + rng.random())) for _ in range(3)]
    wander: Floats = np.sqrt(2 / 3) * np.sum(waves, axis=0)
    return wander


def _season(
    grid: Grid,
    rng: Generator,
    holidays: Holidays,
    *,
    swing: float,
    ramp: float,
    weekend: float | None = None,
) -> Floats:
    """Return the pattern of day and week, about 1 on a working day.

    Args:
        grid: its local clock is what the pattern follows.
        rng: draws phases, harmonics, hours and the quiet of the weekend.
        holidays: ISO dates with a Sunday's activity.
        swing: amplitude of the 24-hour wave, below 0.6.
        ramp: what office hours add, with a rise of about an hour in the morning.
        weekend: activity on Sundays as a share of a working day's; drawn if None.
    """
    hour = (grid.local / 3600) % 24
    peak = rng.uniform(13, 17)
    wave = np.cos(2 * np.pi * (hour - peak) / 24)
    for harmonic, most in ((2, 0.3), (3, 0.15)):
        phase = rng.uniform(0, 24)
        wave += rng.uniform(0, most) * np.cos(2 * np.pi * harmonic * (hour - phase) / 24)
    opens, closes = rng.uniform(7, 9.5), rng.uniform(17, 20)
    office = 1 / (1 + np.exp((opens - hour) / 0.2)) / (1 + np.exp((hour - closes) / 0.7))
    drawn = rng.uniform(0.4, 0.8)
    activity = _activity(grid, holidays, drawn if weekend is None else weekend)
    pattern: Floats = activity * (1 + swing * wave + ramp * activity * office)
    return pattern


def _activity(grid: Grid, holidays: Holidays, sunday: float) -> Floats:
    """Return the activity of each sample's day, blended over the two hours on either side of midnight."""
    days = np.arange(grid.local[0] // 86_400 - 1, grid.local[-1] // 86_400 + 2)
    factors = np.array([1.0, 1.0, 1.0, 1.0, 1.0, (1 + sunday) / 2, sunday])[_weekdays(days, holidays)]
    knots = np.stack([days * 86_400 + 7_200, (days + 1) * 86_400 - 7_200], axis=1).ravel()
    activity: Floats = np.interp(grid.local, knots, np.repeat(factors, 2))
    return activity


def _weekdays(days: Floats, holidays: Holidays) -> NDArray[np.int64]:
    """Return the weekday of days since 1970, Monday 0; a holiday is a Sunday."""
    dates = [date.fromordinal(_EPOCH.toordinal() + int(day)) for day in days]
    return np.array([_SUNDAY if day.isoformat() in holidays else day.weekday() for day in dates])
