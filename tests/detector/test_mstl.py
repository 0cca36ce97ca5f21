"""Batched MSTL beside statsmodels'."""

from typing import Any

import numpy as np
import pytest
from statsmodels.tsa.seasonal import MSTL

from specter_detector.models import stl
from specter_detector.models.arrays import Floats
from specter_detector.models.mstl import mstl

TOLERANCE = 1e-9


def some_series(count: int, n: int, periods: tuple[int, ...]) -> Floats:
    rng = np.random.default_rng(n)
    seasons = sum(5 * np.sin(2 * np.pi * np.arange(n) / period + rng.uniform(0, 6)) for period in periods)
    return seasons + rng.normal(size=(count, n)) + 0.1 * rng.normal(size=(count, n)).cumsum(axis=1) + 20


@pytest.mark.parametrize(
    ("n", "periods", "settings"),
    [
        (1344, (24, 168), {}),
        (1344, (24, 168), {"trend_jump": 12, "low_pass_jump": 12}),
        (1350, (168, 24), {"windows": (7, 13), "trend_jump": 12}),
        (1000, (168, 24), {"iterate": 1, "seasonal_deg": 0, "trend_deg": 0, "low_pass_deg": 0}),
        (400, (7, 12, 24), {"iterate": 3, "seasonal_jump": 2}),
        (400, (2, 3), {"iterate": 2, "trend": 11, "low_pass": 7}),
        (337, (24, 168), {"trend_jump": 20, "inner_iter": 2}),
        (15, (7,), {}),
        (2016, (288,), {"windows": (7,), "trend_jump": 56, "low_pass_jump": 29}),
        (4100, (288, 2016), {"trend_jump": 144, "low_pass_jump": 144}),
    ],
)
def test_equals_statsmodels(n: int, periods: tuple[int, ...], settings: dict[str, Any]) -> None:
    values = some_series(2, n, periods)
    trend, seasons = mstl(values, periods, **settings)
    named = {name: settings[name] for name in ("windows", "iterate") if name in settings}
    kwargs = {name: value for name, value in settings.items() if name not in named}
    limit = TOLERANCE * np.abs(values).max()
    for row, series in enumerate(values):
        expected = MSTL(series, periods=periods, stl_kwargs=dict(kwargs), **named).fit()
        expected_seasons = np.reshape(expected.seasonal, (n, -1)).T
        assert np.abs(trend[row] - expected.trend).max() <= limit
        assert len(seasons) == len(expected_seasons)
        for season, theirs in zip(seasons, expected_seasons, strict=True):
            assert np.abs(season[row] - theirs).max() <= limit


def test_a_row_with_a_gap_is_nan_and_leaves_the_others_alone() -> None:
    values = some_series(3, 400, (7, 24))
    expected_trend, expected_seasons = mstl(values[[0, 2]], (7, 24), trend_jump=5)
    values[1, 100] = np.nan
    trend, seasons = mstl(values, (7, 24), trend_jump=5)
    for result, expected in zip((trend, *seasons), (expected_trend, *expected_seasons), strict=True):
        assert np.isnan(result[1]).all()
        assert np.abs(result[[0, 2]] - expected).max() < 1e-12


def test_the_result_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = some_series(7, 400, (7, 24))
    whole_trend, whole_seasons = mstl(values, (7, 24), trend_jump=5)
    monkeypatch.setattr(stl, "MOST_SERIES", 3)
    trend, seasons = mstl(values, (7, 24), trend_jump=5)
    for one, other in zip((whole_trend, *whole_seasons), (trend, *seasons), strict=True):
        assert np.abs(one - other).max() < 1e-12


def test_float32_survives_an_offset_of_a_million_million() -> None:
    values = np.round(some_series(2, 400, (7, 24)) * 1024) / 1024
    offset = 2.0**40
    trend, seasons = mstl(values + offset, (7, 24), dtype=np.float32)
    exact_trend, exact_seasons = mstl(values, (7, 24))
    assert np.abs(trend - offset - exact_trend).max() < 1e-3
    for one, other in zip(seasons, exact_seasons, strict=True):
        assert np.abs(one - other).max() < 1e-3


@pytest.mark.parametrize(
    ("periods", "more", "message"),
    [
        ((), {}, "no periods: give at least one"),
        ((7, 24), {"windows": (7,)}, "2 periods and 1 windows: give one window a period"),
        ((7, 50), {}, "period 50 takes more than 100 points, these series have 100: leave it out"),
        ((7,), {"iterate": 0}, "iterate is 0: give at least 1"),
        ((7,), {"windows": (8,)}, "seasonal is 8: give an odd whole number"),
        ((7,), {"trend_jump": 0}, "trend_jump is 0: give a whole number"),
    ],
)
def test_bad_settings_are_named(periods: tuple[int, ...], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mstl(np.zeros((1, 100)), periods, **more)


def test_one_series_without_its_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mstl takes \(series, n\)"):
        mstl(np.zeros(100), (7,))
