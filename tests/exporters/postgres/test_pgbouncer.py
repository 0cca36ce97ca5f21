"""A real pgbouncer: its pools, who waits, and why it cannot be asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from prometheus_client import generate_latest

from specter_core.clock import SystemClock
from specter_exporters.postgres.exposing import Exposition
from specter_exporters.postgres.model import PgBouncer
from specter_exporters.postgres.pgbouncer import Console
from tests.exporters.postgres.asking import Scrape, found
from tests.exporters.serving import samples, until
from tests.servers.pgbouncer import running_pgbouncer
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.prometheus import free_port

pytestmark = pytest.mark.integration
STATS_USER, STATS_PASSWORD = "stats", "statistics-pass-word"
SETTINGS = {"default_pool_size": "2", "max_client_conn": "50", "stats_users": STATS_USER}
POOL = ("postgres", "specter")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


def running(postgres: PostgresServer, port: int = 0) -> AbstractContextManager[int]:
    users = {postgres.user: postgres.password, STATS_USER: STATS_PASSWORD}
    return running_pgbouncer(postgres, users, SETTINGS, port)


@pytest.fixture(scope="module")
def pgbouncer(postgres: PostgresServer) -> Iterator[int]:
    with running(postgres) as port:
        yield port


@contextmanager
def asking(
    port: int, folder: Path, password: str = STATS_PASSWORD, user: str = STATS_USER
) -> Iterator[Callable[[], Scrape]]:
    """Yield a function that scrapes the console."""
    (folder / "password").write_text(password)
    told = PgBouncer("main", f"host=127.0.0.1 port={port} user={user}", folder / "password")
    clock = SystemClock()
    exposition = Exposition([Console(told, clock)], clock, [])
    with closing(exposition):
        yield lambda: samples(generate_latest(exposition({})).decode())


def client(port: int, postgres: PostgresServer) -> "psycopg.Connection[tuple[object, ...]]":
    dsn = f"host=127.0.0.1 port={port} dbname={postgres.database} user={postgres.user}"
    return psycopg.connect(dsn, password=postgres.password)


def reasons(seen: Scrape) -> list[str]:
    return [key[0] for key, value in found(seen, "specter_pgbouncer_failure").items() if value]


def test_a_full_pool_is_told_with_those_who_wait(
    postgres: PostgresServer, pgbouncer: int, tmp_path: Path
) -> None:
    with asking(pgbouncer, tmp_path) as scrape, ExitStack() as stack:
        holders = [stack.enter_context(client(pgbouncer, postgres)) for _ in range(2)]
        for holder in holders:
            holder.execute("SELECT 1")
        waiter = stack.enter_context(client(pgbouncer, postgres))
        waiting = threading.Thread(target=waiter.execute, args=("SELECT 1",))
        waiting.start()
        until(lambda: found(scrape(), "specter_pgbouncer_clients")[of_pool("waiting")] == 1, "waiting")
        seen = scrape()
        holders[0].commit()
        waiting.join(10)
    assert found(seen, "specter_pgbouncer_up") == {(): 1}
    assert reasons(seen) == []
    assert found(seen, "specter_pgbouncer_clients")[of_pool("active")] == 2
    assert found(seen, "specter_pgbouncer_servers")[of_pool("active")] == 2
    assert found(seen, "specter_pgbouncer_max_wait_seconds")[POOL] > 0
    assert found(seen, "specter_pgbouncer_pool_size") == {("postgres",): 2}
    assert found(seen, "specter_pgbouncer_max_clients") == {(): 50}
    assert found(seen, "specter_pgbouncer_paused") == {("postgres",): 0}
    [(version,)] = found(seen, "specter_pgbouncer_info")
    assert version[0].isdigit()
    with asking(pgbouncer, tmp_path) as scrape:

        def queries() -> float | None:
            return found(scrape(), "specter_pgbouncer_queries_total").get(("postgres",))

        assert until(queries, "counting") >= 3


def of_pool(state: str) -> tuple[str, ...]:
    """Return labels in the order of their names: database, state, user."""
    return (POOL[0], state, POOL[1])


def test_a_wrong_password_is_a_reason_and_not_in_the_log(
    pgbouncer: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with asking(pgbouncer, tmp_path, "another-pass-word") as scrape:
        seen = scrape()
    assert found(seen, "specter_pgbouncer_up") == {(): 0}
    assert reasons(seen) == ["auth"]
    assert "pass-word" not in caplog.text


def test_a_user_who_may_not_use_the_console_is_turned_away(
    pgbouncer: int, postgres: PostgresServer, tmp_path: Path
) -> None:
    with asking(pgbouncer, tmp_path, postgres.password, postgres.user) as scrape:
        assert reasons(scrape()) == ["privilege"]


def test_a_restart_costs_no_scrape_and_an_end_is_told(postgres: PostgresServer, tmp_path: Path) -> None:
    port = free_port()
    with asking(port, tmp_path) as scrape:
        seen = scrape()
        assert (found(seen, "specter_pgbouncer_up"), reasons(seen)) == ({(): 0}, ["refused"])
        with running(postgres, port):
            assert found(scrape(), "specter_pgbouncer_up") == {(): 1}
        with running(postgres, port):
            assert found(scrape(), "specter_pgbouncer_up") == {(): 1}
