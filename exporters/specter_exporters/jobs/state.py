"""What is known of a job: a value that time and events turn into the next one. No clock, no store."""

import math
from bisect import bisect_right
from typing import NamedTuple

from specter_core.metrics import LOST
from specter_exporters.jobs.model import Event, Job
from specter_exporters.jobs.schedules import Schedule

EARLY = 30.0
"""Seconds before its time from which on a run is the scheduled one: clocks differ."""
MOST_PENDING = 100
"""Runs that are waited for at once; beyond, the oldest is missed before its grace is over."""
MOST_RUNNING = 10
"""Runs under way at once; beyond, the oldest is lost."""
MOST_REMEMBERED = 20
"""Runs that are over and have a number: what is told of them again counts once."""
AGAIN = 1200.0
"""Seconds in which a sender that got no answer tries again: `curl --retry 10` does for 17 minutes."""
SETTLES = 120.0
"""Seconds in which the end of a run may come behind its start, where both had to wait on the way."""
MOST_BACK = 366 * 86_400.0
"""Seconds that scheduled runs are looked back at, after the exporter was down; older ones are not counted."""
STEPS = 2
"""Times that are asked for one by one; more are counted by days."""


class Over(NamedTuple):
    """A run that is over: which, how (`success`, `failed`, `lost`), and when."""

    run: str
    how: str
    at: float


class State(NamedTuple):
    """What is known of a job.

    Attributes:
        expected: when it is to run next; None where nobody knows.
        pending: scheduled runs that have fallen due, and that no run has come for yet.
        missed: scheduled runs that none came for within the grace.
        overdue: whether one of them was missed that no run has come after.
        came: when a run last began, or ended that told no start.
        due: scheduled runs since the last success.
        succeeded: runs that did; `failed` and `lost` alike.
        running: runs under way: which, and since when, the oldest first.
        settles: until when none of those under way is lost: a start has come late, its end may be behind it.
        over: the newest runs that are over and have a number, in the order in which they were told.
        pings: events of all time, but for those that were told again.
    """

    expected: float | None = None
    pending: tuple[float, ...] = ()
    missed: int = 0
    overdue: bool = False
    came: float | None = None
    due: int = 0
    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    running: tuple[tuple[str, float], ...] = ()
    settles: float = 0.0
    over: tuple[Over, ...] = ()
    last_start: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    last_duration: float | None = None
    duration_sum: float = 0.0
    duration_count: int = 0
    exit_status: int | None = None
    output_bytes: int | None = None
    attempts: int | None = None
    pings: int = 0


def begun(job: Job, now: float) -> State:
    """Return the state of a job that is known from `now` on."""
    return State(expected=None if job.schedule is None else job.schedule.next_after(now))


def rescheduled(job: Job, state: State, now: float) -> State:
    """Return `state` for a job whose schedule is another one from `now` on; what was missed stays so."""
    return state._replace(expected=begun(job, now).expected, pending=(), overdue=False)


def set_right(job: Job, state: State, now: float) -> State:
    """Return `state` without what a clock that was ahead of `now` has left; what was counted stays so.

    Otherwise nothing would be due, and no run the newest one, until the time that the clock told has come.
    """
    latest = now + EARLY
    expected = state.expected
    if job.schedule is not None and expected is not None:
        # The run after the next one is expected where the next one has come early.
        following = job.schedule.next_after(latest)
        second = None if following is None else job.schedule.next_after(following)
        if second is not None and expected > second:
            expected = following
    right = state._replace(
        expected=expected,
        pending=tuple(due for due in state.pending if due <= latest),
        came=_at_most(state.came, latest),
        running=tuple((run, min(at, latest)) for run, at in state.running),
        over=tuple(each._replace(at=min(each.at, latest)) for each in state.over),
        last_start=_at_most(state.last_start, latest),
        last_success=_at_most(state.last_success, latest),
        last_failure=_at_most(state.last_failure, latest),
        settles=min(state.settles, latest + SETTLES),
    )
    return state if right == state else right


def _at_most(moment: float | None, latest: float) -> float | None:
    return None if moment is None else min(moment, latest)


