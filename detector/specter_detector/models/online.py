"""The default model between refits: level, scale and tail of many series, one sample of each at a time.

Forecasters: a level alone, a level and the day, a level, the day and the week; each with a slow and a fast
level. The one with the least recent error out of sample is believed, so a season is used where it helps
and dropped where it does not.

    e = y - (level + season),   z = e / scale,   score = |z| / max(edge, multiple * tail, fresh)

- level: an EWMA of errors, each clipped at 3 scales; after 6 steps beyond on one side it takes half of
  each whole error, and the reason is `level_shift`;
- scale: the larger of a quick and a slow EWMA of clipped |e| (times 1.25, to a sd), at least 0.4 of what
  it was in the past days, times what the shape says of this time of the day and this level;
- tail: see `tail`; fresh: the largest |z| of late, halved every day, so an anomaly is new once and a
  noisy hour does not alarm at every spike.

Score: 0 at the expectation, 1 at the edge, unbounded; NaN while nothing can be said (first 24 samples,
missing values of a series that is not absent). Steps are counted from the epoch; time between samples is
in steps, so ticks may be closer than the history.
Sources: EWMA with Huber's psi, Gelper, Fried, Croux (2010); calibration as a conformal p-value with a
sliding window.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.counts import z_score
from specter_detector.models.shape import Shape, grown
from specter_detector.models.tail import Tails, no_tails

FORECASTERS = 6  # (level, day, day and week) x (slow, fast level)
SEASONED = 3
SLOW, FAST, RARE = 0.1, 0.7, 0.02  # weight of a new error: levels; the slow level of counts
QUICK_SCALE, SLOW_SCALE = 0.005, 0.0005
LOSS = 0.001
PREFERENCE = 0.03  # how much better a more complicated forecaster has to be
CLIP = 3.0
SHIFT_AFTER = 6.0  # steps
SHIFT_WEIGHT = 0.5
SD = 1.2533  # of a Gaussian, in mean absolute errors
EDGE = 5.0
LIGHT, HEAVY = (2.85, 1.4), (4.5, 1.75)  # tails, and how far beyond them the band reaches
FRESH_DAYS = 1.0
AFTER_ALARM = 1.25
QUIET_SHARE, QUIET_DAYS = 0.4, 7.0
SETTLED = 48.0  # steps until the band has its width
WARM_UP = 24.0
ABSENT_AFTER = 2.0  # steps, and more than twice the longest gap it had
LIVE_SHARE = 0.9
ROUNDING = 1e-13
RELATIVE_FLOOR = 1e-3  # half a band, of a constant
OF_A_CONSTANT, LARGEST = 50.0, 1e6

REASONS = ("", "spike", "drop", "level_shift", "absent")
NONE, SPIKE, DROP, LEVEL_SHIFT, ABSENT = range(len(REASONS))


@dataclass(slots=True, eq=False)
class State:
    """What is known of each series between two samples; arrays end with (series,)."""

    level: Floats
    quick: Floats
    slow: Floats
    loss: Floats
    believed: Ints
    usual: Floats
    count_scale: Floats
    fresh: Floats
    outside: Floats
    seen: Floats
    gap: Floats
    longest_gap: Floats
    age: Floats
    tails: Tails
    step: float = np.nan

    @property
    def bytes_per_series(self) -> float:
        """Return the memory that one series takes."""
        own = [getattr(self, field.name) for field in fields(self)]
        tails = [getattr(self.tails, field.name) for field in fields(self.tails)]
        return sum(a.nbytes for a in own + tails if isinstance(a, np.ndarray)) / len(self.seen)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One tick: (series,) each.

    Attributes:
        score: see the module; negative never.
        direction: -1, 0, 1: the side on which the value lies.
        yhat, lower, upper: the expectation and the band's edges, in the series' unit.
        reason: index into `REASONS`; `level_shift` while a level is followed, else 0 up to a score of 1.
        confidence: 0…1, cycles seen and samples not missing; 0 during warm-up.
    """

    score: Floats
    direction: Ints
    yhat: Floats
    lower: Floats
    upper: Floats
    reason: Ints
    confidence: Floats


def no_state(series: int) -> State:
    """Return the state of series that have not been seen."""

    def zeros(*leading: int) -> Floats:
        return np.zeros((*leading, series))

    six = FORECASTERS
    return State(
        level=zeros(six), quick=zeros(six), slow=zeros(six), loss=zeros(six),
        believed=np.zeros(series, np.int64), usual=zeros(),
        count_scale=zeros() + 1.0, fresh=zeros(2), outside=zeros(), seen=zeros(), gap=zeros(),
        longest_gap=zeros(), age=zeros(), tails=no_tails(series),
    )  # fmt: skip


