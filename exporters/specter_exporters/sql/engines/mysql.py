"""MySQL and MariaDB, through PyMySQL."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pymysql
from sqlalchemy import URL, Connection

from specter_exporters.sql.engines.engine import GRACE, Table, fetch

# Both servers' error codes: https://mariadb.com/kb/en/mariadb-error-code-reference/
_CONNECTING = {
    1040: "slots",  # too many connections
    1203: "slots",  # of this user
    1226: "slots",  # of this user in this hour
    1044: "privilege",  # of this database
    1045: "auth",
    1698: "auth",
    1130: "auth",  # of this host
    3118: "auth",  # MySQL: the account is locked
    4151: "auth",  # the same of MariaDB
    1862: "auth",  # the password has expired
    1049: "database",
    2026: "tls",
    3159: "tls",  # the server insists on it
    3032: "starting",  # MySQL's offline_mode
    1053: "starting",  # it shuts down
}
_ASKING = {
    1969: "timeout",  # MariaDB's max_statement_time
    3024: "timeout",  # MySQL's max_execution_time
    1205: "lock_timeout",
    1142: "privilege",  # on a table
    1143: "privilege",  # on a column
    1370: "privilege",  # on a routine
    1227: "privilege",
    1044: "privilege",
    1792: "read_only",
    1290: "read_only",  # the server is
    1064: "query",
    1054: "query",  # no such column
    1146: "query",  # no such table
    1305: "query",  # no such function
    1052: "query",  # a column of two tables
    1055: "query",  # a column that is not grouped by
    1140: "query",  # the same without GROUP BY
    1222: "query",  # a UNION of different columns
    1241: "query",  # a subquery of many columns
    1242: "query",  # a subquery of many rows
    1690: "query",  # a number out of range, as of unsigned ones that are subtracted
    3636: "query",  # MySQL's limit of a recursion
}
NEEDS_RSA = "'cryptography' package is required"
"""What PyMySQL says where a password may go over a connection without TLS only if RSA hides it."""
WITHOUT_TLS = (
    "the connection has no TLS, and without it caching_sha2_password, MySQL's default, gives no password "
    "away: turn it on at the server, or install cryptography beside the exporter"
)
GONE = frozenset({2003, 2006, 2013, 2055})
LOCK_WITHIN = 1


class MySql:
    """MySQL and MariaDB."""

    def connect(self, url: URL, within: float, timeout: float) -> Any:
        """Return a connection; one that stands still is given up by its own time-outs."""
        dialect = url.get_dialect()()
        arguments, named = dialect.create_connect_args(url)
        return pymysql.connect(
            *arguments,
            **{
                "charset": "utf8mb4",
                **named,
                "connect_timeout": max(1, math.ceil(within)),
                "read_timeout": math.ceil(timeout + GRACE),
                "write_timeout": math.ceil(timeout + GRACE),
            },
        )

    def close(self, raw: Any) -> None:
        """End the connection."""
        if raw.open:
            raw.close()

    def deadline(self, raw: Any, timeout: float) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return an empty block: `connect` has told the driver."""
        return nullcontext()

    def restrict(self, connection: Connection, timeout: float, most_rows: int) -> None:
        """Begin a read-only transaction; the connection is closed after it."""
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
        limit = (
            f"max_statement_time = {timeout:g}"
            if is_mariadb
            else f"max_execution_time = {timeout * 1000:.0f}"
        )
        for statement in (
            f"SET SESSION {limit}",
            f"SET SESSION lock_wait_timeout = {LOCK_WITHIN}",
            # All rows are fetched before the first is looked at.
            f"SET SESSION sql_select_limit = {most_rows}",
            # A statement that ends the transaction would find the next one as read only.
            "SET SESSION TRANSACTION READ ONLY",
            "START TRANSACTION READ ONLY",
        ):
            connection.exec_driver_sql(statement)

    def fetch(self, connection: Connection, query: str, most: int) -> Table:
        """Return at most `most` rows."""
        return fetch(connection, query, most)

    def connection_reason(self, error: BaseException) -> str:
        """Return why no connection was made."""
        code, text = _code(error), str(error)
        # The driver has no code of its own for a handshake that fails.
        if "SSL" in text or "certificate" in text or NEEDS_RSA in text:
            return "tls"
        if code in GONE:
            return "timeout" if "timed out" in text else "refused"
        return _CONNECTING.get(code, "other")

    def query_reason(self, error: BaseException) -> str:
        """Return why a query failed."""
        code = _code(error)
        if code in GONE:
            return "timeout" if "timed out" in str(error) else "connection"
        return _ASKING.get(code, "other")

    def message(self, error: BaseException) -> str:
        """Return the server's sentence."""
        said = str(error.args[-1]) if error.args else str(error)
        return WITHOUT_TLS if NEEDS_RSA in said else said


def _code(error: BaseException) -> int:
    """Return the server's or the driver's number of an error, 0 where it has none."""
    first = error.args[0] if isinstance(error, pymysql.Error) and error.args else 0
    return first if isinstance(first, int) else 0
