"""The rules on PostgreSQL read what is exposed; a real server, its standby and real troubles fire them."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from specter_alerts import promql
from specter_alerts.database import groups
from specter_alerts.model import Rule
from specter_alerts.promql import kind
from specter_alerts.settings import DEFAULTS
from specter_core import metrics
from specter_exporters.postgres.command import run
from specter_exporters.postgres.model import Server, Watched
from tests.alert_rules.live import DECLARED, exporting, exposed, firing, scraping
from tests.exporters.postgres.asking import ROLE, ROLE_PASSWORD, connect
from tests.exporters.serving import until
from tests.servers.postgres import PostgresServer, running_postgres

# Of 17 connections that ordinary roles can have.
SETTINGS = {"max_connections": "20", "wal_level": "replica"}
# As shipped, but a second is long, and a slot may keep nothing.
IN_SECONDS = replace(
    DEFAULTS,
    pg_lock_wait_seconds=0.5,
    pg_idle_in_transaction_seconds=0.5,
    pg_slot_inactive_bytes=0.0,
)
TROUBLES = {
    "PostgresDown",
    "PostgresTurnsExporterAway",
    "PostgresConnectionsHigh",
    "PostgresConnectionsCritical",
    "PostgresIdleInTransaction",
    "PostgresLockWaiting",
    "PostgresStandbyGone",
    "PostgresSlotInactive",
    "PostgresSequenceEndingCritical",
    "PostgresIndexInvalid",
}
# No archive, failing collector, pgbouncer or backup is here; tests/exporters/postgres scrape these.
NOT_HERE = {
    metrics.PG_BACKUPS.name,
    metrics.PG_BACKUP_TIME.name,
    metrics.PG_BACKUP_BYTES.name,
    metrics.PG_BACKUP_VERIFIED.name,
    metrics.PG_BACKUP_VERIFIED_TIME.name,
    metrics.PGBOUNCER_UP.name,
    metrics.PGBOUNCER_FAILURE.name,
    metrics.PGBOUNCER_CLIENTS.name,
    metrics.PGBOUNCER_MAX_CLIENTS.name,
    metrics.PGBOUNCER_MAX_WAIT.name,
    metrics.PG_LAST_ARCHIVED.name,
    metrics.PG_LAST_ARCHIVE_FAILURE.name,
    metrics.PG_COLLECTOR_FAILURE.name,
}


def selectors(rule: Rule) -> list[Any]:
    return [node for node, _ in promql.walk(promql.parse(rule.expr)) if kind(node) == "VectorSelector"]


READ = {each.name for group in groups(DEFAULTS) for rule in group.rules for each in selectors(rule)} - {
    metrics.SERVER_CONNECTIONS_USED,
    metrics.ALERTS,
}


def test_every_selector_names_a_metric_and_labels_that_are_exposed() -> None:
    for group in groups(DEFAULTS):
        for rule in group.rules:
            for selector in selectors(rule):
                labels = {matcher.name for matcher in selector.matchers.matchers}
                if selector.name == metrics.UP:
                    assert labels == {"job"}
                elif selector.name not in {metrics.SERVER_CONNECTIONS_USED, metrics.ALERTS}:
                    assert labels <= DECLARED[selector.name], rule


def test_only_what_stops_users_or_soon_will_pages() -> None:
    assert {
        rule.alert for group in groups(DEFAULTS) for rule in group.alerts if rule.severity == "critical"
    } == {
        "PostgresDown",
        "PostgresConnectionsCritical",
        "PostgresWraparoundCritical",
        "PostgresSequenceEndingCritical",
        "PgbouncerDown",
    }


def execute(connection: "psycopg.Connection[Any]", *statements: str) -> None:
    for statement in statements:
        connection.execute(statement)


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    with running_postgres(SETTINGS) as server:
        with connect(server) as owner:
            execute(
                owner,
                f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE_PASSWORD}'",
                f"GRANT pg_monitor TO {ROLE}",
                f"CREATE ROLE other LOGIN PASSWORD '{ROLE_PASSWORD}'",
                "GRANT pg_monitor TO other",
                "CREATE EXTENSION pg_stat_statements",
                "CREATE TABLE orders (id serial, day int)",
                f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {ROLE}",
                "INSERT INTO orders (day) VALUES (1), (1)",
                f"GRANT SELECT ON orders TO {ROLE}",
                "SELECT count(*) FROM orders",
            )
        yield server


def make_trouble(primary: PostgresServer, sessions: ExitStack) -> int:
    """Hold a lock, let others wait, and so on; return the process that holds the lock."""

    def session(**more: Any) -> "psycopg.Connection[Any]":
        return sessions.enter_context(connect(primary, **more))

    owner = session()
    execute(
        owner,
        "SELECT setval('orders_id_seq', 2140000000)",
        "SELECT pg_create_physical_replication_slot('nobodys', true)",
        "ALTER ROLE other PASSWORD 'a-new-one'",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'other'",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(owner, "CREATE UNIQUE INDEX CONCURRENTLY by_day ON orders (day)")
    holder = session(autocommit=False)
    execute(holder, "LOCK TABLE orders")
    for _ in range(2):
        waiting = threading.Thread(target=wait_for_lock, args=(session(),))
        sessions.callback(waiting.join)
        waiting.start()
    # Who holds the lock goes first, or the waiting threads would never end.
    sessions.callback(holder.close)
    for _ in range(12):
        session()
    return holder.info.backend_pid


def wait_for_lock(connection: "psycopg.Connection[Any]") -> None:
    execute(connection, "SELECT count(*) FROM orders")


def root_blockers(primary: PostgresServer) -> list[int]:
    """Do as the alert says: its query finds who is to be ended."""
    [rule] = [
        rule for group in groups(DEFAULTS) for rule in group.alerts if rule.alert == "PostgresLockWaiting"
    ]
    found = re.fullmatch(
        r"Find the root: (.+?); end it: pg_terminate_backend\(pid\)\.", rule.annotations["action"]
    )
    assert found
    with connect(primary) as superuser:
        return [row[0] for row in superuser.execute(found[1])]


@pytest.mark.integration
def test_ordinary_life_is_silent_and_troubles_fire_on_what_is_really_exposed(
    primary: PostgresServer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(ROLE_PASSWORD)
    place = f"host=127.0.0.1 dbname=postgres port={primary.port}"
    with ExitStack() as stack:
        standby = ExitStack()
        copy = standby.enter_context(running_postgres(SETTINGS, primary=primary))
        stack.push(standby)
        watched = Watched(
            (
                Server("main", f"{place} user={ROLE}", secret, idle_limit=0.5, plans=50),
                Server("renamed", f"{place} user=other", secret),
                Server("copy", f"host=127.0.0.1 dbname=postgres port={copy.port} user={ROLE}", secret),
            )
        )
        target, _ = stack.enter_context(exporting(lambda web, wait: run(watched, web, wait)))
        # The exporter wants two seconds for each of two connections, and half a second for the answer.
        server = stack.enter_context(
            scraping(
                *(tmp_path / "prometheus", target, "postgres", groups(IN_SECONDS)),
                service="postgres",
                seconds=3,
            )
        )
        server.wait_for(f'{metrics.PG_STANDBY_LAG_BYTES.name}{{stage="replayed"}}')
        server.wait_for(f"{metrics.PG_RECEIVER_UP.name} == 1")
        server.wait_for(metrics.SERVER_CONNECTIONS_USED)
        # Three statements a scrape are explained, and not each has a plan.
        server.wait_for(metrics.PG_PLAN_CHANGES.name)
        assert firing(server) == set()
        seen = exposed(server, "postgres")
        standby.close()
        holder = make_trouble(primary, stack)
        until(lambda: firing(server) >= TROUBLES, "the alerts")
        assert firing(server) == TROUBLES
        assert READ - seen - exposed(server, "postgres") == NOT_HERE
        assert root_blockers(primary) == [holder]
        with connect(primary) as superuser:
            superuser.execute("SELECT pg_terminate_backend(%s)", [holder])
        until(lambda: "PostgresLockWaiting" not in firing(server), "the end of the queue")
