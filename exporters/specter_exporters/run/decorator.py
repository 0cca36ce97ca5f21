"""A decorator: the receiver is told of each call of a function as of a run of a job."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from specter_core.durations import parse_seconds
from specter_core.errors import UsageError
from specter_exporters.run.monitor import Monitor
from specter_exporters.run.pings import Check, checked_name

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def default_monitor() -> Monitor:
    """Return the monitor that the environment describes; it is asked once, by the first run."""
    return Monitor.from_environment()


def monitored(
    job: str,
    *,
    schedule: str = "",
    timezone: str = "",
    grace: str = "",
    kind: str = "",
    create: bool = True,
    monitor: Monitor | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Tell of each call of a function, also an `async` one: when it begins, and how it ends.

    What it raises is told and goes on its way. Telling never raises, and never waits for the receiver.

    Args:
        job: lower-case letters, digits, `-` and `_`.
        schedule: cron or OnCalendar expression, or `every 5m`.
        timezone: of the schedule, such as `Europe/Berlin`.
        grace: how much later it may begin, such as `10m`.
        kind: of the job, such as `backup`.
        create: let the receiver make a check that it does not know.
        monitor: who tells; by default what the environment says, as for `specter run`.

    Raises:
        UsageError: the name, or what is said about the job, cannot be.
    """
    check = Check(create, schedule, timezone, _grace(grace), kind)
    check.headers()
    checked_name(job)

    @contextmanager
    def told() -> Iterator[None]:
        run = (monitor or default_monitor()).began(job, check)
        try:
            yield
        except SystemExit as error:
            run.failed(error) if error.code else run.succeeded()
            raise
        except BaseException as error:
            run.failed(error)
            raise
        run.succeeded()

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"job {job}: a generator does not end when it is called; wrap what runs it")
        if asyncio.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waiting(*args: P.args, **kwargs: P.kwargs) -> object:
                with told():
                    return await cast("Awaitable[object]", function(*args, **kwargs))

            return cast("Callable[P, R]", waiting)

        @functools.wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            with told():
                return function(*args, **kwargs)

        return calling

    return decorate


def _grace(text: str) -> float | None:
    try:
        return parse_seconds(text) if text else None
    except ValueError as error:
        raise UsageError(f"grace: {error}") from error
