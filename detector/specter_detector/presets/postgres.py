"""PostgreSQL, through Specter's exporter or postgres_exporter."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_detector.presets.model import MINUTE, RATIO, Preset, PresetQuery, Source, share

SERVER = f"service, {metrics.SERVER}"
DATABASE = f"{SERVER}, database"
CONNECTIONS = metrics.PG_CONNECTIONS.name
LIMIT = (
    f"max by ({SERVER}) ({metrics.PG_MAX_CONNECTIONS.name})"
    f" - max by ({SERVER}) ({metrics.PG_RESERVED_CONNECTIONS.name})"
)

# postgres_exporter has a target for each server.
TARGET = "service, job, instance"
TARGET_DATABASE = "service, job, instance, datname"
SESSIONS = "pg_stat_activity_count"
COMMITS, ROLLBACKS = "pg_stat_database_xact_commit", "pg_stat_database_xact_rollback"
HITS, READS = "pg_stat_database_blks_hit", "pg_stat_database_blks_read"
OWN = '{datname!~"|template.*"}'
"""Databases that somebody uses; Specter's exporter leaves the others out."""
IDLE_IN_TRANSACTION = '{state=~"idle in transaction.*"}'


def rate(by: str, selector: str) -> str:
    """Return how much a second, added up over a server or a database."""
    return f"sum by ({by}) (rate({selector}[5m]))"


def rates(metric: Metric, counter: str, *, database: bool) -> tuple[Source, ...]:
    """Return how much a second, by server or by database, of either exporter."""
    return (
        Source(rate(DATABASE if database else SERVER, metric.name), (metric.name,)),
        Source(rate(TARGET_DATABASE if database else TARGET, f"{counter}{OWN}"), (counter,)),
    )


def part_of(by: str, part: str, rest: str, least: float) -> str:
    """Return `part` / (`part` + `rest`) by database, see `share`."""
    whole = f"({rate(by, part)} + {rate(by, rest)})"
    return share(rate(by, part), whole, least)


def parts(own: tuple[Metric, Metric], counters: tuple[str, str], least: float) -> tuple[Source, ...]:
    """Return the share of the first of two in both, by database, of either exporter."""
    part, rest = own
    return (
        Source(part_of(DATABASE, part.name, rest.name, least), (part.name, rest.name)),
        Source(
            part_of(TARGET_DATABASE, f"{counters[0]}{OWN}", f"{counters[1]}{OWN}", least),
            counters,
        ),
    )


