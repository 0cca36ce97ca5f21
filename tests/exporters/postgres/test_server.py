"""A real server: no lock, no limit and no silence keeps what can be known from being told."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from specter_exporters.postgres.collectors import indexes
from specter_exporters.postgres.model import Server
from specter_exporters.postgres.session import APPLICATION
from tests.exporters.postgres.asking import (
    ROLE,
    ROLE_PASSWORD,
    Scrape,
    asking,
    connect,
    documented_grants,
    failing,
    found,
    reason,
)
from tests.exporters.serving import stopped, until
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres({"max_connections": "20"}) as server:
        with connect(server) as connection:
            connection.execute(documented_grants().encode())
            connection.execute("CREATE DATABASE other")
        yield server


@pytest.fixture
def watched(postgres: PostgresServer, tmp_path: Path) -> Server:
    """The server, asked with the least privileges."""
    secret = tmp_path / "password"
    secret.write_text(f"{ROLE_PASSWORD}\n")
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user={ROLE}"
    return Server("main", dsn, secret)


@pytest.fixture
def schema(postgres: PostgresServer) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """A session in a schema of the test's own."""
    with connect(postgres) as connection:
        connection.execute("CREATE SCHEMA work")
        connection.execute(f"GRANT USAGE ON SCHEMA work TO {ROLE}")
        connection.execute("SET search_path = work, public")
        yield connection
        connection.execute("DROP SCHEMA work CASCADE")


@contextmanager
def waiting(server: PostgresServer, statement: str, sessions: int) -> Iterator[None]:
    """Let `sessions` sessions wait for a lock that `statement` needs."""
    with ExitStack() as stack:
        threads = []
        for _ in range(sessions):
            connection = stack.enter_context(connect(server, application_name="waits"))
            threads.append(threading.Thread(target=connection.execute, args=(statement,)))
            threads[-1].start()
        with connect(server) as looking:
            until(lambda: count(looking, "wait_event_type = 'Lock'") == sessions, "waiting for a lock")
        yield
        for thread in threads:
            thread.join()


