"""Sequences near their end: an integer column takes no more at 2.1 billion, whatever its sequence gives."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session

MOST = 20
# A column owns its sequence (serial, identity), or its default asks for the sequence's next value. Limits are
# looked up for those alone that could be a tenth full: with a smallint column, that is from 3,277 on. Minor
# versions of before August 2024 answer an error for a temporary sequence of another session, and on a standby
# for an unlogged one; a standby has no values of those.
_QUERY = """
WITH candidates AS MATERIALIZED (
  SELECT * FROM (
    SELECT s.seqrelid, s.seqmax, CASE
             WHEN c.relpersistence = 'p' OR c.relpersistence = 'u' AND NOT pg_is_in_recovery()
             THEN pg_sequence_last_value(s.seqrelid)::float8
           END AS last
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    WHERE s.seqincrement > 0 AND NOT s.seqcycle AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE')
  ) told WHERE last >= 0.1 * least(seqmax, 32767)
), used AS (
  SELECT n.nspname, c.relname, s.last / least(s.seqmax, coalesce(feeds.most, s.seqmax)) AS ratio
  FROM candidates s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (
    SELECT min(
      CASE t.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END
    ) AS most
    FROM (
      SELECT d.refobjid AS rel, d.refobjsubid AS num FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
      UNION ALL
      SELECT a.adrelid, a.adnum FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid
        AND d.classid = 'pg_attrdef'::regclass
    ) f JOIN pg_attribute t ON t.attrelid = f.rel AND t.attnum = f.num
  ) feeds
)
SELECT nspname, relname, ratio FROM used WHERE ratio >= 0.1 ORDER BY ratio DESC, 1, 2 LIMIT %s
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for the fullest sequences that the role may read (SELECT or USAGE)."""
    for schema, sequence, ratio in session.rows(_QUERY, [MOST]):
        yield Fact(metrics.PG_SEQUENCE_USED, [session.database, schema, sequence], ratio)
