"""Who waits for whom: only the roots of the queue are worth ending."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

_LOCKS = """
SELECT mode, CASE WHEN granted THEN 'held' ELSE 'waited' END, count(*)
FROM pg_locks WHERE locktype <> 'virtualxid' AND pid <> pg_backend_pid() GROUP BY 1, 2
"""
# pg_blocking_pids stops the lock manager for a moment each time: of a storm, the first 200 are enough.
_BLOCKED = """
WITH waiting AS MATERIALIZED (
  SELECT l.pid, pg_blocking_pids(l.pid) AS blockers,
         extract(epoch FROM clock_timestamp() - {since})::float8 AS waited
  FROM (SELECT DISTINCT ON (pid) * FROM pg_locks WHERE NOT granted ORDER BY pid LIMIT 200) l
  JOIN pg_stat_activity a ON a.pid = l.pid
), roots AS (
  SELECT DISTINCT unnest(blockers) AS pid FROM waiting
  EXCEPT SELECT pid FROM waiting WHERE cardinality(blockers) > 0
)
SELECT (SELECT count(*) FROM waiting WHERE cardinality(blockers) > 0),
       (SELECT max(waited) FROM waiting WHERE cardinality(blockers) > 0),
       (SELECT count(*) FROM roots),
       (SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::float8
        FROM pg_stat_activity WHERE pid IN (SELECT pid FROM roots))
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask for locks and for the sessions that wait for them."""
    since = "coalesce(l.waitstart, a.query_start)" if session.version >= 140000 else "a.query_start"
    blocked, waited, roots, age = session.row(_BLOCKED.format(since=since))
    yield from facts(
        (metrics.PG_BLOCKED, [], blocked),
        (metrics.PG_LONGEST_LOCK_WAIT, [], waited or 0),
        (metrics.PG_ROOT_BLOCKERS, [], roots),
        (metrics.PG_ROOT_BLOCKER_AGE, [], age or 0),
    )
    for mode, state, count in session.rows(_LOCKS):
        yield Fact(metrics.PG_LOCKS, [mode, state], count)