POSTGRES = Preset(
    "postgres",
    "PostgreSQL servers with Specter's exporter or postgres_exporter",
    (
        PresetQuery(
            "pg_connections",
            "Connections",
            "a pool that grows or leaks; the leak score sees a creep towards max_connections",
            "connections",
            "service",
            (
                Source(f"sum by ({SERVER}) ({CONNECTIONS})", (CONNECTIONS,), limit=LIMIT),
                Source(f"sum by ({TARGET}) ({SESSIONS})", (SESSIONS,), limit="pg_settings_max_connections"),
            ),
            direction="above_expected",
            min_dev=10,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "pg_active_connections",
            "Connections that run a statement",
            "statements pile up: slow queries or locks",
            "connections",
            "service",
            (
                # The exporter's own session is one of them, so that there always is one.
                Source(f'sum by ({SERVER}) ({CONNECTIONS}{{state="active"}})', (CONNECTIONS,)),
                Source(f'sum by ({TARGET}) ({SESSIONS}{{state="active"}})', (SESSIONS,)),
            ),
            direction="above_expected",
            min_dev=5,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_idle_in_transaction",
            "Connections idle in a transaction",
            "an application holds locks and does nothing",
            "connections",
            "service",
            (
                # States that no session has are not exposed.
                Source(
                    f"sum by ({SERVER}) ({CONNECTIONS}{IDLE_IN_TRANSACTION})"
                    f" or 0 * sum by ({SERVER}) ({CONNECTIONS})",
                    (CONNECTIONS,),
                ),
                Source(f"sum by ({TARGET}) ({SESSIONS}{IDLE_IN_TRANSACTION})", (SESSIONS,)),
            ),
            direction="above_expected",
            min_dev=5,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_blocked_sessions",
            "Sessions that wait for another's lock",
            "a transaction holds what others need, or a migration queues before them",
            "sessions",
            "service",
            (Source(f"max by ({SERVER}) ({metrics.PG_BLOCKED.name})", (metrics.PG_BLOCKED.name,)),),
            direction="above_expected",
            min_dev=5,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_longest_transaction",
            "Longest transaction",
            "a forgotten transaction blocks vacuum and others",
            "seconds",
            "service",
            (
                Source(
                    f"max by ({SERVER}) ({metrics.PG_LONGEST_TRANSACTION.name})",
                    (metrics.PG_LONGEST_TRANSACTION.name,),
                ),
                Source(
                    f"max by ({TARGET}) (pg_stat_activity_max_tx_duration)",
                    ("pg_stat_activity_max_tx_duration",),
                ),
            ),
            direction="above_expected",
            min_dev=2 * MINUTE,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_commit_rate",
            "Transactions committed",
            "the work of the database stops, drops or floods",
            "transactions/s",
            "service",
            rates(metrics.PG_DB_COMMITS, COMMITS, database=False),
            min_dev=1,
            min_rel_dev=0.4,
        ),
        PresetQuery(
            "pg_rollback_ratio",
            "Share of transactions rolled back",
            "statements fail, time out or deadlock",
            "ratio",
            "service",
            parts((metrics.PG_DB_ROLLBACKS, metrics.PG_DB_COMMITS), (ROLLBACKS, COMMITS), 0.5),
            direction="above_expected",
            min_dev=0.05,
            data_range=RATIO,
        ),
        PresetQuery(
            "pg_replication_lag",
            "Replication lag",
            "a standby falls behind",
            "seconds",
            "service",
            (
                Source(f"max by ({SERVER}) ({metrics.PG_REPLAY_LAG.name})", (metrics.PG_REPLAY_LAG.name,)),
                *(
                    Source(f"max by ({TARGET}) ({name})", (name,))
                    for name in ("pg_replication_lag_seconds", "pg_replication_lag")
                ),
            ),
            direction="above_expected",
            min_dev=10,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_deadlocks",
            "Deadlocks",
            "transactions take the same locks in different order",
            "deadlocks/s",
            "service",
            rates(metrics.PG_DB_DEADLOCKS, "pg_stat_database_deadlocks", database=False),
            direction="above_expected",
            min_dev=0.01,
        ),
        PresetQuery(
            "pg_cache_miss_ratio",
            "Cache miss ratio of a database",
            "a query reads what used to be in memory: a lost index, a new plan",
            "ratio",
            "detail",
            parts((metrics.PG_DB_BLOCKS_READ, metrics.PG_DB_BLOCKS_HIT), (READS, HITS), 100),
            direction="above_expected",
            min_dev=0.05,
            data_range=RATIO,
        ),
        PresetQuery(
            "pg_rows_returned",
            "Rows read by a database",
            "a sequential scan where an index was used before",
            "rows/s",
            "detail",
            rates(metrics.PG_DB_ROWS_RETURNED, "pg_stat_database_tup_returned", database=True),
            direction="above_expected",
            min_dev=10_000,
            min_rel_dev=2.0,
        ),
        PresetQuery(
            "pg_temp_bytes",
            "Temporary files of a database",
            "sorts and joins that no longer fit into memory",
            "bytes/s",
            "detail",
            rates(metrics.PG_DB_TEMP_BYTES, "pg_stat_database_temp_bytes", database=True),
            direction="above_expected",
            min_dev=1_000_000,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_locks",
            "Locks by mode",
            "a lock storm, or a migration that locks a table",
            "locks",
            "detail",
            # Of postgres_exporter alone: Specter's exposes no mode that nothing is locked in.
            (Source(f"sum by ({TARGET}, mode) (pg_locks_count)", ("pg_locks_count",)),),
            direction="above_expected",
            min_dev=20,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "pg_database_size",
            "Size of a database",
            "data grows or vanishes faster than usual",
            "bytes",
            "detail",
            (
                Source(f"max by ({DATABASE}) ({metrics.PG_DB_SIZE.name})", (metrics.PG_DB_SIZE.name,)),
                Source(
                    f"max by ({TARGET_DATABASE}) (pg_database_size_bytes{OWN})", ("pg_database_size_bytes",)
                ),
            ),
            min_dev=500_000_000,
            min_rel_dev=0.1,
        ),
    ),
)
