"""Run what is asked of dependencies on a schedule, so many at a time, apart from scrapes."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from specter_core.clock import Clock, SystemClock
from specter_exporters.dependencies.calling import Caller
from specter_exporters.dependencies.credentials import run_credential
from specter_exporters.dependencies.model import Dependencies, Dependency, Kind
from specter_exporters.dependencies.results import Result, Results
from specter_exporters.dependencies.searching import Search, search_here
from specter_exporters.dependencies.status_pages import run_status_page
from specter_exporters.dependencies.steps import run_check
from specter_exporters.periodic import Periodic, PeriodicJob

LOGGER = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to ask, every `interval` seconds."""

    dependency: str
    kind: Kind
    interval: float
    run: Callable[[], Result]


def jobs(config: Dependencies, search: Search = search_here) -> list[Job]:
    """Return everything that is asked, in the order of the list; `search` finds patterns in answers."""
    return [job for each in config.dependencies for job in _jobs_of(each, search)]


def _jobs_of(each: Dependency, search: Search) -> Iterator[Job]:
    own = partial(Caller, each.ca_file, search=search)
    if each.check is not None:
        run_steps = partial(_with_caller, run_check, each.check, own)
        yield Job(each.name, "steps", each.check.interval, run_steps)
    if each.credential is not None:
        run = partial(_with_caller, run_credential, each.credential, own)
        yield Job(each.name, "credential", each.credential.interval, run)
    if each.status_page is not None:
        # It is another host, usually: the dependency's own authority says nothing about it.
        run_page = partial(_with_caller, run_status_page, each.status_page, Caller)
        yield Job(each.name, "status_page", each.status_page.interval, run_page)


def _with_caller(run: Callable[[T, Caller], Result], what: T, make: Callable[[], Caller]) -> Result:
    """Run with connections and cookies of its own, which nothing else shares."""
    with make() as caller:
        return run(what, caller)


class Runner:
    """Threads that run jobs when they are due, and keep what they find.

    Args:
        jobs: what to run; the first runs are due at once.
        results: where results go.
        concurrency: threads.
        clock: the time.
    """

    def __init__(
        self, jobs: list[Job], results: Results, *, concurrency: int, clock: Clock | None = None
    ) -> None:
        self._results = results
        self._clock = clock or SystemClock()
        periodic = [
            PeriodicJob(
                job.interval, partial(self._run, job), partial(results.plan, job.dependency, job.kind)
            )
            for job in jobs
        ]
        self._threads = Periodic(periodic, concurrency=concurrency, name="dependencies", clock=self._clock)

    def start(self) -> None:
        """Start the threads."""
        self._threads.start()

    def stop(self) -> None:
        """Start no more runs. Those under way end with the process."""
        self._threads.stop()

    def _run(self, job: Job) -> None:
        try:
            result = job.run()
        except Exception:  # one that we have not thought of must not end the thread
            LOGGER.exception("%s: %s: the run broke off; this is a defect", job.dependency, job.kind)
            return
        changed = self._results.put(job.dependency, job.kind, result, self._clock.time())
        if changed:
            said = ", ".join(f"{step} {reason}".strip() for step, reason in result.failures)
            level = logging.WARNING if said else logging.INFO
            LOGGER.log(level, "%s: %s: %s", job.dependency, job.kind, said or "succeeds")
