"""The metric families of a moment. Made afresh for each scrape, which asks no database."""

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters.families import Families, named
from specter_exporters.sql.model import BusinessQuery, Check, IntegrityCheck, Plan, SyncCheck
from specter_exporters.sql.outcomes import BusinessOutcome, IntegrityOutcome, SyncOutcome
from specter_exporters.sql.results import Results, Run, State, databases_of

EXPOSED = named("SQL_")


class SqlCollector(Collector):
    """Exposes the newest results; what is not known is absent.

    Args:
        plan: the databases and the checks.
        results: of the runs.
        clock: the time.
    """

    def __init__(self, plan: Plan, results: Results, clock: Clock) -> None:
        self._plan = plan
        self._results = results
        self._clock = clock
        self._patience = {
            database.name: max(
                (each.timing.stale_after for each in plan.checks if database.name in databases_of(each)),
                default=0.0,
            )
            for database in plan.databases
        }

    def describe(self) -> Iterable[Family]:
        """Yield the families without series."""
        return Families(EXPOSED)

    def collect(self) -> Iterable[Family]:
        """Yield the families of this moment."""
        board = Families(EXPOSED)
        now = self._clock.time()
        runs, states = self._results.snapshot()
        self._databases(board, states, now)
        for check in self._plan.checks:
            _of_run(board, check, runs[check.name], now)
            _of_outcome(board, check, runs[check.name], now)
        return board

    def _databases(self, board: Families, states: Mapping[str, State], now: float) -> None:
        for database in self._plan.databases:
            state = states.get(database.name)
            if state is None or now - state.at > self._patience[database.name]:
                continue
            board.add(metrics.SQL_UP, [database.name], state.reason is None)
            for reason in metrics.SQL_FAILURE_REASONS:
                board.add(metrics.SQL_FAILURE, [database.name, reason], state.reason == reason)


def kind_of(check: Check) -> str:
    """Return the value of the label `kind`."""
    match check:
        case IntegrityCheck():
            return "integrity"
        case BusinessQuery():
            return "business"
        case SyncCheck():
            return "sync"


def _of_run(board: Families, check: Check, run: Run, now: float) -> None:
    own = [check.database, check.name]
    severity = check.severity if isinstance(check, IntegrityCheck) else ""
    board.add(metrics.SQL_CHECK_INFO, [*own, kind_of(check), severity], 1)
    board.add(metrics.SQL_CHECK_INTERVAL, own, check.timing.interval)
    board.add(metrics.SQL_CHECK_STALE, own, run.stale(check, now))
    board.add(metrics.SQL_CHECK_RUNS, own, run.runs)
    board.add(metrics.SQL_CHECK_FAILED_RUNS, own, run.failed)
    board.maybe(metrics.SQL_CHECK_LAST_SUCCESS, own, run.last_success)
    if run.last_run is None:
        return
    board.add(metrics.SQL_CHECK_LAST_RUN, own, run.last_run)
    board.add(metrics.SQL_CHECK_SUCCESS, own, run.failure is None)
    board.add(metrics.SQL_CHECK_DURATION, own, run.seconds)
    if run.failure is not None:
        board.add(metrics.SQL_CHECK_FAILURE, [*own, run.failure.reason], 1)


def _of_outcome(board: Families, check: Check, run: Run, now: float) -> None:
    own = [check.database, check.name]
    if isinstance(check, BusinessQuery):
        board.add(metrics.SQL_DROPPED_GROUPS, own, run.dropped)
    if isinstance(check, SyncCheck):
        board.maybe(metrics.SQL_SYNC_LAG_LIMIT, own, check.most_lag)
        board.maybe(metrics.SQL_SYNC_MARK_LIMIT, own, check.most_mark_difference)
        board.maybe(metrics.SQL_SYNC_ROW_LIMIT, own, check.most_row_difference)
    match run.known(check, now):
        case IntegrityOutcome() as found:
            board.add(metrics.SQL_VIOLATIONS, own, found.violations)
        case BusinessOutcome() as found:
            for group, value in found.values.items():
                board.add(metrics.SQL_BUSINESS_VALUE, [*own, group], value)
        case SyncOutcome() as found:
            for side, rows in zip(("source", "target"), found.rows or (), strict=False):
                board.add(metrics.SQL_SYNC_ROWS, [*own, side], rows)
            board.maybe(metrics.SQL_SYNC_ROW_DIFFERENCE, own, found.row_difference)
            board.maybe(metrics.SQL_SYNC_LAG, own, found.lag)
            board.maybe(metrics.SQL_SYNC_MARK_DIFFERENCE, own, found.mark_difference)
