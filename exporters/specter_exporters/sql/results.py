"""What the newest runs found, and what became of each database. Safe for threads."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import Check, SyncCheck
from specter_exporters.sql.outcomes import BusinessOutcome, Outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the newest run was not completed."""

    reason: str
    message: str
    database: str


@dataclass(frozen=True, slots=True)
class Run:
    """The runs of a check up to now; times are Unix times.

    Attributes:
        began: from when on it should have run.
        outcome: what the newest completed run found.
        failure: why the newest run was not completed, None if it was.
        last_run, last_success: when the newest run ended, and the newest completed one.
        seconds: what the newest run took.
        runs, failed: all runs, and those that failed.
        dropped: groups without a series of their own, over all runs.
    """

    began: float
    outcome: Outcome | None = None
    failure: Failure | None = None
    last_run: float | None = None
    last_success: float | None = None
    seconds: float = 0.0
    runs: int = 0
    failed: int = 0
    dropped: int = 0

    def stale(self, check: Check, now: float) -> bool:
        """Return whether no run was completed for longer than one may be missed."""
        since = self.began if self.last_success is None else self.last_success
        return now - since > check.timing.stale_after

    def known(self, check: Check, now: float) -> Outcome | None:
        """Return what holds now: nothing that is old, and nothing after a run that failed."""
        return None if self.failure is not None or self.stale(check, now) else self.outcome


@dataclass(frozen=True, slots=True)
class State:
    """Whether a database let the exporter in, seen at `at` (Unix time); a reason if it did not."""

    at: float
    reason: str | None


class Results:
    """The newest run of every check.

    Args:
        checks: which there are.
        began: Unix time from when on they should run.
    """

    def __init__(self, checks: Iterable[Check], began: float) -> None:
        self._lock = threading.Lock()
        self._runs = {check.name: Run(began) for check in checks}
        self._states: dict[str, State] = {}

    def put(self, check: Check, result: Outcome | CheckError, seconds: float, now: float) -> tuple[Run, Run]:
        """Keep what a run came to; return what was known before it, and what is now."""
        with self._lock:
            before = self._runs[check.name]
            after = replace(before, last_run=now, seconds=seconds, runs=before.runs + 1)
            if isinstance(result, CheckError):
                failure = Failure(result.reason, str(result), result.database)
                after = replace(after, failure=failure, failed=before.failed + 1)
                if result.connected is not None:
                    self._states[result.database] = State(now, None if result.connected else result.reason)
            else:
                dropped = result.dropped if isinstance(result, BusinessOutcome) else 0
                after = replace(
                    after, failure=None, outcome=result, last_success=now, dropped=before.dropped + dropped
                )
                for database in databases_of(check):
                    self._states[database] = State(now, None)
            self._runs[check.name] = after
            return before, after

    def snapshot(self) -> tuple[Mapping[str, Run], Mapping[str, State]]:
        """Return every run and the state of every database that was asked, as they are now."""
        with self._lock:
            return dict(self._runs), dict(self._states)


def databases_of(check: Check) -> tuple[str, ...]:
    """Return the databases that a check asks."""
    if isinstance(check, SyncCheck):
        return (check.source.database, check.target.database)
    return (check.database,)
