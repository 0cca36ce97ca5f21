"""PostgreSQL: whether it answers, and whether what is known of it is whole.

A server is told apart by `service` and `server`. That the cache misses more than usual, that more is
rolled back and that sorts go to disk is for the detector to tell: no threshold fits every database.
"""

from specter_alerts import (
    database_backups,
    database_limits,
    database_pools,
    database_replication,
    database_sessions,
    database_statements,
)
from specter_alerts.annotations import looked_up, own
from specter_alerts.availability import exporter_down
from specter_alerts.database_alert import (
    LEVEL,
    NAME,
    ON,
    OWN,
    OWN_LABELS,
    TURNED_AWAY,
    alert,
    highest,
    lookup,
)
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings
from specter_core import metrics

SUPPORTED = 'reason!="unsupported"'
REASON = lookup(f"{metrics.PG_FAILURE.name}{{{OWN}}} == 1")


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded share of connections, and the alerts on PostgreSQL."""
    return [
        RuleGroup("specter_database", database_sessions.recorded()),
        RuleGroup("specter_database_alerts", (*_answers(settings), *_whole(settings))),
        RuleGroup("specter_database_session_alerts", database_sessions.alerts(settings)),
        RuleGroup("specter_database_replication_alerts", database_replication.alerts(settings)),
        RuleGroup("specter_database_statement_alerts", database_statements.alerts(settings)),
        RuleGroup("specter_database_pool_alerts", database_pools.alerts(settings)),
        RuleGroup("specter_database_backup_alerts", database_backups.alerts(settings)),
        RuleGroup("specter_database_limit_alerts", database_limits.alerts(settings)),
    ]


def _answers(settings: Settings) -> tuple[AlertRule, ...]:
    turned_away = f"{highest(metrics.PG_FAILURE, TURNED_AWAY)} == 1"
    return (
        alert(
            settings,
            "PostgresDown",
            f"{highest(metrics.PG_UP)} == 0\nunless {ON}\n{turned_away}",
            "critical",
            "availability",
            wait=settings.pg_down_for,
            keep_firing=settings.keep_firing,
            summary=f"PostgreSQL {NAME} does not answer",
            description=(
                f"The exporter has not been answered by {NAME} for {settings.pg_down_for} "
                f"(`specter_pg_up` is {{{{ $value }}}}, expected 1); reason: {REASON}."
            ),
            action=(
                "refused: see whether the server runs. slots: end sessions. timeout: look at its host's load "
                "and disk. starting: follow recovery in its log."
            ),
        ),
        alert(
            settings,
            "PostgresTurnsExporterAway",
            turned_away,
            "warning",
            "watch",
            wait=settings.pg_down_for,
            summary=f"PostgreSQL {NAME} does not let the exporter in",
            description=(
                f"{NAME} lives and turns the exporter away ({{{{ $value }}}}, expected 0); reason: {REASON}. "
                "Nothing else is known of it."
            ),
            action="Connect by hand with the exporter's `dsn` and `password_file`; correct what is refused.",
        ),
        exporter_down(
            settings,
            "PostgresExporterDown",
            settings.postgres_job,
            board=metrics.DASHBOARD_DATABASE,
            summary="PostgreSQL of {{ $labels.service }} is not watched",
            unknown="Nothing is known of their servers, which may be well.",
        ),
    )


def _whole(settings: Settings) -> tuple[AlertRule, ...]:
    failed = metrics.PG_COLLECTOR_FAILURE
    labels = (*OWN_LABELS, "collector")
    reason = looked_up(f"{failed.name}{{{own(labels)}}}", labels)
    return (
        alert(
            settings,
            "PostgresCollectorFailing",
            # What the server does not have, such as pg_stat_statements, is left out on purpose.
            f"{highest(failed, SUPPORTED, by='collector')} == 1",
            "info",
            "watch",
            wait=settings.pg_collector_failing_for,
            summary=f"Of PostgreSQL {NAME}, {{{{ $labels.collector }}}} are not known",
            description=(
                f"The collector {{{{ $labels.collector }}}} of {NAME} has failed for "
                f"{settings.pg_collector_failing_for} ({{{{ $value }}}}, expected 0); reason: {reason}."
            ),
            action="privilege: grant what the exporter's page says. lock_timeout: see who holds the lock.",
        ),
        alert(
            settings,
            "PostgresPrivilegeMissing",
            f"min by ({LEVEL}, privilege) ({metrics.PG_PRIVILEGE.name}) == 0",
            "info",
            "watch",
            wait="15m",
            summary=f"The exporter's role lacks {{{{ $labels.privilege }}}} on PostgreSQL {NAME}",
            description=(
                f"The role may not use {{{{ $labels.privilege }}}} on {NAME} (value {{{{ $value }}}}, "
                "expected 1): sessions of others are hidden, and what is counted of them is too low."
            ),
            action="As a superuser: GRANT pg_monitor TO the exporter's role.",
        ),
    )
