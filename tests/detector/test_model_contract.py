"""What every model class keeps, whatever it calls to learn a shape."""

from dataclasses import fields

import numpy as np
import pytest

from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.batch import bytes_per_series
from specter_detector.models.calendar import Holidays, calendar_phases
from specter_detector.models.grid import counter_increase, regular
from specter_detector.models.learners import Kind, learner
from specter_detector.models.online import ABSENT, DROP, SPIKE, adopt, tick
from specter_detector.models.policy import Policy
from specter_detector.models.replay import Replayed, replay
from specter_detector.models.shape import unknown_shape
from specter_detector.models.state import State, no_state
from specter_detector.models.tail import Tails

STEP, DAY = 3600.0, 24
DAYS = 28
N = DAYS * DAY
MONDAY = 1_767_571_200.0  # 2026-01-05, 00:00 UTC
TIMES: Floats = np.asarray(MONDAY + STEP * np.arange(N), np.float64)

KINDS: tuple[Kind, ...] = ("seasonal", "stl", "mstl")
every_kind = pytest.mark.parametrize("kind", KINDS)


def daily(seed: int = 0, series: int = 1, n: int = N) -> Floats:
    """Return (series, n) of a day between 80 and 120, and unit noise."""
    noise = np.random.default_rng(seed).normal(size=(series, n))
    return np.asarray(100 + 20 * np.sin(2 * np.pi * np.arange(n) / DAY) + noise, np.float64)


def replayed(kind: Kind, values: Floats, **options: object) -> Replayed:
    times = TIMES[: values.shape[1]]
    return replay(times, values, STEP, learn=learner(kind), refits_a_day=1 / 3, **options)  # type: ignore[arg-type]


@every_kind
def test_healthy_weeks_have_no_alarm_and_full_confidence(kind: Kind) -> None:
    result = replayed(kind, daily(1, 4))
    assert not (result.score[:, 7 * DAY :] > 1).any()
    assert result.score[:, DAY:].min() >= 0
    assert result.confidence[:, -1] == pytest.approx(1.0)


@every_kind
def test_a_spike_and_a_drop_are_found_and_named(kind: Kind) -> None:
    values = daily(2, 2)
    values[0, 600] += 15
    values[1, 600] = 0
    result = replayed(kind, values)
    assert (result.score[:, 600] > 1).all()
    assert result.reason[:, 600].tolist() == [SPIKE, DROP]


@every_kind
def test_the_replay_of_a_stretch_equals_the_online_run(kind: Kind) -> None:
    values = daily(3, 2)
    values[0, 300:310] = np.nan
    values[1, [400, 401, 415]] = 0.0
    result = replayed(kind, values)
    assert result.score[1, 415] > 1
    shape, state = unknown_shape(2, DAY), no_state(2)
    phases = calendar_phases(TIMES, STEP, "UTC")
    for index in range(N):
        if index and index % (3 * DAY) == 0:
            learnt = learner(kind)(values[:, :index], phases[:index], DAY, first=TIMES[0] / STEP)
            adopt(state, shape, learnt, TIMES[index] / STEP, phases[index])
            shape = learnt
        judged = tick(shape, state, TIMES[index] / STEP, phases[index], values[:, index])
        np.testing.assert_array_equal(judged.score, result.score[:, index])
        np.testing.assert_array_equal(judged.reason, result.reason[:, index])


