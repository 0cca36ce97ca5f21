"""Run a check once: ask its database, or both, and say what it found."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from specter_exporters.sql.asking import Session
from specter_exporters.sql.model import (
    BusinessQuery,
    Check,
    Database,
    IntegrityCheck,
    Plan,
    Side,
    SyncCheck,
)
from specter_exporters.sql.outcomes import (
    Groups,
    Outcome,
    SyncOutcome,
    business,
    integrity,
    mark,
    single,
)

MOST_ROWS = 10_000
"""Violating rows that are counted; more are at least so many."""
MOST_GROUP_ROWS = 5_000
Open = Callable[[Database, float, int], AbstractContextManager[Session]]
"""Opens a session on a database, with seconds for its queries and rows for each."""


class Checker:
    """Runs checks, and remembers which groups of business queries have series.

    Args:
        plan: the databases and the checks.
        open_session: see `asking.Sessions.open`.
    """

    def __init__(self, plan: Plan, open_session: Open) -> None:
        self._plan = plan
        self._open = open_session
        self._groups = {
            each.name: Groups(each.groups) for each in plan.checks if isinstance(each, BusinessQuery)
        }

    def run(self, check: Check) -> Outcome:
        """Return what `check` found.

        Raises:
            CheckError: it could not be completed.
        """
        timeout = check.timing.timeout
        match check:
            case IntegrityCheck():
                most = 1 if check.counts else MOST_ROWS
                with self._open(self._plan.database(check.database), timeout, most) as session:
                    return integrity(check, session.table(check.query, most))
            case BusinessQuery():
                most = 1 if check.by is None else MOST_GROUP_ROWS
                with self._open(self._plan.database(check.database), timeout, most) as session:
                    return business(check, session.table(check.query, most), self._groups[check.name])
            case SyncCheck():
                # The target first: what comes into the source meanwhile shows as lag, not as none.
                target = self._side(check, check.target)
                source = self._side(check, check.source)
                return compared(check, source, target)

    def _side(self, check: SyncCheck, side: Side) -> tuple[float | None, float | None]:
        """Return rows and mark of one side, None for what is not asked."""
        with self._open(self._plan.database(side.database), check.timing.timeout, 1) as session:
            rows = reached = None
            if side.rows is not None:
                rows = mark(side.database, single(side.database, session.table(side.rows, 1)), "number")
            if side.mark is not None:
                value = single(side.database, session.table(side.mark, 1))
                reached = mark(side.database, value, check.mark_kind)
        return rows, reached


def compared(
    check: SyncCheck, source: tuple[float | None, float | None], target: tuple[float | None, float | None]
) -> SyncOutcome:
    """Return how two sides differ, each given as its rows and its mark."""
    rows = (source[0], target[0])
    behind = None if source[1] is None or target[1] is None else source[1] - target[1]
    timed = check.mark_kind == "time"
    return SyncOutcome(
        None if rows[0] is None or rows[1] is None else (rows[0], rows[1]),
        # A target that is ahead by its own clock is not behind.
        max(0.0, behind) if behind is not None and timed else None,
        behind if not timed else None,
    )
