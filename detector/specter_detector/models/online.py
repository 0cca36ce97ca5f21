"""The default model between refits: level, scale and tail of many series, one sample of each at a time.

Forecasters: a level alone, a level and the day, a level, the day and the week if that is known; each with a
slow and a fast level. The one whose errors were least is believed, so a season is used where it helps and
dropped where it does not.

    e = y - (level + season),   z = e / scale,   score = size / max(edge, fresh)

- level: an EWMA of errors, each clipped at 3.75 scales; after 7 steps beyond on one side it takes half of
  each whole error, and the reason is `level_shift`;
- scale: the larger of a quick and a slow EWMA of clipped |e| (times 1.25, to a sd), at least 0.4 of what
  it was in the past days, times what the shape says of this time of the day and this level;
- size: |z|, or a little more than what it and the step before both reached on one side: two errors say more
  than one. Counts near zero have the z of their own distribution (`counts`);
- edge: of the errors' tail, see `tail`;
- fresh: up to what size an error is no news, because an alarm told it, see `news`: an anomaly is told once
  and a noisy hour not at every spike, and after a while of quiet the next outage is told again.

Score: 0 at the expectation, 1 at the edge, that of an error at most about 180; NaN while nothing can be
said (first 24 samples, missing values of a series that is not absent). Steps are counted from the epoch;
time between samples is in steps, so ticks may be closer than the history.

Float32 but for levels and values: half the memory, and exact enough, since errors are taken in float64.
Series go through in parts that stay in a processor's cache.
Sources: EWMA with Huber's psi, Gelper, Fried, Croux (2010); calibration as a conformal p-value with a
sliding window.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specter_detector.models import news
from specter_detector.models.arrays import LARGEST_VALUE, Bools, Floats, Ints, Singles
from specter_detector.models.batch import views
from specter_detector.models.counts import z_score
from specter_detector.models.news import HOLD
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.models.seasons import FULL_CYCLES
from specter_detector.models.shape import Shape, grown
from specter_detector.models.spectrum import cycle_at
from specter_detector.models.state import State
from specter_detector.models.tail import BLOCK, EDGE

UNWEEKLY = 4  # forecasters that know no week come first
SLOW, FAST, RARE = 0.1, 0.7, 0.02  # weight of a new error: levels; the slow level of counts
QUICK_SCALE, SLOW_SCALE = 0.005, 0.00025
LOSS = 0.003
CLIP = 3.75
SHIFT_AFTER = 7.0  # steps
SHIFT_WEIGHT = 0.5
SD = 1.2533  # of a Gaussian, in mean absolute errors
LASTING = 1.2  # times what two steps in a row reached
COUNT_EDGE = 4.2  # of counts: their own tails are known
QUIET_SHARE, QUIET_DAYS = 0.4, 4.0
SEEDS, OUTLYING = 3, 100.0  # first values, and how much farther than the other two apart one is an outlier
WHOLE = 0.02  # of a count, that a value may be off
LEAST_SCORE = 1e-6  # divided by
SETTLED = 48.0  # steps until the band has its width
WARM_UP = 24.0
ABSENT_AFTER = 2.0  # steps, and more than twice the longest gap it had
LIVE_SHARE = 0.9
FLAT_AFTER, FLAT_FACTOR = 12.0, 3.0  # steps, and how much longer than ever before
KNOWN = 0.99  # score of what stands still and has been told
FLAT_ACCEPTED_DAYS = 1.0  # what stands still for so long does so from now on
FLAT_DAYS, FLAT_SHARE = 7.0, 0.9  # of days before the stillness, and of their samples that moved
ROUNDING = 1e-13
RELATIVE_FLOOR = 1e-3  # half a band, of a constant
OF_A_CONSTANT, LARGEST = 50.0, 1e3  # scales; more would be remembered as news for weeks
PART = 12_500

REASONS = ("", "spike", "drop", "level_shift", "flatline", "absent", "out_of_range", "leak")
NONE, SPIKE, DROP, LEVEL_SHIFT, FLATLINE, ABSENT, OUT_OF_RANGE, LEAK = range(len(REASONS))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One tick: (series,) each.

    Attributes:
        score: see the module; negative never.
        direction: -1, 0, 1: the side on which the value lies.
        yhat, lower, upper: the expectation and the band's edges, in the series' unit.
        reason: index into `REASONS`; `level_shift` while a level is followed, else 0 up to a score of 1.
        confidence: 0…1, cycles seen and samples not missing; 0 during warm-up.
        z: signed error in scales, 0 where there is no value: what groups are judged by.
    """

    score: Floats
    direction: NDArray[np.int8]
    yhat: Floats
    lower: Floats
    upper: Floats
    reason: NDArray[np.int8]
    confidence: Singles
    z: Singles


