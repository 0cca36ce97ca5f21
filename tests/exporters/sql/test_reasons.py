"""What drivers' errors mean, of those that no test's server makes."""

import sqlite3

import pymysql
import pytest

from specter_core import metrics
from specter_exporters.sql.engines.mysql import MySql
from specter_exporters.sql.engines.sqlite import Sqlite

HANDSHAKE = (
    "Can't connect to MySQL server on 'db' ([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed)"
)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (2003, HANDSHAKE, "tls"),
        (2003, "Can't connect to MySQL server on 'db' (timed out)", "timeout"),
        (1040, "Too many connections", "slots"),
        (1226, "User 'specter_sql' has exceeded the 'max_user_connections' resource", "slots"),
        (1130, "Host '10.0.0.1' is not allowed to connect", "auth"),
        (1044, "Access denied for user to database 'shop'", "privilege"),
        (3118, "Access denied for user 'specter_sql'@'localhost'. Account is locked.", "auth"),
        (1862, "Your password has expired.", "auth"),
        (3032, "The server is currently in offline mode", "starting"),
        (4711, "something new", "other"),
    ],
)
def test_why_mysql_lets_nobody_in(code: int, text: str, reason: str) -> None:
    assert MySql().connection_reason(pymysql.OperationalError(code, text)) == reason
    assert reason in metrics.SQL_FAILURE_REASONS


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (3024, "timeout"),
        (1205, "lock_timeout"),
        (1143, "privilege"),
        (1290, "read_only"),
        (1055, "query"),
        (1690, "query"),
        (2006, "connection"),
    ],
)
def test_why_a_query_of_mysql_fails(code: int, reason: str) -> None:
    assert MySql().query_reason(pymysql.OperationalError(code, "said")) == reason
    assert reason in metrics.SQL_CHECK_FAILURE_REASONS


def test_a_password_that_would_go_unencrypted_needs_tls_and_it_is_said_what_to_do() -> None:
    # A message of PyMySQL's, not of a server's.
    error = RuntimeError(
        "'cryptography' package is required for sha256_password or caching_sha2_password auth methods"
    )
    assert MySql().connection_reason(error) == "tls"
    assert MySql().message(error) == (
        "the connection has no TLS, and without it caching_sha2_password, MySQL's default, gives no password "
        "away: turn it on at the server, or install cryptography beside the exporter"
    )


def test_why_a_query_of_sqlite_fails() -> None:
    reasons = {
        text: Sqlite().query_reason(sqlite3.OperationalError(text))
        for text in ("database is locked", "attempt to write a readonly database", "disk I/O error")
    }
    assert list(reasons.values()) == ["lock_timeout", "read_only", "connection"]
    assert Sqlite().query_reason(sqlite3.DatabaseError("file is not a database")) == "other"
