"""What the server counts by database, checkpoints, and sizes."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

MOST = 40
_COUNTS = """
SELECT d.datname, age(d.datfrozenxid), s.xact_commit, s.xact_rollback, s.deadlocks, s.conflicts,
       s.blks_hit, s.blks_read, s.tup_returned, s.tup_inserted + s.tup_updated + s.tup_deleted,
       s.temp_files, s.temp_bytes,
       extract(epoch FROM s.stats_reset)::float8
FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
WHERE NOT d.datistemplate ORDER BY s.xact_commit DESC LIMIT %s
"""
_COUNTED = (
    metrics.PG_DB_XID_AGE,
    metrics.PG_DB_COMMITS,
    metrics.PG_DB_ROLLBACKS,
    metrics.PG_DB_DEADLOCKS,
    metrics.PG_DB_CONFLICTS,
    metrics.PG_DB_BLOCKS_HIT,
    metrics.PG_DB_BLOCKS_READ,
    metrics.PG_DB_ROWS_RETURNED,
    metrics.PG_DB_ROWS_CHANGED,
    metrics.PG_DB_TEMP_FILES,
    metrics.PG_DB_TEMP_BYTES,
    metrics.PG_DB_STATS_RESET,
)
# Before PostgreSQL 17 a standby's restartpoints are counted as checkpoints, since then apart from them.
_CHECKPOINTS = {
    130000: "SELECT checkpoints_timed, checkpoints_req, buffers_checkpoint FROM pg_stat_bgwriter",
    170000: """
SELECT num_timed + restartpoints_timed, num_requested + restartpoints_req, buffers_written
FROM pg_stat_checkpointer
""",
}
_SIZES = """
SELECT datname, pg_database_size(oid)
FROM pg_database
WHERE NOT datistemplate AND has_database_privilege(oid, 'CONNECT') ORDER BY oid LIMIT %s
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for the counters of databases and of checkpoints."""
    for database, *values in session.rows(_COUNTS, [MOST]):
        yield from facts(
            *((metric, [database], value) for metric, value in zip(_COUNTED, values, strict=True))
        )
    query = _CHECKPOINTS[170000 if session.version >= 170000 else 130000]
    timed, requested, blocks = session.row(query)
    yield from facts(
        (metrics.PG_CHECKPOINTS, ["timed"], timed),
        (metrics.PG_CHECKPOINTS, ["requested"], requested),
        (metrics.PG_CHECKPOINT_BLOCKS, [], blocks),
    )


def sizes(session: Session) -> Iterable[Fact]:
    """Ask for the sizes, for which the server looks at each of its files."""
    for database, size in session.rows(_SIZES, [MOST]):
        yield Fact(metrics.PG_DB_SIZE, [database], size)
