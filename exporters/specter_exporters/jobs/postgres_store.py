"""The store in PostgreSQL: a commit is on the server's disk before a write returns."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.jobs.store import (
    EVENT_COLUMNS,
    EVENT_FIELDS,
    JOB_COLUMNS,
    KeptEvent,
    KeptJob,
    KeptPush,
    StoreError,
    event_row,
    job_row,
    kept_jobs,
    not_aside,
    told_aside,
)

# Taken for as long as the session lives: of all exporters, one writes.
LOCK = 0x73706A6F6273
_LIMITS = (
    "-c synchronous_commit=on -c statement_timeout=10s -c lock_timeout=5s "
    "-c idle_in_transaction_session_timeout=30s"
)
_TABLES = (
    """CREATE TABLE IF NOT EXISTS specter_job (
        name text PRIMARY KEY, uuid text NOT NULL UNIQUE, made integer NOT NULL, schedule text NOT NULL,
        state text NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS specter_job_event (
        name text NOT NULL, place integer NOT NULL, number bigint NOT NULL, at double precision NOT NULL,
        kind text NOT NULL, run text NOT NULL, exit_status integer, output text NOT NULL,
        PRIMARY KEY (name, place))""",
    "CREATE TABLE IF NOT EXISTS specter_job_push (key text PRIMARY KEY, content text NOT NULL)",
)

ASIDE = "specter_job_set_aside"
_ASIDE = f"""CREATE TABLE IF NOT EXISTS {ASIDE} (
    at timestamptz NOT NULL DEFAULT now(), name text NOT NULL, schedule text NOT NULL, state text NOT NULL)"""
# Once: a job that nobody watches any more stays as it is.
_SET_ASIDE = f"""INSERT INTO {ASIDE} (name, schedule, state) SELECT name, schedule, state FROM specter_job
    WHERE name = %s AND NOT EXISTS (SELECT 1 FROM {ASIDE} AS kept
        WHERE kept.name = specter_job.name AND kept.state = specter_job.state)"""  # noqa: S608


def _upsert(table: str, columns: str, key: str) -> sql.Composed:
    names = columns.split(", ")
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        sql.SQL(", ").join(map(sql.Identifier, key.split(", "))),
        sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
            for name in names
            if name not in key.split(", ")
        ),
    )


_JOB = _upsert("specter_job", JOB_COLUMNS, "name")
# A job that was renamed keeps its URL: whose that was before is watched no more, or has another one now.
_GIVEN_AWAY = """DELETE FROM specter_job AS old USING unnest(%s::text[], %s::text[]) AS new (name, uuid)
    WHERE old.uuid = new.uuid AND old.name <> new.name"""
_EVENT = _upsert("specter_job_event", EVENT_COLUMNS, "name, place")
_PUSH = _upsert("specter_job_push", "key, content", "key")
_EVENTS = f"SELECT {EVENT_FIELDS} FROM specter_job_event WHERE name = %s ORDER BY number DESC"  # noqa: S608


class PostgresStore:
    """Jobs and events in tables `specter_job*`, which the role makes if they are missing; see `Store`.

    Args:
        dsn: libpq connection string without a password; not through a pooler in transaction mode.
        password_file: read at each connection.
    """

    def __init__(self, dsn: str, password_file: Path | None) -> None:
        self._dsn = dsn
        self._password_file = password_file
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def open(self) -> list[KeptJob]:
        """Return every job; see `Store`."""
        self.close()
        try:
            connection = self._connection = self._connected()
            with connection.transaction():
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
                if row is None or not row[0]:
                    raise StoreError("the database is used by another exporter of jobs")
                for table in _TABLES:
                    connection.execute(table.encode())
                rows = connection.execute(f"SELECT {JOB_COLUMNS} FROM specter_job".encode()).fetchall()  # noqa: S608
                return kept_jobs(rows, partial(_set_aside, connection))
        except psycopg.Error as error:
            raise StoreError(_reason(error)) from error

    def write(self, jobs: Sequence[KeptJob], events: Sequence[KeptEvent], pushes: Sequence[KeptPush]) -> None:
        """Keep all or none; see `Store`."""
        if self._connection is None:
            raise StoreError("the database is not connected")
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                if jobs:
                    cursor.execute(_GIVEN_AWAY, ([job.name for job in jobs], [job.uuid for job in jobs]))
                cursor.executemany(_JOB, list(map(job_row, jobs)))
                cursor.executemany(_EVENT, list(map(event_row, events)))
                for push in pushes:
                    if push.content is None:
                        cursor.execute("DELETE FROM specter_job_push WHERE key = %s", (push.key,))
                    else:
                        cursor.execute(_PUSH, (push.key, push.content))
        except psycopg.Error as error:
            raise StoreError(_reason(error)) from error

    def events(self, name: str) -> list[KeptEvent]:
        """Return a job's newest events; see `Store`."""
        return [KeptEvent(*row) for row in self._read(_EVENTS, name)]

    def pushes(self) -> list[KeptPush]:
        """Return what was pushed; see `Store`."""
        return [
            KeptPush(*row) for row in self._read("SELECT key, content FROM specter_job_push ORDER BY key")
        ]

    def tidy(self) -> None:
        """Do nothing: the server does."""

    def close(self) -> None:
        """End the session, and with it the lock."""
        if self._connection is not None:
            # The server ends a session a moment later: whoever comes next would find the lock taken.
            with suppress(psycopg.Error):  # of a session that is broken, there is nothing to give back
                self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._connection.close()
            self._connection = None

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        # A session of its own: the other one may be in the middle of a write.
        try:
            with self._connected() as connection:
                return connection.execute(query.encode(), values).fetchall()
        except psycopg.Error as error:
            raise StoreError(_reason(error)) from error

    def _connected(self) -> "psycopg.Connection[tuple[Any, ...]]":
        try:
            password = (
                None
                if self._password_file is None
                else read_secret_file(self._password_file, what="database.password_file")
            )
        except SpecterError as error:
            raise StoreError(str(error)) from error
        return psycopg.connect(
            self._dsn,
            password=password,
            autocommit=True,
            connect_timeout=5,
            tcp_user_timeout=10_000,
            options=_LIMITS,
            application_name="specter-jobs",
        )


def _set_aside(connection: "psycopg.Connection[tuple[Any, ...]]", name: str, why: str) -> int:
    place = f"database {connection.info.dbname}"
    try:
        connection.execute(_ASIDE.encode())
        connection.execute(_SET_ASIDE.encode(), (name,))
    except psycopg.Error as error:
        raise not_aside(place, ASIDE, name, why, _reason(error)) from error
    told_aside(place, ASIDE, name, why)
    query = "SELECT coalesce(max(number), 0) FROM specter_job_event WHERE name = %s"
    [(number,)] = connection.execute(query, (name,)).fetchall()
    return int(number)


def _reason(error: psycopg.Error) -> str:
    return f"the database: {' '.join(str(error).split()) or type(error).__name__}"
