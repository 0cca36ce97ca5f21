"""Indexes that cost and do not help: invalid, unused, or the same as another."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session

MOST = 50
COUNTED = "1 day"
"""How long counters have counted when they say that nobody used an index."""
# An index that enforces something is used though nobody scans it. What is quick to compare is compared first:
# a thousand definitions as text take ten milliseconds. What the server itself has made has an oid below
# 16384. A crash takes all counters, and since PostgreSQL 15 those of the database do not say so; those of
# the archiver do. A standby does not know what its primary uses.
_QUERY = """
WITH indexes AS MATERIALIZED (
  SELECT indexrelid, indrelid, indisvalid, indisunique OR indisexclusion OR indisreplident AS needed,
         indnatts, indkey[0] AS first
  FROM pg_index WHERE indrelid >= 16384
), alike AS (
  SELECT unnest(array_agg(indexrelid)) AS indexrelid
  FROM indexes GROUP BY indrelid, indnatts, first HAVING count(*) > 1
), same AS MATERIALIZED (
  SELECT indexrelid FROM (
    SELECT i.indexrelid, i.indisvalid, row_number() OVER (
             PARTITION BY i.indrelid, c.relam, i.indkey::text, i.indclass::text, i.indcollation::text,
                          i.indoption::text, i.indexprs::text, i.indpred::text
             ORDER BY i.indisvalid DESC, i.indisprimary DESC, i.indisunique DESC, i.indexrelid
           ) AS place
    FROM alike JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = i.indexrelid
  ) placed WHERE place > 1 AND indisvalid
), found AS (
  SELECT indexrelid, 'invalid' AS problem FROM indexes WHERE NOT indisvalid
  UNION ALL SELECT indexrelid, 'duplicate' FROM same
  UNION ALL SELECT i.indexrelid, 'unused'
    FROM indexes i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE indisvalid AND NOT needed AND c.relpages::int8 * current_setting('block_size')::int >= 1000000
      AND pg_stat_get_numscans(i.indexrelid) = 0 AND i.indexrelid NOT IN (SELECT indexrelid FROM same)
      AND NOT pg_is_in_recovery() AND (
        SELECT greatest(d.stats_reset, a.stats_reset) < now() - %s::interval
        FROM pg_stat_database d CROSS JOIN pg_stat_archiver a WHERE d.datname = current_database()
      )
)
SELECT n.nspname, t.relname, c.relname, problem,
       c.relpages::float8 * current_setting('block_size')::int AS bytes
FROM found f
JOIN pg_index i USING (indexrelid)
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%' AND c.relkind = 'i'
ORDER BY problem = 'invalid' DESC, bytes DESC LIMIT %s
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for indexes with a problem, the invalid and then the largest first."""
    for schema, table, index, problem, size in session.rows(_QUERY, [COUNTED, MOST]):
        labels = [session.database, schema, table, index, problem]
        yield Fact(metrics.PG_INDEX_PROBLEM, labels, 1)
        yield Fact(metrics.PG_INDEX_PROBLEM_BYTES, labels, size)