def count(connection: "psycopg.Connection[tuple[Any, ...]]", condition: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_role_with_the_documented_grants_sees_everything(watched: Server) -> None:
    with asking(watched) as scrape:
        seen = scrape()
    assert found(seen, "specter_pg_up") == {(): 1}
    assert reason(seen) == []
    assert failing(seen) == {}
    assert found(seen, "specter_pg_privilege") == {("pg_read_all_stats",): 1, ("pg_read_all_settings",): 1}
    assert found(seen, "specter_pg_max_connections") == {(): 20}
    assert found(seen, "specter_pg_in_recovery") == {(): 0}
    # Its second session may be at work meanwhile.
    assert found(seen, "specter_pg_connections")["postgres", "active"] in {1, 2}
    assert set(found(seen, "specter_pg_database_size_bytes")) == {("postgres",), ("other",)}


def test_sessions_that_may_not_be_looked_into_are_said_to_be_hidden(
    postgres: PostgresServer, watched: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "specter_exporters.postgres.scrape")
    with connect(postgres) as root, asking(watched) as scrape:
        root.execute(f"REVOKE pg_monitor FROM {ROLE}")
        try:
            seen = scrape()
            scrape()
        finally:
            root.execute(f"GRANT pg_monitor TO {ROLE}")
        scrape()
    said = [message.partition(": ")[2] for message in caplog.messages if ": role: " in message]
    assert said == [
        (
            "role: lacks pg_read_all_stats, pg_read_all_settings, so that other sessions are hidden: "
            "GRANT pg_monitor TO it"
        ),
        "role: has what it lacked",
    ]
    assert found(seen, "specter_pg_privilege")[("pg_read_all_stats",)] == 0
    assert found(seen, "specter_pg_connections")["postgres", "hidden"] >= 1


def test_a_locked_table_costs_nothing_and_its_queue_is_told(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE TABLE orders (id int)")
    with asking(watched) as scrape, connect(postgres, autocommit=False) as root:
        root.execute("LOCK TABLE work.orders IN ACCESS EXCLUSIVE MODE")
        with waiting(postgres, "SELECT FROM work.orders", 3):
            seen = scrape()
            root.rollback()
    assert failing(seen) == {}
    assert found(seen, "specter_pg_blocked_sessions") == {(): 3}
    assert found(seen, "specter_pg_root_blockers") == {(): 1}
    assert found(seen, "specter_pg_root_blocker_transaction_seconds")[()] > 0
    assert found(seen, "specter_pg_longest_lock_wait_seconds")[()] > 0
    assert found(seen, "specter_pg_locks")["AccessShareLock", "waited"] == 3
    assert found(seen, "specter_pg_waiting_sessions")[("Lock",)] == 3
    assert ("postgres", "work", "orders") in found(seen, "specter_pg_table_size_bytes")


def test_a_locked_catalog_costs_what_reads_it_and_no_more(postgres: PostgresServer, watched: Server) -> None:
    with asking(watched) as scrape:
        scrape()
        with connect(postgres, autocommit=False) as root:
            root.execute("LOCK TABLE pg_sequence IN ACCESS EXCLUSIVE MODE")
            seen = scrape()
            root.rollback()
        assert failing(seen) == {"sequences": "lock_timeout"}
        assert found(seen, "specter_pg_up") == {(): 1}
        assert found(seen, "specter_pg_blocked_sessions") == {(): 0}
        assert failing(scrape()) == {}


def test_a_queue_whose_members_give_up_and_are_followed_by_others_is_told_at_each_scrape(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE TABLE orders (id int)")
    ended = threading.Event()

    def try_again() -> None:
        with connect(postgres, options="-c lock_timeout=100ms") as shop:
            while not ended.is_set():
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    shop.execute("SELECT FROM work.orders")

    with asking(watched) as scrape, connect(postgres, autocommit=False) as root:
        root.execute("LOCK TABLE work.orders IN ACCESS EXCLUSIVE MODE")
        shops = [threading.Thread(target=try_again) for _ in range(3)]
        for shop in shops:
            shop.start()
        until(lambda: found(scrape(), "specter_pg_blocked_sessions")[()] >= 2, "a queue")
        ages = [
            until(lambda: found(scrape(), "specter_pg_root_blocker_transaction_seconds")[()], "the root")
            for _ in range(3)
        ]
        ended.set()
        for shop in shops:
            shop.join(10)
    # No session waits for long, and the transaction at the root becomes older.
    assert ages == sorted(ages)
    assert ages[0] < ages[-1]


def test_a_deadlock_is_counted_by_its_database(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE TABLE a (id int)")
    schema.execute("CREATE TABLE b (id int)")
    with (
        asking(watched) as scrape,
        connect(postgres, autocommit=False, options="-c deadlock_timeout=10ms") as one,
        connect(postgres, autocommit=False, options="-c deadlock_timeout=60s") as other,
    ):

        def deadlocks() -> float:
            return found(scrape(), "specter_pg_database_deadlocks_total")[("postgres",)]

        before = deadlocks()
        one.execute("LOCK TABLE work.a")
        other.execute("LOCK TABLE work.b")
        waiting = threading.Thread(target=other.execute, args=("LOCK TABLE work.a",))
        waiting.start()
        until(lambda: count(schema, "wait_event_type = 'Lock'") == 1, "waiting")
        with pytest.raises(psycopg.errors.DeadlockDetected):
            one.execute("LOCK TABLE work.b")
        one.rollback()
        waiting.join(10)
        # A session tells what it has counted when it ends.
        one.close()
        counted = until(lambda: deadlocks() - before, "the count")
    assert counted == 1


def test_counters_that_were_reset_say_since_when(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    since = "specter_pg_database_stats_reset_timestamp_seconds"
    schema.execute("CREATE TABLE orders (id int)")
    with connect(postgres) as shop:
        shop.execute("INSERT INTO work.orders SELECT generate_series(1, 100)")
    with asking(watched) as scrape:

        def began() -> float:
            return found(scrape(), since).get(("postgres",), 0.0)

        def reset() -> None:
            before = began()
            schema.execute("SELECT pg_stat_reset()")
            until(lambda: began() > before, "the reset")

        until(lambda: changed(scrape(), "orders") == 100, "the count")
        reset()
        reset()
        seen = scrape()
    assert changed(seen, "orders") == 0
    # Nothing is said of indexes that were not used since then: it was not a day ago.
    assert found(seen, "specter_pg_index_problem") == {}


def changed(scrape: Scrape, table: str) -> float:
    """Return how many rows of a table were changed."""
    return found(scrape, "specter_pg_table_changed_rows_total").get(("postgres", "work", table), -1)


def test_idle_transactions_and_forgotten_sessions_are_told(postgres: PostgresServer, watched: Server) -> None:
    with (
        asking(replace(watched, idle_limit=1e-6)) as scrape,
        connect(postgres, application_name="pool"),
        connect(postgres, autocommit=False) as idle,
    ):
        idle.execute("SELECT 1")
        seen = scrape()
    assert found(seen, "specter_pg_idle_connections_leaked")[("pool",)] == 1
    assert found(seen, "specter_pg_connections")["postgres", "idle in transaction"] == 1
    assert found(seen, "specter_pg_longest_idle_in_transaction_seconds")[()] > 0
    assert found(seen, "specter_pg_longest_transaction_seconds")[()] > 0


def test_statements_are_counted_over_resets_and_shown_without_constants(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("SELECT public.pg_stat_statements_reset()")
    for number in range(7):
        schema.execute(f"SELECT pg_sleep(0.01), {number} AS ours".encode())
    schema.execute("ALTER ROLE watcher SET application_name = 'hunter2'")
    with asking(watched) as scrape:
        first = scrape()
        texts = {key[1]: key[2] for key in found_info(first)}
        [(ours, _)] = [(key, text) for key, text in texts.items() if "AS ours" in text]
        assert found(first, "specter_pg_statement_calls_total")["postgres", ours] == 7
        assert found(first, "specter_pg_statement_seconds_total")["postgres", ours] >= 0.07
        assert found(first, "specter_pg_statement_rows_total")["postgres", ours] == 7
        assert "hunter2" not in " ".join(texts.values())
        schema.execute("SELECT public.pg_stat_statements_reset()")
        schema.execute("SELECT pg_sleep(0.01), 1 AS ours")
        assert found(scrape(), "specter_pg_statement_calls_total")["postgres", ours] == 1


def found_info(scrape: Scrape) -> list[tuple[str, str, str]]:
    """Return (database, statement, text) of what is shown of statements."""
    return [
        (database, statement, text)
        for (name, labels), _ in scrape.items()
        if name == "specter_pg_statement_info"
        for database, text, _, statement in [labels]
    ]


def test_without_the_extension_statements_are_unsupported_and_the_rest_is_there(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("DROP EXTENSION pg_stat_statements")
    try:
        with asking(watched) as scrape:
            assert failing(scrape()) == {"statements": "unsupported"}
    finally:
        schema.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")


def test_an_extension_that_an_upgrade_left_old_is_read_as_far_as_it_goes(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]", caplog: pytest.LogCaptureFixture
) -> None:
    since = "specter_pg_statements_stats_reset_timestamp_seconds"
    with asking(watched) as scrape:
        try:
            schema.execute("DROP EXTENSION pg_stat_statements")
            schema.execute("CREATE EXTENSION pg_stat_statements SCHEMA public VERSION '1.7'")
            old = scrape()
            schema.execute("ALTER EXTENSION pg_stat_statements UPDATE TO '1.8'")
            newer = scrape()
            schema.execute("ALTER EXTENSION pg_stat_statements UPDATE")
            newest = scrape()
        finally:
            schema.execute("DROP EXTENSION pg_stat_statements")
            schema.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
    assert failing(old) == {"statements": "unsupported"}
    assert "expected 1.8 or later: ALTER EXTENSION pg_stat_statements UPDATE" in caplog.text
    assert failing(newer) == {}
    assert found(newer, "specter_pg_statement_calls_total")
    assert found(newer, since) == {}
    assert bool(found(newest, since)) is (schema.info.server_version >= 140000)


def test_sequences_of_no_lasting_value_are_left_out(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE TEMPORARY SEQUENCE passing AS smallint")
    schema.execute("CREATE SEQUENCE lasting AS smallint")
    schema.execute("SELECT setval('passing', 30000), setval('lasting', 30000)")
    # A role that may read those of others too, as one with pg_read_all_data.
    with asking(replace(watched, dsn=postgres.dsn, password_file=postgres.password_file)) as scrape:
        seen = scrape()
    assert failing(seen) == {}
    assert set(found(seen, "specter_pg_sequence_used_ratio")) == {("postgres", "work", "lasting")}


def test_an_index_is_unused_only_when_the_counters_have_counted_for_long(
    postgres: PostgresServer,
    watched: Server,
    schema: "psycopg.Connection[tuple[Any, ...]]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema.execute("CREATE TABLE t (id int PRIMARY KEY, a int)")
    schema.execute("INSERT INTO t SELECT n, n FROM generate_series(1, 60000) n")
    schema.execute("CREATE INDEX of_a ON t (a)")
    schema.execute("ANALYZE t")

    def unused(within: str) -> set[str]:
        monkeypatch.setattr(indexes, "COUNTED", within)
        with asking(watched) as scrape:
            # Labels by name: database, index, problem, schema, table.
            return {key[1] for key in found(scrape(), "specter_pg_index_problem") if key[2] == "unused"}

    assert unused("1 day") == set()
    counted = """
        SELECT (clock_timestamp() - greatest(a.stats_reset, d.stats_reset))::text
        FROM pg_stat_archiver a, pg_stat_database d WHERE datname = current_database()
    """
    [(until_now,)] = schema.execute(counted.encode()).fetchall()
    assert unused(until_now) == {"of_a"}
    # As a crash does, of which the counters of the database say nothing.
    schema.execute("SELECT pg_stat_reset_shared('archiver')")
    until(lambda: unused(until_now) == set(), "the reset")


def test_a_sequence_is_as_full_as_its_column(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE SEQUENCE big AS bigint")
    schema.execute("CREATE TABLE owned (id smallserial, n int GENERATED ALWAYS AS IDENTITY)")
    schema.execute("CREATE TABLE asks (id int DEFAULT nextval('big'))")
    schema.execute("SELECT setval('owned_id_seq', 16000), setval('big', 2000000000)")
    schema.execute("SELECT setval(pg_get_serial_sequence('owned', 'n'), 1073741824)")
    schema.execute(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA work TO {ROLE}")
    with asking(watched) as scrape:
        used = found(scrape(), "specter_pg_sequence_used_ratio")
    assert used["postgres", "work", "owned_id_seq"] == pytest.approx(16000 / 32767)
    assert used["postgres", "work", "owned_n_seq"] == pytest.approx(0.5)
    assert used["postgres", "work", "big"] == pytest.approx(2e9 / 2147483647)


def test_indexes_that_cost_and_do_not_help_are_named(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    schema.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    schema.execute("INSERT INTO t SELECT n, 1, n::text FROM generate_series(1, 100) n")
    for name, what in (("one", "(b)"), ("two", "(b)"), ("part", "(b) WHERE a > 1"), ("twice", "(id)")):
        schema.execute(f"CREATE INDEX t_{name} ON t {what}".encode())
    with pytest.raises(psycopg.errors.UniqueViolation):
        schema.execute("CREATE UNIQUE INDEX CONCURRENTLY t_broken ON t (a)")
    with asking(watched) as scrape:
        problems = found(scrape(), "specter_pg_index_problem")
    # Labels by name: database, index, problem, schema, table.
    assert sorted(key[1:3] for key in problems) == [
        ("t_broken", "invalid"),
        ("t_twice", "duplicate"),
        ("t_two", "duplicate"),
    ]


def test_of_many_tables_those_that_tell_most_are_exposed_and_all_are_counted(
    postgres: PostgresServer, watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]"
) -> None:
    for number in range(30):
        schema.execute(f"CREATE TABLE t{number:02} (id int)".encode())
    with connect(postgres) as shop:
        shop.execute("INSERT INTO work.t17 SELECT generate_series(1, 20000)")
    with asking(replace(watched, tables=5)) as scrape:
        until(lambda: changed(scrape(), "t17") == 20000, "the count")
        schema.execute("ANALYZE t17")
        seen = scrape()
    rows = found(seen, "specter_pg_table_live_rows")
    assert len(rows) == 5
    assert rows["postgres", "work", "t17"] == 20000
    assert found(seen, "specter_pg_table_size_bytes")["postgres", "work", "t17"] >= 20000 * 28
    assert found(seen, "specter_pg_tables")[("postgres",)] >= 30


def test_other_databases_are_looked_into_when_they_are_named(
    postgres: PostgresServer, watched: Server
) -> None:
    with connect(postgres, dbname="other") as root:
        root.execute("CREATE TABLE elsewhere (id int)")
    with asking(replace(watched, databases=("other", "missing"))) as scrape:
        seen = scrape()
    assert ("other", "public", "elsewhere") in found(seen, "specter_pg_table_live_rows")
    assert failing(seen) == dict.fromkeys(("tables", "indexes", "sequences"), "connection")
    assert ("postgres",) in found(seen, "specter_pg_tables")


def test_what_a_collector_lacks_is_logged_once_and_its_return_too(
    watched: Server, schema: "psycopg.Connection[tuple[Any, ...]]", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "specter_exporters.postgres")
    with asking(watched) as scrape:
        scrape()
        schema.execute("DROP EXTENSION pg_stat_statements")
        scrape()
        scrape()
        schema.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
        scrape()
    assert caplog.messages == [
        "main: statements: unsupported: pg_stat_statements is not installed in database postgres",
        "main: statements: answers again",
    ]


def test_a_wrong_password_is_said_and_the_right_one_taken_without_a_restart(watched: Server) -> None:
    assert watched.password_file is not None
    watched.password_file.write_text("wrong\n")
    with asking(watched) as scrape:
        seen = scrape()
        assert found(seen, "specter_pg_up") == {(): 0}
        assert reason(seen) == ["auth"]
        assert found(seen, "specter_pg_collector_success") == {}
        watched.password_file.write_text(f"{ROLE_PASSWORD}\n")
        assert found(scrape(), "specter_pg_up") == {(): 1}


def test_when_all_slots_are_taken_that_is_the_reason(postgres: PostgresServer, watched: Server) -> None:
    with ExitStack() as stack, asking(watched) as scrape:
        for _ in range(20 - 3):
            stack.enter_context(connect(postgres, user=ROLE, password=ROLE_PASSWORD))
        seen = scrape()
        assert found(seen, "specter_pg_up") == {(): 0}
        assert reason(seen) == ["slots"]


def test_a_session_that_the_server_ended_is_opened_again_in_the_same_scrape(
    postgres: PostgresServer, watched: Server
) -> None:
    with asking(watched) as scrape:
        scrape()
        with connect(postgres) as root:
            root.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                [APPLICATION],
            )
        seen = scrape()
    assert found(seen, "specter_pg_up") == {(): 1}
    assert failing(seen) == {}


def test_a_server_that_hangs_is_said_to_in_time_and_is_asked_again_when_it_lives(
    postgres: PostgresServer, watched: Server
) -> None:
    with asking(watched) as scrape:
        assert found(scrape(), "specter_pg_up") == {(): 1}
        with stopped(postgres.pid):
            seen = scrape("5")
            assert found(seen, "specter_pg_up") == {(): 0}
            assert reason(seen) == ["timeout"]
        assert found(scrape(), "specter_pg_up") == {(): 1}
