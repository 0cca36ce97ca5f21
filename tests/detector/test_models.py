"""Forecast, band and score on series whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_detector.models.arrays import Floats
from specter_detector.models.calibration import calibrate, rolling_errors
from specter_detector.models.gaps import fill, trim
from specter_detector.models.phases import local_seconds
from specter_detector.models.profile import Profile, phase_median, smooth
from specter_detector.models.score import Policy, score
from specter_detector.models.seasonal import Band, FitOptions, FittedModel, fit
from tests.detector.generated_series import DAY, FIT_STEP, generate, load

OPTIONS = FitOptions(float(FIT_STEP), (float(DAY), 7.0 * DAY))
RATE = Policy(min_rel_dev=(0.3, 0.3), data_range=(0.0, np.inf))
LATENCY = Policy("above_expected", (0.05, 0.05), (0.5, 0.5), (0.0, np.inf))


def grid(days: float, end: int = 1_699_920_000) -> Floats:
    return np.arange(end - days * DAY, end + 1, FIT_STEP, dtype=np.float64)


def fitted(times: Floats, values: Floats, options: FitOptions = OPTIONS) -> FittedModel:
    model = fit(times, values, options)
    assert model is not None
    return model


def score_at(model: FittedModel, at: float, value: float, policy: Policy | None = None) -> float:
    return float(score(np.array([value]), model.predict(np.array([at])), policy or Policy()).score[0])


@pytest.mark.parametrize(
    ("kind", "parameter", "policy", "factor"),
    [
        ("request_rate", 20.0, RATE, 0.25),
        ("request_rate", 20.0, Policy(), 0.25),
        ("latency", 0.1, Policy(), 5.0),
        ("p95", 5.0, Policy(), 5.0),
        ("p95", 5.0, LATENCY, 5.0),
    ],
)
def test_a_quiet_day_is_quiet_and_a_fault_is_seen_at_its_first_sample(
    kind: str, parameter: float, policy: Policy, factor: float
) -> None:
    for seed in range(3):
        series = generate(kind, seed, parameter)
        band = fitted(series.times, series.values).predict(series.live_times)
        quiet = score(series.live_values, band, policy).score
        assert int(np.sum(quiet > 1)) == 0, f"seed {seed}: {np.nanmax(quiet)}"
        assert np.mean(score(series.live_values * factor, band, policy).score > 1) > 0.999


@pytest.mark.prove
@pytest.mark.parametrize(
    ("kind", "parameter"),
    [("request_rate", 20.0), ("latency", 0.1), ("p95", 5.0)],
)
def test_forty_quiet_days_are_quiet(kind: str, parameter: float) -> None:
    for seed in range(100, 140):
        series = generate(kind, seed, parameter)
        band = fitted(series.times, series.values).predict(series.live_times)
        quiet = score(series.live_values, band, Policy()).score
        assert int(np.sum(quiet > 1)) == 0, f"seed {seed}"


def test_the_forecast_knows_days_and_weekends() -> None:
    series = generate("request_rate", 5, 20.0)
    model = fitted(series.times, series.values)
    assert list(model.periods) == [DAY, 7 * DAY]
    week = series.live_times[0] + np.arange(0, 7 * DAY, 600.0)
    truth = 20.0 * load(week)
    off = np.abs(model.predict(week).yhat - truth) / truth
    # The jump at the weekend's midnights is smoothed over an hour; elsewhere it is close.
    assert np.quantile(off, 0.97) < 0.05


def test_only_the_past_matters_and_equal_history_gives_an_equal_model() -> None:
    series = generate("request_rate", 6, 20.0, days=7)
    cut = 6 * 288
    full = fitted(series.times[:cut], series.values[:cut])
    with_gap = series.values.copy()
    with_gap[cut:] = np.nan
    same = fitted(series.times, with_gap)
    at = series.times[cut:]
    assert np.array_equal(full.predict(at).yhat, same.predict(at).yhat)
    assert same.fitted_until == series.times[cut - 1]


def test_an_outage_in_the_history_neither_moves_the_forecast_nor_hides_the_next() -> None:
    series = generate("request_rate", 7, 20.0)
    clean = fitted(series.times, series.values)
    broken = series.values.copy()
    broken[-3 * 288 : -3 * 288 + 60] = 0.0
    model = fitted(series.times, broken)
    at = series.live_times[::20]
    assert np.max(np.abs(model.predict(at).yhat / clean.predict(at).yhat - 1)) < 0.03
    assert np.all(score(0.25 * 20.0 * load(at), model.predict(at), RATE).score > 1)


def test_an_outage_that_lasts_is_not_learnt_within_hours() -> None:
    series = generate("request_rate", 8, 20.0)
    broken = series.values.copy()
    broken[-6 * 12 :] = 0.0
    model = fitted(series.times, broken)
    assert score_at(model, series.live_times[0], 0.0, RATE) > 1


def test_a_constant_series_scores_0_and_any_change_above_1() -> None:
    for constant in (0.0, 1.0, 50.0, -3.0, 1e9):
        times = grid(7)
        model = fitted(times, np.full(times.size, constant))
        at = times[-1] + 300
        assert score_at(model, at, constant) == 0.0
        assert score_at(model, at, constant * 1.01 + 0.001) > 1
        assert score_at(model, at, constant * 0.99 - 0.001) > 1


def test_too_little_history_gives_no_model() -> None:
    times = grid(1)
    assert fit(times, np.full(times.size, np.nan), OPTIONS) is None
    assert fit(times[:0], times[:0], OPTIONS) is None
    few = np.full(times.size, np.nan)
    few[:23] = 1.0
    assert fit(times, few, OPTIONS) is None


def test_periods_are_used_once_two_of_them_are_known() -> None:
    for days, periods in ((1, ()), (1.9, ()), (2, (DAY,)), (13, (DAY,)), (14, (DAY, 7 * DAY))):
        times = grid(days)
        values = 20 * load(times) + np.random.default_rng(0).normal(size=times.size)
        assert fitted(times, values).periods == periods, days


def test_a_band_is_wider_the_less_is_known() -> None:
    series = generate("request_rate", 9, 20.0)
    at = series.live_times[:1]
    short, long = (
        fitted(series.times[-days * 288 :], series.values[-days * 288 :]).predict(at).above[0]
        for days in (3, 28)
    )
    assert short > 1.2 * long


@pytest.mark.parametrize("days", [0.5, 1.5, 3.0])
def test_a_young_series_raises_no_alarm_in_its_next_hour(days: float) -> None:
    for seed in range(5):
        series = generate("request_rate", seed, 20.0)
        count = int(days * 288)
        model = fitted(series.times[-count:], series.values[-count:])
        result = score(series.live_values[:240], model.predict(series.live_times[:240]), Policy())
        assert np.max(result.score) < 1


def test_gaps_do_not_disturb_the_forecast() -> None:
    series = generate("request_rate", 10, 20.0)
    whole = fitted(series.times, series.values)
    holes = series.values.copy()
    rng = np.random.default_rng(0)
    holes[rng.random(holes.size) < 0.2] = np.nan
    holes[1000:1600] = np.nan
    holes[3] = np.inf
    model = fitted(series.times, holes)
    at = series.live_times[::40]
    assert np.max(np.abs(model.predict(at).yhat / whole.predict(at).yhat - 1)) < 0.08


def test_a_daylight_saving_change_does_not_move_the_profile() -> None:
    end = 1_711_843_200  # 2024-03-31 00:00 UTC; Berlin's clocks change an hour later

    def shape(times: Floats, tz: str) -> Floats:
        return 20 + 10 * np.sin(2 * np.pi * local_seconds(times, tz) / DAY)

    times = grid(14, end)
    after = np.arange(end + DAY, end + 2 * DAY, 600.0)
    values = shape(times, "Europe/Berlin")
    aware = fitted(times, values, FitOptions(float(FIT_STEP), (float(DAY),), tz="Europe/Berlin"))
    naive = fitted(times, values, FitOptions(float(FIT_STEP), (float(DAY),)))
    truth = shape(after, "Europe/Berlin")
    assert np.max(np.abs(aware.predict(after).yhat - truth)) < 0.1
    assert np.max(np.abs(naive.predict(after).yhat - truth)) > 2


def test_local_seconds_follow_the_wall_clock() -> None:
    winter, summer = 1_711_846_799.0, 1_711_846_800.0  # one second before and at the change
    assert local_seconds(np.array([winter, summer]), "Europe/Berlin").tolist() == [
        winter + 3600,
        summer + 7200,
    ]
    assert local_seconds(np.array([winter]), "Asia/Kolkata").tolist() == [winter + 19800]


def band(yhat: float, half: float) -> Band:
    return Band(np.array([yhat]), np.array([half]), np.array([half]))


def one(value: float, of: Band, policy: Policy) -> float:
    return float(score(np.array([value]), of, policy).score[0])


def test_score_is_0_at_the_expectation_and_1_at_the_edge() -> None:
    assert [one(value, band(10, 2), Policy()) for value in (10, 11, 12, 8, 20)] == [0, 0.5, 1, 1, 5]


def test_score_of_an_unknown_value_is_unknown() -> None:
    for value in (np.nan, np.inf, -np.inf):
        assert np.isnan(one(value, band(10, 2), Policy(data_range=(0, 1))))


def test_score_outside_the_data_range_is_above_1_whatever_the_direction() -> None:
    policy = Policy("below_expected", data_range=(0.0, 1.0))
    assert one(1.001, band(0.9, 5), policy) == 1.01
    assert one(1.0, band(0.9, 5), policy) == 0.0


def test_score_counts_one_direction_only_when_told() -> None:
    assert one(20, band(10, 2), Policy("below_expected")) == 0
    assert one(0, band(10, 2), Policy("below_expected")) == 5
    assert one(0, band(10, 2), Policy("above_expected")) == 0
    assert one(20, band(10, 2), Policy("above_expected")) == 5


def test_both_minimum_deviations_must_be_exceeded() -> None:
    policy = Policy(min_dev=(3, 4), min_rel_dev=(0.1, 0.5))
    assert one(14, band(10, 1), policy) == 0  # 4 is not more than 4, and not more than half of 10
    assert one(15, band(10, 1), policy) == 0
    assert one(15.5, band(10, 1), policy) == 1.1
    assert one(7, band(10, 1), policy) == 0
    assert one(6.4, band(10, 1), policy) == pytest.approx(1.2)


def test_the_published_band_is_cut_at_the_data_range_and_the_score_is_not() -> None:
    result = score(np.array([0.0]), band(1, 2), Policy(data_range=(0.0, 2.0)))
    assert (result.lower[0], result.upper[0], result.score[0]) == (0.0, 2.0, 0.5)
    assert score(np.array([0.0]), band(-1, 2), Policy(data_range=(0.0, 2.0))).yhat[0] == 0.0


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    yhat=st.floats(-1e12, 1e12),
    half=st.floats(1e-6, 1e12),
    direction=st.sampled_from(["both", "above_expected", "below_expected"]),
)
def test_a_score_is_nan_exactly_for_unknown_values_and_never_negative(
    value: float, yhat: float, half: float, direction: str
) -> None:
    result = one(value, band(yhat, half), Policy(direction))  # type: ignore[arg-type]
    assert np.isnan(result) != np.isfinite(value)
    assert not result < 0


@settings(max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60), st.integers(1, 12))
def test_phase_median_equals_numpys_median_of_each_phase(raw: list[float | None], period: int) -> None:
    values = np.array([np.nan if value is None else value for value in raw])
    if not np.isfinite(values).any():
        return
    phases = np.arange(values.size, dtype=np.float64)
    result = phase_median(values, phases, period)
    for phase in range(period):
        members = values[phase::period]
        if np.isfinite(members).any():
            assert result[phase] == pytest.approx(np.nanmedian(members))
    assert np.isfinite(result).all()


def test_profile_is_interpolated_around_the_end_of_the_period() -> None:
    profile = Profile(np.array([0.0, 2.0, 4.0]))
    assert profile.at(np.array([0.5, 2.5, 3.0, -1.0])).tolist() == [1.0, 2.0, 0.0, 4.0]


def test_smoothing_keeps_the_sum_and_the_place_of_a_peak() -> None:
    peak = np.zeros(24)
    peak[0] = 9.0
    result = smooth(peak, 2)
    assert result[[22, 23, 0, 1, 2]].tolist() == [1.0, 2.0, 3.0, 2.0, 1.0]
    assert result.sum() == 9.0


def test_fill_keeps_the_season_in_a_gap_and_observations_as_they_are() -> None:
    values = np.tile([1.0, 5.0, 9.0, 5.0], 6)
    holes = values.copy()
    holes[9:14] = np.nan
    assert np.array_equal(fill(holes, np.arange(24.0), 4), values)


def test_trim_cuts_the_unknown_ends() -> None:
    times, values = trim(np.arange(5.0), np.array([np.nan, 1.0, np.inf, 2.0, np.nan]))
    assert times.tolist() == [1, 2, 3]
    assert values.tolist()[::2] == [1.0, 2.0]
    assert np.isnan(values[1])


def test_rolling_errors_use_nothing_of_the_stretch_they_forecast() -> None:
    flat = np.array([1.0, 1.0, 1.0, 5.0, 7.0, 5.0])
    assert rolling_errors(flat, start=3, window=3, every=2).tolist() == [4.0, 6.0, 0.0]


def test_one_incident_does_not_set_the_tail() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(size=2016)
    phases = np.arange(2016.0)
    quiet = calibrate(errors, phases, None, block=72, floor=1e-9)
    errors[700:760] += 100.0
    assert calibrate(errors, phases, None, block=72, floor=1e-9).tail_above == pytest.approx(
        quiet.tail_above, rel=0.25
    )
    assert 2.5 < quiet.tail_above < 4.0
