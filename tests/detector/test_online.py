"""The default model's core: a season learnt in batches, samples judged one by one."""

import numpy as np
import pytest

from specter_detector.models import online
from specter_detector.models.arrays import Floats
from specter_detector.models.online import (
    ABSENT,
    DROP,
    FLATLINE,
    LEAK,
    LEVEL_SHIFT,
    OUT_OF_RANGE,
    SPIKE,
    Judged,
    tick,
)
from specter_detector.models.policy import Policy
from specter_detector.models.replay import Replayed, replay
from specter_detector.models.shape import Shape, learn_shape, unknown_shape
from specter_detector.models.state import State, no_state
from specter_detector.models.tail import BLOCK, RANK, no_tails

STEP = 300.0
DAY = 288
DAYS = 10
MONDAY = 1_767_571_200.0  # 2026-01-05, 00:00 UTC


def some_times(days: float = DAYS) -> Floats:
    times: Floats = MONDAY + STEP * np.arange(int(days * DAY), dtype=np.float64)
    return times


def seasonal(seed: int, days: float = DAYS, *, noise: float = 1.0) -> Floats:
    """Return a day between 50 and 150, and noise."""
    phase = 2 * np.pi * np.arange(int(days * DAY)) / DAY
    values: Floats = 100 + 50 * np.sin(phase) + noise * np.random.default_rng(seed).normal(size=phase.size)
    return values


def replayed(*rows: Floats) -> Replayed:
    values = np.stack(rows)
    return replay(some_times(values.shape[1] / DAY), values, STEP)


def test_the_profile_of_the_day_is_found() -> None:
    values = seasonal(1)[None]
    shape = learn_shape(values, np.arange(values.shape[1], dtype=np.float64), DAY)
    truth = 50 * np.sin(2 * np.pi * np.arange(DAY) / DAY)
    assert np.abs(shape.day[0] - truth).max() < 2.0
    assert shape.cycles[0] == DAYS
    assert shape.week is None


def test_an_outage_of_six_hours_stays_out_of_the_profile() -> None:
    healthy = seasonal(2)
    out = healthy.copy()
    out[5 * DAY + 100 : 5 * DAY + 172] = 0.0
    phases = np.arange(healthy.size, dtype=np.float64)
    shape = learn_shape(np.stack([healthy, out]), phases, DAY)
    assert np.sqrt(np.mean((shape.day[1] - shape.day[0]) ** 2)) < 0.5


def test_noise_that_depends_on_the_time_of_the_day_is_learnt() -> None:
    rng = np.random.default_rng(3)
    night = (np.arange(14 * DAY) % DAY) < DAY // 2
    values = np.where(night, 1.0, 4.0) * rng.normal(size=14 * DAY)
    shape = learn_shape(values[None], np.arange(14 * DAY, dtype=np.float64), DAY)
    # Drawn towards even noise, and the largest errors are clipped: never the whole factor of 4.
    assert 2.5 < shape.spread[0, 18] / shape.spread[0, 6] < 4.0


def test_a_quiet_series_has_no_alarm_and_a_spike_has_one_at_once() -> None:
    quiet, spiked, dipped = seasonal(4), seasonal(4), seasonal(4)
    spiked[2500] += 12.0
    dipped[2500] -= 12.0
    result = replayed(quiet, spiked, dipped)
    assert not (result.score[0, 3 * DAY :] > 1).any()
    assert result.score[1, 2500] > 1
    assert result.reason[1, 2500] == SPIKE
    assert result.score[2, 2500] > 1
    assert result.reason[2, 2500] == DROP


def test_what_is_said_of_a_sample_does_not_depend_on_later_ones() -> None:
    values = seasonal(5)
    whole, part = replayed(values), replayed(values[: 6 * DAY + 17])
    np.testing.assert_array_equal(whole.score[:, : 6 * DAY + 17], part.score)


def test_series_do_not_see_each_other() -> None:
    alone, other = seasonal(6), seasonal(7)
    other[1000:1100] = np.nan
    np.testing.assert_allclose(replayed(alone, other).score[0], replayed(alone).score[0], atol=1e-5)


