"""Holidays and weekdays in the time zone of the series."""

import datetime as dt
import time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.models.arrays import Floats
from specter_detector.models.calendar import (
    CalendarError,
    Holidays,
    calendar_phases,
    day_types,
    weekly_phases,
)
from specter_detector.models.phases import phases

BERLIN = "Europe/Berlin"
GERMANY = Holidays("DE")
WEEK = 7 * 24.0


def at(*moments: str, tz: str = BERLIN) -> Floats:
    zone = ZoneInfo(tz)
    return np.array(
        [dt.datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp() for moment in moments]
    )


def test_a_holiday_is_a_sunday_from_local_midnight_to_local_midnight() -> None:
    # 2024-05-01 was a Wednesday.
    times = at(
        "2024-04-30T23:59", "2024-05-01T00:00", "2024-05-01T23:59", "2024-05-02T00:00", "2024-05-05T12:00"
    )
    assert day_types(times, BERLIN, GERMANY).tolist() == [1, 6, 6, 3, 6]
    assert day_types(times, BERLIN).tolist() == [1, 2, 2, 3, 6]
    assert day_types(times, BERLIN, Holidays("DE", as_weekday=5)).tolist() == [1, 5, 5, 3, 6]


def test_the_time_zone_decides_the_date() -> None:
    times = at("2024-05-01T00:30")  # 22:30 of the day before in UTC
    assert day_types(times, BERLIN, GERMANY).tolist() == [6]
    assert day_types(times, "UTC", GERMANY).tolist() == [1]


def test_subdivisions_and_listed_dates_add_holidays() -> None:
    times = at("2024-01-06T12:00", "2024-08-15T12:00", "2024-12-24T12:00")
    assert Holidays("DE").on(np.array([19728], dtype=np.int64)).tolist() == [False]
    assert day_types(times, BERLIN, GERMANY).tolist() == [5, 3, 1]
    assert day_types(times, BERLIN, Holidays("DE", "BY")).tolist() == [6, 3, 1]
    assert day_types(times, BERLIN, Holidays("DE", "BY", ("2024-12-24",))).tolist() == [6, 3, 6]
    assert day_types(times, BERLIN, Holidays(dates=("2024-08-15",))).tolist() == [5, 6, 1]


def test_years_on_both_ends_are_covered() -> None:
    times = at("2023-12-25T12:00", "2025-01-01T12:00")
    assert day_types(times, BERLIN, GERMANY).tolist() == [6, 6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"country": "Germany"}, r"unknown country 'Germany': expected one of .*DE.*US"),
        ({"country": "DE", "subdivision": "ZZ"}, r"unknown subdivision 'ZZ' of DE: expected one of .*BY"),
        ({"subdivision": "BY"}, "needs a country"),
        ({"dates": ("24.12.2024",)}, r"'24.12.2024' is no date: expected YYYY-MM-DD"),
        ({"as_weekday": 7}, "expected 0 .* to 6"),
    ],
)
def test_a_mistake_says_what_is_allowed(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(CalendarError, match=message):
        Holidays(**arguments)  # type: ignore[arg-type]


def test_weekly_phases_count_from_monday_with_holidays_on_sunday() -> None:
    times = at("2024-04-29T00:00", "2024-04-30T06:30", "2024-05-01T06:30", "2024-05-05T23:00")
    assert weekly_phases(times, 3600.0, BERLIN, GERMANY).tolist() == [0.0, 30.5, 150.5, 167.0]


def test_calendar_phases_move_a_holiday_within_its_week_and_nothing_else() -> None:
    times = np.arange(0.0, 10 * 86400, 3600.0) + at("2024-04-28T00:00")[0]
    moved = calendar_phases(times, 3600.0, BERLIN, GERMANY) - phases(times, 3600.0, BERLIN)
    assert np.flatnonzero(moved).tolist() == list(range(72, 96))
    assert set(moved[72:96].tolist()) == {4 * 24.0}
    # The Sunday of that week has the same phases.
    sunday = phases(times[168:192], 3600.0, BERLIN)
    assert calendar_phases(times, 3600.0, BERLIN, GERMANY)[72:96].tolist() == sunday.tolist()


@pytest.mark.parametrize("day", ["2024-03-31", "2024-10-27"])
def test_clock_changes_move_neither_days_nor_hours(day: str) -> None:
    times = at(f"{day}T00:00", f"{day}T01:30", f"{day}T12:00", f"{day}T23:59:59")
    assert day_types(times, BERLIN).tolist() == [6, 6, 6, 6]
    assert weekly_phases(times, 3600.0, BERLIN)[:3].tolist() == [144.0, 145.5, 156.0]


@given(
    st.floats(0, 4e9),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_ordinary_days_are_the_phases_of_the_models(moment: float, tz: str) -> None:
    times = np.array([moment])
    local = dt.datetime.fromtimestamp(moment, tz=ZoneInfo(tz))
    assert day_types(times, tz)[0] == local.weekday()
    assert calendar_phases(times, 300.0, tz)[0] == phases(times, 300.0, tz)[0]
    thursday_based = calendar_phases(times, 3600.0, tz) % WEEK
    assert weekly_phases(times, 3600.0, tz) == pytest.approx((thursday_based + 3 * 24) % WEEK, abs=1e-6)


def test_ten_thousand_times_are_fast_and_none_are_fine() -> None:
    times = 1.7e9 + 300 * np.arange(10_000.0)
    day_types(times, BERLIN, GERMANY)
    begin = time.perf_counter()
    types = day_types(times, BERLIN, GERMANY)
    assert time.perf_counter() - begin < 0.5
    assert types.shape == (10_000,)
    assert day_types(times[:0], BERLIN, GERMANY).shape == (0,)
    assert day_types(times.reshape(100, 100), "UTC", GERMANY).shape == (100, 100)
