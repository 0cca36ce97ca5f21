"""The tables that tell the most: the largest, the most changed and scanned, those with most dead rows."""

from collections.abc import Callable, Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

# pg_table_size() waits for a lock on the table; relpages does not. Not the view pg_stat_user_tables, which
# asks for everything of every table before any is left out.
_QUERY = """
WITH counted AS (
  SELECT c.oid, n.nspname, c.relname, c.relpages::float8 * current_setting('block_size')::int AS bytes,
         pg_stat_get_dead_tuples(c.oid) AS dead, pg_stat_get_tuples_returned(c.oid) AS scanned,
         pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
           + pg_stat_get_tuples_deleted(c.oid) AS changed,
         count(*) OVER () AS tables
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_t%%'
), ranked AS (
  SELECT *, least(row_number() OVER (ORDER BY bytes DESC, oid), row_number() OVER (ORDER BY dead DESC, oid),
                  row_number() OVER (ORDER BY scanned DESC, oid),
                  row_number() OVER (ORDER BY changed DESC, oid)) AS place
  FROM counted
), chosen AS MATERIALIZED (SELECT * FROM ranked ORDER BY place, oid LIMIT %s)
SELECT tables, nspname, relname, bytes, pg_stat_get_live_tuples(oid), dead, pg_stat_get_numscans(oid),
       scanned, (SELECT sum(pg_stat_get_numscans(i.indexrelid))::int8 FROM pg_index i WHERE i.indrelid = oid),
       changed,
       extract(epoch FROM greatest(
         pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid)))::float8,
       extract(epoch FROM greatest(
         pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid)))::float8
FROM chosen ORDER BY place, oid
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
