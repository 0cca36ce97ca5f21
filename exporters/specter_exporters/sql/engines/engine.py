"""What has to be known of a kind of database."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import URL, Connection

GRACE = 1.0
"""Seconds that a database has to end a query by itself before its connection is cut."""
CONNECT_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Table:
    """What a query gave; `cut` tells that there were more rows than were asked for."""

    columns: tuple[str, ...]
    rows: tuple[Sequence[Any], ...]
    cut: bool = False


def fetch(connection: Connection, query: str, most: int) -> Table:
    """Return at most `most` rows of `query`, through SQLAlchemy.

    Raises:
        SQLAlchemyError: it failed, or gives no rows at all.
    """
    result = connection.execution_options(no_parameters=True).exec_driver_sql(query)
    rows = result.fetchmany(most + 1)
    columns = tuple(result.keys())
    result.close()
    return Table(columns, tuple(tuple(row) for row in rows[:most]), len(rows) > most)


class Engine(Protocol):
    """A kind of database."""

    def connect(self, url: URL, within: float, timeout: float) -> Any:
        """Return a DBAPI connection made within `within` seconds, for queries of `timeout` seconds.

        Raises:
            Exception: the driver's.
        """

    def close(self, raw: Any) -> None:
        """End the connection; once more changes nothing."""

    def deadline(self, raw: Any, timeout: float) -> AbstractContextManager[None]:
        """Return a block that ends `GRACE` after `timeout` seconds at the latest, whatever the database does.

        Raises:
            TimeoutError: it had to be ended.
        """

    def restrict(self, connection: Connection, timeout: float, most_rows: int) -> None:
        """Begin a transaction that only reads, for queries of `timeout` seconds and `most_rows` rows."""

    def fetch(self, connection: Connection, query: str, most: int) -> Table:
        """Return at most `most` rows of `query`; the server sends little more.

        Raises:
            Exception: the driver's, or SQLAlchemy's.
        """

    def connection_reason(self, error: BaseException) -> str:
        """Return why no connection was made: one of `metrics.SQL_FAILURE_REASONS`."""

    def query_reason(self, error: BaseException) -> str:
        """Return why a query failed: one of `metrics.SQL_CHECK_FAILURE_REASONS`."""

    def message(self, error: BaseException) -> str:
        """Return what the database said, without the values of rows where it can be had without."""
