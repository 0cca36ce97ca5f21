"""A warm connection that cannot be held up: by a lock, by a slow query, by a server that does not answer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from specter_core.secret_files import read_secret_file
from specter_exporters.cutting import cut_after

APPLICATION = "specter_exporter"
LOCK_WITHIN = 0.3
"""Seconds that a query waits for a lock: who holds a table for longer is not waited for."""
GRACE = 0.5
"""Seconds that the server has to end a query by itself before its connection is cut."""
CONNECT_WITHIN = 3
Row = tuple[Any, ...]
Query = str | sql.Composed
Parameters = Sequence[object] | Mapping[str, object]

# Names are looked up in the catalog alone, so that no function of a user's is run by chance.
# Compiling a query on the catalog takes longer than running it.
_SETTINGS = """
SELECT set_config('search_path', 'pg_catalog', false),
       set_config('default_transaction_read_only', 'on', false),
       set_config('jit', 'off', false),
       set_config('lock_timeout', %s, false)
"""


class Session:
    """A connection to one database; what it reads is in the catalog, and read only.

    Attributes:
        database: the database's name.
        version: the server's version as libpq gives it, 150004 for 15.4.
    """

    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection
        self._timeout = ""
        self.database = connection.info.dbname
        self.version = connection.info.server_version

    @classmethod
    def open(cls, dsn: str, password_file: Path | None, database: str | None, within: float) -> "Session":
        """Connect.

        Args:
            dsn: libpq connection string.
            password_file: file with the password.
            database: the database, where it is not the one of `dsn`.
            within: seconds to connect in; libpq waits for two at least.

        Raises:
            psycopg.Error: the server was not reached, or refused.
            TimeoutError: it took the connection and answered nothing.
            SpecterError: the password's file cannot be read.
        """
        more: dict[str, Any] = {} if database is None else {"dbname": database}
        if password_file is not None:
            more["password"] = read_secret_file(password_file, what="password_file")
        timeout = max(2, min(CONNECT_WITHIN, int(within)))
        connection = psycopg.connect(
            dsn, autocommit=True, connect_timeout=timeout, application_name=APPLICATION, **more
        )
        session = cls(connection)
        try:
            with session.within(timeout):
                session.rows(_SETTINGS, [f"{LOCK_WITHIN * 1000:.0f}ms"])
        except BaseException:
            connection.close()
            raise
        return session

    def rows(self, query: Query, parameters: Parameters = ()) -> list[Row]:
        """Return the rows of `query`.

        Raises:
            psycopg.Error: it failed, was cancelled for its deadline, or the connection was cut.
        """
        text = query.encode() if isinstance(query, str) else query
        return self._connection.execute(text, parameters or None).fetchall()

    def run(self, text: str) -> None:
        """Run one statement that has no rows; several in one text are refused by the server.

        Raises:
            psycopg.Error: it failed.
        """
        # With parameters or a binary answer, the protocol takes one statement at a time.
        self._connection.execute(text.encode(), binary=True)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Run the block in a transaction that is rolled back."""
        with self._connection.transaction(force_rollback=True):
            yield

    def row(self, query: Query, parameters: Parameters = ()) -> Row:
        """Return the one row of `query`."""
        (row,) = self.rows(query, parameters)
        return row

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the block's queries `seconds` each, and the block a little more, or the connection is cut.

        Raises:
            TimeoutError: the connection was cut.
        """
        with cut_after(self._connection, seconds + GRACE):
            self._limit(f"{seconds * 1000:.0f}ms")
            yield

    def _limit(self, timeout: str) -> None:
        """Tell the server how long a query may take, unless it knows."""
        if timeout == self._timeout:
            return
        self.rows("SELECT set_config('statement_timeout', %s, false)", [timeout])
        self._timeout = timeout

    def greet(self, seconds: float) -> None:
        """Make sure that the server answers within `seconds`.

        Raises:
            psycopg.Error: it ended the session.
            TimeoutError: it does not answer.
        """
        with self.within(seconds):
            self.rows("SELECT 1")

    def usable(self) -> bool:
        """Return whether the connection can be asked again."""
        return not self._connection.closed and not self._connection.broken

    def close(self) -> None:
        """End the session."""
        self._connection.close()