@dataclass(frozen=True, slots=True)
class _Moment:
    step: float
    phase: float
    turned: bool
    elapsed: float
    passed: float
    period: int
    block_ended: bool
    days_ended: int
    policy: Policy


def tick(
    shape: Shape, state: State, step: float, phase: float, values: Floats,
    *, policy: Policy = ANY_DEVIATION, learn: Bools | None = None, elapsed: float | None = None,
) -> Judged:  # fmt: skip
    """Judge one sample of each series, then learn from it: `state` is changed.

    Args:
        shape: of the same series, in the same order.
        state: after the sample before.
        step: time in steps since the epoch; at most as far back as the last call.
        phase: the same by the wall clock of the series (`calendar.calendar_phases`).
        values: (series,) NaN or infinite where there is none; so are those beyond 1e36.
        policy: which deviations matter.
        learn: (series,) False where the sample is judged and not learnt from: maintenance, a
            deployment, an incident that somebody confirmed. All by default.
        elapsed: steps since the last tick that count, of those that have passed: time in which nobody
            looked is no absence. All by default.
    """
    period = shape.day.shape[1]
    before = step - 1.0 if np.isnan(state.step) else min(state.step, step)
    moment = _Moment(
        step,
        phase,
        np.floor(step) != np.floor(before),
        step - before if elapsed is None else elapsed,
        step - before,
        period,
        step // BLOCK > before // BLOCK,
        int(step // period - before // period),
        policy,
    )
    state.step = step
    if len(values) <= PART:
        return _tick(shape, state, moment, values, learn)
    parts = [slice(start, start + PART) for start in range(0, len(values), PART)]
    judged = [
        _tick(views(shape, p), views(state, p), moment, values[p], None if learn is None else learn[p])
        for p in parts
    ]
    names = Judged.__slots__
    return Judged(*(np.concatenate([getattr(each, name) for each in judged]) for name in names))


def adopt(state: State, old: Shape, new: Shape, step: float, phase: float) -> None:
    """Go on with `new` after a refit.

    When a season begins, levels move by it, so that forecasts do not. Until it has its full size, the slow
    scale forgets the errors there were without it.
    """
    partial = (old.cycles < FULL_CYCLES) | (new.cycles < FULL_CYCLES)
    np.copyto(state.slow, state.quick, where=partial)
    begun = (old.cycles < 2.0) | (new.cycles < 2.0) | ((old.other.period > 0) != (new.other.period > 0))
    before, after = _seasons(old, step, phase), _seasons(new, step, phase)
    for number, (was, is_) in enumerate(zip(before, after, strict=False)):
        state.level[2 * number : 2 * number + 2] += np.where(begun, was - is_, 0.0)
    if new.week is None:
        state.level[UNWEEKLY:] = np.nan
        state.believed[state.believed >= UNWEEKLY] -= 2


def _tick(shape: Shape, state: State, moment: _Moment, values: Floats, learn: Bools | None) -> Judged:
    known = np.abs(values) < LARGEST_VALUE
    every = bool(known.all())
    values = values if every else np.where(known, values, 0.0)
    if moment.block_ended:
        state.tails.close_block(moment.days_ended)
    errors, outlying = _errors(shape, state, moment, values, known)
    at = state.believed * values.size + np.arange(values.size)
    error = errors.ravel().take(at)
    yhat = values - error
    if not every:
        errors *= known
        error *= known
    expected = yhat.astype(np.float32)
    spread = _spread(shape, moment.phase, expected)
    scale = np.maximum(state.scale * spread, QUIET_SHARE * state.usual)
    rounding = np.abs(expected) * np.float32(ROUNDING)
    z, width = _z(error, scale, expected, rounding)
    counted = _counts(shape, values)
    if counted.size:
        count_z = _count_z(shape, state, values, yhat, counted) * known[counted]
        z[counted] = count_z * (EDGE / COUNT_EDGE) / np.maximum(state.count_scale[counted], 1.0)
    taught = known if learn is None else known & learn
    size = _size(state, z, taught, moment.turned)
    above = z > 0
    told = news.told(state, moment.elapsed)
    edges = _edges(state, told)
    score = size / np.where(above, edges[0], edges[1])
    edges *= width
    # The band of counts is not even: its edge on the side of the value is where its score says.
    edges[:, counted] = np.abs(values - yhat)[counted] / np.maximum(score[counted], LEAST_SCORE)
    score, impossible = moment.policy.applied(score, values, yhat)
    judged = _judged(shape, state, moment, score, z, values, yhat, edges, known, impossible)

    weight = taught * np.float32(min(moment.elapsed, 1.0))
    weight[outlying] = 0.0
    _remember(state, moment, values, known)
    _move(shape, state, errors, at, weight, spread, rounding)
    if counted.size:
        _move_counts(state, counted, count_z, weight[counted])
    _note(state, moment, score, size, above, taught, told)
    return judged


def _size(state: State, z: Singles, taught: Bools, turned: bool) -> Singles:
    """Return how much evidence the errors of this step and of the one before are."""
    if turned:
        state.least_before[...] = state.least
        np.multiply(z, taught, out=state.least)
    else:
        closer = np.where(np.abs(z) < np.abs(state.least), z, state.least)
        np.copyto(state.least, closer * (z * state.least > 0), where=taught)
    size: Singles = np.abs(z)
    both = np.minimum(size, np.abs(state.least_before)) * (z * state.least_before > 0)
    result: Singles = np.maximum(size, np.float32(LASTING) * both)
    return result


def _edges(state: State, told: Singles) -> Singles:
    """Return (2, series) how far the band reaches in scales: as far as the tail and as what is no news."""
    edges: Singles = np.maximum(state.tails.edge, told)
    if state.seen.min() < SETTLED:
        edges *= np.maximum(SETTLED / np.maximum(state.seen, 1.0), 1.0).astype(np.float32)
    return edges


def _seasons(shape: Shape, step: float, phase: float) -> list[Singles | float]:
    """Return what is added to a level: nothing, the day, the day and the week if any; (series,) each.

    What is neither comes with the day.
    """
    day = _at(shape.day, phase)
    others = np.flatnonzero(shape.other.period)
    if others.size:
        day = day.copy()
        day[others] += cycle_at(shape.other, others, step)
    return [0.0, day] if shape.week is None else [0.0, day, day + _at(shape.week, phase)]


def _at(profile: Singles, phase: float) -> Singles:
    """Interpolate linearly around the circle."""
    period = profile.shape[1]
    low = int(np.floor(phase))
    share = np.float32(phase - low)
    value = profile[:, low % period]
    return value if share == 0 else (1 - share) * value + share * profile[:, (low + 1) % period]


def _errors(
    shape: Shape, state: State, moment: _Moment, values: Floats, known: Bools
) -> tuple[Singles, Ints]:
    """Return (forecasters, series) value less expectation, and the series that had an outlier among three.

    A series' first values set its levels.
    """
    seasons = _seasons(shape, moment.step, moment.phase)
    if shape.week is not None and np.isnan(state.level[UNWEEKLY].sum()):
        new = np.flatnonzero(np.isnan(state.level[UNWEEKLY]))
        for kept in (state.level, state.quick, state.slow, state.loss):
            kept[UNWEEKLY:, new] = kept[UNWEEKLY - 2 : UNWEEKLY, new]
    first, reset = np.empty(0, np.int64), np.empty(0, np.int64)
    if state.samples.min() < SEEDS:
        first = np.flatnonzero(known & (state.samples == 0))
        state.first[first] = values[first]
        reset, middle = _outlying(state, values, known)
        for scale in (state.quick, state.slow, state.loss):
            scale[:, reset] = 0.0
        state.samples[known & (state.samples < SEEDS)] += 1
    errors = np.empty((2 * len(seasons), values.size), np.float32)
    for number, season in enumerate(seasons):
        both = slice(2 * number, 2 * number + 2)
        bare = values - season
        state.level[both, first] = bare[first]
        if reset.size:
            state.level[both, reset] = bare[reset] + (middle - values[reset])
        np.subtract(bare, state.level[both], out=errors[both], casting="same_kind")
    return errors, reset


def _outlying(state: State, values: Floats, known: Bools) -> tuple[Ints, Floats]:
    """Return the series of whose first three values one is far from the others, and the median of the three.

    Their levels and scales would be the outlier's for days.
    """
    third = np.flatnonzero(known & (state.samples == SEEDS - 1))
    low, middle, high = np.sort([state.first[third], state.last[third], values[third]], axis=0)
    apart = np.minimum(high - middle, middle - low)
    least = np.where(apart > 0, apart, np.where(middle == 0, np.inf, np.abs(middle)))
    far = np.maximum(high - middle, middle - low) > OUTLYING * least
    return third[far], middle[far]


def _counts(shape: Shape, values: Floats) -> Ints:
    """Return the series whose values are whole counts; another value of such a series is judged as any."""
    quantum = shape.quantum
    if not quantum.any():
        return np.flatnonzero(quantum)
    counts = values / np.where(quantum > 0, quantum, np.inf)
    whole = np.abs(counts - np.rint(counts)) <= WHOLE * np.maximum(counts, 1.0)
    return np.flatnonzero((quantum > 0) & (values >= 0) & whole)


def _spread(shape: Shape, phase: float, expected: Singles) -> Singles:
    period, bins = shape.day.shape[1], shape.spread.shape[1]
    spread = _at(shape.spread, (phase % period + 0.5) * bins / period - 0.5)
    powered = np.flatnonzero(shape.power)
    if powered.size:
        spread = spread.copy()
        spread[powered] *= grown(expected[powered], shape.reference[powered], shape.power[powered])
    return spread


def _z(error: Singles, scale: Singles, expected: Singles, rounding: Singles) -> tuple[Singles, Singles]:
    """Return errors in scales, and the scales.

    What never moved has no scale: any move of it is far out, by no more than `OF_A_CONSTANT`.
    """
    constant = np.flatnonzero(scale <= rounding)
    if constant.size:
        scale[constant] = 1.0
    z = error / scale
    np.clip(z, -LARGEST, LARGEST, out=z)
    if constant.size:
        moved = np.abs(error[constant]) > rounding[constant]
        z[constant] = np.where(moved, np.copysign(np.float32(OF_A_CONSTANT), error[constant]), 0.0)
        scale[constant] = RELATIVE_FLOOR * np.abs(expected[constant])
    return z, scale


def _count_z(shape: Shape, state: State, values: Floats, yhat: Floats, counted: Ints) -> Floats:
    """Return z of the counts among the series; few samples behind the mean widen it (`counts.predictive`)."""
    quantum = shape.quantum[counted]
    mean = np.maximum(yhat[counted], 0.0) / quantum
    fast = state.believed[counted] % 2 == 1
    evidence = np.clip(state.seen[counted], 1.0, np.where(fast, 2.0 / FAST, 1.0 / RARE))
    total = mean * evidence + 0.5
    return z_score(values[counted] / quantum, total / evidence, 1.0 / total)


def _judged(
    shape: Shape, state: State, moment: _Moment, score: Singles, z: Singles,
    values: Floats, yhat: Floats, edges: Singles, known: Bools, impossible: Bools | None,
) -> Judged:  # fmt: skip
    reason = np.zeros(score.size, np.int8)
    alarms = np.flatnonzero(score > 1.0)
    reason[alarms] = np.where(z[alarms] > 0, SPIKE, DROP)
    reason[np.abs(state.outside) >= SHIFT_AFTER] = LEVEL_SHIFT
    result = score.astype(np.float64)
    if impossible is not None:
        reason[impossible] = OUT_OF_RANGE
    # Of those that have been still, the few for which it is unusual: news for a step, known for a day.
    flat = np.flatnonzero(state.still + np.float32(moment.elapsed) > FLAT_AFTER)
    if flat.size:
        still, before = state.still[flat] + moment.elapsed, state.seen[flat] - state.still[flat]
        limit = np.maximum(FLAT_AFTER, FLAT_FACTOR * state.longest_still[flat])
        lively = (before >= FLAT_DAYS * moment.period) & (state.moves[flat] >= FLAT_SHARE * before)
        stands = flat[lively & (values[flat] == state.last[flat]) & (still > limit)]
        told = np.where(still <= limit + HOLD, still / limit, KNOWN)[np.isin(flat, stands)]
        result[stands], reason[stands] = np.maximum(result[stands], told), FLATLINE
    if state.leak.any():
        leaks = state.leak > np.maximum(result, 1.0)
        result, reason = np.where(leaks, state.leak, result), np.where(leaks, LEAK, reason)
    early = state.seen < WARM_UP
    young = early.copy()
    if not known.all():
        live = ~early & (state.seen >= LIVE_SHARE * (state.age - state.gap))
        gap, usual_gap = state.gap + moment.elapsed, np.maximum(ABSENT_AFTER, 2.0 * state.longest_gap)
        absent = ~known & live & (gap >= usual_gap)
        result = np.where(known, result, np.where(absent, gap / usual_gap + 0.01, np.nan))
        reason = np.where(known, reason, np.where(absent, ABSENT, NONE))
        early &= known
    confidence = np.clip(shape.cycles / 3.0, 0.1, 1.0).astype(np.float32)
    confidence *= np.minimum(state.seen / np.maximum(state.age, 1.0), 1.0)
    if young.any():
        result[early], reason[early], confidence[young] = np.nan, NONE, 0.0
    band = moment.policy.band(yhat, edges[1], edges[0])
    return Judged(result, np.sign(z).astype(np.int8), *band, reason, confidence, z)


def _remember(state: State, moment: _Moment, values: Floats, known: Bools) -> None:
    """Count samples, gaps and stillness; the usual case, all there and all moving, costs least."""
    elapsed, weight = np.float32(moment.elapsed), min(moment.elapsed, 1.0)
    every = bool(known.all())
    state.seen += elapsed if every else known * elapsed
    begun = state.seen > 0
    state.age += elapsed if every else begun * elapsed
    if not every or state.gap.any():
        np.maximum(state.longest_gap, state.gap, out=state.longest_gap, where=known)
        state.gap += elapsed
        state.gap *= ~known & begun
    moved = known & (values != state.last)
    if moved.all():
        np.maximum(state.longest_still, state.still, out=state.longest_still)
        state.moves += np.float32(weight)
        state.still[...] = 0.0
        state.last[...] = values
        return
    np.maximum(state.longest_still, state.still, out=state.longest_still, where=moved)
    state.moves += moved * np.float32(weight)
    state.still += elapsed
    state.still *= ~moved & begun
    np.copyto(state.last, values, where=known)
    usual = np.maximum(FLAT_AFTER, FLAT_FACTOR * state.longest_still) + FLAT_ACCEPTED_DAYS * moment.period
    np.maximum(state.longest_still, state.still, out=state.longest_still, where=state.still > usual)


def _move(
    shape: Shape, state: State, errors: Singles, at: Ints, weight: Singles, spread: Singles, rounding: Singles
) -> None:  # fmt: skip
    """Move levels and scales of all forecasters."""
    early = 1.0 / np.maximum(state.seen, 1.0).astype(np.float32)

    def share(of_a_step: float | Singles) -> Singles:
        """Return the weight of this sample: a mean over all samples at first; 0 where there is none."""
        result: Singles = np.maximum(of_a_step, early) * weight
        return result

    used = len(errors)
    limit = state.quick[:used] * (CLIP * spread)
    # What has moved by rounding alone has no scale to clip by: at first any, later a small one.
    unmoved = limit <= rounding
    if unmoved.any():
        small = np.where(state.seen < WARM_UP, np.float32(np.inf), RELATIVE_FLOOR / ROUNDING * rounding)
        limit = np.where(unmoved, small, limit)
    bounded = np.minimum(errors, limit)
    np.maximum(bounded, np.negative(limit, out=limit), out=bounded)
    size, change = np.abs(bounded, out=limit), np.empty_like(limit)

    def approach(mean: Singles, of_a_step: float) -> None:
        np.subtract(size, mean, out=change)
        np.multiply(change, share(of_a_step), out=change)
        np.add(mean, change, out=mean)

    approach(state.loss[:used], LOSS)
    size *= SD / spread
    approach(state.quick[:used], QUICK_SCALE)
    approach(state.slow[:used], SLOW_SCALE)
    bounded[0::2] *= share(np.where(shape.quantum > 0, np.float32(RARE), np.float32(SLOW)))
    bounded[1::2] *= share(FAST)
    shifted = np.flatnonzero((np.abs(state.outside) >= SHIFT_AFTER) & (weight > 0))
    if shifted.size:
        where = at[shifted]
        bounded.ravel()[where] = SHIFT_WEIGHT * weight[shifted] * errors.ravel()[where]
    state.level[:used] += bounded
    _believe(state, at, used)


def _move_counts(state: State, counted: Ints, count_z: Floats, weight: Singles) -> None:
    scale = state.count_scale[counted]
    share = np.maximum(QUICK_SCALE, 1.0 / np.maximum(state.seen[counted], 1.0)) * weight
    bounded = np.minimum(np.abs(count_z), CLIP * np.maximum(scale, 1.0)) * SD
    state.count_scale[counted] = scale + share * (bounded - scale)


def _note(
    state: State, moment: _Moment, score: Singles, size: Singles, above: Bools, taught: Bools, told: Singles
) -> None:
    """Remember what is known from now on: the largest errors, and on which side they were."""
    weight = np.float32(min(moment.elapsed, 1.0))
    state.usual *= np.float32(0.5 ** (moment.passed / (QUIET_DAYS * moment.period)))
    np.maximum(state.usual, state.scale, out=state.usual)
    # While scales are still sought, errors in scales mean nothing.
    size = size * (taught & (state.seen >= WARM_UP))
    # Nor does a deviation that does not matter make one that does less news.
    matter = size * (score > 0)
    for side, there in enumerate((above, ~above)):
        np.maximum(state.tails.current[side], matter * there, out=state.tails.current[side])
    days = moment.passed / moment.period
    news.tell(state, days, score > 1.0, matter, above, taught * weight, told)
    far = size > CLIP
    if far.any():
        sign = np.where(above, np.float32(1), np.float32(-1))
        run = np.where(state.outside * sign >= 0, np.abs(state.outside), 0.0) + weight
        state.outside[...] = sign * run * far
    else:
        state.outside[...] = 0.0


def _believe(state: State, at: Ints, used: int) -> None:
    """Go on with the forecaster of the least loss, of equal ones with the one so far, which is at `at`."""
    loss = np.ascontiguousarray(state.loss[:used])
    wrong = np.flatnonzero(loss.ravel().take(at) > loss.min(axis=0))
    if wrong.size:
        at = at.copy()
        choice = np.argmin(loss[:, wrong], axis=0)
        state.believed[wrong] = choice
        at[wrong] = choice * loss.shape[1] + wrong
    state.scale[...] = np.maximum(state.quick[:used], state.slow[:used]).ravel().take(at)