def advanced(job: Job, state: State, now: float) -> State:
    """Return what is known at `now` when nothing came since: runs fall due, are missed, are lost."""
    return _without_lost(job, _judged(job, state, now), now)


def next_change(job: Job, state: State) -> float:
    """Return the Unix time up to which `advanced` changes nothing; infinity if it never will."""
    moments = [math.inf if state.expected is None else state.expected]
    if state.pending:
        moments.append(state.pending[0] + job.grace)
    if state.running:
        moments.append(_lost_at(job, state))
    return min(moments)


def told(job: Job, state: State, event: Event) -> State:
    """Return what is known after `event`: `state` itself if it was told before, as after a lost answer."""
    if _told_before(state, event):
        return state
    # The clock of who tells may be ahead of ours: what is not over by ours may still come.
    state = advanced(job, state, min(event.at, event.arrived or event.at))
    state = state._replace(pings=state.pings + 1)
    if event.kind == "log":
        return state
    if event.kind == "start":
        return _started(job, state, event)
    return _ended(job, state, event)


def reused(state: State, event: Event) -> bool:
    """Return whether `event` has the number of an earlier run, and tells of another one.

    A sender that gives all its runs one number must not be left uncounted for ever: after `AGAIN`, and when
    no run with another number came since, what it tells is a new run.
    """
    known = _known(state, event)
    goes_on = any(run == event.run for run, _ in state.running)
    if event.dated or goes_on or not known or event.at < max(known) + AGAIN:
        return False
    others = [*(at for _, at in state.running), *(each.at for each in state.over if each.run != event.run)]
    return max(others, default=-math.inf) < max(known)


def _told_before(state: State, event: Event) -> bool:
    """Return whether what `event` tells is known: of a run without a number, nobody can say.

    One that says when it happened says the same again. A later time of a number that was used is another
    attempt, as when a task that was killed is given to another worker.
    """
    known = _known(state, event)
    if event.dated:
        return bool(known) and event.at <= max(known)
    return bool(known) and not reused(state, event)


def _known(state: State, event: Event) -> list[float]:
    """Return when what `event` tells was told before of a run with its number."""
    if not event.run or event.kind == "log":
        return []
    began = [at for run, at in state.running if run == event.run]
    if event.kind == "start":
        return [*began, *(each.at for each in state.over if each.run == event.run)]
    if began:
        return []
    return [each.at for each in state.over if (each.run, each.how) == (event.run, event.kind)]


def _judged(job: Job, state: State, now: float) -> State:
    expected = state.expected
    if (expected is None or expected > now) and not (state.pending and state.pending[0] + job.grace <= now):
        return state
    count, newest = 0, tuple[float, ...]()
    if job.schedule is not None and expected is not None and expected <= now:
        count, newest, expected = _fallen(job.schedule, expected, now)
    waiting = (*state.pending, *newest)
    over = max(bisect_right(waiting, now, key=lambda moment: moment + job.grace), len(waiting) - MOST_PENDING)
    missed = waiting[:over]
    overdue = state.overdue or bool(missed and (state.came is None or missed[-1] > state.came))
    return state._replace(
        expected=expected,
        pending=waiting[over:],
        missed=state.missed + count - len(newest) + len(missed),
        overdue=overdue,
        due=state.due + count,
    )


def _fallen(schedule: Schedule, expected: float, now: float) -> tuple[int, tuple[float, ...], float | None]:
    """Return how many runs have fallen due from `expected` on, the newest of them, and the next one."""
    steps: list[float] = []
    moment: float | None = expected
    while moment is not None and moment <= now and len(steps) < STEPS:
        steps.append(moment)
        moment = schedule.next_after(moment)
    if moment is not None and moment < now - MOST_BACK:
        moment = schedule.next_after(now - MOST_BACK)
    if moment is None or moment > now:
        return len(steps), tuple(steps), moment
    # One more than can wait: the newest of those that are missed says whether the job is overdue.
    count, newest = schedule.fallen(moment, now, MOST_PENDING + 1)
    if count == len(newest):
        newest = (*steps, *newest)
    return len(steps) + count, newest, schedule.next_after(newest[-1])


def _without_lost(job: Job, state: State, now: float) -> State:
    while state.running and _lost_at(job, state) <= now:
        state = _lose(state, 0, _lost_at(job, state))
    return state


