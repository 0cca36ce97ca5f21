"""What the exporter is told of a server, and what a collector answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from specter_core.metrics import Metric

if TYPE_CHECKING:
    from specter_exporters.postgres.session import Session


@dataclass(frozen=True, slots=True)
class Backup:
    """A kind of backups of a server.

    Attributes:
        name: value of the label `backup`.
        files: path of its files, whose last part is a pattern; None where a query tells.
        query: answers when the newest was finished, its size, and when one was last verified.
        verified_file: a file that whoever verifies a backup touches.
        verifies: whether it is told when one was verified.
    """

    name: str
    files: str | None = None
    query: str | None = None
    verified_file: Path | None = None
    verifies: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A server to ask.

    Attributes:
        name: value of the label `server`.
        dsn: libpq connection string without a password.
        password_file: read anew at each connection, so that a new password needs no restart.
        databases: what else to look into for tables, indexes and sequences, beside the DSN's own.
        idle_limit: seconds after which an idle session counts as leaked.
        statements: how many statements are exposed by total time; half as many more by mean time.
        tables: how many tables a database are exposed.
        plans: of how many statements by total time plans are asked for, half as many more by mean time;
            0 asks for none.
        plan_interval: seconds after which a plan is asked for again.
        plan_search_path: schemas in which the statements' tables are looked up.
        backups: which backups there are to be.
    """

    name: str
    dsn: str
    password_file: Path | None = field(default=None, repr=False)
    databases: tuple[str, ...] = ()
    idle_limit: float = 600.0
    statements: int = 20
    tables: int = 100
    plans: int = 0
    plan_interval: float = 60.0
    plan_search_path: tuple[str, ...] = ("public",)
    backups: tuple[Backup, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """How servers that a scraper names are asked.

    Attributes:
        server: as one of the file's own; its name, and host and port of its DSN, come with the request.
        targets: patterns of HOST:PORT that may be asked; `*` stands for letters, digits and hyphens.
    """

    server: Server
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """A pgbouncer to ask.

    Attributes:
        name: value of the label `server`.
        dsn: libpq connection string without a password and a database, which is that of the console.
        password_file: read anew at each connection.
    """

    name: str
    dsn: str
    password_file: Path | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything that the exporter is told to ask."""

    servers: tuple[Server, ...] = ()
    modules: Mapping[str, Module] = field(default_factory=dict)
    pgbouncers: tuple[PgBouncer, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A sample; `labels` are the metric's but for the first, which is the server."""

    metric: Metric
    labels: Sequence[str]
    value: float


def facts(*samples: tuple[Metric, Sequence[str], float | None]) -> list[Fact]:
    """Return what is known of `samples`: those with None are left out."""
    return [Fact(metric, labels, float(value)) for metric, labels, value in samples if value is not None]


@dataclass(frozen=True, slots=True)
class Collector:
    """One concern, asked for with a deadline of its own.

    Attributes:
        name: value of the label `collector`.
        collect: asks a session.
        limit: seconds it may take.
        series: how many samples it may give; the rest is left out and counted.
        per_database: whether it is run in each database, or once a server.
        aside: whether it is asked meanwhile, in a session of its own: what takes long and needs nobody.
    """

    name: str
    collect: Callable[["Session"], Iterable[Fact]]
    limit: float = 2.0
    series: int = 500
    per_database: bool = False
    aside: bool = False
