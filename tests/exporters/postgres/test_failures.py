"""Why a server or a query could not be asked, in one word."""

import psycopg
import pytest
from psycopg import errors

from specter_exporters.postgres.failures import UnsupportedError, connection_reason, query_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('FATAL:  password authentication failed for user "watcher"', "auth"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "watcher"', "auth"),
        ("fe_sendauth: no password supplied", "auth"),
        ('FATAL:  role "watcher" is not permitted to log in', "auth"),
        ("FATAL:  sorry, too many clients already", "slots"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "slots"),
        ("FATAL:  remaining connection slots are reserved for roles with privileges of", "slots"),
        ('FATAL:  too many connections for role "watcher"', "slots"),
        ("FATAL:  the database system is starting up", "starting"),
        ('FATAL:  database "shop" does not exist', "database"),
        ('FATAL:  database "shop" is not currently accepting connections', "database"),
        ('FATAL:  cannot connect to invalid database "shop"', "database"),
        ('FATAL:  permission denied for database "shop"', "privilege"),
        ("connection to server at 127.0.0.1, port 6432 failed: FATAL:  not allowed\n", "privilege"),
        ("server does not support SSL, but SSL was required", "tls"),
        ("SSL error: certificate verify failed", "tls"),
        ("connection timeout expired", "timeout"),
        ("connection to server at 127.0.0.1, port 1 failed: Connection refused", "refused"),
        ("failed to resolve host 'nowhere': Name or service not known", "refused"),
        ("FATAL:  Passwort-Authentifizierung fehlgeschlagen", "other"),
    ],
)
def test_a_connection_that_was_not_made(text: str, reason: str) -> None:
    assert connection_reason(psycopg.OperationalError(text)) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.LockNotAvailable(), "lock_timeout"),
        (errors.QueryCanceled(), "timeout"),
        (TimeoutError(), "timeout"),
        (errors.InsufficientPrivilege(), "privilege"),
        (errors.ObjectNotInPrerequisiteState(), "unsupported"),
        (errors.UndefinedColumn(), "unsupported"),
        (UnsupportedError(), "unsupported"),
        (psycopg.OperationalError("server closed the connection"), "connection"),
        (errors.DivisionByZero(), "other"),
    ],
)
def test_a_query_that_failed(error: Exception, reason: str) -> None:
    assert query_reason(error) == reason
