"""PostgreSQL, through psycopg."""

from contextlib import AbstractContextManager, closing
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import URL, Connection

from specter_exporters.cutting import cut_after
from specter_exporters.postgres import failures
from specter_exporters.sql.engines.engine import GRACE, Table

APPLICATION = "specter_exporter_sql"
CURSOR = "specter_rows"
LOCK_WITHIN = 1.0
"""Seconds that a query waits for a lock: who holds a table for longer is not waited for."""
LEAST_TO_CONNECT = 2
"""libpq connects in no less than two seconds."""
SHAPE = (
    errors.SyntaxError,
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.FeatureNotSupported,
    errors.DataError,
)


class Postgres:
    """PostgreSQL."""

    def connect(self, url: URL, within: float, timeout: float) -> Any:  # noqa: ARG002  (see `restrict`)
        """Return a connection."""
        dialect = url.get_dialect()()
        arguments, named = dialect.create_connect_args(url)
        limit = max(LEAST_TO_CONNECT, int(within))
        return psycopg.connect(
            *arguments,
            **{
                "application_name": APPLICATION,
                **named,
                "connect_timeout": limit,
                # A pooler may give the next statement to another session.
                "prepare_threshold": None,
            },
        )

    def close(self, raw: Any) -> None:
        """End the connection."""
        raw.close()

    def deadline(self, raw: Any, timeout: float) -> AbstractContextManager[None]:
        """Return a block in which the connection is cut when the server does not end by itself."""
        return cut_after(raw, timeout + GRACE)

    def restrict(self, connection: Connection, timeout: float, most_rows: int) -> None:  # noqa: ARG002
        """Begin a read-only transaction; what is set ends with it, also behind a pooler."""
        for statement in (
            "SET TRANSACTION READ ONLY",
            f"SET LOCAL statement_timeout = {timeout * 1000:.0f}",
            f"SET LOCAL lock_timeout = {LOCK_WITHIN * 1000:.0f}",
            # Rows are read through a cursor, and all of them.
            "SET LOCAL cursor_tuple_fraction = 1",
        ):
            connection.exec_driver_sql(statement)

    def fetch(self, connection: Connection, query: str, most: int) -> Table:
        """Return at most `most` rows, through a cursor of the server's: it sends no more."""
        raw: Any = connection.connection.driver_connection
        with closing(raw.cursor(CURSOR)) as cursor:
            cursor.execute(query.encode())
            rows = cursor.fetchmany(most + 1)
            columns = tuple(column.name for column in cursor.description or ())
        return Table(columns, tuple(rows[:most]), len(rows) > most)

    def connection_reason(self, error: BaseException) -> str:
        """Return why no connection was made."""
        return failures.connection_reason(error) if isinstance(error, psycopg.Error) else "other"

    def query_reason(self, error: BaseException) -> str:
        """Return why a query failed."""
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return "read_only"
        if isinstance(error, SHAPE):
            return "query"
        return failures.query_reason(error) if isinstance(error, Exception) else "other"

    def message(self, error: BaseException) -> str:
        """Return the primary message: the detail behind it may hold a row, and that of wrong data a value."""
        if isinstance(error, errors.DataError):
            return f"{type(error).__name__} (SQLSTATE {error.sqlstate})"
        primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        return primary or str(error)
