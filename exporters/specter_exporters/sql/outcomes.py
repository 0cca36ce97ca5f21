"""What rows mean: violations of integrity, business numbers, how far a copy is behind."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from specter_exporters.sql.engines.engine import Table
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import BusinessQuery, IntegrityCheck, MarkKind
from specter_exporters.sql.samples import as_shown

SAMPLES = 3
"""Keys of violating rows that are kept."""
OTHER = "other"
LONGEST_GROUP = 100


@dataclass(frozen=True, slots=True)
class IntegrityOutcome:
    """Violations of a check, and keys of some of them; `at_least`: there were more rows than are read."""

    violations: float
    samples: tuple[str, ...] = ()
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class BusinessOutcome:
    """Values by group, and how many groups were summed up as `other`."""

    values: Mapping[str, float]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """Rows of source and target, and how far the target's mark is behind; None where it is not asked."""

    rows: tuple[float, float] | None = None
    lag: float | None = None
    mark_difference: float | None = None

    @property
    def row_difference(self) -> float | None:
        """Rows that the source has more."""
        return None if self.rows is None else self.rows[0] - self.rows[1]


Outcome = IntegrityOutcome | BusinessOutcome | SyncOutcome


def integrity(check: IntegrityCheck, table: Table) -> IntegrityOutcome:
    """Return how often `check` is violated by what its query gave.

    A count beyond its bound is violated as often as it is beyond it.

    Raises:
        CheckError: the rows are not what the check needs.
    """
    if not check.counts:
        column = _column(check.database, table, check.key) if check.key is not None else 0
        keys = tuple(as_shown(row[column], check.sample) for row in table.rows[:SAMPLES])
        return IntegrityOutcome(len(table.rows), () if check.sample == "none" else keys, table.cut)
    value = number(check.database, single(check.database, table))
    if value is None:
        raise CheckError("result", "gave NULL; expected a number to compare", check.database)
    above = 0.0 if check.at_most is None else value - check.at_most
    below = 0.0 if check.at_least is None else check.at_least - value
    return IntegrityOutcome(max(0.0, above, below))


@dataclass(slots=True)
class Groups:
    """Which groups of a business query have series of their own: the first ones, as long as there is room.

    One that has a series keeps it, so that no series jumps between its own name and `other`.
    """

    room: int
    _known: set[str] = field(default_factory=set)

    def fit(self, values: Mapping[str, float]) -> tuple[dict[str, float], int]:
        """Return values by group, those without room summed up as `other`, and how many these are."""
        fitted: dict[str, float] = {}
        dropped = 0
        for group, value in sorted(values.items(), key=lambda item: -item[1]):
            if group not in self._known and group != OTHER and len(self._known) < self.room:
                self._known.add(group)
            if group in self._known:
                fitted[group] = fitted.get(group, 0.0) + value
            else:
                fitted[OTHER] = fitted.get(OTHER, 0.0) + value
                dropped += group != OTHER
        return fitted, dropped


def business(query: BusinessQuery, table: Table, groups: Groups) -> BusinessOutcome:
    """Return the numbers of a business query; NULL is not known, and left out.

    Raises:
        CheckError: the rows are not what the query's settings say.
    """
    if query.by is None:
        value = number(query.database, single(query.database, table, "; a row for each group wants `by`"))
        return BusinessOutcome({} if value is None else {"": value})
    if len(table.columns) != 2:
        said = f"gave {len(table.columns)} columns; with `by` there are two"
        raise CheckError("result", said, query.database)
    if table.cut:
        raise CheckError("result", f"gave more than {len(table.rows)} rows", query.database)
    column = _column(query.database, table, query.by)
    values: dict[str, float] = {}
    for row in table.rows:
        value = number(query.database, row[1 - column])
        if value is not None:
            group = "null" if row[column] is None else str(row[column])[:LONGEST_GROUP]
            values[group] = values.get(group, 0.0) + value
    fitted, dropped = groups.fit(values)
    return BusinessOutcome(fitted, dropped)


def mark(database: str, value: Any, kind: MarkKind) -> float:
    """Return a high-water mark as a number; a time as Unix time. One without a zone is UTC.

    Raises:
        CheckError: it is neither, or there is none.
    """
    if value is None:
        raise CheckError("result", "gave NULL; there is nothing to compare", database)
    if kind == "time":
        if isinstance(value, str):
            value = _parsed(database, value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    found = number(database, value)
    if found is None:
        raise AssertionError("only NULL is no number, and it was looked for")
    return found


def _parsed(database: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise CheckError("result", "gave a text that is no time of ISO 8601", database) from None


def single(database: str, table: Table, hint: str = "") -> Any:
    """Return the one value of the one row.

    Raises:
        CheckError: there are more, or none; `hint` ends its message.
    """
    if len(table.rows) != 1 or table.cut or len(table.columns) != 1:
        rows = f"{'more than ' if table.cut else ''}{len(table.rows)}"
        said = f"gave {rows} rows of {len(table.columns)} columns; expected one row of one column{hint}"
        raise CheckError("result", said, database)
    return table.rows[0][0]


def number(database: str, value: Any) -> float | None:
    """Return a value as a number, None for NULL.

    Raises:
        CheckError: it is none, or not finite; the message has its type alone.
    """
    if value is None:
        return None
    if isinstance(value, int | float | Decimal):
        found = float(value)
        if math.isfinite(found):
            return found
    raise CheckError("result", f"gave {type(value).__name__}; expected a finite number", database)


def _column(database: str, table: Table, name: str) -> int:
    if name not in table.columns:
        there = ", ".join(table.columns)
        raise CheckError("result", f"gave no column {name}; there is {there}", database)
    return table.columns.index(name)
