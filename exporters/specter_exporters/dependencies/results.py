"""What the newest runs found."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from specter_exporters.dependencies.model import Kind, Reason


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that was reached; no `reason`: it succeeded."""

    name: str
    seconds: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check, up to the step that failed."""

    steps: tuple[StepResult, ...]

    @property
    def failures(self) -> tuple[tuple[str, Reason], ...]:
        """Step and reason of what failed."""
        return tuple((step.name, step.reason) for step in self.steps if step.reason)


@dataclass(frozen=True, slots=True)
class CredentialResult:
    """A call with a credential; `expiry` is Unix time, where it is known."""

    reason: Reason | None = None
    expiry: float | None = None

    @property
    def valid(self) -> bool | None:
        """Whether the credential was taken; None: the call could not tell."""
        if self.reason is None:
            return True
        return False if self.reason == "auth" else None

    @property
    def failures(self) -> tuple[tuple[str, Reason], ...]:
        """Step, which is none, and reason of what failed."""
        return (("", self.reason),) if self.reason else ()


@dataclass(frozen=True, slots=True)
class StatusResult:
    """What a vendor says; None where it cannot be read."""

    indicator: str | None
    components: Mapping[str, int] | None
    incidents: int | None
    failures: tuple[tuple[str, Reason], ...] = ()


Result = CheckResult | CredentialResult | StatusResult


@dataclass(frozen=True, slots=True)
class Run:
    """The newest run of one kind against one dependency, and the counts of all; times are Unix times."""

    next_run: float
    result: Result | None = None
    finished: float = 0.0
    last_success: float | None = None
    runs: int = 0
    failed: Counter[Reason] = field(default_factory=Counter)


class Results:
    """The newest run of everything that is asked. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, Kind], Run] = {}

    def plan(self, dependency: str, kind: Kind, next_run: float) -> None:
        """Say when the next run is due."""
        with self._lock:
            run = self._runs.get((dependency, kind))
            self._runs[dependency, kind] = Run(next_run) if run is None else replace(run, next_run=next_run)

    def put(self, dependency: str, kind: Kind, result: Result, finished: float) -> bool:
        """Keep `result` as the newest; return whether the one before failed otherwise, or did not."""
        with self._lock:
            run = self._runs[dependency, kind]
            if isinstance(result, CredentialResult) and isinstance(run.result, CredentialResult):
                result = _with_known_expiry(result, run.result)
            failed = run.failed.copy()
            if result.failures:
                failed[result.failures[0][1]] += 1
            self._runs[dependency, kind] = replace(
                run,
                result=result,
                finished=finished,
                last_success=run.last_success if _unknown(result) else finished,
                runs=run.runs + 1,
                failed=failed,
            )
            before = run.result.failures if run.result is not None else ()
            return before != result.failures

    def snapshot(self) -> dict[tuple[str, Kind], Run]:
        """Return every run as it is now."""
        with self._lock:
            return dict(self._runs)


def _unknown(result: Result) -> bool:
    return result.indicator is None if isinstance(result, StatusResult) else bool(result.failures)


def _with_known_expiry(result: CredentialResult, before: CredentialResult) -> CredentialResult:
    """Keep an expiry that was read while the answer that would repeat it does not come."""
    if result.expiry is None and result.reason not in {None, "auth"}:
        return replace(result, expiry=before.expiry)
    return result
