"""The metric families of a moment. Made afresh for each scrape, so that no label outlives its cause."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_exporters.dependencies.model import REASONS, Dependencies, Kind
from specter_exporters.dependencies.results import (
    CheckResult,
    CredentialResult,
    Results,
    Run,
    StatusResult,
)
from specter_exporters.families import Families


class DependencyCollector:
    """Exposes the newest results of every dependency; what is not known is absent."""

    def __init__(self, config: Dependencies, results: Results) -> None:
        self._config = config
        self._results = results

    def collect(self) -> Iterable[Family]:
        """Yield the families of this moment."""
        board = Families(EXPOSED)
        for each in self._config.dependencies:
            board.add(metrics.DEPENDENCY_INFO, [each.name, each.criticality], 1)
            board.maybe(metrics.DEPENDENCY_LATENCY_LIMIT, [each.name], each.latency)
            board.maybe(metrics.DEPENDENCY_TLS_WARNING, [each.name], each.tls_warning)
        for (name, kind), run in self._results.snapshot().items():
            _of_run(board, name, kind, run)
        return board

    def describe(self) -> Iterable[Family]:
        """Yield the families without series."""
        return Families(EXPOSED)


def _of_run(board: Families, name: str, kind: Kind, run: Run) -> None:
    board.add(metrics.DEPENDENCY_NEXT_RUN, [name, kind], run.next_run)
    board.add(metrics.DEPENDENCY_RUNS, [name, kind], run.runs)
    for reason in REASONS:
        board.add(metrics.DEPENDENCY_FAILED_RUNS, [name, kind, reason], run.failed[reason])
    if run.result is None:
        return
    board.add(metrics.DEPENDENCY_LAST_RUN, [name, kind], run.finished)
    for step, why in run.result.failures:
        board.add(metrics.DEPENDENCY_FAILURE, [name, kind, step, why], 1)
    match run.result:
        case CheckResult() as check:
            _of_check(board, name, check)
        case CredentialResult() as credential:
            board.maybe(metrics.DEPENDENCY_CREDENTIAL_VALID, [name], credential.valid)
            board.maybe(metrics.DEPENDENCY_CREDENTIAL_EXPIRY, [name], credential.expiry)
        case StatusResult() as status:
            board.maybe(metrics.DEPENDENCY_STATUS_PAGE_LAST_SUCCESS, [name], run.last_success)
            _of_status(board, name, status)


def _of_check(board: Families, name: str, check: CheckResult) -> None:
    board.add(metrics.DEPENDENCY_CHECK_SUCCESS, [name], not check.failures)
    board.add(metrics.DEPENDENCY_CHECK_DURATION, [name], sum(step.seconds for step in check.steps))
    for step in check.steps:
        board.add(metrics.DEPENDENCY_STEP_SUCCESS, [name, step.name], step.reason is None)
        board.add(metrics.DEPENDENCY_STEP_DURATION, [name, step.name], step.seconds)


def _of_status(board: Families, name: str, status: StatusResult) -> None:
    board.add(metrics.DEPENDENCY_STATUS_PAGE_UP, [name], status.indicator is not None)
    if status.indicator is not None:
        for indicator in metrics.DEPENDENCY_INDICATORS:
            board.add(metrics.DEPENDENCY_VENDOR_STATUS, [name, indicator], indicator == status.indicator)
    board.maybe(metrics.DEPENDENCY_UNRESOLVED_INCIDENTS, [name], status.incidents)
    if status.components is not None:
        for state in metrics.DEPENDENCY_COMPONENT_STATUSES:
            board.add(metrics.DEPENDENCY_COMPONENTS, [name, state], status.components.get(state, 0))


EXPOSED = (
    metrics.DEPENDENCY_INFO,
    metrics.DEPENDENCY_LATENCY_LIMIT,
    metrics.DEPENDENCY_TLS_WARNING,
    metrics.DEPENDENCY_NEXT_RUN,
    metrics.DEPENDENCY_LAST_RUN,
    metrics.DEPENDENCY_RUNS,
    metrics.DEPENDENCY_FAILED_RUNS,
    metrics.DEPENDENCY_FAILURE,
    metrics.DEPENDENCY_CHECK_SUCCESS,
    metrics.DEPENDENCY_CHECK_DURATION,
    metrics.DEPENDENCY_STEP_SUCCESS,
    metrics.DEPENDENCY_STEP_DURATION,
    metrics.DEPENDENCY_CREDENTIAL_VALID,
    metrics.DEPENDENCY_CREDENTIAL_EXPIRY,
    metrics.DEPENDENCY_STATUS_PAGE_UP,
    metrics.DEPENDENCY_STATUS_PAGE_LAST_SUCCESS,
    metrics.DEPENDENCY_VENDOR_STATUS,
    metrics.DEPENDENCY_UNRESOLVED_INCIDENTS,
    metrics.DEPENDENCY_COMPONENTS,
)