def test_a_level_shift_is_new_once_and_then_the_level() -> None:
    values = seasonal(8)
    values[2400:] += 30.0
    result = replayed(values)
    alarms = np.flatnonzero(result.score[0, 2300:] > 1) + 2300
    assert alarms[0] == 2400
    assert not (result.score[0, 2400 + DAY // 2 :] > 1).any()


def test_a_shift_that_grows_is_called_one() -> None:
    values = seasonal(9)
    values[2400:2420] += 10.0 * np.arange(1, 21)
    result = replayed(values)
    assert LEVEL_SHIFT in result.reason[0, 2400:2420]


def test_a_live_series_that_vanishes_is_absent() -> None:
    values = seasonal(10)
    values[2000:] = np.nan
    result = replayed(values)
    assert result.score[0, 2001] > 1
    assert result.reason[0, 2001] == ABSENT
    assert np.isnan(result.score[0, 2000])


def test_a_series_that_comes_and_goes_is_not_absent() -> None:
    values = seasonal(11)
    values[np.arange(values.size) % 4 < 2] = np.nan
    assert not (replayed(values).reason == ABSENT).any()


def test_nothing_is_said_during_warm_up_or_of_nothing() -> None:
    result = replayed(seasonal(12, 3), np.full(3 * DAY, np.nan))
    assert np.isnan(result.score[0, :23]).all()
    assert np.isfinite(result.score[0, 24:]).all()
    assert (result.confidence[0, :23] == 0).all()
    assert np.isnan(result.score[1]).all()
    assert (result.confidence[1] == 0).all()


def test_confidence_grows_to_one_over_three_days() -> None:
    confidence = replayed(seasonal(13)).confidence[0]
    assert confidence[100] == pytest.approx(0.1)
    assert confidence[2 * DAY] == pytest.approx(2 / 3, abs=0.05)
    assert confidence[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_an_odd_value_costs_its_own_score_alone(odd: float) -> None:
    values = seasonal(14)
    values[2000] = odd
    score = replayed(values).score[0]
    assert np.isnan(score[2000])
    assert np.isfinite(score[2001:]).all()
    assert not (score[2001:] > 1).any()


def test_a_constant_scores_nothing_and_its_first_move_is_anomalous() -> None:
    values = np.full(DAYS * DAY, 7.0)
    values[2000] = 8.0
    score = replayed(values).score[0]
    assert (score[24:2000] == 0).all()
    assert score[2000] > 1


def test_unit_noise_on_a_large_value_is_judged_as_on_a_small_one() -> None:
    small = seasonal(15)
    small[2500] += 15.0
    large = replayed(small + 1e12).score[0]
    assert large[2500] > 1
    assert not (large[3 * DAY : 2500] > 1).any()


def test_rare_counts_are_judged_as_counts() -> None:
    values = np.random.default_rng(16).poisson(0.05, DAYS * DAY).astype(np.float64)
    values[2500] = 12.0
    score = replayed(values).score[0]
    assert score[2500] > 1
    assert not (score[3 * DAY : 2500] > 1).any()


def test_a_tick_between_two_steps_is_judged() -> None:
    shape, state = unknown_shape(1, DAY), no_state(1)
    rng = np.random.default_rng(17)
    for number in range(20 * 100):
        judged = tick(shape, state, number / 20, number / 20, 5 + rng.normal(size=1))
    assert 0 <= judged.score[0] < 1
    assert tick(shape, state, 101.0, 101.0, np.array([30.0])).score[0] > 1


def test_the_band_has_a_score_of_one_at_its_edge() -> None:
    values = seasonal(18, 4)[None]
    phases = np.arange(values.shape[1], dtype=np.float64)
    shape = learn_shape(values, phases, DAY)

    def after(last: float) -> tuple[float, float, float]:
        state = no_state(1)
        for index in range(values.shape[1] - 1):
            tick(shape, state, float(index), phases[index], values[:, index])
        judged = tick(shape, state, phases[-1], phases[-1], np.array([last]))
        return float(judged.score[0]), float(judged.upper[0]), float(judged.yhat[0])

    _, upper, yhat = after(float(values[0, -1]))
    assert after(upper)[0] == pytest.approx(1.0)
    assert after(yhat)[0] == pytest.approx(0.0, abs=1e-5)


def test_tails_know_the_kth_largest_block_of_the_week() -> None:
    rng = np.random.default_rng(19)
    magnitude = rng.exponential(size=(9 * DAY, 2, 3))
    tails = no_tails(3)
    for step, row in enumerate(magnitude):
        if step and step % BLOCK == 0:
            tails.close_block(int(step % DAY == 0))
        np.maximum(tails.current, row, out=tails.current)
    closed = 9 * DAY - BLOCK  # the last block is open
    maxima = magnitude[2 * DAY : closed].reshape(-1, BLOCK, 2, 3).max(axis=1)
    np.testing.assert_allclose(tails.rank(), np.sort(maxima, axis=0)[-RANK], rtol=1e-3)


def taught(values: Floats) -> tuple[Shape, State]:
    """Return what is known after all of `values` (series, n), learnt at its end."""
    phases = np.arange(values.shape[1], dtype=np.float64)
    shape, state = learn_shape(values, phases, DAY), no_state(len(values))
    for index, phase in enumerate(phases):
        tick(shape, state, phase, phase, values[:, index])
    return shape, state


def after(values: Floats, last: Floats, policy: Policy) -> Judged:
    shape, state = taught(values)
    step = float(values.shape[1])
    return tick(shape, state, step, step, last, policy=policy)


def test_a_direction_leaves_the_other_side_alone() -> None:
    values = np.stack([seasonal(20, 4), seasonal(20, 4)])
    odd = values[:, -1] + [20.0, -20.0]
    assert (after(values, odd, Policy()).score > 1).all()
    assert list(after(values, odd, Policy(direction="above_expected")).score > 1) == [True, False]
    assert list(after(values, odd, Policy(direction="below_expected")).score > 1) == [False, True]
    assert after(values, odd, Policy(direction="below_expected")).score[0] == 0


def test_a_deviation_below_the_least_that_matters_scores_nothing() -> None:
    values = seasonal(21, 4)[None]
    odd = values[:, -1] + 20.0
    assert after(values, odd, Policy(min_dev=(0.0, 10.0))).score[0] > 1
    assert after(values, odd, Policy(min_dev=(0.0, 40.0))).score[0] == 0
    assert after(values, odd, Policy(min_rel_dev=(0.0, 0.4))).score[0] == 0
    wide = after(values, odd, Policy(min_dev=(30.0, 40.0)))
    assert wide.upper[0] - wide.yhat[0] == pytest.approx(40.0)
    assert wide.yhat[0] - wide.lower[0] == pytest.approx(30.0)
    narrow, least = after(values, odd, Policy()), after(values, odd, Policy(min_dev=(0.0, 15.0)))
    assert least.score[0] == pytest.approx(narrow.score[0] * (narrow.upper[0] - narrow.yhat[0]) / 15.0)


def test_an_impossible_value_is_anomalous_however_likely_it_is() -> None:
    values = np.random.default_rng(22).normal(1.0, 0.5, (1, 4 * DAY))
    judged = after(values, np.array([1.01]), Policy(data_range=(0.0, 1.0)))
    assert judged.score[0] == pytest.approx(1.01)
    assert judged.reason[0] == OUT_OF_RANGE
    assert judged.upper[0] <= 1.0
    assert judged.lower[0] >= 0.0


def test_a_live_series_that_stops_moving_is_a_flatline() -> None:
    values = seasonal(23, 12)
    values[10 * DAY :] = 100.0  # between the extremes: no value of it is unusual
    result = replayed(values)
    flat = np.flatnonzero(result.reason[0] == FLATLINE)
    assert 10 * DAY + 12 <= flat[0] <= 10 * DAY + 14
    assert result.score[0, flat[0]] > 1


def test_a_series_that_often_rests_is_no_flatline() -> None:
    values = seasonal(24, 12)
    values[np.arange(values.size) % DAY < 40] = 60.0
    values[11 * DAY : 11 * DAY + 80] = 60.0
    assert not (replayed(values).reason == FLATLINE).any()


def test_an_outage_stays_in_alarm_for_a_step_when_ticks_are_close() -> None:
    values = seasonal(25, 4)
    shape, state = taught(values[None])
    scores = []
    for number in range(1, 41):
        step = values.size - 1 + number / 20
        scores.append(tick(shape, state, step, step, np.array([values[-1] - 9.0])).score[0])
    assert (np.array(scores[:20]) > 1).all()
    assert not (np.array(scores[20:]) > 1).any()


def test_two_errors_on_one_side_say_more_than_one() -> None:
    shape, state = unknown_shape(2, DAY), no_state(2)
    rng = np.random.default_rng(28)
    for number in range(5 * DAY):
        tick(shape, state, float(number), float(number), 100 + np.repeat(rng.normal(size=1), 2))
    tick(shape, state, 5.0 * DAY, 5.0 * DAY, np.array([104.5, 100.0]))
    score = tick(shape, state, 5.0 * DAY + 1, 5.0 * DAY + 1, np.full(2, 104.5)).score
    assert score[0] > score[1]


def test_a_constant_that_rounding_moves_has_its_first_real_move_told_though_a_small_one_came_before() -> None:
    policy = Policy("above_expected", (0.05, 0.05), (0.5, 0.5), (0.0, np.inf))
    neighbours = np.array([0.00475, np.nextafter(0.00475, 1.0)])
    values = neighbours[np.random.default_rng(29).integers(0, 2, 8 * DAY)][None]
    shape, state = taught(values)
    scores = []
    for number, value in enumerate([0.0161, 0.0162, 0.1678, 0.23]):
        step = values.shape[1] + number / 20
        scores.append(tick(shape, state, step, step, np.array([value]), policy=policy).score[0])
    assert scores[:2] == [0.0, 0.0]
    assert scores[2] > 1
    assert scores[3] > 1


def test_what_is_not_learnt_from_is_judged_and_leaves_no_trace() -> None:
    values = np.stack([seasonal(26, 4), seasonal(26, 4)])
    shape, state = taught(values)
    first = float(values.shape[1])
    for number in range(20):
        step = first + number
        odd = values[:, number] + [30.0, 0.0]
        judged = tick(shape, state, step, step, odd, learn=np.array([False, True]))
        assert judged.score[0] > 1
    step = first + 20
    judged = tick(shape, state, step, step, values[:, 20])
    assert abs(judged.yhat[0] - judged.yhat[1]) < 3.0
    assert judged.score[0] < 1


def test_the_first_samples_of_a_series_do_not_hide_its_first_anomaly() -> None:
    values = seasonal(27, 2, noise=0.5)
    values[150] += 30.0
    assert replayed(values).score[0, 150] > 1


@pytest.mark.parametrize("level", [0.3, 0.5, 1.0])
def test_errors_after_weeks_without_one_are_told(level: float) -> None:
    policy = Policy("above_expected", (0.02, 0.02), data_range=(0.0, 1.0))
    values = np.zeros((1, 8 * DAY))
    assert after(values, np.array([level]), policy).score[0] > 1


def test_a_least_deviation_beyond_the_band_scores_by_itself() -> None:
    values = np.zeros((1, 8 * DAY))
    policy = Policy(min_dev=(3.0, 3.0))
    assert after(values, np.array([30.0]), policy).score[0] > 1
    assert after(values, np.array([2.0]), policy).score[0] == 0


def test_one_absurd_value_does_not_blind_for_long() -> None:
    values = np.stack([seasonal(50, 9), seasonal(50, 9), np.full(9 * DAY, 100.0)])
    values[0, 2] = 1e9  # among the first
    values[1, 5 * DAY] = 1e6
    values[2, 2 * DAY] = 1e12
    values[:, -1] = [values[0, -1] + 30, values[1, -1] + 300, 200]
    assert (replayed(*values).score[:, -1] > 1).all()


def test_the_band_reaches_as_far_on_each_side_as_is_news_there() -> None:
    values = seasonal(51, 8)
    spiked = values.copy()
    spiked[-1] += 50.0
    quiet, loud = (taught(row[None]) for row in (values, spiked))
    step = float(values.size)
    bands = [tick(shape, state, step, step, values[:1]) for shape, state in (quiet, loud)]
    width = [(float(b.yhat[0] - b.lower[0]), float(b.upper[0] - b.yhat[0])) for b in bands]
    assert width[1][0] < 1.5 * width[0][0]
    assert width[1][1] > 5 * width[0][1]


def test_a_series_that_joins_late_is_absent_as_soon_as_any() -> None:
    old, young = seasonal(52, 12), seasonal(53, 12)
    young[: 6 * DAY] = np.nan
    young[10 * DAY :] = np.nan
    result = replayed(old, young)
    assert result.score[1, 10 * DAY + 1] > 1
    assert result.reason[1, 10 * DAY + 1] == ABSENT


def test_a_flatline_is_accepted_after_a_day() -> None:
    values = seasonal(54, 13)
    values[10 * DAY :] = 100.0
    result = replayed(values)
    assert (result.reason[0, 10 * DAY + 20 : 11 * DAY] == FLATLINE).all()
    assert not (result.score[0, 11 * DAY + 40 :] > 1).any()


def test_a_negative_value_of_counts_is_far_out() -> None:
    values = np.random.default_rng(55).poisson(0.5, (1, 8 * DAY)).astype(np.float64)
    assert after(values, np.array([-1000.0]), Policy()).score[0] > 1


def test_ticks_rarer_than_steps_are_confident_and_know_absence() -> None:
    shape, state = unknown_shape(1, DAY), no_state(1)
    rng = np.random.default_rng(56)
    for number in range(500):
        judged = tick(shape, state, 2.0 * number, 2.0 * number, 5 + rng.normal(size=1))
    assert judged.confidence[0] == pytest.approx(0.1)
    for number in range(500, 504):
        judged = tick(shape, state, 2.0 * number, 2.0 * number, np.array([np.nan]))
    assert judged.reason[0] == ABSENT


def test_a_batch_beyond_one_part_is_judged_as_its_series_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.stack([seasonal(seed, 3) for seed in range(30, 37)])
    whole = replayed(*values)
    monkeypatch.setattr(online, "PART", 3)
    np.testing.assert_array_equal(replayed(*values).score, whole.score)


def test_a_leak_towards_its_limit_is_told_until_the_next_refit() -> None:
    values = seasonal(40, 4)[None]
    shape, state = taught(values)
    state.leak[:] = 2.0
    step = float(values.shape[1])
    judged = tick(shape, state, step, step, values[:, 0])
    assert (judged.score[0], judged.reason[0]) == (2.0, LEAK)
