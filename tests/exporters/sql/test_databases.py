"""Real servers: what is read of each kind of database, what is refused, what one in trouble costs."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from specter_exporters.sql.asking import Sessions
from specter_exporters.sql.dsn import Dsn, Secret, parse_url
from specter_exporters.sql.engines.engine import Table
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import Database, Plan, Side, SyncCheck, Timing
from specter_exporters.sql.outcomes import SyncOutcome
from specter_exporters.sql.running import Checker
from tests.exporters.serving import stopped
from tests.servers.mariadb import MariaDbServer, running_mariadb
from tests.servers.pgbouncer import running_pgbouncer
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.prometheus import free_port

pytestmark = pytest.mark.integration
PAGE = (Path(__file__).parents[3] / "docs" / "exporters-sql.md").read_text("utf-8")
GRANTS = [part.partition("```")[0] for part in PAGE.split("```sql\n")[1:]]
PASSWORD = "pass-word-of-the-checker"
TABLE = "CREATE TABLE orders (order_id int PRIMARY KEY, status varchar(20), placed_at timestamp NULL)"
ROWS = "INSERT INTO orders VALUES (1, 'paid', '2026-11-01 10:00:00'), (2, 'failed', '2026-11-01 11:00:00')"
COUNT = "SELECT count(*) FROM orders"
# Far less than a query takes that nobody ends, far more than a busy machine needs to end one.
AT_MOST = 30.0


@dataclass(frozen=True)
class Place:
    """A database, its checks' role, and how its owner changes it.

    Attributes:
        owned: the same database, asked with every privilege.
        slow: a query that takes longer than a test.
        erase: a statement that makes a function which writes, and the query that calls it.
    """

    kind: str
    asked: Database
    owned: Database
    change: Callable[[str], object]
    slow: str
    pid: int = 0
    erase: tuple[str, ...] = field(default=())


def written(path: Path, text: str) -> Secret:
    path.write_text(f"{text}\n")
    return Secret("password", path)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def postgres(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("postgres")
    with closing(connect(server)) as root:
        for statement in (TABLE, ROWS, "CREATE TABLE secrets (a int)", GRANTS[0].replace("...", PASSWORD)):
            root.execute(statement.encode())
        at = f"{server.host}:{server.port}/{server.database}"
        asked = Dsn(parse_url(f"postgresql://specter_sql@{at}", ""), None, written(folder / "a", PASSWORD))
        owned = Dsn(
            parse_url(f"postgres://{server.user}@{at}", ""), None, written(folder / "b", server.password)
        )
        yield Place(
            "postgres",
            Database("shop", asked),
            Database("shop", owned),
            lambda statement: root.execute(statement.encode()),
            "SELECT pg_sleep(60)",
            server.pid,
            (
                "CREATE FUNCTION erase() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1'",
                "SELECT erase()",
            ),
        )


def connect(server: PostgresServer) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(server.dsn, password=server.password, autocommit=True)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("mariadb")
    with running_mariadb() as server, closing(server.connect()) as root:
        cursor = root.cursor()
        for statement in ("CREATE DATABASE shop", "USE shop", TABLE, ROWS, "CREATE TABLE secrets (a int)"):
            cursor.execute(statement)
        for statement in GRANTS[1].replace("...", PASSWORD).strip().removesuffix(";").split(";\n"):
            cursor.execute(statement)
        yield Place(
            "mariadb",
            Database("warehouse", dsn(server, "specter_sql", written(folder / "a", PASSWORD))),
            Database("warehouse", dsn(server, server.user, written(folder / "b", server.password))),
            cursor.execute,
            "SELECT sleep(60)",
            server.pid,
            (
                "CREATE FUNCTION erase() RETURNS int BEGIN DELETE FROM orders; RETURN 1; END",
                "SELECT erase()",
            ),
        )


def dsn(server: MariaDbServer, user: str, password: Secret) -> Dsn:
    return Dsn(parse_url(f"mariadb://{user}@{server.host}:{server.port}/shop", ""), None, password)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("sqlite")
    with closing(sqlite3.connect(folder / "shop.db", isolation_level=None)) as root:
        root.execute(TABLE)
        root.execute(ROWS)
        asked = Database("local", Dsn(parse_url("sqlite:///shop.db", ""), folder=folder))
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        yield Place("sqlite", asked, asked, root.execute, endless)


@pytest.fixture(params=["postgres", "mariadb", "sqlite"])
def place(request: pytest.FixtureRequest) -> Place:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


def ask(database: Database, query: str, *, timeout: float = 10.0, most: int = 100) -> Table:
    with Sessions([database]).open(database, timeout, most) as opened:
        return opened.table(query, most)


def refused(database: Database, query: str, *, timeout: float = 10.0) -> CheckError:
    with pytest.raises(CheckError) as caught:
        ask(database, query, timeout=timeout)
    return caught.value


def test_the_documented_grants_read_and_the_rows_come_with_their_columns(place: Place) -> None:
    table = ask(place.asked, "SELECT order_id, status FROM orders ORDER BY 1")
    assert table == Table(("order_id", "status"), ((1, "paid"), (2, "failed")))
    assert ask(place.asked, "SELECT '100%', ':name', '%(x)s' AS c").rows == (("100%", ":name", "%(x)s"),)


def test_of_many_rows_no_more_are_read_than_asked_for(place: Place) -> None:
    table = ask(place.asked, "SELECT a.order_id FROM orders a CROSS JOIN orders b", most=3)
    assert (len(table.rows), table.cut) == (3, True)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "INSERT INTO orders VALUES (3, 'paid', NULL)",
        "UPDATE orders SET status = 'paid'",
        "CREATE TABLE copies (a int)",
        "DROP TABLE orders",
        "SELECT 1; DELETE FROM orders",
    ],
)
def test_what_writes_is_refused_whatever_the_role_may(place: Place, statement: str) -> None:
    error = refused(place.owned, statement)
    assert error.reason in {"read_only", "query", "other"}
    assert error.connected
    assert ask(place.owned, "SELECT order_id, status FROM orders ORDER BY 1").rows == (
        (1, "paid"),
        (2, "failed"),
    )


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_function_that_writes_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(kind)
    create, call = place.erase
    place.change(create)
    assert refused(place.owned, call).reason == "read_only"
    assert ask(place.owned, COUNT).rows == ((2,),)


def test_a_query_that_takes_too_long_is_ended(place: Place) -> None:
    began = time.monotonic()
    assert refused(place.asked, place.slow, timeout=0.3).reason == "timeout"
    assert time.monotonic() - began < AT_MOST
    assert ask(place.asked, COUNT).rows == ((2,),)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_that_hangs_holds_nobody_for_long(kind: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(kind)
    with stopped(place.pid):
        began = time.monotonic()
        error = refused(place.asked, COUNT, timeout=0.3)
        assert (error.reason, error.connected) == ("timeout", False)
        assert time.monotonic() - began < AT_MOST
    assert ask(place.asked, COUNT).rows == ((2,),)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_server_that_hangs_in_a_query_is_given_up(kind: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(kind)
    began = time.monotonic()
    with pytest.raises(CheckError, match=r"answer|timed out") as caught:
        _stopped_in_between(place)
    assert (caught.value.reason, caught.value.connected) == ("timeout", True)
    assert time.monotonic() - began < AT_MOST


def _stopped_in_between(place: Place) -> None:
    # The first query has to be answered in time, on a busy machine too.
    with Sessions([place.asked]).open(place.asked, 1.0, 1) as opened:
        opened.table(COUNT, 1)
        with stopped(place.pid):
            opened.table(COUNT, 1)


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_who_is_not_let_in_is_told_why_without_the_password(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place: Place = request.getfixturevalue(kind)
    wrong = replace(place.asked.dsn, password=written(tmp_path / "wrong", "another-pass-word"))
    error = refused(Database("shop", wrong), "SELECT 1")
    assert (error.reason, error.connected) == ("auth", False)
    assert "pass-word" not in str(error)
    url = place.asked.dsn.url
    assert url is not None
    gone = Database("shop", replace(place.asked.dsn, url=url.set(port=free_port())))
    assert (refused(gone, "SELECT 1").reason, refused(gone, "SELECT 1").connected) == ("refused", False)
    elsewhere = Database("shop", replace(place.owned.dsn, url=place.owned.dsn.resolve().set(database="no")))
    assert refused(elsewhere, "SELECT 1").reason == "database"
    missing = Database("shop", replace(place.asked.dsn, password=Secret("password", tmp_path / "none")))
    assert refused(missing, "SELECT 1").reason == "secret"
    assert refused(place.asked, "SELECT * FROM secrets").reason == "privilege"


def test_a_database_is_asked_by_so_many_at_once_and_who_waits_too_long_is_told(sqlite: Place) -> None:
    sessions = Sessions([sqlite.asked])
    with (
        sessions.open(sqlite.asked, 5.0, 1),
        sessions.open(sqlite.asked, 5.0, 1),
        pytest.raises(CheckError, match="other checks have taken its connections") as caught,
        sessions.open(sqlite.asked, 0.05, 1),
    ):
        raise AssertionError("two at once are all that one more than one is")
    assert (caught.value.reason, caught.value.connected) == ("slots", None)
    with sessions.open(sqlite.asked, 0.05, 1) as opened:
        assert opened.table(COUNT, 1).rows == ((2,),)


def test_a_query_that_is_wrong_is_told_to_be(place: Place) -> None:
    assert refused(place.asked, "SELECT nothing_like_it FROM orders").reason == "query"
    assert refused(place.asked, "SELECT FROM WHERE").reason == "query"


def test_what_a_database_says_of_a_value_is_shown_without_it(postgres: Place) -> None:
    error = refused(postgres.asked, "SELECT status::int FROM orders")
    assert (error.reason, str(error)) == ("query", "InvalidTextRepresentation (SQLSTATE 22P02)")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    database = Database("local", Dsn(parse_url("sqlite:///none.db", ""), folder=tmp_path))
    error = refused(database, "SELECT 1")
    assert (error.reason, list(tmp_path.iterdir())) == ("refused", [])
    assert str(error) == f"unable to open database file: {tmp_path}/none.db"


def test_a_locked_table_is_not_waited_for(postgres: Place) -> None:
    postgres.change("BEGIN")
    try:
        postgres.change("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        assert refused(postgres.asked, COUNT).reason == "lock_timeout"
    finally:
        postgres.change("ROLLBACK")


def test_behind_pgbouncer_in_transaction_mode_it_is_as_well_and_leaves_the_session_as_it_was(
    server: PostgresServer, postgres: Place
) -> None:
    users = {server.user: server.password, "specter_sql": PASSWORD}
    with running_pgbouncer(server, users) as port:
        owned, asked = (
            Database("shop", replace(each.dsn, url=each.dsn.resolve().set(port=port, password=None)))
            for each in (postgres.owned, postgres.asked)
        )
        for _ in range(2):
            assert ask(asked, COUNT).rows == ((2,),)
            assert refused(asked, postgres.slow, timeout=0.3).reason == "timeout"
            assert refused(owned, "DELETE FROM orders").reason in {"read_only", "query"}
        with psycopg.connect(server.dsn, port=port, password=server.password, autocommit=True) as other:
            for setting in ("statement_timeout", "lock_timeout"):
                assert other.execute(f"SHOW {setting}".encode()).fetchone() == ("0",)
            other.execute("UPDATE orders SET status = status")


def test_two_kinds_of_databases_are_compared(postgres: Place, mariadb: Place) -> None:
    mark = "SELECT max(placed_at) FROM orders"
    behind = f"{COUNT} WHERE order_id < 2", f"{mark} WHERE order_id < 2"
    check = SyncCheck(
        "copied", Side("shop", COUNT, mark), Side("warehouse", behind[0], behind[1]), Timing(60.0, 5.0)
    )
    checker = Checker(
        Plan((postgres.asked, mariadb.asked), (check,)), Sessions((postgres.asked, mariadb.asked)).open
    )
    assert checker.run(check) == SyncOutcome((2.0, 1.0), 3600.0, None)
    numbers = replace(
        check,
        mark_kind="number",
        source=Side("shop", None, "SELECT max(order_id) FROM orders"),
        target=Side("warehouse", None, "SELECT min(order_id) FROM orders"),
    )
    assert checker.run(numbers) == SyncOutcome(None, None, 1.0)
