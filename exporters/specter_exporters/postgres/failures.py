"""Why a server or a query could not be asked, in one word."""

import re

import psycopg
from psycopg import errors

_BY_STATE = {
    "28P01": "auth",
    "28000": "auth",
    "53300": "slots",
    "57P03": "starting",
    "3D000": "database",
    "42501": "privilege",
}
# libpq reports a failed connection as text alone. Servers that speak another language end up as `other`.
_BY_TEXT = (
    (
        "slots",
        r"too many (clients|connections)|remaining connection slots|connection limit exceeded",
    ),
    (
        "auth",
        r"authentication failed|no password supplied|pg_hba\.conf|role .* does not exist|permitted to log in",
    ),
    ("starting", r"the database system is"),
    ("database", r"database .* does not exist|to invalid database|is not currently accepting connections"),
    # The latter is pgbouncer's word for a user who may not use its console.
    ("privilege", r"permission denied for database|FATAL:\s+not allowed\s*$"),
    ("tls", r"SSL|certificate"),
    ("timeout", r"time[d]? ?out"),
    (
        "refused",
        r"refused|translate|resol|No such file|unreachable|closed the connection",
    ),
)
_UNSUPPORTED = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.FeatureNotSupported,
    errors.ObjectNotInPrerequisiteState,
)


class UnsupportedError(Exception):
    """The server has nothing that a collector could ask."""


def connection_reason(error: psycopg.Error) -> str:
    """Return one of `metrics.PG_FAILURE_REASONS` for a connection that was not made."""
    if isinstance(error, errors.ConnectionTimeout):
        return "timeout"
    if error.sqlstate is not None:
        return _BY_STATE.get(error.sqlstate, "other")
    text = str(error)
    return next((reason for reason, pattern in _BY_TEXT if re.search(pattern, text)), "other")


def asking_reason(error: Exception) -> str:
    """Return one of `metrics.PG_FAILURE_REASONS` for a server or pgbouncer that could not be asked."""
    if isinstance(error, TimeoutError):
        return "timeout"
    # Otherwise it is the file with the password.
    return connection_reason(error) if isinstance(error, psycopg.Error) else "auth"


def line(error: Exception) -> str:
    """Return what an error says, as one line."""
    return " ".join(str(error).split())


def query_reason(error: Exception) -> str:
    """Return why a collector failed: lock_timeout, privilege, timeout, unsupported, connection or other."""
    if isinstance(error, errors.LockNotAvailable):
        return "lock_timeout"
    if isinstance(error, errors.QueryCanceled | TimeoutError):
        return "timeout"
    if isinstance(error, errors.InsufficientPrivilege):
        return "privilege"
    if isinstance(error, (*_UNSUPPORTED, UnsupportedError)):
        return "unsupported"
    return "connection" if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) else "other"
