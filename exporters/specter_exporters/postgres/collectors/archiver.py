"""The archive of the log, without which there is no backup to a point in time."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

_QUERY = """
SELECT archived_count, failed_count,
       extract(epoch FROM last_archived_time)::float8, extract(epoch FROM last_failed_time)::float8
FROM pg_stat_archiver
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask what was archived and what failed."""
    archived, failed, last, last_failure = session.row(_QUERY)
    return facts(
        (metrics.PG_ARCHIVED, [], archived),
        (metrics.PG_ARCHIVE_FAILURES, [], failed),
        (metrics.PG_LAST_ARCHIVED, [], last),
        (metrics.PG_LAST_ARCHIVE_FAILURE, [], last_failure),
    )