@every_kind
def test_nothing_looks_at_a_later_sample(kind: Kind) -> None:
    values = daily(4)
    part = replayed(kind, values[:, : N // 2 + 5])
    np.testing.assert_array_equal(replayed(kind, values).score[:, : N // 2 + 5], part.score)


@every_kind
def test_series_of_a_batch_are_judged_as_if_alone(kind: Kind) -> None:
    values = daily(5, 3)
    values[1, 200:420] = np.nan
    values[2] = 7.0
    together = replayed(kind, values).score
    for row in range(3):
        np.testing.assert_allclose(replayed(kind, values[row : row + 1]).score[0], together[row], atol=1e-4)


@every_kind
def test_the_unit_does_not_matter(kind: Kind) -> None:
    values = daily(6)
    scores = replayed(kind, values).score
    for unit in (1e-25, 1e-9, 1e9, 1e25):
        np.testing.assert_allclose(replayed(kind, unit * values).score, scores, rtol=0.02, atol=0.02)


@every_kind
def test_unit_noise_on_1e12_is_judged_as_on_nothing(kind: Kind) -> None:
    values = daily(7)
    values[0, 600] += 15
    large = replayed(kind, values + 1e12).score[0]
    assert large[600] > 1
    assert not (large[7 * DAY : 600] > 1).any()


@every_kind
def test_a_constant_scores_nothing_until_it_moves(kind: Kind) -> None:
    values = np.full((1, N), 7.0)
    values[0, 500] = 8.0
    score = replayed(kind, values).score[0]
    assert (score[DAY:500] == 0).all()
    assert score[500] > 1


@every_kind
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e40, 1.7e308])
def test_an_odd_value_is_unknown_and_spoils_nothing(kind: Kind, odd: float) -> None:
    values = daily(8)
    values[0, 500] = odd
    score = replayed(kind, values).score[0]
    assert np.isnan(score[500])
    assert np.isfinite(np.delete(score, 500)[DAY:]).all()
    assert not (score[501:] > 1).any()


@every_kind
@pytest.mark.parametrize("n", [0, 1, 2, DAY - 1])
def test_too_little_is_unknown_not_healthy(kind: Kind, n: int) -> None:
    result = replayed(kind, daily(9)[:, :n])
    assert result.score.shape == (1, n)
    assert np.isnan(result.score).all()
    assert (result.confidence == 0).all()


@every_kind
def test_nothing_at_all_is_unknown(kind: Kind) -> None:
    result = replayed(kind, np.full((2, 10 * DAY), np.nan))
    assert np.isnan(result.score).all()
    assert (result.confidence == 0).all()


@every_kind
def test_under_one_period_there_is_a_level_and_a_wide_band(kind: Kind) -> None:
    values = np.random.default_rng(10).normal(100, 1, (1, 2 * DAY))
    result = replayed(kind, values)
    assert np.isfinite(result.score[0, DAY:]).all()
    assert not (result.score[0] > 1).any()
    assert 0 < result.confidence[0, DAY + 1] < 0.5


@every_kind
def test_a_series_that_vanishes_is_absent(kind: Kind) -> None:
    values = daily(11)
    values[0, 500:] = np.nan
    result = replayed(kind, values)
    assert (result.score[0, 502:] > 1).all()
    assert (result.reason[0, 502:] == ABSENT).all()


@every_kind
def test_an_excluded_window_feeds_neither_profile_nor_scale(kind: Kind) -> None:
    healthy = daily(12)
    worse = healthy.copy()
    excluded: Bools = np.zeros(N, np.bool_)
    for day in (10, 13, 16, 19, 20, 21):
        window = slice(day * DAY, day * DAY + 8)
        worse[0, window] += np.random.default_rng(day).normal(300, 80, 8)
        excluded[window] = True
    result = replayed(kind, worse, excluded=excluded)
    assert result.score[0, 10 * DAY] > 1
    alike = replayed(kind, healthy, excluded=excluded)
    np.testing.assert_allclose(result.shape.day, alike.shape.day, atol=1e-4)
    np.testing.assert_allclose(result.score[0, ~excluded], alike.score[0, ~excluded], atol=1e-4)
    spoilt = replayed(kind, worse)
    assert np.abs(spoilt.score[0, 22 * DAY :] - alike.score[0, 22 * DAY :]).max() > 0.1


@every_kind
def test_the_day_follows_the_wall_clock_over_daylight_saving(kind: Kind) -> None:
    # From 2026-03-09; summer time begins on the 29th.
    times = np.asarray(1_773_014_400.0 + STEP * np.arange(N), np.float64)
    local = calendar_phases(times, STEP, "Europe/Berlin")
    noise = np.random.default_rng(13).normal(size=N)
    values = np.asarray(np.where(local % DAY >= 9, 100.0, 20.0) + noise)[None]
    right = replay(times, values, STEP, tz="Europe/Berlin", learn=learner(kind), refits_a_day=1 / 3)
    changed = slice(20 * DAY, 22 * DAY)
    assert not (right.score[0, changed] > 1).any()
    wrong = replay(times, values, STEP, learn=learner(kind), refits_a_day=1 / 3)
    assert (wrong.score[0, changed] > 1).any()


@pytest.mark.parametrize("kind", ["seasonal", "mstl"])
def test_a_holiday_is_expected_to_be_like_a_sunday(kind: Kind) -> None:
    holiday = Holidays(dates=("2026-02-04",))  # a Wednesday
    quiet = ((np.arange(5 * 7 * DAY) // DAY) % 7 == 6) | (np.arange(5 * 7 * DAY) // DAY == 30)
    times = np.asarray(MONDAY + STEP * np.arange(quiet.size), np.float64)
    noise = np.random.default_rng(14).normal(size=quiet.size)
    daily_shape = 40 * np.sin(2 * np.pi * np.arange(quiet.size) / DAY)
    values = (100 + np.where(quiet, 0.25, 1.0) * daily_shape + noise)[None]
    options = {"learn": learner(kind), "refits_a_day": 1 / 3}
    told = replay(times, values, STEP, holidays=holiday, **options)  # type: ignore[arg-type]
    untold = replay(times, values, STEP, **options)  # type: ignore[arg-type]
    day = slice(30 * DAY, 31 * DAY)
    assert untold.score[0, day].max() > told.score[0, day].max()


@every_kind
def test_raw_samples_reach_a_model_by_the_grid(kind: Kind) -> None:
    """Duplicates, jitter, a hole and a counter's reset: what a scrape really gives."""
    rng = np.random.default_rng(15)
    times = TIMES + rng.uniform(-600, 600, N)
    total = np.cumsum(rng.poisson(400, N)).astype(np.float64)
    total[400:] -= total[399]  # a restart
    times, total = np.append(times, times[-1]), np.append(total, total[-1])
    kept = np.ones(times.size, np.bool_)
    kept[200:205] = False
    grid = regular(times[kept], total[kept], STEP)
    rates = counter_increase(grid.values[None])
    result = replay(grid.times, rates, STEP, learn=learner(kind), refits_a_day=1 / 3)
    there = np.isfinite(rates[0])
    assert result.score[0, there][7 * DAY :].max() < 1
    assert list(np.flatnonzero(~there)) == [0, 200, 201, 202, 203, 204]


@every_kind
def test_what_a_policy_ignores_makes_nothing_later_less_news(kind: Kind) -> None:
    values = daily(16)
    values[0, 600] += 30
    ignoring = Policy("below_expected", data_range=(0.0, 1000.0))
    result, plain = replayed(kind, values, policy=ignoring), replayed(kind, values)
    assert result.score[0, 600] == 0
    assert plain.score[0, 600] > 1
    assert result.state.fresh[0, 0] == 0
    assert plain.state.fresh[0, 0] > 1
    np.testing.assert_array_equal(result.state.level, plain.state.level)


def test_what_is_kept_of_a_series_is_small_and_bounded() -> None:
    shape, state = unknown_shape(100, 288), no_state(100)
    assert bytes_per_series(shape) + bytes_per_series(state) <= 2500
    arrays = [getattr(state, field.name) for field in fields(State) if field.name not in {"tails", "step"}]
    arrays += [getattr(state.tails, field.name) for field in fields(Tails)]
    assert all(array.shape[-1] == 100 for array in arrays)
