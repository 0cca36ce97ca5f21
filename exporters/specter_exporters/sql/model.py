"""What the exporter is told: databases, and what is asked of them."""

from dataclasses import dataclass, field
from typing import Literal

from specter_exporters.sql.dsn import Dsn

Severity = Literal["critical", "warning"]
Sample = Literal["shown", "masked", "none"]
MarkKind = Literal["time", "number"]


@dataclass(frozen=True, slots=True)
class Database:
    """A database to ask.

    Attributes:
        name: value of the label `database`.
        dsn: where it is, and how to log in.
        concurrency: how many of its checks run at once.
    """

    name: str
    dsn: Dsn
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """How often something is asked, and for how long its answer is waited for; seconds."""

    interval: float
    timeout: float

    @property
    def stale_after(self) -> float:
        """The age at which an answer says nothing any more: one run may fail, the next may take its time."""
        return 2 * self.interval + self.timeout


@dataclass(frozen=True, slots=True)
class IntegrityCheck:
    """A query that finds what must not be there, or counts what has a bound.

    Attributes:
        query: gives a row for each violation, or, with a bound, one row of one number.
        at_most, at_least: the bounds; without any, the query must give no row.
        sample: how the keys of violating rows are shown, in the log and on the page.
        key: the column with the key; None: the first.
        severity: of the alert.
    """

    name: str
    database: str
    query: str
    timing: Timing
    at_most: float | None = None
    at_least: float | None = None
    sample: Sample = "masked"
    key: str | None = None
    severity: Severity = "warning"

    @property
    def counts(self) -> bool:
        """Whether the query gives a number to compare, not the rows themselves."""
        return self.at_most is not None or self.at_least is not None


@dataclass(frozen=True, slots=True)
class BusinessQuery:
    """A query whose numbers are exposed as they are.

    Attributes:
        query: gives one number, or with `by` a row for each group.
        by: the column with the group; the other column is the value.
        groups: how many groups have series of their own; the rest is summed up as `other`.
    """

    name: str
    database: str
    query: str
    timing: Timing
    by: str | None = None
    groups: int = 20


@dataclass(frozen=True, slots=True)
class Side:
    """What is asked of one of two databases: each query gives one number, or one time."""

    database: str
    rows: str | None
    mark: str | None


@dataclass(frozen=True, slots=True)
class SyncCheck:
    """Whether one database has what another has.

    Attributes:
        source, target: the database that leads, and the one that follows.
        mark_kind: what the queries of the mark give.
        most_lag: seconds that the target's mark may be behind.
        most_mark_difference: how far the target's mark may be behind, where it is a number.
        most_row_difference: rows by which both may differ.
    """

    name: str
    source: Side
    target: Side
    timing: Timing
    mark_kind: MarkKind = "time"
    most_lag: float | None = None
    most_mark_difference: float | None = None
    most_row_difference: float | None = None

    @property
    def database(self) -> str:
        """The database that the check is about: the one that follows."""
        return self.target.database


Check = IntegrityCheck | BusinessQuery | SyncCheck


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is asked."""

    databases: tuple[Database, ...]
    checks: tuple[Check, ...] = field(default=())

    def database(self, name: str) -> Database:
        """Return the database called `name`."""
        return next(each for each in self.databases if each.name == name)
