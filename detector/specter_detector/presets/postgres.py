"""PostgreSQL, through postgres_exporter."""

from specter_detector.presets.model import MINUTE, RATIO, Preset, PresetQuery, Source, share

SERVER = "service, job, instance"
DATABASE = "service, job, instance, datname"
SESSIONS = "pg_stat_activity_count"
COMMITS, ROLLBACKS = "pg_stat_database_xact_commit", "pg_stat_database_xact_rollback"
HITS, READS = "pg_stat_database_blks_hit", "pg_stat_database_blks_read"
OWN = '{datname!~"|template.*"}'
"""Databases that somebody uses."""


def rate(by: str, counter: str) -> str:
    """Return how much a second, added up over a server or a database."""
    return f"sum by ({by}) (rate({counter}{OWN}[5m]))"


def part_of(part: str, rest: str, least: float) -> str:
    """Return `part` / (`part` + `rest`) by database, see `share`."""
    whole = f"({rate(DATABASE, part)} + {rate(DATABASE, rest)})"
    return share(rate(DATABASE, part), whole, least)


POSTGRES = Preset(
    "postgres",
    "PostgreSQL servers with postgres_exporter",
    (
        PresetQuery(
            "pg_connections",
            "Connections",
            "a pool that grows or leaks; the leak score sees a creep towards max_connections",
            "connections",
            "service",
            (Source(f"sum by ({SERVER}) ({SESSIONS})", (SESSIONS,), limit="pg_settings_max_connections"),),
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
            (Source(f'sum by ({SERVER}) ({SESSIONS}{{state="active"}})', (SESSIONS,)),),
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
            (Source(f'sum by ({SERVER}) ({SESSIONS}{{state=~"idle in transaction.*"}})', (SESSIONS,)),),
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
                    f"max by ({SERVER}) (pg_stat_activity_max_tx_duration)",
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
            (Source(rate(SERVER, COMMITS), (COMMITS,)),),
            min_dev=1,
            min_rel_dev=0.4,
        ),
        PresetQuery(
            "pg_rollback_ratio",
            "Share of transactions rolled back",
            "statements fail, time out or deadlock",
            "ratio",
            "service",
            (Source(part_of(ROLLBACKS, COMMITS, 0.5), (ROLLBACKS, COMMITS)),),
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
            tuple(
                Source(f"max by ({SERVER}) ({name})", (name,))
                for name in ("pg_replication_lag_seconds", "pg_replication_lag")
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
            (Source(rate(SERVER, "pg_stat_database_deadlocks"), ("pg_stat_database_deadlocks",)),),
            direction="above_expected",
            min_dev=0.01,
        ),
        PresetQuery(
            "pg_cache_miss_ratio",
            "Cache miss ratio of a database",
            "a query reads what used to be in memory: a lost index, a new plan",
            "ratio",
            "detail",
            (Source(part_of(READS, HITS, 100), (READS, HITS)),),
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
            (Source(rate(DATABASE, "pg_stat_database_tup_returned"), ("pg_stat_database_tup_returned",)),),
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
            (Source(rate(DATABASE, "pg_stat_database_temp_bytes"), ("pg_stat_database_temp_bytes",)),),
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
            (Source("sum by (service, job, instance, mode) (pg_locks_count)", ("pg_locks_count",)),),
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
            (Source(f"max by ({DATABASE}) (pg_database_size_bytes{OWN})", ("pg_database_size_bytes",)),),
            min_dev=500_000_000,
            min_rel_dev=0.1,
        ),
    ),
)
