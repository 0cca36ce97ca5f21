"""Run every check when it is due: threads of each database, so that none waits for another's."""

import logging
from collections.abc import Sequence
from functools import partial

from specter_core.clock import Clock
from specter_exporters.periodic import Periodic, PeriodicJob
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import Check, Plan, SyncCheck
from specter_exporters.sql.outcomes import IntegrityOutcome, Outcome
from specter_exporters.sql.results import Results, Run
from specter_exporters.sql.running import Checker

logger = logging.getLogger(__name__)


class Schedule:
    """The threads that run checks: those of a database, and one for each synchronisation of two.

    Args:
        plan: the databases and the checks.
        checker: runs a check.
        results: where results go.
        clock: the time.
    """

    def __init__(self, plan: Plan, checker: Checker, results: Results, clock: Clock) -> None:
        self._checker = checker
        self._results = results
        self._clock = clock
        groups: list[tuple[str, int, Sequence[Check]]] = [
            (each.name, each.concurrency, _of(plan, each.name)) for each in plan.databases
        ]
        groups += [(check.name, 1, [check]) for check in plan.checks if isinstance(check, SyncCheck)]
        self._threads = [
            Periodic([self._job(check) for check in checks], concurrency=threads, name=name, clock=clock)
            for name, threads, checks in groups
        ]

    def start(self) -> None:
        """Start the threads; every check is due at once."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Start no more runs. Those under way end with the process."""
        for each in self._threads:
            each.stop()

    def _job(self, check: Check) -> PeriodicJob:
        run = partial(run_once, check, self._checker, self._results, self._clock)
        return PeriodicJob(check.timing.interval, run)


def _of(plan: Plan, database: str) -> list[Check]:
    return [check for check in plan.checks if not isinstance(check, SyncCheck) and check.database == database]


def run_once(check: Check, checker: Checker, results: Results, clock: Clock) -> None:
    """Run `check`, keep what it found, and log what has changed by it."""
    _log(check, *completed(check, checker, results, clock))


def completed(check: Check, checker: Checker, results: Results, clock: Clock) -> tuple[Run, Run]:
    """Run `check` and keep what it found; return what was known before it, and what is now."""
    began = clock.monotonic()
    result: Outcome | CheckError
    try:
        result = checker.run(check)
    except CheckError as error:
        result = error
    except Exception:  # one that we have not thought of must not end the thread
        logger.exception("%s: the run broke off; this is a defect", check.name)
        result = CheckError("other", "the run broke off", check.database)
    return results.put(check, result, clock.monotonic() - began, clock.time())


def _log(check: Check, before: Run, after: Run) -> None:
    """Log a change, not each run."""
    was, now = before.failure, after.failure
    if now is not None:
        if was is None or (was.reason, was.message) != (now.reason, now.message):
            logger.warning("%s: not known: %s: %s: %s", check.name, now.database, now.reason, now.message)
        return
    if was is not None:
        logger.info("%s: is known again", check.name)
    if isinstance(after.outcome, IntegrityOutcome):
        earlier = before.outcome.violations if isinstance(before.outcome, IntegrityOutcome) else 0.0
        found = after.outcome
        if found.violations and found.violations != earlier:
            logger.warning("%s: %s", check.name, sentence(found))
        elif earlier and not found.violations:
            logger.info("%s: no violations any more", check.name)


def sentence(found: IntegrityOutcome) -> str:
    """Return how often a check is violated, and by which rows."""
    amount = f"{'at least ' if found.at_least else ''}{found.violations:g}"
    keys = f", such as {', '.join(found.samples)}" if found.samples else ""
    return f"{amount} violation{'' if found.violations == 1 else 's'}{keys}"
