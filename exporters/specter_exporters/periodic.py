"""Threads that run jobs when they are due, apart from scrapes."""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from specter_core.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """One thing to do, every `interval` seconds.

    Attributes:
        interval: seconds from one planned time to the next.
        run: does it; must not raise.
        planned: is told the Unix time at which it is due next; None where nobody wants to know.
    """

    interval: float
    run: Callable[[], None]
    planned: Callable[[float], None] | None = None


@dataclass(order=True, slots=True)
class _Due:
    at: float  # monotonic
    number: int  # of two that are due at once, the one that has waited longer
    job: PeriodicJob = field(compare=False)


class Periodic:
    """Threads that run jobs when they are due.

    A job is never run twice at once: its next run is due an interval after the planned time of this
    one, at once where this one took longer.

    Args:
        jobs: what to run; the first runs are due at once.
        concurrency: threads.
        name: what the threads' names begin with.
        clock: the time.
    """

    def __init__(
        self, jobs: Sequence[PeriodicJob], *, concurrency: int, name: str, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._due: list[_Due] = []
        for job in jobs:
            self._plan(job, self._clock.monotonic())
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(min(concurrency, len(jobs)))
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more runs. Those under way end with the process."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _plan(self, job: PeriodicJob, at: float) -> None:
        heapq.heappush(self._due, _Due(at, next(self._numbers), job))
        if job.planned is not None:
            job.planned(self._clock.time() + at - self._clock.monotonic())

    def _work(self) -> None:
        while (due := self._take()) is not None:
            due.job.run()
            with self._changed:
                now = self._clock.monotonic()
                self._plan(due.job, max(now, due.at + due.job.interval))
                self._changed.notify()

    def _take(self) -> _Due | None:
        """Wait for the next run that is due, and return it; None at the end."""
        with self._changed:
            while not self._stopped:
                wait = self._due[0].at - self._clock.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(wait)
            return None
