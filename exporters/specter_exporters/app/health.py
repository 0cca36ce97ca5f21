"""Dependency checks behind a health endpoint: bounded in time, run one at a time, remembered for a while."""

import asyncio
import inspect
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.errors import SpecterError

FRESH = 5.0
USABLE = 30.0
TIMED_OUT = "timed out"
NOT_TRUE = "returned false"

Probe = Callable[[], object] | Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency and how to ask whether it works.

    Args:
        name: the label of its metrics and its key in the answer.
        run: works if it returns; fails if it raises or returns False. A function runs on a thread, a
            coroutine function on the event loop that asks (on a loop of its own under WSGI). What another
            function returns to be awaited is awaited on a loop of its own.
        critical: whether the service is unhealthy without it.
        timeout: seconds after which it has failed. A thread cannot be stopped: give what it calls a
            time-out as well. While one hangs, no second is started.
    """

    name: str
    run: Probe
    critical: bool = True
    timeout: float = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a check's newest run said: `error` is empty, a time-out or the class of what was raised.

    Never the message of an error, which may hold an address with its password.
    """

    error: str
    seconds: float
    finished: float  # monotonic


@dataclass(frozen=True, slots=True)
class Report:
    """The answer: every check with its newest result, None where there is none yet."""

    results: tuple[tuple[Check, Result | None], ...]
    now: float

    @property
    def healthy(self) -> bool:
        """Whether every critical check has succeeded."""
        return all(_ok(result) for check, result in self.results if check.critical)

    @property
    def status(self) -> int:
        """The HTTP status: 200 or 503."""
        return 200 if self.healthy else 503

    def document(self) -> dict[str, Any]:
        """Return the answer as a JSON document."""
        all_ok = all(_ok(result) for _, result in self.results)
        status = "ok" if all_ok else "degraded" if self.healthy else "failed"
        return {"status": status, "checks": {c.name: self._entry(c, r) for c, r in self.results}}

    def _entry(self, check: Check, result: Result | None) -> dict[str, Any]:
        if result is None:
            return {"status": "unknown", "critical": check.critical}
        entry: dict[str, Any] = {
            "status": "failed" if result.error else "ok",
            "critical": check.critical,
            "seconds": round(result.seconds, 6),
            "age_seconds": round(max(0.0, self.now - result.finished), 3),
        }
        return entry | {"error": result.error} if result.error else entry


def _ok(result: Result | None) -> bool:
    return result is not None and not result.error


