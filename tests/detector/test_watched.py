"""Fits and ticks together, as a job runs them: history at five minutes, ticks every 15 seconds."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from specter_detector.models.arrays import Floats
from specter_detector.models.batch import take
from specter_detector.models.calendar import Holidays
from specter_detector.models.fit import REPLAYED_DAYS, REPLAYED_STEPS, FitOptions, Fitted, fit
from specter_detector.models.phases import local_seconds
from specter_detector.models.policy import ANY_DEVIATION, Policy
from specter_detector.series import Labels
from specter_detector.store.fields import taken_apart
from specter_detector.watched import Watched
from tests.detector.fitted import STEP, named, watched
from tests.detector.generated_series import DAY, FIT_STEP, generate, load

LATENCY = Policy("above_expected", (0.05, 0.05), (0.5, 0.5), (0.0, np.inf))


def grid(days: float, end: float = 1_699_920_000) -> Floats:
    times: Floats = np.arange(end - days * DAY, end + 1, FIT_STEP, dtype=np.float64)
    return times


@pytest.mark.parametrize(
    ("kind", "parameter", "policy", "factor"),
    [
        ("request_rate", 20.0, ANY_DEVIATION, 0.25),
        ("latency", 0.1, ANY_DEVIATION, 5.0),
        ("p95", 5.0, LATENCY, 5.0),
    ],
)
def test_a_quiet_day_is_quiet_and_a_fault_is_seen_at_its_first_sample(
    kind: str, parameter: float, policy: Policy, factor: float
) -> None:
    series = [generate(kind, seed, parameter) for seed in range(6)]
    labels = named(*map(str, range(6)))
    subject = watched(
        series[0].times, np.stack([each.values for each in series]), labels, FitOptions(policy=policy)
    )
    live = np.stack([each.live_values for each in series])
    alarms, seen, faults = 0, 0, 0
    for index, at in enumerate(series[0].live_times.tolist()):
        if index % 480 == 240:
            broken = copy.deepcopy(subject).judge(
                at, dict(zip(labels, (live[:, index] * factor).tolist(), strict=True))
            )
            faults += sum(np.isfinite(verdict.value) for verdict in broken)
            seen += sum(verdict.anomalous for verdict in broken)
        verdicts = subject.judge(at, dict(zip(labels, live[:, index].tolist(), strict=True)))
        alarms += sum(verdict.anomalous for verdict in verdicts)
    assert alarms <= 1  # of 34,560
    assert faults > 60
    assert seen == faults


@pytest.mark.parametrize("days", [0.5, 1.5, 3.0])
def test_a_young_series_raises_no_alarm_in_its_next_hour(days: float) -> None:
    series = [generate("request_rate", seed, 20.0) for seed in range(5)]
    count = int(days * 288)
    labels = named(*map(str, range(5)))
    subject = watched(series[0].times[-count:], np.stack([each.values[-count:] for each in series]), labels)
    for index, at in enumerate(series[0].live_times[:240].tolist()):
        verdicts = subject.judge(
            at, {each: one.live_values[index] for each, one in zip(labels, series, strict=True)}
        )
        assert max(verdict.score for verdict in verdicts) < 1


def test_the_forecast_knows_the_day() -> None:
    series = generate("request_rate", 5, 20.0)
    (labels,) = named("a")
    subject = watched(series.times, series.values[None], [labels])
    off = []
    for at, value in zip(series.live_times[::20].tolist(), series.live_values[::20].tolist(), strict=True):
        (verdict,) = subject.judge(at, {labels: value})
        truth = 20.0 * float(load(np.array([at]))[0])
        off.append(abs(verdict.yhat - truth) / truth)
    assert np.quantile(off, 0.9) < 0.1


def test_only_the_past_matters_and_equal_history_gives_an_equal_judgement() -> None:
    series = generate("request_rate", 6, 20.0, days=7)
    labels = named("a")
    at = float(series.times[-1]) + 15
    first, second = (
        watched(series.times, series.values[None], labels).judge(at, {labels[0]: 9.0}) for _ in range(2)
    )
    assert list(first) == list(second)


def test_a_series_that_joins_is_judged_as_if_it_were_alone() -> None:
    one, other = (generate("request_rate", seed, 20.0, days=5) for seed in (1, 2))
    first, second = named("first", "second")
    alone = watched(other.times, other.values[None], [second])
    subject = watched(one.times, one.values[None], [first])
    start = float(one.times[-1])
    subject.judge(start + 15, {first: 5.0})
    subject.learn([second], fit(other.times, other.values[None], FitOptions(), with_state=True), start + 30)
    for tick in range(2, 60):
        at = start + 15 * tick
        together = subject.judge(at, {first: 5.0, second: 6.0})
        (apart,) = alone.judge(at, {second: 6.0})
        # It was not seen between the end of its history and its first tick, where the batch has one more.
        assert together[1].score == pytest.approx(apart.score, abs=0.01)


def test_series_leave_without_moving_the_others() -> None:
    series = [generate("request_rate", seed, 20.0, days=3) for seed in range(3)]
    labels = named("a", "b", "c")
    subject = watched(series[0].times, np.stack([each.values for each in series]), labels)
    copied = copy.deepcopy(subject)
    subject.leave(labels[:2])
    at = float(series[0].times[-1]) + 15
    assert list(subject.judge(at, {labels[2]: 7.0})) == list(copied.judge(at, {labels[2]: 7.0}))[2:]
    subject.leave(labels)
    assert len(subject.judge(at + 15, {})) == 0
    assert labels[2] not in subject


def test_a_shape_without_a_state_brings_no_series_in() -> None:
    times = grid(3)
    subject = Watched(FitOptions(), 15.0)
    subject.learn(named("a"), fit(times, np.ones((1, times.size)), FitOptions(), with_state=False), times[-1])
    assert len(subject.judge(float(times[-1]), {})) == 0


def test_a_daylight_saving_change_does_not_move_the_day() -> None:
    end = 1_711_843_200  # 2024-03-31 00:00 UTC; Berlin's clocks change an hour later
    times = grid(14, end)

    def shape(at: Floats) -> Floats:
        return 20 + 10 * np.sin(2 * np.pi * local_seconds(at, "Europe/Berlin") / DAY)

    noisy = shape(times) + np.random.default_rng(0).normal(scale=0.1, size=times.size)
    (labels,) = named("a")
    after = end + DAY + 8 * 3600.0
    truth = float(shape(np.array([after]))[0])
    off = {}
    for tz in ("Europe/Berlin", "UTC"):
        subject = watched(times, noisy[None], [labels], FitOptions(tz=tz))
        (verdict,) = subject.judge(after, {labels: truth})
        off[tz] = abs(verdict.yhat - truth)
    assert off["Europe/Berlin"] < 0.5
    assert off["UTC"] > 1.0


def test_a_holiday_is_expected_to_be_like_a_sunday() -> None:
    end = 1_767_744_000.0  # 2026-01-07 00:00 UTC, a Wednesday
    times = grid(28, end)
    weekend = (times // DAY + 3) % 7 >= 5
    day = np.sin(2 * np.pi * times / DAY) * np.where(weekend, 1.0, 2.0)
    values = 20 + 10 * day + np.random.default_rng(0).normal(scale=0.1, size=times.size)
    (labels,) = named("a")
    noon = end + DAY / 4
    expected = []
    for holidays in (Holidays(), Holidays(dates=("2026-01-07",))):
        subject = watched(times, values[None], [labels], FitOptions(holidays=holidays))
        expected.append(subject.judge(noon, {labels: 40.0})[0].yhat)
    assert expected[0] - expected[1] > 5.0


@pytest.mark.parametrize(("step", "replayed"), [(300.0, REPLAYED_DAYS * 288), (60.0, REPLAYED_STEPS)])
def test_what_is_too_long_ago_is_learnt_from_and_not_replayed(step: float, replayed: int) -> None:
    times: Floats = step * np.arange(replayed + 1000, dtype=np.float64)
    fitted = fit(times, np.full((1, times.size), 5.0), FitOptions(step=step), with_state=True)
    assert fitted.state is not None
    assert fitted.state.seen[0] == replayed
    assert fitted.shape.cycles[0] == pytest.approx(times.size * step / DAY)


def test_a_young_series_is_replayed_from_its_beginning() -> None:
    times: Floats = STEP * np.arange(3000.0)
    values = np.full((1, times.size), 5.0)
    values[0, :-100] = np.nan
    fitted = fit(times, values, FitOptions(), with_state=True)
    assert fitted.state is not None
    assert fitted.state.age[0] == pytest.approx(100, abs=1)


def test_a_fit_says_when_each_series_was_seen_last() -> None:
    times = STEP * np.arange(300.0)
    values = np.ones((3, 300))
    values[1, 200:] = np.inf
    values[2] = np.nan
    last_seen = fit(times, values, FitOptions(), with_state=False).last_seen
    assert last_seen[:2].tolist() == [299 * STEP, 199 * STEP]
    assert np.isnan(last_seen[2])


def test_a_snapshot_stays_as_it_was_through_ticks_refits_joins_and_leaves() -> None:
    series = [generate("request_rate", seed, 20.0, days=15) for seed in range(4)]
    labels = named(*"abcd")
    values = np.stack([each.values for each in series])
    subject = watched(series[0].times, values[:3], labels[:3])
    at = float(series[0].times[-1]) + 15
    subject.judge(at, dict.fromkeys(labels[:3], 7.0))
    (taken,) = subject.snapshot()
    before = copy.deepcopy(taken)
    other = fit(series[0].times, values * 3, FitOptions(), with_state=True)
    subject.learn(labels[:2], replace(other, shape=take(other.shape, [0, 1])), at)
    assert not np.shares_memory(subject.snapshot()[0].shape.day, taken.shape.day)
    subject.learn(labels, other, at)
    subject.judge(at + 15, dict.fromkeys(labels, 70.0))
    subject.leave(labels[:1])
    assert taken.labels == tuple(labels[:3])
    for now, then in ((taken.shape, before.shape), (taken.state, before.state)):
        for name, array in taken_apart(now, "").items():
            np.testing.assert_array_equal(array, taken_apart(then, "")[name], err_msg=name)


def test_what_is_restored_goes_on_as_the_other_does_and_leaves_what_was_saved_as_it_is() -> None:
    series = [generate("request_rate", seed, 20.0, days=3) for seed in range(3)]
    labels = named(*"abc")
    subject = watched(series[0].times, np.stack([each.values for each in series]), labels)
    at = float(series[0].times[-1]) + 15
    subject.judge(at, dict.fromkeys(labels, 7.0))
    saved = subject.snapshot()
    again, once_more = Watched(FitOptions(step=STEP), 15.0), Watched(FitOptions(step=STEP), 15.0)
    again.restore(saved)
    expected = list(subject.judge(at + 15, dict.fromkeys(labels, 9.0)))
    assert list(again.judge(at + 15, dict.fromkeys(labels, 9.0))) == expected
    once_more.restore(saved)
    assert list(once_more.judge(at + 15, dict.fromkeys(labels, 9.0))) == expected


def test_fits_that_come_together_are_as_those_that_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("specter_detector.watched.LARGEST_BLOCK", 5)
    series = [generate("request_rate", seed, 20.0, days=3) for seed in range(7)]
    values = np.stack([each.values for each in series])
    labels = named(*"abcdefg")
    at = float(series[0].times[-1])

    def fits(*rows: int) -> tuple[list[Labels], Fitted]:
        chosen = [labels[row] for row in rows]
        return chosen, fit(series[0].times, values[list(rows)], FitOptions(), with_state=True)

    batches = [(0, 1), (2, 3), (4,), (1, 5), (6,)]
    together, apart = Watched(FitOptions(), 15.0), Watched(FitOptions(), 15.0)
    together.learn_all([fits(*rows) for rows in batches], at)
    for rows in batches:
        apart.learn(*fits(*rows), at)
    samples = dict.fromkeys(labels, 7.0)
    assert list(together.judge(at + 15, samples)) == list(apart.judge(at + 15, samples))
    assert [part.labels for part in together.snapshot()] == [tuple(labels[:5]), tuple(labels[5:])]
