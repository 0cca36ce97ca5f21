"""When jobs are to run: every time once, in every zone, whatever clocks do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_exporters.jobs.fallen import one_by_one
from specter_exporters.jobs.schedules import Calendar, Cron, Every, Schedule

# Half an hour at Lord Howe; twice a year in Morocco; a day that Samoa left out; a gap up to midnight in
# Greenland, one from midnight in Cuba; at a quarter to three in the Chathams; and two without.
ZONES = [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia",
    "America/Scoresbysund", "America/Havana", "Pacific/Chatham", "Asia/Kolkata", "UTC",
]  # fmt: skip
CRONS = [
    "30 2 * * *",
    "*/15 * * * *",
    "0 * * * *",
    "15 1,2,3 * * *",
    "5 0 * * 0",
    "*/20 1-3 * * *",
    "0 12 1 * *",
    "30 23 * * *",
    "*/20 0,3 * * *",
    "*/10 */7 * * *",
]
CALENDARS = ["02:30", "*:0/15", "hourly", "01,02,03:15", "Sun 00:05", "*-*-01 12:00"]

# Around the days on which the clocks of the zones were changed.
MOMENTS = st.builds(
    lambda day, seconds: (day + timedelta(seconds=seconds)).timestamp(),
    st.sampled_from(
        [
            datetime(2026, 3, 29, tzinfo=UTC),
            datetime(2026, 10, 25, tzinfo=UTC),
            datetime(2026, 3, 8, tzinfo=UTC),
            datetime(2026, 11, 1, tzinfo=UTC),
            datetime(2026, 4, 4, tzinfo=UTC),
            datetime(2026, 10, 3, tzinfo=UTC),
            datetime(2026, 2, 15, tzinfo=UTC),
            datetime(2026, 3, 22, tzinfo=UTC),
            datetime(2011, 12, 29, tzinfo=UTC),
            datetime(2011, 12, 31, tzinfo=UTC),
        ]
    ),
    st.floats(-7200, 2 * 86_400),
)
SCHEDULES = st.one_of(
    st.builds(lambda text, zone: Cron(text, ZoneInfo(zone)), st.sampled_from(CRONS), st.sampled_from(ZONES)),
    st.builds(
        lambda text, zone: Calendar((text,), ZoneInfo(zone)),
        st.sampled_from(CALENDARS),
        st.sampled_from(ZONES),
    ),
)


def walls(schedule: Schedule, start: datetime, count: int) -> list[str]:
    """Return the next `count` times as a clock on the wall shows them."""
    moment, found = start.timestamp(), []
    for _ in range(count):
        after = schedule.next_after(moment)
        assert after is not None
        moment = after
        found.append(datetime.fromtimestamp(moment, start.tzinfo).isoformat())
    return found


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.one_of(
        SCHEDULES,
        st.builds(
            lambda several, zone: Calendar(tuple(several), ZoneInfo(zone)),
            st.lists(st.sampled_from([*CALENDARS, "02:30 Asia/Kolkata"]), min_size=2, max_size=3),
            st.sampled_from(ZONES),
        ),
        st.just(Every(1800)),
    ),
    MOMENTS,
    st.integers(0, 6 * 86_400),
    st.integers(1, 30),
)
def test_times_of_a_stretch_are_those_that_are_asked_for_one_by_one(
    schedule: Schedule, moment: float, seconds: int, most: int
) -> None:
    first = schedule.next_after(moment)
    assert first is not None
    times = [first]
    while (after := schedule.next_after(times[-1])) is not None and after <= first + seconds:
        times.append(after)
    found = schedule.fallen(first, first + seconds, most)
    assert found == (len(times), tuple(times[-most:]))


BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 29, 1, 20, tzinfo=BERLIN)
AUTUMN = datetime(2026, 10, 25, 1, 20, tzinfo=BERLIN)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SCHEDULES, MOMENTS, st.floats(0, 1, exclude_max=True))
def test_the_next_time_is_later_and_the_same_from_every_moment_before_it(
    schedule: Schedule, moment: float, share: float
) -> None:
    after = schedule.next_after(moment)
    assert after is not None
    assert after > moment
    between = moment + share * (after - moment)
    assert between >= after or schedule.next_after(between) == after


@settings(deadline=None, derandomize=True, max_examples=60)
@given(MOMENTS, st.sampled_from([zone for zone in ZONES if zone != "Pacific/Apia"]))
def test_a_job_of_a_fixed_hour_runs_once_a_day_by_cron(moment: float, zone: str) -> None:
    schedule = Cron("30 2 * * *", ZoneInfo(zone))
    days = []
    for _ in range(4):
        after = schedule.next_after(moment)
        assert after is not None
        moment = after
        days.append(datetime.fromtimestamp(moment, ZoneInfo(zone)).date())
    assert len(set(days)) == 4


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [
        ("*/15 3 * * *", "Pacific/Chatham", "2026-04-05T02:50", ["04-05T03:00", "04-05T03:15"]),
        ("0 */7 * * *", "Australia/Lord_Howe", "2026-10-04T00:30", ["10-04T07:00", "10-04T14:00"]),
        ("*/30 0 * * *", "America/Havana", "2026-03-07T00:10", ["03-07T00:30", "03-09T00:00"]),
        ("30 23 * * *", "America/Scoresbysund", "2026-03-28T01:00", ["03-29T00:00", "03-29T23:30"]),
        ("30 2 * * *", "Pacific/Apia", "2011-12-29T04:00", ["12-31T00:00", "12-31T02:30"]),
    ],
)
def test_clocks_that_are_changed_otherwise_than_by_an_hour_at_two(
    text: str, zone: str, start: str, expected: list[str]
) -> None:
    schedule = Cron(text, ZoneInfo(zone))
    begin = datetime.fromisoformat(start).replace(tzinfo=schedule.zone)
    assert [each[5:16] for each in walls(schedule, begin, 2)] == expected
    first, last = schedule.next_after(begin.timestamp()), begin.timestamp() + 5 * 86_400
    assert first is not None
    assert schedule.fallen(first, last, 500) == one_by_one(schedule, first, last, 500)


def test_cron_runs_right_after_the_gap_what_the_gap_left_out() -> None:
    assert walls(Cron("30 2 * * *", BERLIN), SPRING, 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_cron_runs_once_what_comes_twice_and_as_often_as_time_passes_what_has_no_hour() -> None:
    assert walls(Cron("30 2 * * *", BERLIN), AUTUMN, 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert walls(Cron("*/30 * * * *", BERLIN), AUTUMN, 6) == [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_a_timer_leaves_the_gap_out_and_runs_once_in_the_hour_that_comes_twice() -> None:
    """As `systemd-analyze calendar --iterations=5 --base-time=...` of systemd 252 says."""
    assert walls(Calendar(("02:30",), BERLIN), SPRING, 1) == ["2026-03-30T02:30:00+02:00"]
    assert walls(Calendar(("02:30", "02:10"), BERLIN), AUTUMN, 3) == [
        "2026-10-25T02:10:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:10:00+01:00",
    ]
    assert walls(Calendar(("*:0/30",), BERLIN), AUTUMN, 5) == [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T03:00:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]


def test_an_expression_may_name_its_own_zone() -> None:
    schedule = Calendar(("12:00 America/New_York",), BERLIN)
    assert walls(schedule, datetime(2026, 1, 5, tzinfo=BERLIN), 1) == ["2026-01-05T18:00:00+01:00"]


def test_a_word_stands_for_five_fields() -> None:
    assert walls(Cron("@daily", BERLIN), SPRING, 1) == ["2026-03-30T00:00:00+02:00"]


def test_a_day_that_never_comes_has_no_next_time() -> None:
    assert Calendar(("2020-01-01",), BERLIN).next_after(SPRING.timestamp()) is None


def test_a_period_counts_from_what_it_is_asked_for() -> None:
    assert Every(900).next_after(1000.5) == 1900.5


@pytest.mark.parametrize("text", ["* * * *", "61 * * * *", "* * * * * *", "@reboot", "every day", ""])
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"five fields|is no cron expression"):
        Cron(text, BERLIN)


@pytest.mark.parametrize("text", ["25:00", "Someday", "", "12:00 Atlantis/Centre"])
def test_what_is_no_calendar_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no OnCalendar expression"):
        Calendar((text,), BERLIN)
