"""A primary and its standby: the lag is right when nothing happens, replay rests, or the link is cut."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from psycopg import sql

from specter_exporters.postgres.model import Server
from tests.exporters.postgres.asking import Scrape, asking, connect, failing, found
from tests.exporters.serving import until
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.integration
Ask = Callable[[], Scrape]


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        with connect(server) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE TABLE work (id int)")
            connection.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
        yield server


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    with running_postgres(primary=primary) as server:
        yield server


@pytest.fixture
def both(primary: PostgresServer, standby: PostgresServer) -> Iterator[tuple[Ask, Ask]]:
    with ExitStack() as stack:
        ask_primary, ask_standby = (
            stack.enter_context(asking(Server("main", each.dsn, each.password_file)))
            for each in (primary, standby)
        )
        until(lambda: value(ask_standby, "specter_pg_wal_receiver_up"), "streaming")
        # Before it has been seen whole once, how old it is may not be known.
        until(lambda: found(ask_standby(), "specter_pg_replay_lag_seconds").get(()) == 0, "replaying")
        yield ask_primary, ask_standby


def value(ask: Ask, name: str) -> float:
    return found(ask(), name)[()]


def write(server: PostgresServer) -> None:
    with connect(server) as connection:
        connection.execute("INSERT INTO work SELECT generate_series(1, 1000)")


def test_of_a_standby_that_keeps_up_both_say_so(
    primary: PostgresServer, standby: PostgresServer, both: tuple[Ask, Ask]
) -> None:
    ask_primary, ask_standby = both
    write(primary)
    until(lambda: value(ask_standby, "specter_pg_replay_lag_seconds") == 0, "catching up")
    seen = ask_primary()
    assert failing(seen) == {}
    assert found(seen, "specter_pg_standbys")[("streaming",)] == 1
    assert set(found(seen, "specter_pg_standby_lag_bytes")) == {
        (stage, "standby") for stage in ("sent", "written", "flushed", "replayed")
    }
    assert found(seen, "specter_pg_replication_slot_active") == {("left_behind",): 0}
    seen = ask_standby()
    assert failing(seen) == {}
    # The primary is idle, so that the newest transaction becomes older, and nothing is missing.
    with connect(standby) as looking:
        until(
            lambda: (
                looking.execute(
                    "SELECT now() - pg_last_xact_replay_timestamp() > interval '200 ms'"
                ).fetchall()
                == [(True,)]
            ),
            "idling",
        )
    assert value(ask_standby, "specter_pg_replay_lag_seconds") == 0
    assert found(seen, "specter_pg_in_recovery") == {(): 1}
    assert found(seen, "specter_pg_standbys") == {}


def test_paused_replay_is_said_and_makes_the_standby_older(
    primary: PostgresServer, standby: PostgresServer, both: tuple[Ask, Ask]
) -> None:
    ask_primary, ask_standby = both
    with connect(standby) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        until(lambda: value(ask_standby, "specter_pg_replay_paused") == 1, "the pause")
        write(primary)
        until(lambda: value(ask_standby, "specter_pg_replay_lag_bytes") > 0, "what is not replayed")
        before = value(ask_standby, "specter_pg_replay_lag_seconds")
        assert 0 < before < value(ask_standby, "specter_pg_replay_lag_seconds")
        assert found(ask_primary(), "specter_pg_standby_lag_bytes")["replayed", "standby"] > 0
        connection.execute("SELECT pg_wal_replay_resume()")
    until(lambda: value(ask_standby, "specter_pg_replay_lag_seconds") == 0, "catching up")


def test_a_standby_that_is_cut_off_ages_though_it_has_replayed_all(
    standby: PostgresServer, both: tuple[Ask, Ask]
) -> None:
    ask_primary, ask_standby = both
    with connect(standby) as connection:
        [(link,)] = connection.execute("SHOW primary_conninfo").fetchall()
        connection.execute("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
        connection.execute("SELECT pg_reload_conf()")
        until(lambda: value(ask_standby, "specter_pg_wal_receiver_up") == 0, "the cut")
        first = value(ask_standby, "specter_pg_replay_lag_seconds")
        assert 0 < first < value(ask_standby, "specter_pg_replay_lag_seconds")
        assert value(ask_standby, "specter_pg_replay_lag_bytes") == 0
        until(lambda: found(ask_primary(), "specter_pg_standbys")[("streaming",)] == 0, "the loss")
        connection.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(sql.Literal(link)))
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: value(ask_standby, "specter_pg_replay_lag_seconds") == 0, "streaming again")


def test_a_slot_that_nothing_reads_keeps_the_log(primary: PostgresServer, both: tuple[Ask, Ask]) -> None:
    ask_primary, _ = both
    write(primary)
    before = found(ask_primary(), "specter_pg_replication_slot_retained_bytes")[("left_behind",)]
    write(primary)
    # What was committed is written a moment later, as the servers of tests do not wait for it.
    until(
        lambda: (
            found(ask_primary(), "specter_pg_replication_slot_retained_bytes")[("left_behind",)] > before > 0
        ),
        "the growth",
    )
