"""Batched STL beside statsmodels', which is the reference for every setting."""

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from statsmodels.tsa.seasonal import STL

from specter_detector.models import stl
from specter_detector.models.arrays import Floats
from specter_detector.models.stl import StlOperator, StlSettings, stl_operator
from specter_detector.models.stl_robust import robust_decompose
from specter_detector.models.stl_thin import thin_plan

TOLERANCE = 1e-9
WEEK = StlSettings(288, trend_jump=56, low_pass_jump=29)
JUMPS = [(1, 1, 1), (2, 3, 2), (5, 10, 4), (1, 50, 1), (3, 4, 1000), (1000, 7, 3)]
DEGREES = [(1, 1, 1), (0, 1, 0), (1, 0, 1), (0, 0, 0)]


def some_series(count: int, n: int, period: int, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    season = 5 * np.sin(2 * np.pi * np.arange(n) / period + rng.uniform(0, 6, (count, 1)))
    return season + rng.normal(size=(count, n)) + 0.1 * rng.normal(size=(count, n)).cumsum(axis=1) + 20


def reference(values: Floats, settings: StlSettings, **more: Any) -> tuple[Floats, Floats]:
    names = [name for name in settings.__slots__ if name != "inner_iter"]
    fits = [
        STL(row, **{name: getattr(settings, name) for name in names}, **more).fit(
            inner_iter=None if more else settings.inner_iter
        )
        for row in values
    ]
    return np.array([fit.trend for fit in fits]), np.array([fit.seasonal for fit in fits])


def assert_equals_statsmodels(n: int, settings: StlSettings, count: int = 1) -> None:
    values = some_series(count, n, settings.period, seed=n)
    operator = StlOperator(n, settings)
    trend, seasonal = operator.decompose(values)
    expected_trend, expected_seasonal = reference(values, settings)
    limit = TOLERANCE * np.abs(values).max()
    assert np.abs(trend - expected_trend).max() <= limit
    assert np.abs(seasonal - expected_seasonal).max() <= limit
    assert np.abs(operator.trend(values) - expected_trend).max() <= limit


@pytest.mark.parametrize("period", [2, 3, 7, 12, 24])
@pytest.mark.parametrize("seasonal", [3, 7, 15])
def test_equals_statsmodels_for_all_lengths_degrees_and_jumps(period: int, seasonal: int) -> None:
    lengths = [2 * period, 2 * period + 1, 3 * period - 1, 5 * period + 2, 16 * period, 40 * period + 1]
    for n, degrees, jumps in itertools.product(lengths, DEGREES, JUMPS):
        assert_equals_statsmodels(n, StlSettings(period, seasonal, None, None, *degrees, *jumps))


@pytest.mark.parametrize("n", [577, 600, 864, 2016, 2100])
@pytest.mark.parametrize("jumps", [(1, 56, 29), (1, 1, 1), (2, 7, 56), (1, 287, 288)])
def test_equals_statsmodels_for_days_of_five_minutes(n: int, jumps: tuple[int, int, int]) -> None:
    assert_equals_statsmodels(n, StlSettings(288, 7, None, None, 1, 1, 1, *jumps))


@pytest.mark.parametrize(
    ("n", "settings"),
    [
        (1344, StlSettings(168, 13, trend=411, low_pass=201, trend_jump=41, inner_iter=1)),
        (1344, StlSettings(24, 7, trend=25, low_pass=25, inner_iter=2)),
        (500, StlSettings(24, 7, trend=601, low_pass=901, seasonal_deg=0)),
        (500, StlSettings(24, 999, trend=601, trend_jump=20)),
        (5000, StlSettings(2, 7, trend=5, seasonal_jump=11, low_pass_jump=2)),
        (10_000, StlSettings(288, trend_jump=5)),  # too many nodes for a thin matrix
    ],
)
def test_equals_statsmodels_for_chosen_windows(n: int, settings: StlSettings) -> None:
    assert_equals_statsmodels(n, settings)


def test_equals_statsmodels_where_no_weight_reaches_the_last_point() -> None:
    assert_equals_statsmodels(10_000, StlSettings(2, trend=3, trend_jump=5000))


def test_many_nodes_and_few_nodes_agree_with_statsmodels_on_many_series() -> None:
    for jump in (1, 2, 30):
        assert_equals_statsmodels(300, StlSettings(24, trend_jump=jump, low_pass_jump=jump), count=5)


@pytest.mark.parametrize("jump", [1, 56])
def test_an_offset_of_a_million_million_leaves_the_noise_intact(jump: int) -> None:
    settings = StlSettings(288, trend_jump=jump, low_pass_jump=29)
    offset = 2.0**40
    # Representable beside the offset, so that subtracting it again is exact.
    values = np.round(some_series(3, 2016, 288) * 1024) / 1024
    for dtype, limit in ((np.float64, 1e-3), (np.float32, 1e-3)):
        trend, seasonal = StlOperator(2016, settings, dtype).decompose(values + offset)
        plain_trend, plain_seasonal = StlOperator(2016, settings).decompose(values)
        assert np.abs(trend - offset - plain_trend).max() < limit
        assert np.abs(seasonal - plain_seasonal).max() < limit


@pytest.mark.parametrize("jumps", [(1, 1, 1), (1, 56, 29), (1, 56, 1)])
def test_float32_is_within_a_hundred_thousandth_of_the_range(jumps: tuple[int, int, int]) -> None:
    values = some_series(4, 2016, 288)
    settings = StlSettings(288, 7, None, None, 1, 1, 1, *jumps)
    single = StlOperator(2016, settings, np.float32)
    trend, seasonal = single.decompose(values)
    exact_trend, exact_seasonal = StlOperator(2016, settings).decompose(values)
    assert trend.dtype == seasonal.dtype == np.float64
    limit = 1e-5 * np.ptp(values)
    assert 0 < np.abs(trend - exact_trend).max() < limit
    assert 0 < np.abs(seasonal - exact_seasonal).max() < limit
    assert np.abs(single.trend(values) - exact_trend).max() < limit


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("jump", [1, 12])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_with_a_gap_is_nan_and_leaves_the_others_alone(dtype: type, jump: int, bad: float) -> None:
    operator = StlOperator(200, StlSettings(24, trend_jump=jump, low_pass_jump=jump), dtype)
    values = some_series(5, 200, 24)
    whole = np.delete(values, [1, 4], axis=0)
    values[1, 7] = values[4, :] = bad
    for result, expected in zip(
        (*operator.decompose(values), operator.trend(values)),
        (*operator.decompose(whole), operator.trend(whole)),
        strict=True,
    ):
        assert np.isnan(result[[1, 4]]).all()
        assert np.abs(result[[0, 2, 3]] - expected).max() < (1e-12 if dtype is np.float64 else 1e-5)


@pytest.mark.parametrize("jump", [1, 12])
def test_the_result_does_not_depend_on_the_chunks(jump: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = some_series(11, 200, 24)
    operator = StlOperator(200, StlSettings(24, trend_jump=jump, low_pass_jump=jump))
    whole = (*operator.decompose(values), operator.trend(values))
    for series in (1, 3, 10, 11):
        monkeypatch.setattr(stl, "MOST_SERIES", series)
        pieces = (*operator.decompose(values), operator.trend(values))
        for one, other in zip(whole, pieces, strict=True):
            assert np.abs(one - other).max() < 1e-12


def test_chunks_cover_all_rows_once_and_are_bounded() -> None:
    sizes = ((0, 10, 0), (1, 10, 1024), (5000, 10, 1024), (700, 2016, 130), (99, 20160, 32), (3, 10**7, 1))
    for series, n, size in sizes:
        slices = list(stl.chunks(series, n))
        assert [row for rows in slices for row in range(series)[rows]] == list(range(series))
        assert all(rows.stop - rows.start == size for rows in slices)


def test_the_input_is_left_as_it_was() -> None:
    for jump in (1, 12):
        values = some_series(3, 200, 24) - 20
        before = values.copy()
        StlOperator(200, StlSettings(24, trend_jump=jump, low_pass_jump=jump)).decompose(values)
        assert (values == before).all()


def test_rows_need_not_be_contiguous() -> None:
    values = some_series(6, 200, 24)
    operator = StlOperator(200, StlSettings(24, trend_jump=12))
    assert np.allclose(operator.decompose(np.asfortranarray(values))[1], operator.decompose(values)[1])
    assert np.allclose(operator.decompose(values[::2])[0], operator.decompose(values)[0][::2])


def test_no_series_give_no_results() -> None:
    trend, seasonal = StlOperator(200, StlSettings(24)).decompose(np.empty((0, 200)))
    assert trend.shape == seasonal.shape == (0, 200)


def test_an_operator_is_made_once_a_shape_and_only_the_latest_are_kept() -> None:
    first = stl_operator(100, StlSettings(7))
    assert stl_operator(100, StlSettings(7)) is first
    assert stl_operator(100, StlSettings(7), np.float32) is not first
    assert stl_operator(100, StlSettings(7, trend_jump=5)) is not first
    for n in range(101, 101 + stl.OPERATORS_KEPT):
        stl_operator(n, StlSettings(7))
    assert stl_operator(100, StlSettings(7)) is not first


def test_an_operator_cannot_be_changed() -> None:
    operator = StlOperator(100, StlSettings(7))
    with pytest.raises(AttributeError, match="immutable"):
        operator.n = 5


def test_an_operator_can_be_sent_to_another_process() -> None:
    operator = StlOperator(100, StlSettings(7, trend_jump=5), np.float32)
    values = some_series(2, 100, 7)
    assert (pickle.loads(pickle.dumps(operator)).trend(values) == operator.trend(values)).all()


def test_a_thin_matrix_is_refused_where_every_point_is_a_node() -> None:
    with pytest.raises(ValueError, match="a thin matrix needs trend_jump above 1"):
        thin_plan(100, StlSettings(7), np.float64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"period": 1}, "period is 1: give a whole number from 2 on"),
        ({"period": 7.0}, "period is 7.0: give a whole number from 2 on"),
        ({"period": 7, "seasonal": 8}, "seasonal is 8: give an odd whole number from 3 on"),
        ({"period": 7, "seasonal": 1}, "seasonal is 1: give an odd whole number from 3 on"),
        ({"period": 7, "trend": 7}, "trend is 7: give an odd whole number from 8 on"),
        ({"period": 7, "trend": 10}, "trend is 10: give an odd whole number"),
        ({"period": 7, "low_pass": 5}, "low_pass is 5: give an odd whole number from 8 on"),
        ({"period": 7, "trend_jump": 0}, "trend_jump is 0: give a whole number from 1 on"),
        ({"period": 7, "seasonal_jump": True}, "seasonal_jump is True: give a whole number from 1 on"),
        ({"period": 7, "low_pass_jump": 1.5}, "low_pass_jump is 1.5: give a whole number from 1 on"),
        ({"period": 7, "inner_iter": 0}, "inner_iter is 0: give a whole number from 1 on"),
        ({"period": 7, "trend_deg": 2}, r"trend_deg is 2: give 0 \(constant\) or 1 \(linear\)"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StlSettings(**settings)


@pytest.mark.parametrize("period", range(2, 30))
@pytest.mark.parametrize("seasonal", [3, 7, 11, 35])
def test_default_windows_are_those_of_statsmodels(period: int, seasonal: int) -> None:
    config = STL(np.zeros(100), period=period, seasonal=seasonal).config
    settings = StlSettings(period, seasonal)
    assert (settings.trend_window, settings.low_pass_window) == (config["trend"], config["low_pass"])


def test_too_few_points_another_shape_and_another_precision_are_refused() -> None:
    with pytest.raises(ValueError, match="13 points are less than two periods of 7: give at least 14"):
        StlOperator(13, StlSettings(7))
    with pytest.raises(ValueError, match="float16: give float32 or float64"):
        StlOperator(14, StlSettings(7), np.float16)
    for values in (np.zeros(14), np.zeros((2, 15))):
        with pytest.raises(ValueError, match=r"this operator takes \(series, 14\)"):
            StlOperator(14, StlSettings(7)).decompose(values)


def outages(cycle: int, count: int = 12) -> tuple[Floats, Floats, Floats]:
    """Return series of 14 days with 6 h of outage in `cycle`, their trends and their seasons."""
    n, length = 14 * 288, 72
    i = np.arange(n)
    season = np.tile(10 * np.sin(2 * np.pi * i / 288) + 4 * np.sin(4 * np.pi * i / 288 + 1), (count, 1))
    trend, noise = np.empty((count, n)), np.empty((count, n))
    for row in range(count):
        rng = np.random.default_rng(row)
        trend[row] = 50 + 3 * np.sin(2 * np.pi * i / n * 1.3 + rng.uniform(0, 6))
        noise[row] = rng.normal(size=n)
        start = min(cycle * 288 + int(rng.integers(288)), n - length)
        noise[row, start : start + length] -= 20
    return trend + season + noise, trend, season


def rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


@pytest.mark.parametrize("cycle", [7, 13])
def test_an_outage_of_six_hours_stays_out_of_the_robust_trend_and_season(cycle: int) -> None:
    values, trend, season = outages(cycle)
    operator = stl_operator(values.shape[1], WEEK)
    plain_trend, plain_season = operator.decompose(values)
    robust_trend, robust_season = robust_decompose(operator, values)
    their_trend, their_season = reference(values[:6], WEEK, robust=True)
    measured = {
        "plain": (rms(plain_trend - trend), rms(plain_season - season)),
        "robust": (rms(robust_trend - trend), rms(robust_season - season)),
        "statsmodels": (rms(their_trend - trend[:6]), rms(their_season - season[:6])),
    }
    assert measured["plain"][0] > 1.1, measured
    assert measured["plain"][1] > 1.2, measured
    assert measured["robust"][0] < min(0.08, measured["statsmodels"][0]), measured
    assert measured["robust"][1] < min(0.55, measured["statsmodels"][1]), measured


def test_the_robust_decomposition_is_the_plain_one_where_nothing_is_far_off() -> None:
    values = np.random.default_rng(5).uniform(-1, 1, (4, 500)) + np.sin(2 * np.pi * np.arange(500) / 24)
    operator = StlOperator(500, StlSettings(24, trend_jump=5))
    for robust, plain in zip(robust_decompose(operator, values), operator.decompose(values), strict=True):
        assert (robust == plain).all()


def test_the_robust_decomposition_follows_a_step_and_survives_constants_and_gaps() -> None:
    operator = StlOperator(500, StlSettings(24, trend_jump=5))
    values = some_series(4, 500, 24)
    values[0] += 100 * (np.arange(500) > 250)
    values[1] = 7.0
    values[2, 3] = np.nan
    trend, seasonal = robust_decompose(operator, values)
    assert np.median(trend[0, 300:]) - np.median(trend[0, :200]) == pytest.approx(100, abs=2)
    assert np.abs(trend[1] - 7).max() < 1e-9
    assert np.abs(seasonal[1]).max() < 1e-9
    assert np.isnan(trend[2]).all()
    assert np.isnan(seasonal[2]).all()
    assert np.isfinite(trend[3]).all()


def test_the_robust_decomposition_refuses_no_passes_and_no_limit() -> None:
    operator = StlOperator(500, StlSettings(24))
    for limit, passes in ((4.0, 0), (0.0, 3)):
        with pytest.raises(ValueError, match="at least one pass and a positive limit"):
            robust_decompose(operator, np.zeros((1, 500)), limit=limit, passes=passes)
