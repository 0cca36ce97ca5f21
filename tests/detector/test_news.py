"""What is news again: outages after outages, at ticks of a step and of 15 s."""

import numpy as np
import pytest

from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.batch import take
from specter_detector.models.news import QUIET_AFTER
from specter_detector.models.online import tick
from specter_detector.models.shape import Shape, learn_shape
from specter_detector.models.state import State, no_state

DAY = 288
DAYS = 8
HOUR = 12
SERIES = 12
GAPS = (1, 2, 6, 12, 24)  # hours
Known = tuple[Shape, State]


def level(steps: Floats) -> Floats:
    return np.asarray(100 + 50 * np.sin(2 * np.pi * steps / DAY))


def requests(steps: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(level(steps) * (1 + 0.05 * rng.normal(size=steps.size)))


def latency(steps: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(0.1 * np.exp(0.15 * rng.normal(size=steps.size)))


def counts(steps: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(rng.poisson(level(steps)), np.float64)


KINDS = {"requests": (requests, 0.0), "latency": (latency, 5.0), "counts": (counts, 0.0)}
"""Healthy values, and what an outage multiplies them by."""


def learnt(kind: str) -> Known:
    """Return what is known of `SERIES` healthy series after `DAYS`."""
    rng, steps = np.random.default_rng(1), np.arange(DAYS * DAY, dtype=np.float64)
    values = np.stack([KINDS[kind][0](steps, rng) for _ in range(SERIES)])
    shape, state = learn_shape(values, steps, DAY), no_state(SERIES)
    for index, step in enumerate(steps):
        tick(shape, state, step, step, values[:, index])
    return shape, state


@pytest.fixture(scope="module")
def known() -> dict[str, Known]:
    return {kind: learnt(kind) for kind in KINDS}


def run(known: Known, values: Floats, ticks: int = 1) -> Floats:
    """Return the scores of further `values` (series, n), of which `ticks` come in a step."""
    shape, state = known
    steps = DAYS * DAY + np.arange(values.shape[1]) / ticks
    scored = [tick(shape, state, step, step, values[:, n]).score for n, step in enumerate(steps)]
    return np.stack(scored, axis=1)


def pairs(known: Known, kind: str, gaps: tuple[int, ...], length: int, ticks: int) -> tuple[Floats, Floats]:
    """Return scores (outages, 2 steps) of outages of `length` steps, and of 10 minutes some time later."""
    healthy, factor = KINDS[kind]
    rng = np.random.default_rng(2)
    n = (HOUR * (max(gaps) + 1) + length + 2) * ticks
    steps = DAYS * DAY + np.arange(n) / ticks
    rows, values, begun = [], [], []
    for row in range(SERIES):
        for gap in gaps:
            one = healthy(steps, rng)
            first = int(rng.integers(1, HOUR)) * ticks
            second = first + (length + gap * HOUR) * ticks
            one[first : first + length * ticks] *= factor
            one[second : second + 2 * ticks] *= factor
            rows.append(row)
            values.append(one)
            begun.append((first, second))
    shape, state = known
    scores = run((take(shape, rows), take(state, rows)), np.stack(values), ticks)

    def of(number: int) -> Floats:
        rows = [scores[row, at[number] : at[number] + 2 * ticks] for row, at in enumerate(begun)]
        return np.stack(rows)

    return of(0), of(1)


def test_an_outage_after_an_outage_is_told_within_two_steps(known: dict[str, Known]) -> None:
    for kind in KINDS:
        for length in (2, 12):
            first, second = pairs(known[kind], kind, GAPS, length, 1)
            assert (first > 1).any(axis=1).mean() == 1.0
            assert (second > 1).any(axis=1).mean() >= 0.95, (kind, length)


def test_an_outage_after_an_outage_is_told_when_ticks_are_close(known: dict[str, Known]) -> None:
    for kind in KINDS:
        first, second = pairs(known[kind], kind, (1, 6), 2, 20)
        assert (first[:, 0] > 1).all()
        assert (second[:, :6] > 1).any(axis=1).mean() >= 0.95, kind  # 90 seconds


def test_the_fifth_outage_of_a_day_is_told(known: dict[str, Known]) -> None:
    rng = np.random.default_rng(3)
    values = np.stack([requests(DAYS * DAY + np.arange(5.0 * 2 * HOUR), rng) for _ in range(SERIES)])
    begun = np.arange(10, values.shape[1], 2 * HOUR)
    values[:, begun], values[:, begun + 1] = 0.0, 0.0
    scores = run(copied(known["requests"]), values)
    assert (np.maximum(scores[:, begun], scores[:, begun + 1]) > 1).mean() >= 0.95


def copied(known: Known, rows: int = SERIES) -> Known:
    return take(known[0], range(rows)), take(known[1], range(rows))


def spiked(sizes: dict[int, float], n: int) -> Floats:
    """Return (SERIES, n) of requests with `sizes` sd added at some steps."""
    rng = np.random.default_rng(4)
    values = np.stack([requests(DAYS * DAY + np.arange(float(n)), rng) for _ in range(SERIES)])
    for at, size in sizes.items():
        values[:, at] += size * 0.05 * level(DAYS * DAY + np.array([at]))
    return values


def test_a_noisy_hour_does_not_alarm_at_every_spike(known: dict[str, Known]) -> None:
    sizes = np.random.default_rng(5).uniform(8, 16, HOUR)
    spikes = {3 + 2 * number: size for number, size in enumerate(sizes)}  # of two hours
    scores = run(copied(known["requests"]), spiked(spikes, 30))
    assert (scores[:, 3] > 1).all()
    assert (scores > 1).sum(axis=1).mean() < 2.5


def test_what_is_smaller_than_was_told_is_no_news_unless_it_lasts(known: dict[str, Known]) -> None:
    alone, lasting = {2: 30.0, 20: 20.0}, {2: 30.0, 20: 20.0, 21: 20.0}
    assert not (run(copied(known["requests"]), spiked(alone, 24))[:, 3:] > 1).any()
    scores = run(copied(known["requests"]), spiked(lasting, 24))
    assert not (scores[:, 20] > 1).any()
    assert (scores[:, 21] > 1).all()


def test_the_same_is_no_news_before_the_series_was_quiet(known: dict[str, Known]) -> None:
    quiet = int(QUIET_AFTER)
    soon, later = ({2: 20.0, 3 + wait: 20.0} for wait in (quiet - 1, quiet))
    assert not (run(copied(known["requests"]), spiked(soon, 14))[:, 3:] > 1).any()
    assert (run(copied(known["requests"]), spiked(later, 14))[:, 3 + quiet] > 1).mean() > 0.8


def test_missing_values_are_no_quiet(known: dict[str, Known]) -> None:
    quiet = int(QUIET_AFTER)
    values = spiked({2: 20.0, 3 + quiet: 20.0}, 14)
    values[:, 4:7] = np.nan
    assert not (run(copied(known["requests"]), values)[:, 3 + quiet] > 1).any()


def test_an_error_that_stays_is_told_for_a_step_and_scores_less_after_it(known: dict[str, Known]) -> None:
    values = spiked(dict.fromkeys(range(3, 9), 14.0), 9)
    scores = run(copied(known["requests"]), values)
    assert (scores[:, 3] > 1).all()
    after = scores[:, 5:9]
    assert after.min() > 0.3
    assert after.max() < 1


def test_what_is_not_learnt_from_leaves_what_is_news_as_it_was(known: dict[str, Known]) -> None:
    shape, state = copied(known["requests"])
    before = take(state, range(SERIES))
    nothing: Bools = np.zeros(SERIES, np.bool_)
    for number in range(3):
        step = float(DAYS * DAY + number)
        judged = tick(shape, state, step, step, np.zeros(SERIES), learn=nothing)
        assert (judged.score > 1).all()
    assert np.isinf(state.quiet).all()
    assert (state.fresh <= before.fresh).all()
