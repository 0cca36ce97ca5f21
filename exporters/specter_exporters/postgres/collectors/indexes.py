"""Indexes that cost and do not help: invalid, unused, or the same as another."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session

MOST = 50
# An index that enforces something is used though nobody scans it. Counters of a day say nothing yet.
_QUERY = """
WITH indexes AS (
  SELECT i.indexrelid, i.indrelid, i.indisvalid,
         i.indisunique OR i.indisexclusion OR i.indisreplident AS needed,
         c.relname AS index, t.relname AS table, n.nspname AS schema,
         c.relpages::float8 * current_setting('block_size')::int AS bytes,
         pg_stat_get_numscans(i.indexrelid) AS scans,
         row_number() OVER (
           PARTITION BY i.indrelid, c.relam, i.indkey::text, i.indclass::text, i.indcollation::text,
                        i.indoption::text, i.indexprs::text, i.indpred::text
           ORDER BY i.indisvalid DESC, i.indisprimary DESC, i.indisunique DESC, i.indexrelid
         ) AS same
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%%'
    AND c.relkind = 'i'
), counted AS (
  SELECT coalesce(stats_reset, pg_postmaster_start_time()) < now() - interval '1 day' AS long
  FROM pg_stat_database WHERE datname = current_database()
)
SELECT schema, "table", index, problem, bytes FROM indexes, counted, LATERAL (
  SELECT 'invalid' AS problem WHERE NOT indisvalid
  UNION ALL SELECT 'duplicate' WHERE indisvalid AND same > 1
  UNION ALL SELECT 'unused'
    WHERE indisvalid AND same = 1 AND NOT needed AND scans = 0 AND long AND bytes >= 1e6
) found
ORDER BY problem = 'invalid' DESC, bytes DESC LIMIT %s
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for indexes with a problem, the invalid and then the largest first."""
    for schema, table, index, problem, size in session.rows(_QUERY, [MOST]):
        labels = [session.database, schema, table, index, problem]
        yield Fact(metrics.PG_INDEX_PROBLEM, labels, 1)
        yield Fact(metrics.PG_INDEX_PROBLEM_BYTES, labels, size)
