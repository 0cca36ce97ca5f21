"""What a pgbouncer says of its pools, asked on its admin console."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from specter_core import metrics
from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.cutting import cut_after
from specter_exporters.postgres.failures import asking_reason, line
from specter_exporters.postgres.model import Fact, PgBouncer, facts
from specter_exporters.postgres.session import APPLICATION

logger = logging.getLogger(__name__)
POOLS = 100
"""Pools with series of their own; what all others have is added up as `other`."""
ANSWERS_WITHIN = 2.0
CONSOLE = "pgbouncer"
Row = Mapping[str, Any]
_CLIENTS = {"cl_active": "active", "cl_waiting": "waiting"}
_SERVERS = {f"sv_{state}": state for state in ("active", "idle", "used", "tested", "login")}
_TOTALS = (
    (metrics.PGBOUNCER_TRANSACTIONS, "total_xact_count", 1.0),
    (metrics.PGBOUNCER_QUERIES, "total_query_count", 1.0),
    (metrics.PGBOUNCER_QUERY_SECONDS, "total_query_time", 1e-6),
    (metrics.PGBOUNCER_WAIT_SECONDS, "total_wait_time", 1e-6),
    (metrics.PGBOUNCER_RECEIVED, "total_received", 1.0),
    (metrics.PGBOUNCER_SENT, "total_sent", 1.0),
)


class Console:
    """One pgbouncer, and the session that is kept open to its console.

    Args:
        told: where it is.
        clock: the time.
    """

    def __init__(self, told: PgBouncer, clock: Clock) -> None:
        self._told = told
        self._clock = clock
        self._one = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._said: str | None = None

    @property
    def name(self) -> str:
        """The pgbouncer's name."""
        return self._told.name

    def scrape(self, deadline: float) -> list[Fact]:
        """Return what is known by `deadline` (monotonic, seconds). Safe for threads, which take turns."""
        if not self._one.acquire(timeout=max(0.0, deadline - self._clock.monotonic())):
            return _state("timeout")
        try:
            return self._scrape(deadline)
        finally:
            self._one.release()

    def close(self) -> None:
        """End the session."""
        with self._one:
            self._forget()

    def _scrape(self, deadline: float) -> list[Fact]:
        reason, why = "timeout", "no time was left to connect"
        # A restart has ended the session: once more, with a new one.
        for _ in range(2):
            kept = self._connection is not None
            within = min(ANSWERS_WITHIN, deadline - self._clock.monotonic())
            if within <= 0:
                break
            try:
                found = self._asked(within)
            except (psycopg.Error, TimeoutError, SpecterError) as error:
                self._forget()
                reason, why = asking_reason(error), line(error)
                if not kept or isinstance(error, TimeoutError):
                    break
            else:
                self._say(None)
                return [*_state(None), *found]
        self._say(f"{reason}: {why}")
        return _state(reason)

    def _asked(self, within: float) -> list[Fact]:
        if self._connection is None:
            self._connection = _connect(self._told.dsn, self._told.password_file)
        connection = self._connection
        with cut_after(connection, within):
            return [
                *_version(_rows(connection, "SHOW VERSION")),
                *_pools(_rows(connection, "SHOW POOLS")),
                *_databases(_rows(connection, "SHOW DATABASES")),
                *_totals(_rows(connection, "SHOW STATS")),
                *_limits(_rows(connection, "SHOW CONFIG")),
            ]

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _say(self, problem: str | None) -> None:
        """Log a change, not each scrape."""
        if problem == self._said:
            return
        self._said = problem
        if problem is None:
            logger.info("%s: answers again", self.name)
        else:
            logger.warning("%s: %s", self.name, problem)


def _connect(dsn: str, password_file: Path | None) -> "psycopg.Connection[Any]":
    more: dict[str, Any] = {"dbname": CONSOLE}
    if password_file is not None:
        more["password"] = read_secret_file(password_file, what="password_file")
    # The console speaks the simple protocol alone, and knows no transactions.
    return psycopg.connect(
        dsn,
        autocommit=True,
        prepare_threshold=None,
        cursor_factory=psycopg.ClientCursor,
        connect_timeout=2,
        application_name=APPLICATION,
        **more,
    )


def _rows(connection: "psycopg.Connection[Any]", command: str) -> list[Row]:
    """Return rows by the names of their columns, of which each version has others."""
    cursor = connection.execute(command.encode())
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _version(rows: Iterable[Row]) -> Iterable[Fact]:
    for row in rows:
        yield Fact(metrics.PGBOUNCER_INFO, [str(row["version"]).split()[-1]], 1)


def _pools(rows: Iterable[Row]) -> Iterable[Fact]:
    pools = [row for row in rows if row["database"] != CONSOLE]
    pools.sort(key=lambda row: (-row["cl_waiting"], -row["cl_active"], row["database"], row["user"]))
    counts: Counter[tuple[Any, ...]] = Counter()
    waits: dict[tuple[str, str], float] = {}
    for place, row in enumerate(pools):
        pool = (row["database"], row["user"]) if place < POOLS else ("other", "other")
        for metric, columns in ((metrics.PGBOUNCER_CLIENTS, _CLIENTS), (metrics.PGBOUNCER_SERVERS, _SERVERS)):
            for column, state in columns.items():
                counts[metric, *pool, state] += row[column]
        wait = row["maxwait"] + row.get("maxwait_us", 0) / 1e6
        waits[pool] = max(wait, waits.get(pool, 0.0))
    for (metric, *labels), count in counts.items():
        yield Fact(metric, labels, count)
    for pool, wait in waits.items():
        yield Fact(metrics.PGBOUNCER_MAX_WAIT, pool, wait)


def _databases(rows: Iterable[Row]) -> Iterable[Fact]:
    for row in [row for row in rows if row["name"] != CONSOLE][:POOLS]:
        # 0 is what the configuration's default stands for in some versions, or no limit at all.
        limit = row["pool_size"] or None
        yield from facts(
            (metrics.PGBOUNCER_POOL_SIZE, [row["name"]], limit),
            (metrics.PGBOUNCER_PAUSED, [row["name"]], row.get("paused")),
        )


def _totals(rows: Iterable[Row]) -> Iterable[Fact]:
    for row in [row for row in rows if row["database"] != CONSOLE][:POOLS]:
        for metric, column, unit in _TOTALS:
            if column in row:
                yield Fact(metric, [row["database"]], float(row[column]) * unit)


def _limits(rows: Iterable[Row]) -> Iterable[Fact]:
    for row in rows:
        if row["key"] == "max_client_conn":
            yield Fact(metrics.PGBOUNCER_MAX_CLIENTS, [], float(row["value"]))


def _state(reason: str | None) -> list[Fact]:
    return [
        Fact(metrics.PGBOUNCER_UP, [], float(reason is None)),
        *(
            Fact(metrics.PGBOUNCER_FAILURE, [each], float(each == reason))
            for each in metrics.PG_FAILURE_REASONS
        ),
    ]
