"""A stretch of one series, judged as the running detector would have judged it, and taken apart."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from specter_detector.models.arrays import LARGEST_VALUE, Bools, Floats, Ints
from specter_detector.models.fit import FitOptions
from specter_detector.models.gaps import fill
from specter_detector.models.learners import learner
from specter_detector.models.online import REASONS
from specter_detector.models.profile import nearest
from specter_detector.models.replay import DAY, replay
from specter_detector.models.shape import Shape
from specter_detector.models.spectrum import cycle_over
from specter_detector.models.stl import StlSettings, stl_operator
from specter_detector.verdict import Verdict

REFITS_A_DAY = 1.0


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

    def followed_by(self, verdict: Verdict, at: float) -> "Stretch":
        """Return the stretch with what the running detector says of `at` (Unix s), which has no parts yet."""
        last = {
            "times": at,
            "observed": verdict.value if np.isfinite(verdict.value) else np.nan,
            "expected": verdict.yhat,
            "lower": verdict.lower,
            "upper": verdict.upper,
            "score": verdict.score,
            "direction": verdict.direction,
            "reason": REASONS.index(verdict.reason),
            "confidence": verdict.confidence,
        }
        columns = {each.name: np.asarray(getattr(self, each.name)) for each in fields(self)}
        return Stretch(
            **{
                name: np.append(column, np.asarray(last.get(name, np.nan), column.dtype))
                for name, column in columns.items()
            }
        )

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
    options = task.options
    judged = replay(
        task.times,
        values[None],
        options.step,
        tz=options.tz,
        holidays=options.holidays,
        policy=options.policy,
        learn=learner(options.kind),
        refits_a_day=REFITS_A_DAY,
        begin=task.begin,
        excluded=task.incidents,
    )
    seen = np.flatnonzero(np.isfinite(values[task.begin :]))
    # Up to its first value a series has no level, and nothing is expected.
    unknown = task.begin + int(seen[0]) + 1 if seen.size else values.size
    for column in (judged.yhat, judged.lower, judged.upper):
        column[0, :unknown] = np.nan
    trend, seasonal, remainder = decompose(task.times, values, task.options)
    shown = slice(task.shown, None)
    return Stretch(
        times=task.times[shown],
        observed=values[shown],
        expected=judged.yhat[0, shown],
        lower=judged.lower[0, shown],
        upper=judged.upper[0, shown],
        score=judged.score[0, shown],
        direction=judged.direction[0, shown].astype(np.int64),
        reason=judged.reason[0, shown],
        confidence=judged.confidence[0, shown],
        trend=trend[shown],
        seasonal=seasonal[shown],
        remainder=remainder[shown],
    )


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