def tick(shape: Shape, state: State, step: float, phase: float, values: Floats) -> Judged:
    """Judge one sample of each series, then learn from it: `state` is changed.

    Args:
        shape: of the same series, in the same order.
        state: after the sample before.
        step: time in steps since the epoch; greater than at the last call.
        phase: the same by the wall clock of the series (`calendar.calendar_phases`).
        values: (series,) NaN or infinite where there is none.
    """
    period = shape.day.shape[1]
    elapsed = 1.0 if np.isnan(state.step) else step - state.step
    state.step = step
    known = np.isfinite(values)
    season = _season(shape, phase)
    first = known & (state.seen == 0)
    if first.any():
        state.level[:, first] = (values - season)[:, first]
    expected = state.level + season
    values = np.where(known, values, expected[0])
    errors = np.where(known, values - expected, 0.0)
    rows = np.arange(values.size)
    best = state.believed
    error, yhat = errors[best, rows], expected[best, rows]

    spread = _spread(shape, phase, yhat)
    own = np.maximum(state.quick[best, rows], state.slow[best, rows])
    scale = np.maximum(own * spread, QUIET_SHARE * state.usual)
    # What never moved has no scale: any move of it is far out, by no more than this.
    rounding = ROUNDING * np.abs(yhat)
    constant = scale <= rounding
    moved = np.where(np.abs(error) > rounding, np.copysign(OF_A_CONSTANT, error), 0.0)
    z = np.where(constant, moved, np.clip(error / np.where(constant, 1.0, scale), -LARGEST, LARGEST))
    scale = np.where(constant, RELATIVE_FLOOR * np.abs(yhat), scale)
    counted = shape.quantum > 0
    count_z = np.zeros_like(z)
    if counted.any():
        count_z[counted] = _count_z(shape, state, values, yhat, counted)
        z = np.where(counted, count_z / np.maximum(state.count_scale, 1.0), z)
    z = np.where(known, z, 0.0)
    weight = min(elapsed, 1.0)
    size, below = np.abs(z), (z < 0).astype(np.int64)

    tail = state.tails.rank[below, rows].astype(np.float64)
    edge = np.maximum(EDGE, tail * np.interp(tail, (LIGHT[0], HEAVY[0]), (LIGHT[1], HEAVY[1])))
    edge = np.maximum(edge, state.fresh[below, rows])
    edge = np.where(state.seen < SETTLED, edge * SETTLED / np.maximum(state.seen, 1.0), edge)
    score = size / edge
    alarm = score > 1.0

    judged = _judged(shape, state, score, z, yhat, scale * edge, known, elapsed, alarm)
    _learn(shape, state, errors, known, weight, elapsed, spread, size, below, alarm, count_z)
    both = np.zeros((2, values.size))
    both[below, rows] = size
    state.tails.seen(both, int(np.floor(step)), period)
    return judged


def adopt(state: State, old: Shape, new: Shape, phase: float) -> None:
    """Go on with `new` after a refit. When a season begins, levels move by it, so that forecasts do not."""
    begun = (old.cycles < 2.0) | (new.cycles < 2.0)
    state.level += np.where(begun, _season(old, phase) - _season(new, phase), 0.0)


def _season(shape: Shape, phase: float) -> Floats:
    """Return (forecasters, series) what is added to each level."""
    day = _at(shape.day, phase)
    week = day if shape.week is None else day + _at(shape.week, phase)
    none = np.zeros_like(day)
    return np.stack([none, day, week, none, day, week])


def _at(profile: Floats, phase: float) -> Floats:
    """Interpolate linearly around the circle."""
    period = profile.shape[1]
    low = int(np.floor(phase))
    share = phase - low
    value = profile[:, low % period].astype(np.float64)
    return value if share == 0 else (1 - share) * value + share * profile[:, (low + 1) % period]


def _spread(shape: Shape, phase: float, yhat: Floats) -> Floats:
    period, bins = shape.day.shape[1], shape.spread.shape[1]
    spread = _at(shape.spread, (phase % period + 0.5) * bins / period - 0.5)
    if shape.power.any():
        spread = spread * grown(yhat, shape.reference, shape.power)
    return spread


