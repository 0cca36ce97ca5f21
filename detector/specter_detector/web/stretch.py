"""A stretch of one series, judged as the running detector would have judged it, and taken apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import LARGEST_VALUE, Bools, Floats, Ints, Singles
from specter_detector.models.fit import FitOptions
from specter_detector.models.gaps import fill
from specter_detector.models.learners import learner
from specter_detector.models.online import REASONS, adopt, tick
from specter_detector.models.profile import nearest
from specter_detector.models.replay import DAY, WINDOW_DAYS
from specter_detector.models.shape import Shape, unknown_shape
from specter_detector.models.spectrum import cycle_over
from specter_detector.models.state import no_state
from specter_detector.models.stl import StlSettings, stl_operator

REFITS_A_DAY = 1


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is to be judged.

    Attributes:
        times: (n,) Unix seconds, `options.step` apart.
        values: (n,) NaN or infinite where nothing is known.
        options: settings.
        begin: first sample to judge; those before are learnt from.
        shown: first sample to return.
        incidents: (n,) samples that are judged and not learnt from.
    """

    times: Floats
    values: Floats
    options: FitOptions
    begin: int
    shown: int
    incidents: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A series, what was said of it, and its parts; (n,) each.

    Attributes:
        times: Unix seconds.
        observed: NaN where there is no value.
        expected, lower, upper: expectation and band of each sample, from those before it; NaN at first.
        score: NaN where nothing could be said.
        direction: -1, 0, 1: the side of the expectation.
        reason: index into `online.REASONS`.
        confidence: 0…1.
        trend, seasonal, remainder: add up to `observed`. Of the whole stretch and the days before it, so
            they look both ways, as a person does.
    """

    times: Floats
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    score: Floats
    direction: Ints
    reason: Ints
    confidence: Floats
    trend: Floats
    seasonal: Floats
    remainder: Floats

    def alarms(self) -> list["Alarm"]:
        """Return the runs of scores above 1, oldest first."""
        return [self._alarm(first, last) for first, last in runs(self.score > 1)]

    def _alarm(self, first: int, last: int) -> "Alarm":
        worst = first + int(np.argmax(self.score[first : last + 1]))
        return Alarm(
            start=float(self.times[first]),
            end=float(self.times[last]),
            worst=float(self.times[worst]),
            score=float(self.score[worst]),
            reason=REASONS[int(self.reason[worst])],
            direction=int(self.direction[worst]),
            value=float(self.observed[worst]),
            expected=float(self.expected[worst]),
            lower=float(self.lower[worst]),
            upper=float(self.upper[worst]),
        )


@dataclass(frozen=True, slots=True)
class Alarm:
    """Samples in a row that score above 1; the numbers are those of the worst.

    Attributes:
        start, end, worst: Unix times (s) of the first, the last and the worst sample.
        score, reason, direction, value, expected, lower, upper: of the worst.
    """

    start: float
    end: float
    worst: float
    score: float
    reason: str
    direction: int
    value: float
    expected: float
    lower: float
    upper: float


def runs(mask: Bools) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each run of True in `mask` (n,)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    for first, behind in edges.reshape(-1, 2).tolist():
        yield first, behind - 1


def judge(task: Task) -> Stretch:
    """Judge the samples of `task` one after the other, refits included, and take the series apart."""
    values = np.where(np.abs(task.values) < LARGEST_VALUE, task.values, np.nan)
    judged = _judged(task, values)
    trend, seasonal, remainder = decompose(task.times, values, task.options)
    shown = slice(task.shown, None)
    return Stretch(
        times=task.times[shown],
        observed=values[shown],
        expected=judged.expected[shown],
        lower=judged.lower[shown],
        upper=judged.upper[shown],
        score=judged.score[shown],
        direction=judged.direction[shown],
        reason=judged.reason[shown],
        confidence=judged.confidence[shown],
        trend=trend[shown],
        seasonal=seasonal[shown],
        remainder=remainder[shown],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    expected: Floats
    lower: Floats
    upper: Floats
    score: Floats
    confidence: Floats
    direction: Ints
    reason: Ints


def _judged(task: Task, values: Floats) -> _Said:
    options, times = task.options, task.times
    period = round(DAY / options.step)
    every, window = period // REFITS_A_DAY, WINDOW_DAYS * period
    phases, learn = options.phases(times), learner(options.kind)
    known = np.where(task.incidents, np.nan, values)[None]
    shape, state = unknown_shape(1, period), no_state(1)
    floats = [np.full(times.size, np.nan) for _ in range(5)]
    wholes = [np.zeros(times.size, np.int64) for _ in range(2)]
    for index in range(task.begin, times.size):
        step = float(times[index] / options.step)
        if index and (index == task.begin or index % every == 0):
            past = slice(max(0, index - window), index)
            first = float(times[past.start] / options.step)
            learnt = learn(known[:, past], phases[past], period, first=first)
            adopt(state, shape, learnt, step, float(phases[index]))
            shape = learnt
        said = tick(
            shape, state, step, float(phases[index]), values[index : index + 1],
            policy=options.policy, learn=~task.incidents[index : index + 1],
        )  # fmt: skip
        columns: list[Floats | Singles] = [said.yhat, said.lower, said.upper, said.score, said.confidence]
        for column, value in zip(floats, columns, strict=True):
            column[index] = value[0]
        wholes[0][index], wholes[1][index] = said.direction[0], said.reason[0]
    seen = np.flatnonzero(np.isfinite(values[task.begin :]))
    # Up to its first value a series has no level, and nothing is expected.
    unknown = task.begin + int(seen[0]) + 1 if seen.size else times.size
    for column in floats[:3]:
        column[:unknown] = np.nan
    return _Said(*floats, *wholes)


def decompose(times: Floats, values: Floats, options: FitOptions) -> tuple[Floats, Floats, Floats]:
    """Return trend, seasonal part and remainder of `values` (n,), which add up to it.

    The seasonal part is 0 where there is less than a day and a half; NaN throughout where there is no value.
    """
    observed = np.isfinite(values)
    if not observed.any():
        nothing = np.full(times.size, np.nan)
        return nothing, nothing.copy(), nothing.copy()
    period, phases = round(DAY / options.step), options.phases(times)
    first = float(times[0] / options.step)
    shape = learner(options.kind)(values[None], phases, period, first=first)
    seasonal = _seasonal(shape, phases, first)
    trend = _trend(fill(values - seasonal, phases, period), period)
    return trend, seasonal, values - trend - seasonal


def _seasonal(shape: Shape, phases: Floats, first: float) -> Floats:
    index = nearest(phases)
    seasonal = shape.day[0, index % shape.day.shape[1]].astype(np.float64)
    if shape.week is not None:
        seasonal += shape.week[0, index % shape.week.shape[1]]
    if shape.other.period[0] > 0:
        row, steps = np.zeros(1, np.int64), first + np.arange(index.size, dtype=np.float64)
        cycle: Floats = cycle_over(shape.other, row, steps).astype(np.float64)
        seasonal += cycle[0]
    result: Floats = seasonal
    return result


def _trend(filled: Floats, period: int) -> Floats:
    if filled.size < 2 * period:
        return np.full(filled.size, float(np.median(filled)))
    jump = max(1, period // 6)
    settings = StlSettings(period, trend_jump=jump, low_pass_jump=max(1, period // 10))
    trend: Floats = stl_operator(filled.size, settings).trend(filled[None])[0]
    return trend
