"""The tables that tell the most: the largest, the most changed and scanned, those with most dead rows."""

from collections.abc import Callable, Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

# pg_table_size() waits for a lock on the table; relpages does not. Not the view pg_stat_user_tables, which
# asks for everything of every table before any is left out. Four short lists, since ranking everything four
# times takes longer than reading it. What a standby replays is not counted there: it has no rows and changes.
_QUERY = """
WITH counted AS MATERIALIZED (
  SELECT c.oid, n.nspname, c.relname, c.relpages,
         pg_stat_get_dead_tuples(c.oid) AS dead, pg_stat_get_tuples_returned(c.oid) AS scanned,
         pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
           + pg_stat_get_tuples_deleted(c.oid) AS changed
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_t%%'
), ranked (oid, place) AS (
  SELECT oid, row_number() OVER ()
  FROM (SELECT oid FROM counted ORDER BY relpages DESC, oid LIMIT %(most)s) by_size
  UNION ALL SELECT oid, row_number() OVER ()
  FROM (SELECT oid FROM counted ORDER BY dead DESC, oid LIMIT %(most)s) by_dead
  UNION ALL SELECT oid, row_number() OVER ()
  FROM (SELECT oid FROM counted ORDER BY scanned DESC, oid LIMIT %(most)s) by_scanned
  UNION ALL SELECT oid, row_number() OVER ()
  FROM (SELECT oid FROM counted ORDER BY changed DESC, oid LIMIT %(most)s) by_changed
), chosen AS MATERIALIZED (
  SELECT oid, min(place) AS place FROM ranked GROUP BY oid ORDER BY place, oid LIMIT %(most)s
)
SELECT (SELECT count(*) FROM counted), pg_is_in_recovery(), nspname, relname,
       relpages::float8 * current_setting('block_size')::int, pg_stat_get_live_tuples(oid), dead,
       pg_stat_get_numscans(oid), scanned,
       (SELECT sum(pg_stat_get_numscans(i.indexrelid))::int8 FROM pg_index i WHERE i.indrelid = oid), changed,
       extract(epoch FROM greatest(
         pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid)))::float8,
       extract(epoch FROM greatest(
         pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid)))::float8
FROM chosen JOIN counted USING (oid) ORDER BY place, oid
"""
LARGE = 10e6
"""Bytes of a table from which on it is worth doing something about."""
MANY_SCANS, MANY_ROWS, BLOATED = 50, 10_000, 0.2
ON_A_PRIMARY = (metrics.PG_TABLE_LIVE, metrics.PG_TABLE_DEAD, metrics.PG_TABLE_CHANGES)
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
        rows = session.rows(_QUERY, {"most": most})
        yield Fact(metrics.PG_TABLES, [session.database], rows[0][0] if rows else 0)
        for _, recovering, schema, table, *values in rows:
            labels = [session.database, schema, table]
            yield from facts(
                *(
                    (metric, labels, value)
                    for metric, value in zip(_EXPOSED, values, strict=True)
                    if not (recovering and metric in ON_A_PRIMARY)
                )
            )
            size, live, dead, scans, scanned, index_scans, *_ = values
            for problem, cost in (
                ("missing_index", size if _wants_index(scans, scanned, index_scans or 0) else 0.0),
                ("bloat", size * _dead_share(live, dead)),
            ):
                if size >= LARGE and cost:
                    yield Fact(metrics.PG_TABLE_PROBLEM_BYTES, [*labels, problem], cost)

    return collect


def _wants_index(scans: int, rows: int, index_scans: int) -> bool:
    """Return whether sequential scans of many rows are a usual way to read the table."""
    return scans >= MANY_SCANS and rows >= MANY_ROWS * scans and 10 * scans >= index_scans


def _dead_share(live: int, dead: int) -> float:
    """Return the share of dead rows, 0 where vacuum keeps up."""
    share = dead / (live + dead) if dead else 0.0
    return share if share >= BLOATED else 0.0
