"""Phases, profiles and gaps: the small parts of a fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_detector.models.gaps import fill
from specter_detector.models.phases import local_seconds
from specter_detector.models.profile import phase_median, smooth


def test_local_seconds_follow_the_wall_clock() -> None:
    winter, summer = 1_711_846_799.0, 1_711_846_800.0  # one second before and at the change
    assert local_seconds(np.array([winter, summer]), "Europe/Berlin").tolist() == [
        winter + 3600,
        summer + 7200,
    ]
    assert local_seconds(np.array([winter]), "Asia/Kolkata").tolist() == [winter + 19800]


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


def test_smoothing_keeps_the_sum_and_the_place_of_a_peak() -> None:
    peak = np.zeros(24, np.float32)
    peak[0] = 9.0
    result = smooth(peak, 2)
    assert result[[22, 23, 0, 1, 2]].tolist() == [1.0, 2.0, 3.0, 2.0, 1.0]
    assert result.sum() == 9.0


def test_fill_keeps_the_season_in_a_gap_and_observations_as_they_are() -> None:
    values = np.tile([1.0, 5.0, 9.0, 5.0], 6)
    holes = values.copy()
    holes[9:14] = np.nan
    assert np.array_equal(fill(holes, np.arange(24.0), 4), values)
