"""The tables that tell the most: the largest, the most changed and scanned, those with most dead rows."""

from collections.abc import Callable, Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

# pg_table_size() waits for a lock on the table; relpages does not.
_QUERY = """
WITH counted AS (
  SELECT s.*, c.relpages::float8 * current_setting('block_size')::int AS bytes,
         s.n_tup_ins + s.n_tup_upd + s.n_tup_del AS changes,
         count(*) OVER () AS tables
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
), ranked AS (
  SELECT *, least(row_number() OVER (ORDER BY bytes DESC, relid),
                  row_number() OVER (ORDER BY n_dead_tup DESC, relid),
                  row_number() OVER (ORDER BY seq_tup_read DESC, relid),
                  row_number() OVER (ORDER BY changes DESC, relid)) AS place
  FROM counted
)
SELECT tables, schemaname, relname, bytes, n_live_tup, n_dead_tup, seq_scan, seq_tup_read, idx_scan, changes,
       extract(epoch FROM greatest(last_vacuum, last_autovacuum))::float8,
       extract(epoch FROM greatest(last_analyze, last_autoanalyze))::float8
FROM ranked ORDER BY place, relid LIMIT %s
"""
_EXPOSED = (
    metrics.PG_TABLE_BYTES,
    metrics.PG_TABLE_LIVE,
    metrics.PG_TABLE_DEAD,
    metrics.PG_TABLE_SEQ_SCANS,
    metrics.PG_TABLE_SEQ_ROWS,
    metrics.PG_TABLE_INDEX_SCANS,
    metrics.PG_TABLE_CHANGES,
    metrics.PG_TABLE_VACUUMED,
    metrics.PG_TABLE_ANALYSED,
)


def collector(most: int) -> Callable[[Session], Iterable[Fact]]:
    """Return the collector of at most `most` tables."""

    def collect(session: Session) -> Iterable[Fact]:
        rows = session.rows(_QUERY, [most])
        yield Fact(metrics.PG_TABLES, [session.database], rows[0][0] if rows else 0)
        for _, schema, table, *values in rows:
            labels = [session.database, schema, table]
            yield from facts(
                *((metric, labels, value) for metric, value in zip(_EXPOSED, values, strict=True))
            )

    return collect