class _State:
    """The newest result of a check and the run under way."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.result: Result | None = None
        self.running: Future[None] | None = None
        self.task: asyncio.Future[object] | None = None
        self.started = 0.0
        self.asynchronous = inspect.iscoroutinefunction(check.run)


class Health:
    """Run checks for a health endpoint and expose `specter_health_check_up` and its duration.

    Results younger than `fresh` seconds are the answer. Older ones up to `usable` are the answer
    while a new run is started behind them; later than that the answer waits for the run, at
    most until its time-out. However many ask, a check runs once at a time.

    A scrape never waits: it shows the newest results, leaves out those older than `usable`, and
    starts new runs of what is not fresh.

    Args:
        checks: the dependencies.
        registry: where to expose their metrics: a recorder's.
        fresh: seconds.
        usable: seconds.
        timer: seconds that never step back.

    Raises:
        SpecterError: two checks have one name, or a time does not fit.
        ValueError: the registry holds metrics of these names.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        registry: CollectorRegistry | None = None,
        *,
        fresh: float = FRESH,
        usable: float = USABLE,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        names = [check.name for check in checks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpecterError(f"health checks: more than one is called {', '.join(twice)}")
        if not 0 <= fresh <= usable or any(check.timeout <= 0 for check in checks):
            raise SpecterError("health checks: time-outs must be above 0 and fresh between 0 and usable")
        self._states = [_State(check) for check in checks]
        self._fresh = fresh
        self._usable = usable
        self._timer = timer
        self._begin()
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin(me))
        if registry is not None:
            registry.register(self)

    def _begin(self) -> None:
        """Begin, or go on in a forked process: what runs in the parent never ends here."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        for state in self._states:
            state.running = state.task = None

    def report(self) -> Report:
        """Return the answer to a thread."""
        self._start_stale(None)
        for deadline, future in self._awaited():
            wait_for_futures([future], max(0.0, deadline - self._timer()))
        return self._report()

    async def report_async(self) -> Report:
        """Return the answer to a coroutine; coroutine checks run on its loop."""
        self.on_loop()
        self._start_stale(self._loop)
        for deadline, future in self._awaited():
            waiting = asyncio.wrap_future(future)
            await asyncio.wait([waiting], timeout=max(0.0, deadline - self._timer()))
            waiting.cancel()
        return self._report()

    def on_loop(self) -> None:
        """Let scrapes start coroutine checks on the running loop."""
        self._loop = asyncio.get_running_loop()

    def collect(self) -> Iterable[Family]:
        """Yield the metrics of the newest results, and start new runs of what is not fresh."""
        up = GaugeMetricFamily(
            metrics.HEALTH_CHECK_UP.name, metrics.HEALTH_CHECK_UP.help, labels=metrics.HEALTH_CHECK_UP.labels
        )
        duration = metrics.HEALTH_CHECK_DURATION
        seconds = GaugeMetricFamily(duration.name, duration.help, labels=duration.labels)
        for check, result in self._report().results:
            if result is not None and self._age(result) <= self._usable:
                up.add_metric([check.name], float(not result.error))
                seconds.add_metric([check.name], result.seconds)
        loop = self._loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(self._start_stale, loop)
        else:
            self._start_stale(None)
        return [up, seconds]

    def describe(self) -> Iterable[Family]:
        """Yield the families without series."""
        return [
            GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for metric in (metrics.HEALTH_CHECK_UP, metrics.HEALTH_CHECK_DURATION)
        ]

    # --- runs ---

    def _age(self, result: Result) -> float:
        return self._timer() - result.finished

    def _start_stale(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start the checks that are neither fresh nor running; `loop` is the one that runs this, if any."""
        with self._lock:
            stale = [
                state
                for state in self._states
                if state.running is None and (state.result is None or self._age(state.result) >= self._fresh)
            ]
            for state in stale:
                state.running, state.started = Future(), self._timer()
                state.running.set_running_or_notify_cancel()  # who waits in vain must not cancel it
        for state in stale:
            if state.asynchronous and loop is not None:
                # Kept, because a loop forgets its tasks; its callback ends the run.
                state.task = _ask(state.check.run(), state.check.timeout, loop)
                state.task.add_done_callback(partial(self._task_ended, state))
            else:
                self._start_thread(state)

    def _start_thread(self, state: _State) -> None:
        name = f"health-{state.check.name}"
        thread = threading.Thread(target=self._run, args=(state,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no room for another one now
            self._finished(state, type(error).__name__)

    def _run(self, state: _State) -> None:
        """Run a check on its own thread."""
        try:
            answer = state.check.run()
            if inspect.isawaitable(answer):
                error = asyncio.run(_ask_on_new_loop(answer, state.check.timeout))
            else:
                error = _judge(answer)
        except Exception as raised:  # noqa: BLE001  (whatever it is, it is the check's result)
            error = type(raised).__name__
        self._finished(state, error)

    def _task_ended(self, state: _State, task: "asyncio.Future[object]") -> None:
        self._finished(state, _error_of(task))

    def _finished(self, state: _State, error: str) -> None:
        now = self._timer()
        with self._lock:
            seconds = now - state.started
            if seconds >= state.check.timeout:
                error, seconds = TIMED_OUT, state.check.timeout
            state.result = Result(error, seconds, now)
            future, state.running = state.running, None
        if future is not None:
            future.set_result(None)

    # --- answers ---

    def _awaited(self) -> list[tuple[float, "Future[None]"]]:
        """Return (deadline, run) of every check that has no usable result."""
        with self._lock:
            return [
                (state.started + state.check.timeout, state.running)
                for state in self._states
                if state.running is not None
                and (state.result is None or self._age(state.result) > self._usable)
            ]

    def _report(self) -> Report:
        now = self._timer()
        with self._lock:
            results = tuple((state.check, self._newest(state, now)) for state in self._states)
        return Report(results, now)

    def _newest(self, state: _State, now: float) -> Result | None:
        """Return a check's result; a run past its time-out has failed even if it never ends."""
        if state.running is not None and now - state.started >= state.check.timeout:
            return Result(TIMED_OUT, state.check.timeout, now)
        return state.result


def _begin(health: "weakref.ref[Health]") -> None:
    """Let the checks begin anew, if they are still in use."""
    found = health()
    if found is not None:
        found._begin()


def _ask(asked: Any, timeout: float, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[object]":
    """Start to await what a check has returned, to be cancelled at its time-out.

    The run is over when the coroutine has ended: of one that refuses to be cancelled no second is
    started, and its check has timed out meanwhile.
    """
    task: asyncio.Future[object] = asyncio.ensure_future(asked, loop=loop)
    cancelling = loop.call_later(timeout, task.cancel)
    task.add_done_callback(lambda _: cancelling.cancel())
    return task


async def _ask_on_new_loop(asked: Awaitable[object], timeout: float) -> str:
    task = _ask(asked, timeout, asyncio.get_running_loop())
    await asyncio.wait([task])
    return _error_of(task)


def _error_of(task: "asyncio.Future[object]") -> str:
    if task.cancelled():
        return asyncio.CancelledError.__name__
    raised = task.exception()
    return _judge(task.result()) if raised is None else type(raised).__name__


def _judge(answer: object) -> str:
    return NOT_TRUE if answer is False else ""
