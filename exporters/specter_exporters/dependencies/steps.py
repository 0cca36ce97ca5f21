"""Checks of several steps: sign in, then fetch."""

import logging
from collections.abc import Callable, Mapping
from time import monotonic

from specter_core.errors import SpecterError
from specter_exporters.dependencies.asking import ask, extracted
from specter_exporters.dependencies.calling import Caller
from specter_exporters.dependencies.model import CallError, Check, Reason, Secret
from specter_exporters.dependencies.results import CheckResult, StepResult

LOGGER = logging.getLogger(__name__)


def run_check(check: Check, caller: Caller, timer: Callable[[], float] = monotonic) -> CheckResult:
    """Make the steps of `check` until one fails."""
    values = read_secrets(check.secrets)
    if values is None:
        return CheckResult((StepResult(check.steps[0].name, 0.0, "invalid"),))
    results: list[StepResult] = []
    for step in check.steps:
        started = timer()
        reason: Reason | None = None
        try:
            answer = ask(step, values, caller)
            values |= {extract.name: extracted(extract, answer, caller) for extract in step.extract}
        except CallError as error:
            reason = error.reason
        results.append(StepResult(step.name, timer() - started, reason))
        if reason is not None:
            break
    return CheckResult(tuple(results))


def read_secrets(secrets: Mapping[str, Secret]) -> dict[str, str] | None:
    """Return the secrets by name, None, and a line in the log, where one cannot be read."""
    try:
        return {name: secret.read() for name, secret in secrets.items()}
    except SpecterError as error:
        LOGGER.warning("%s", error)
        return None
