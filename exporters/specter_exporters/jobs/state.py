"""What is known of a job: a value that time and events turn into the next one. No clock, no store."""

import math
from typing import NamedTuple

from specter_exporters.jobs.model import Event, Job

EARLY = 30.0
"""Seconds before its time from which on a run is the scheduled one: clocks differ."""
MOST_PENDING = 100
"""Runs that are waited for at once; beyond, the oldest is missed before its grace is over."""
MOST_RUNNING = 10
"""Runs under way at once; beyond, the oldest is lost."""
MOST_CAUGHT_UP = 100_000
"""Scheduled runs that are looked at at once, after the exporter was down; older ones are not counted."""


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
        pings: events of all time.
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
        last_start=_at_most(state.last_start, latest),
        last_success=_at_most(state.last_success, latest),
        last_failure=_at_most(state.last_failure, latest),
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
        moments.append(state.running[0][1] + 2 * job.max_duration)
    return min(moments)


def told(job: Job, state: State, event: Event) -> State:
    """Return what is known after `event`: nothing new if it is told again, as where the answer got lost."""
    if _told_before(state, event):
        return state
    state = advanced(job, state, event.at)
    state = state._replace(pings=state.pings + 1)
    if event.kind == "log":
        return state
    if event.kind == "start":
        return _started(job, state, event)
    return _ended(job, state, event)


def _told_before(state: State, event: Event) -> bool:
    if not event.run:
        return False
    if event.kind == "start":
        return (event.run, event.at) in state.running
    if any(run == event.run for run, _ in state.running):
        # Another run may have ended in the same moment.
        return False
    return event.at in {state.last_success, state.last_failure} and event.kind != "log"


def _judged(job: Job, state: State, now: float) -> State:
    expected, pending, missed, due = state.expected, list(state.pending), state.missed, state.due
    if (expected is None or expected > now) and not (pending and pending[0] + job.grace <= now):
        return state
    overdue, seen = state.overdue, 0
    while True:
        while pending and (pending[0] + job.grace <= now or len(pending) > MOST_PENDING):
            missed += 1
            overdue = overdue or state.came is None or pending[0] > state.came
            del pending[0]
        if job.schedule is None or expected is None or expected > now:
            break
        pending.append(expected)
        due += 1
        seen += 1
        expected = job.schedule.next_after(max(expected, now) if seen == MOST_CAUGHT_UP else expected)
    return state._replace(expected=expected, pending=tuple(pending), missed=missed, overdue=overdue, due=due)


def _without_lost(job: Job, state: State, now: float) -> State:
    while state.running and state.running[0][1] + 2 * job.max_duration <= now:
        state = _lose(state, 0, state.running[0][1] + 2 * job.max_duration)
    return state


def _lose(state: State, index: int, at: float) -> State:
    running = state.running[:index] + state.running[index + 1 :]
    return state._replace(
        running=running, lost=state.lost + 1, last_failure=max(at, state.last_failure or at)
    )


def _started(job: Job, state: State, event: Event) -> State:
    state = _came(job, state, event.at)
    last_start = _later(state.last_start, event.at)
    same = [index for index, (run, _) in enumerate(state.running) if run == event.run]
    if same:
        state = _lose(state, same[0], event.at)
    elif len(state.running) == MOST_RUNNING:
        state = _lose(state, 0, event.at)
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
    if event.kind == "success":
        due = 0 if state.due == 0 or _nothing_since(job, state, event.at) else state.due
        last_success = _later(state.last_success, event.at)
        return state._replace(succeeded=state.succeeded + 1, last_success=last_success, due=due)
    return state._replace(failed=state.failed + 1, last_failure=_later(state.last_failure, event.at))


def _nothing_since(job: Job, state: State, at: float) -> bool:
    """Return whether no scheduled run has fallen due after one that came `at`: it may be told much later."""
    if job.schedule is None or state.expected is None:
        return True
    following = job.schedule.next_after(at + EARLY)
    return following is None or following >= state.expected


def _later(known: float | None, at: float) -> float:
    return at if known is None else max(known, at)


def _came(job: Job, state: State, at: float) -> State:
    """Return the state after a run that begins at `at`, or of which nothing else is told than its end.

    It is the newest scheduled run that is waited for. Were it the oldest, each run after a lost one would be
    taken for the one before, and none be missed, where the grace is longer than the time between two runs.
    A run that is told late, when others have fallen due since, stands for none of these.
    """
    overdue = state.overdue and not _nothing_since(job, state, at)
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
