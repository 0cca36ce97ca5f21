"""Version, age and role of the server, and what the exporter's own role may see."""

from collections.abc import Iterable

from specter_core import metrics
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

_QUERY = """
SELECT current_setting('server_version'),
       extract(epoch FROM pg_postmaster_start_time())::float8,
       pg_is_in_recovery(),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true), '0')::int,
       current_setting('autovacuum_freeze_max_age')::int8,
       pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_has_role('pg_read_all_settings', 'USAGE')
"""


def collect(session: Session) -> Iterable[Fact]:
    """Ask the server about itself."""
    version, started, recovering, most, reserved, freeze, stats, settings = session.row(_QUERY)
    return facts(
        (metrics.PG_INFO, [version.split()[0]], 1),
        (metrics.PG_START, [], started),
        (metrics.PG_RECOVERY, [], recovering),
        (metrics.PG_MAX_CONNECTIONS, [], most),
        (metrics.PG_RESERVED_CONNECTIONS, [], reserved),
        (metrics.PG_FREEZE_MAX_AGE, [], freeze),
        (metrics.PG_PRIVILEGE, ["pg_read_all_stats"], stats),
        (metrics.PG_PRIVILEGE, ["pg_read_all_settings"], settings),
    )
