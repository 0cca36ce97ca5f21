"""What is known of a job after what was told, and what time alone brings."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_exporters.jobs.model import Event, EventKind, Job
from specter_exporters.jobs.schedules import Calendar, Cron, Every, Schedule
from specter_exporters.jobs.state import (
    AGAIN,
    MOST_BACK,
    MOST_REMEMBERED,
    MOST_RUNNING,
    SETTLES,
    State,
    advanced,
    begun,
    next_change,
    rescheduled,
    told,
)
from specter_exporters.jobs.store import decoded, encoded

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = datetime(2026, 6, 1, tzinfo=BERLIN).timestamp()
HOUR = 3600.0
HOURLY = Job("sync", schedule=Cron("0 * * * *", BERLIN), grace=600)


def after(job: Job, *events: tuple[EventKind, float], run: str = "", start: float = MIDNIGHT) -> State:
    """Return the state of `job`, known since `start`, after events at so many seconds of the day."""
    state = begun(job, start)
    for kind, seconds in events:
        state = told(job, state, Event(kind, MIDNIGHT + seconds, run))
    return state


def test_a_run_in_time_is_not_missed() -> None:
    state = after(HOURLY, ("success", HOUR + 599))
    state = advanced(HOURLY, state, MIDNIGHT + HOUR + 1800)
    assert (state.missed, state.overdue, state.pending) == (0, False, ())
    assert state.expected == MIDNIGHT + 2 * HOUR


def test_a_run_that_does_not_come_is_missed_when_the_grace_is_over_and_overdue_until_one_comes() -> None:
    state = after(HOURLY)
    assert advanced(HOURLY, state, MIDNIGHT + HOUR + 599.9).missed == 0
    state = advanced(HOURLY, state, MIDNIGHT + HOUR + 600)
    assert (state.missed, state.overdue) == (1, True)
    state = told(HOURLY, state, Event("start", MIDNIGHT + HOUR + 700))
    assert (state.missed, state.overdue) == (1, False)


def test_a_late_run_and_one_in_time_stand_for_one_scheduled_run_each() -> None:
    job = Job("sync", schedule=Cron("* * * * *", BERLIN), grace=300)
    state = after(job, *(("success", 60 * minute + 1.0) for minute in (1, 2, 4, 5)))
    assert state.missed == 0
    state = advanced(job, state, MIDNIGHT + 60 * 3 + 300)
    assert state.missed == 1, "the run of the third minute"
    assert not state.overdue, "later ones came"


def test_a_run_a_little_early_is_the_scheduled_one_and_an_extra_one_is_none() -> None:
    early = after(HOURLY, ("success", HOUR - 20))
    assert advanced(HOURLY, early, MIDNIGHT + HOUR + 1800).missed == 0
    extra = after(HOURLY, ("success", HOUR - 1200))
    assert advanced(HOURLY, extra, MIDNIGHT + HOUR + 1800).missed == 1


def test_a_period_counts_from_the_last_run() -> None:
    job = Job("sync", schedule=Every(900), grace=60)
    state = after(job, ("success", 100))
    assert state.expected == MIDNIGHT + 1000
    state = advanced(job, state, MIDNIGHT + 1959)
    assert (state.missed, state.overdue) == (1, True), "that at 1000; that at 1900 may still come"
    assert advanced(job, state, MIDNIGHT + 1960 + 900).missed == 3


def test_duration_and_outcome_are_those_of_the_run_with_the_same_number() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for kind, run, at in (
        ("start", "a", 10), ("start", "b", 20), ("success", "b", 25), ("failed", "a", 70)
    ):  # fmt: skip
        state = told(HOURLY, state, Event(kind, MIDNIGHT + at, run))  # type: ignore[arg-type]
    assert (state.succeeded, state.failed, state.lost) == (1, 1, 0)
    assert (state.last_duration, state.duration_sum, state.duration_count) == (60, 65, 2)
    assert state.running == ()
    assert (state.last_start, state.last_success) == (MIDNIGHT + 20, MIDNIGHT + 25)


def test_a_failed_run_leaves_the_last_success() -> None:
    state = after(HOURLY, ("success", 10), ("failed", 20))
    assert (state.last_success, state.last_failure) == (MIDNIGHT + 10, MIDNIGHT + 20)


def test_a_run_that_never_tells_its_end_is_lost_by_the_next_start_or_by_time() -> None:
    state = after(HOURLY, ("start", 10), ("start", 4000))
    assert (state.lost, len(state.running)) == (1, 1)
    job = Job("sync", max_duration=100)
    state = after(job, ("start", 10))
    assert next_change(job, state) == MIDNIGHT + 210
    assert advanced(job, state, MIDNIGHT + 209).lost == 0
    state = advanced(job, state, MIDNIGHT + 300)
    assert (state.lost, state.running, state.last_failure) == (1, (), MIDNIGHT + 210)


def test_runs_under_way_are_bounded() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for number in range(MOST_RUNNING + 3):
        state = told(HOURLY, state, Event("start", MIDNIGHT + number, str(number)))
    assert (len(state.running), state.lost, state.running[0][0]) == (MOST_RUNNING, 3, "3")


def test_a_log_is_no_run() -> None:
    state = after(HOURLY, ("log", HOUR + 10))
    assert (state.pings, state.succeeded, state.pending) == (1, 0, (MIDNIGHT + HOUR,))


def test_runs_due_are_counted_until_one_succeeds() -> None:
    state = after(HOURLY, ("failed", HOUR + 1), ("failed", 2 * HOUR + 1))
    state = advanced(HOURLY, state, MIDNIGHT + 3 * HOUR)
    assert state.due == 3
    assert told(HOURLY, state, Event("success", MIDNIGHT + 3 * HOUR + 5)).due == 0


def test_a_run_that_is_told_when_later_ones_have_come_changes_nothing_of_the_newest() -> None:
    state = after(
        HOURLY, ("start", HOUR), ("failed", HOUR + 60), ("start", 2 * HOUR), ("success", 2 * HOUR + 60)
    )
    late = after(
        HOURLY, ("start", 2 * HOUR), ("success", 2 * HOUR + 60), ("start", HOUR), ("failed", HOUR + 90)
    )
    assert (late.came, late.last_start, late.last_success) == (
        state.came,
        state.last_start,
        state.last_success,
    )
    assert (late.expected, late.last_duration, late.due) == (state.expected, 60.0, 0)
    assert (late.failed, late.last_failure) == (1, MIDNIGHT + HOUR + 90)


def test_a_run_that_is_told_late_ends_overdue_only_if_no_other_has_fallen_due_since() -> None:
    missed = advanced(HOURLY, after(HOURLY), MIDNIGHT + HOUR + 1800)
    assert missed.overdue
    told_late = told(HOURLY, missed, Event("success", MIDNIGHT + HOUR + 5))
    assert (told_late.overdue, told_late.missed, told_late.due) == (False, 1, 0)
    twice = advanced(HOURLY, after(HOURLY), MIDNIGHT + 2 * HOUR + 1800)
    told_late = told(HOURLY, twice, Event("success", MIDNIGHT + HOUR + 5))
    assert (told_late.overdue, told_late.missed, told_late.due) == (True, 2, 1), (
        "that of two o'clock did not run"
    )


def test_a_run_that_is_told_late_stands_for_the_scheduled_one_of_its_time() -> None:
    job = Job("sync", schedule=Cron("0 * * * *", BERLIN), grace=5 * HOUR)
    waiting = advanced(job, after(job), MIDNIGHT + 2 * HOUR + 1)
    assert told(job, waiting, Event("success", MIDNIGHT + HOUR + 5)).pending == (MIDNIGHT + 2 * HOUR,)


def test_a_late_run_does_not_set_a_period_back() -> None:
    job = Job("sync", schedule=Every(900), grace=60)
    state = advanced(job, after(job, ("success", 100)), MIDNIGHT + 2000)
    late = told(job, state, Event("success", MIDNIGHT + 300))
    assert (late.expected, late.missed) == (state.expected, state.missed)


def test_what_is_told_twice_counts_once() -> None:
    events: tuple[tuple[EventKind, float], ...] = (
        ("start", HOUR),
        ("start", HOUR),
        ("failed", HOUR + 9),
        ("failed", HOUR + 9),
    )
    state = after(HOURLY, *events, run="r")
    assert (state.failed, state.lost, state.running, state.last_duration) == (1, 0, (), 9.0)


def dated(kind: EventKind, run: str, at: float, waited: float = 0.0) -> Event:
    """Return what a run says that happened `at` so many seconds of the day, and came `waited` later."""
    return Event(kind, MIDNIGHT + at, run, dated=True, arrived=MIDNIGHT + at + waited)


@pytest.mark.parametrize("says_when", [False, True])
def test_what_is_told_again_counts_once_also_when_other_runs_ended_in_between(says_when: bool) -> None:
    runs = [
        (kind, run, 60.0 * number + seconds)
        for number, run in enumerate("abcd")
        for kind, seconds in (("start", 1.0), ("failed" if run == "b" else "success", 9.0))
    ]
    state = begun(HOURLY, MIDNIGHT)
    for kind, run, at in runs:
        state = told(HOURLY, state, dated(kind, run, at))  # type: ignore[arg-type]
    for number, (kind, run, at) in enumerate(runs):
        again = dated(kind, run, at) if says_when else Event(kind, MIDNIGHT + 900 + number, run)  # type: ignore[arg-type]
        assert told(HOURLY, state, again) is state
    assert (state.succeeded, state.failed, state.lost, state.running) == (3, 1, 0, ())
    assert told(HOURLY, decoded(encoded(state)), dated("success", "a", 9.0)) == state, "over a restart too"


def test_a_start_that_is_told_again_while_its_run_goes_on_is_the_same_run() -> None:
    state = told(HOURLY, begun(HOURLY, MIDNIGHT), Event("start", MIDNIGHT + 10, "a"))
    for later in (2.0, AGAIN + 1):
        assert told(HOURLY, state, Event("start", MIDNIGHT + 10 + later, "a")) is state
    state = told(HOURLY, state, Event("success", MIDNIGHT + 70, "a"))
    assert (state.lost, state.last_duration) == (0, 60.0)


def test_a_run_that_was_lost_may_still_tell_its_end_and_not_its_start() -> None:
    job = Job("sync", max_duration=100)
    state = told(job, begun(job, MIDNIGHT), Event("start", MIDNIGHT + 10, "a"))
    state = advanced(job, state, MIDNIGHT + 300)
    assert told(job, state, Event("start", MIDNIGHT + 310, "a")) is state
    state = told(job, state, Event("success", MIDNIGHT + 320, "a"))
    assert (state.lost, state.succeeded, state.last_success) == (1, 1, MIDNIGHT + 320)
    assert told(job, state, Event("success", MIDNIGHT + 330, "a")) is state


def test_another_end_of_a_run_and_a_later_attempt_with_its_number_are_none_that_was_told() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for event in (
        dated("start", "task", 10),
        dated("failed", "task", 20),
        dated("start", "task", 30),
        dated("success", "task", 45),
    ):
        state = told(HOURLY, state, event)
    assert (state.failed, state.succeeded, state.lost) == (1, 1, 0)
    assert (state.last_duration, state.duration_sum) == (15.0, 25.0)


def test_a_sender_that_gives_all_its_runs_one_number_is_counted_all_the_same() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for hour in range(1, 25):
        for kind, seconds in (("start", 2.0), ("success", 50.0), ("success", 60.0), ("start", 70.0)):
            state = told(HOURLY, state, Event(kind, MIDNIGHT + hour * HOUR + seconds, "r"))  # type: ignore[arg-type]
    state = advanced(HOURLY, state, MIDNIGHT + 24 * HOUR + 700)
    assert (state.succeeded, state.missed, state.lost, state.running) == (24, 0, 0, ())
    assert state.duration_sum == 24 * 48.0


def test_a_number_that_is_told_again_when_others_have_come_since_is_no_new_run_however_late() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for run, at in (("a", HOUR), ("b", 2 * HOUR)):
        state = told(HOURLY, state, Event("success", MIDNIGHT + at, run))
    for kind in ("start", "success"):
        again = Event(kind, MIDNIGHT + 20 * HOUR, "a")
        assert told(HOURLY, state, again).pings == state.pings
    new = told(HOURLY, state, Event("success", MIDNIGHT + 2 * HOUR + AGAIN, "b"))
    assert new.succeeded == 3


def test_runs_that_are_remembered_are_bounded() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for number in range(MOST_REMEMBERED + 1):
        state = told(HOURLY, state, Event("success", MIDNIGHT + number, str(number)))
    assert [each.run for each in state.over] == [str(number) for number in range(1, MOST_REMEMBERED + 1)]


def test_a_run_of_yesterday_that_is_told_after_todays_turns_nothing_back() -> None:
    daily = Job("backup", schedule=Cron("0 1 * * *", BERLIN), grace=600, max_duration=3600)
    day = 86_400.0
    state = begun(daily, MIDNIGHT)
    for kind, at in (("start", day + HOUR), ("success", day + HOUR + 50)):
        state = told(daily, state, dated(kind, "today", at))  # type: ignore[arg-type]
    assert (state.missed, state.overdue) == (1, False), "that of yesterday has not come"
    late = day + 2 * HOUR
    for kind, at in (("start", HOUR), ("success", HOUR + 70)):
        # A scrape comes in between: the run began so long ago that it would be lost.
        state = advanced(daily, state, MIDNIGHT + late)
        state = told(daily, state, dated(kind, "yesterday", at, late - at))  # type: ignore[arg-type]
    state = advanced(daily, state, MIDNIGHT + late)
    assert (state.succeeded, state.failed, state.lost, state.running) == (2, 0, 0, ())
    assert (state.last_start, state.last_success) == (
        MIDNIGHT + day + HOUR,
        MIDNIGHT + day + HOUR + 50,
    )
    assert (state.last_duration, state.duration_sum) == (50.0, 120.0)
    assert (state.missed, state.overdue, state.due) == (1, False, 0)
    assert state.expected == MIDNIGHT + 2 * day + HOUR


def test_a_start_that_is_told_late_and_has_no_end_is_lost_when_that_could_have_come() -> None:
    job = Job("sync", max_duration=100)
    state = told(job, begun(job, MIDNIGHT), dated("start", "a", 10, waited=5000))
    assert next_change(job, state) == MIDNIGHT + 5010 + SETTLES
    assert advanced(job, state, MIDNIGHT + 5010 + SETTLES - 1).lost == 0
    assert advanced(job, state, MIDNIGHT + 5010 + SETTLES).lost == 1


def test_another_schedule_forgets_what_was_due_and_keeps_what_was_counted() -> None:
    state = advanced(HOURLY, after(HOURLY), MIDNIGHT + 2 * HOUR + 60)
    assert (state.missed, state.pending) == (1, (MIDNIGHT + 2 * HOUR,))
    daily = Job("sync", schedule=Cron("0 5 * * *", BERLIN))
    state = rescheduled(daily, state, MIDNIGHT + 2 * HOUR + 60)
    assert (state.missed, state.pending, state.expected) == (1, (), MIDNIGHT + 5 * HOUR)


# In the days around both changes of clocks in Berlin.
DAYS = st.sampled_from(
    [
        datetime(2026, 3, 28, tzinfo=BERLIN).timestamp(),
        datetime(2026, 10, 24, tzinfo=BERLIN).timestamp(),
        datetime(2026, 6, 1, tzinfo=BERLIN).timestamp(),
    ]
)
JOBS = st.sampled_from(
    [
        Job("a", schedule=Cron("30 2 * * *", BERLIN), grace=1800),
        Job("b", schedule=Cron("*/30 * * * *", BERLIN), grace=2400),
        Job("c", schedule=Calendar(("*:0/30",), BERLIN), grace=60),
        Job("d", schedule=Calendar(("02:15", "02:45"), BERLIN), grace=7200),
        Job("e", schedule=Every(5000), grace=100),
    ]
)
TOLD = st.lists(
    st.tuples(st.floats(0, 3 * 86_400), st.sampled_from(["start", "success", "failed", "log"])), max_size=12
).map(sorted)
END = 4 * 86_400.0


@settings(deadline=None, derandomize=True, max_examples=60)
@given(JOBS, DAYS, TOLD, st.lists(st.floats(0, END), max_size=20))
def test_how_often_one_looks_and_restarts_changes_nothing(
    job: Job, start: float, events: list[tuple[float, EventKind]], looks: list[float]
) -> None:
    plain = seen = begun(job, start)
    for at, each in events:
        plain = told(job, plain, Event(each, start + at))
    plain = advanced(job, plain, start + END)
    moments: list[tuple[float, EventKind | None]] = [*events, *((at, None) for at in looks)]
    for at, kind in sorted(moments, key=lambda each: (each[0], each[1] is not None)):
        seen = advanced(job, decoded(encoded(seen)), start + at)
        if kind is not None:
            seen = told(job, seen, Event(kind, start + at))
    assert advanced(job, seen, start + END) == plain


@settings(deadline=None, derandomize=True, max_examples=60)
@given(JOBS, DAYS, st.floats(0, END))
def test_without_runs_every_scheduled_one_is_missed_once(job: Job, start: float, length: float) -> None:
    assert job.schedule is not None
    moment, scheduled = job.schedule.next_after(start), 0
    while moment is not None and moment + job.grace <= start + length:
        scheduled += 1
        moment = job.schedule.next_after(moment)
    assert advanced(job, begun(job, start), start + length).missed == scheduled


@settings(deadline=None, derandomize=True, max_examples=40)
@given(JOBS, st.permutations(range(8)), st.booleans())
def test_in_whatever_order_runs_are_told_and_how_often_they_are_counted_alike(
    job: Job, order: list[int], twice: bool
) -> None:
    ends: tuple[EventKind, ...] = ("success", "failed") * 4
    runs = [
        [dated("start", str(number), 4000.0 * number), dated(end, str(number), 4000.0 * number + 60)]
        for number, end in enumerate(ends)
    ]

    def counted(order: Iterable[int]) -> tuple[object, ...]:
        state = begun(job, MIDNIGHT)
        for number in order:
            for event in runs[number]:
                state = told(job, state, event)
        return (
            state.succeeded, state.failed, state.lost, state.running, state.last_start, state.last_success,
            state.last_failure, state.last_duration, state.duration_count,
        )  # fmt: skip

    assert counted([*order, *(order if twice else [])]) == counted(range(8))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(JOBS.filter(lambda job: job.name in "ac"), DAYS, st.data())
def test_runs_that_all_come_within_the_grace_leave_none_missed(
    job: Job, start: float, data: st.DataObject
) -> None:
    assert job.schedule is not None
    # Where the grace is no longer than the time between two runs, each run can stand for one only.
    runs, moment = [], job.schedule.next_after(start)
    while moment is not None and moment < start + END / 2:
        runs.append(moment + data.draw(st.floats(0, job.grace * 0.99)))
        moment = job.schedule.next_after(moment)
    state = begun(job, start)
    for at in sorted(runs):
        state = told(job, state, Event("success", at))
    assert (state.missed, state.succeeded) == (0, len(runs))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(JOBS, DAYS, TOLD)
def test_nothing_changes_before_the_next_change(
    job: Job, start: float, events: list[tuple[float, EventKind]]
) -> None:
    state = begun(job, start)
    for at, kind in events:
        state = told(job, state, Event(kind, start + at))
    moment = next_change(job, state)
    assert advanced(job, state, moment - 0.001) is state
    assert advanced(job, state, moment) != state


def test_two_runs_that_end_in_the_same_moment_are_two() -> None:
    state = begun(HOURLY, MIDNIGHT)
    for kind, seconds, run in (
        ("start", 1, "a"),
        ("start", 2, "b"),
        ("success", 9, "a"),
        ("success", 9, "b"),
    ):
        state = told(HOURLY, state, Event(kind, MIDNIGHT + seconds, run))  # type: ignore[arg-type]
    assert (state.succeeded, state.running) == (2, ())


@pytest.mark.parametrize(
    ("schedule", "left_out"),
    [(Cron("* * * * *", BERLIN), 0), (Calendar(("*:*", "02:30"), BERLIN), 60), (Every(60), 0)],
    ids=str,
)
def test_days_away_are_counted_as_if_the_job_had_been_looked_at_all_the_time(
    schedule: Schedule, left_out: int
) -> None:
    job = Job("sync", schedule=schedule, grace=3600)
    # Clocks go back in them.
    start = datetime(2026, 10, 23, 12, 0, 30, tzinfo=BERLIN).timestamp()
    watched = state = told(job, begun(job, start), Event("success", start + 20))
    minutes = 3 * 1440
    for minute in range(0, minutes, 2):
        watched = advanced(job, watched, start + 60 * minute)
    end = start + 60 * minutes
    assert advanced(job, state, end) == advanced(job, watched, end)
    missed = advanced(job, state, end).missed
    assert missed == minutes - left_out - 61, "one was run, sixty may still come"


def test_more_than_a_year_away_is_counted_for_a_year() -> None:
    state = advanced(HOURLY, begun(HOURLY, MIDNIGHT), MIDNIGHT + 3 * MOST_BACK)
    assert abs(state.missed - MOST_BACK / HOUR) < 40
    assert state.overdue
    assert state.expected == MIDNIGHT + 3 * MOST_BACK + HOUR