def _lost_at(job: Job, state: State) -> float:
    """Return when the oldest of the runs under way is lost."""
    return max(state.running[0][1] + 2 * job.max_duration, state.settles)


def _lose(state: State, index: int, at: float) -> State:
    run, _ = state.running[index]
    running = state.running[:index] + state.running[index + 1 :]
    state = _remembered(state, Over(run, LOST, at))
    return state._replace(
        running=running, lost=state.lost + 1, last_failure=max(at, state.last_failure or at)
    )


def _remembered(state: State, over: Over) -> State:
    if not over.run:
        return state
    others = [each for each in state.over if (each.run, each.how) != (over.run, over.how)]
    return state._replace(over=(*others, over)[-MOST_REMEMBERED:])


def _started(job: Job, state: State, event: Event) -> State:
    state = _came(job, state, event.at)
    last_start = _later(state.last_start, event.at)
    same = [index for index, (run, _) in enumerate(state.running) if run == event.run]
    if same:
        state = _lose(state, same[0], event.at)
    elif len(state.running) == MOST_RUNNING:
        state = _lose(state, 0, event.at)
    if event.at + 2 * job.max_duration < event.arrived + SETTLES:
        state = state._replace(settles=event.arrived + SETTLES)
    running = sorted((*state.running, (event.run, event.at)), key=lambda each: each[1])
    return state._replace(running=tuple(running), last_start=last_start)


def _ended(job: Job, state: State, event: Event) -> State:
    began = next((at for run, at in state.running if run == event.run), None)
    newest = event.at >= max(state.last_success or 0.0, state.last_failure or 0.0)
    duration = event.duration if began is None else max(0.0, event.at - began)
    if began is None:
        state = _came(job, state, event.at)
    if duration is not None:
        state = state._replace(
            running=tuple(each for each in state.running if each[0] != event.run),
            last_duration=duration if newest else state.last_duration,
            duration_sum=state.duration_sum + duration,
            duration_count=state.duration_count + 1,
        )
    if newest:
        state = state._replace(
            exit_status=event.exit_status, output_bytes=event.output_bytes, attempts=event.attempts
        )
    state = _remembered(state, Over(event.run, event.kind, event.at))
    if event.kind == "success":
        return state._replace(
            succeeded=state.succeeded + 1,
            last_success=_later(state.last_success, event.at),
            due=min(state.due, _due_since(job, state, event.at)) if state.due else 0,
        )
    return state._replace(failed=state.failed + 1, last_failure=_later(state.last_failure, event.at))


def _due_since(job: Job, state: State, at: float) -> int:
    """Return how many scheduled runs have fallen due after one that came `at`: it may be told much later."""
    if job.schedule is None or state.expected is None:
        return 0
    following = job.schedule.next_after(at + EARLY)
    if following is None or following >= state.expected:
        return 0
    # No schedule has two times within a second.
    return job.schedule.fallen(following, state.expected - 0.5, 1).total


def _later(known: float | None, at: float) -> float:
    return at if known is None else max(known, at)


def _came(job: Job, state: State, at: float) -> State:
    """Return the state after a run that begins at `at`, or of which nothing else is told than its end.

    It is the newest scheduled run that is waited for. Were it the oldest, each run after a lost one would be
    taken for the one before, and none be missed, where the grace is longer than the time between two runs.
    A run that is told late, when others have fallen due since, stands for none of these.
    """
    overdue = state.overdue and _due_since(job, state, at) > 0
    state = state._replace(came=_later(state.came, at), overdue=overdue)
    if job.schedule is None or state.expected is None:
        return state
    if job.schedule.anchored:
        expected = job.schedule.next_after(at)
        if expected is not None and expected < state.expected:
            return state
        return state._replace(expected=expected, pending=())
    if state.expected - at <= EARLY:
        following = job.schedule.next_after(state.expected)
        # Never so early that it would be nearer to the run before.
        if following is None or state.expected - at <= (following - state.expected) / 4:
            return state._replace(expected=following, due=state.due + 1)
    before = [due for due in state.pending if due <= at + EARLY]
    return state._replace(pending=(*before[:-1], *state.pending[len(before) :]))