def _count_z(shape: Shape, state: State, values: Floats, yhat: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Return z of the counts among the series; few samples behind the mean widen it (`counts.predictive`)."""
    quantum = shape.quantum[counted]
    mean = np.maximum(yhat[counted], 0.0) / quantum
    fast = state.believed[counted] >= SEASONED
    evidence = np.clip(state.seen[counted], 1.0, np.where(fast, 2.0 / FAST, 1.0 / RARE))
    total = mean * evidence + 0.5
    return z_score(np.maximum(values[counted], 0.0) / quantum, total / evidence, 1.0 / total)


def _judged(
    shape: Shape, state: State, score: Floats, z: Floats, yhat: Floats, width: Floats,
    known: NDArray[np.bool_], elapsed: float, alarm: NDArray[np.bool_],
) -> Judged:  # fmt: skip
    live = (state.seen >= WARM_UP) & (state.seen >= LIVE_SHARE * state.age)
    gap, usual_gap = state.gap + elapsed, np.maximum(ABSENT_AFTER, 2.0 * state.longest_gap)
    absent = ~known & live & (gap >= usual_gap)
    reason = np.where(alarm, np.where(z > 0, SPIKE, DROP), NONE)
    reason = np.where(np.abs(state.outside) >= SHIFT_AFTER, LEVEL_SHIFT, reason)
    missing = np.where(absent, gap / usual_gap + 0.01, np.nan)
    result = np.where(known, np.where(state.seen >= WARM_UP, score, np.nan), missing)
    cycles = np.clip(shape.cycles / 3.0, 0.1, 1.0)
    share = np.where(state.age > 0, state.seen / np.maximum(state.age, 1.0), 0.0)
    confidence = np.where(state.seen >= WARM_UP, cycles * np.minimum(share, 1.0), 0.0)
    return Judged(
        result,
        np.sign(z).astype(np.int64),
        yhat,
        yhat - width,
        yhat + width,
        np.where(absent, ABSENT, np.where(known, reason, NONE)),
        confidence,
    )


def _learn(
    shape: Shape, state: State, errors: Floats, known: NDArray[np.bool_], weight: float, elapsed: float,
    spread: Floats, size: Floats, below: Ints, alarm: NDArray[np.bool_], count_z: Floats,
) -> None:  # fmt: skip
    period = shape.day.shape[1]
    rows = np.arange(known.size)
    best = state.believed
    state.seen += np.where(known, weight, 0.0)
    state.age += np.where(state.seen > 0, elapsed, 0.0)
    state.longest_gap = np.where(known, np.maximum(state.longest_gap, state.gap), state.longest_gap)
    state.gap = np.where(known, 0.0, state.gap + elapsed)
    early = 1.0 / np.maximum(state.seen, 1.0)

    def share(of_a_step: float | Floats) -> Floats:
        """Weight of this sample: a mean over all samples at first; 0 where there is none."""
        return np.where(known, np.maximum(of_a_step, early) * weight, 0.0)

    limit = np.where(state.quick > 0, CLIP * state.quick * spread, np.inf)
    clipped = np.minimum(np.abs(errors), limit)
    moves = np.empty_like(errors)
    moves[:SEASONED] = share(np.where(shape.quantum > 0, RARE, SLOW))
    moves[SEASONED:] = share(FAST)
    move = moves * np.copysign(clipped, errors)
    shifted = (np.abs(state.outside) >= SHIFT_AFTER) & known
    if shifted.any():
        move[best[shifted], rows[shifted]] = SHIFT_WEIGHT * weight * errors[best[shifted], rows[shifted]]
    state.level += move
    even = clipped * (SD / spread)
    state.quick += share(QUICK_SCALE) * (even - state.quick)
    state.slow += share(SLOW_SCALE) * (even - state.slow)
    state.loss += share(LOSS) * (clipped - state.loss)
    state.usual = np.maximum(state.usual * 0.5 ** (elapsed / (QUIET_DAYS * period)), state.quick[best, rows])
    bounded = np.minimum(np.abs(count_z), CLIP * np.maximum(state.count_scale, 1.0)) * SD
    state.count_scale += share(QUICK_SCALE) * (bounded - state.count_scale)

    side = 1.0 - 2.0 * below
    run = np.where(state.outside * side >= 0, np.abs(state.outside), 0.0) + weight
    state.outside = np.where(known, np.where(size > CLIP, side * run, 0.0), state.outside)
    state.fresh *= 0.5 ** (elapsed / (FRESH_DAYS * period))
    kept = np.where(alarm, AFTER_ALARM * size, size)
    state.fresh[below, rows] = np.maximum(state.fresh[below, rows], kept)
    state.believed = _choose(state.loss)


def _choose(loss: Floats) -> Ints:
    """Return the forecaster with the least loss; a later one has to be better by `PREFERENCE`."""
    least, choice = loss[0].copy(), np.zeros(loss.shape[1], np.int64)
    for number in range(1, FORECASTERS):
        better = loss[number] < least * (1.0 - PREFERENCE)
        choice[better] = number
        least = np.where(better, loss[number], least)
    return choice
