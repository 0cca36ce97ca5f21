"""Sequences near their end: an integer column takes no more at 2.1 billion, whatever its sequence gives."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session

MOST = 20
# A column owns its sequence (serial, identity), or its default asks for the sequence's next value.
_QUERY = """
WITH feeds AS (
  SELECT d.objid AS seq, d.refobjid AS rel, d.refobjsubid AS num
  FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    AND d.refobjsubid > 0
  UNION
  SELECT d.refobjid, a.adrelid, a.adnum
  FROM pg_depend d JOIN pg_attrdef a ON a.oid = d.objid
  WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
), limits AS (
  SELECT f.seq,
         min(CASE t.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END) AS most
  FROM feeds f JOIN pg_attribute t ON t.attrelid = f.rel AND t.attnum = f.num GROUP BY 1
), used AS (
  SELECT n.nspname, c.relname,
         pg_sequence_last_value(s.seqrelid)::float8 / least(s.seqmax, coalesce(l.most, s.seqmax)) AS ratio
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN limits l ON l.seq = s.seqrelid
  WHERE s.seqincrement > 0 AND NOT s.seqcycle AND NOT pg_is_other_temp_schema(n.oid)
    AND has_sequence_privilege(s.seqrelid, 'SELECT, USAGE')
)
SELECT nspname, relname, ratio FROM used WHERE ratio IS NOT NULL ORDER BY ratio DESC, 1, 2 LIMIT %s
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for the fullest sequences that the role may read (SELECT or USAGE)."""
    for schema, sequence, ratio in session.rows(_QUERY, [MOST]):
        yield Fact(metrics.PG_SEQUENCE_USED, [session.database, schema, sequence], ratio)
