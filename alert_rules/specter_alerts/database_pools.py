"""Pools of pgbouncer: whether it answers, who waits for a connection, and how many clients it takes."""

from specter_alerts.database_alert import NAME, ON, OWN, TURNED_AWAY, alert, highest, lookup, total
from specter_alerts.model import AlertRule
from specter_alerts.settings import Settings, number
from specter_core import metrics

REASON = lookup(f"{metrics.PGBOUNCER_FAILURE.name}{{{OWN}}} == 1")


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on pgbouncer."""
    turned_away = f"{highest(metrics.PGBOUNCER_FAILURE, TURNED_AWAY)} == 1"
    return (
        alert(
            settings,
            "PgbouncerDown",
            f"{highest(metrics.PGBOUNCER_UP)} == 0\nunless {ON}\n{turned_away}",
            "critical",
            "availability",
            wait=settings.pg_down_for,
            keep_firing=settings.keep_firing,
            summary=f"pgbouncer {NAME} does not answer",
            description=(
                f"The console of {NAME} has not answered the exporter for {settings.pg_down_for} "
                f"(`specter_pgbouncer_up` is {{{{ $value }}}}, expected 1); reason: {REASON}."
            ),
            action="refused: see whether it runs, and its log. timeout: look at its host's load.",
        ),
        alert(
            settings,
            "PgbouncerTurnsExporterAway",
            turned_away,
            "warning",
            "watch",
            wait=settings.pg_down_for,
            summary=f"pgbouncer {NAME} does not let the exporter in",
            description=(
                f"{NAME} lives and turns the exporter away ({{{{ $value }}}}, expected 0); reason: {REASON}. "
                "Nothing else is known of it."
            ),
            action="Is the user in auth_file and stats_users? Connect by hand to database pgbouncer.",
        ),
        _saturated(settings),
        _clients(settings),
    )


def _saturated(settings: Settings) -> AlertRule:
    most = number(settings.pgbouncer_wait_seconds)
    return alert(
        settings,
        "PgbouncerPoolSaturated",
        f"{highest(metrics.PGBOUNCER_MAX_WAIT, by='database, user')} > {most}",
        "warning",
        "pool",
        wait="1m",
        keep_firing=settings.keep_firing,
        summary=f"Clients of pgbouncer {NAME} wait for a connection to {{{{ $labels.database }}}}",
        description=(
            f"A client of pool {{{{ $labels.database }}}} / {{{{ $labels.user }}}} on {NAME} has waited "
            f"{{{{ $value | humanizeDuration }}}} for a connection; expected at most {most}s."
        ),
        action=(
            "SHOW POOLS: are all connections active? Then transactions are slow, or too many: see the "
            "server's locks and statements before making the pool larger. SHOW DATABASES: paused?"
        ),
    )


def _clients(settings: Settings) -> AlertRule:
    most = settings.pgbouncer_clients_share
    share = f"{total(metrics.PGBOUNCER_CLIENTS)}\n/ {ON}\n{highest(metrics.PGBOUNCER_MAX_CLIENTS)}"
    return alert(
        settings,
        "PgbouncerClientsNearLimit",
        f"{share} > {number(most)}",
        "warning",
        "pool_clients",
        wait="5m",
        keep_firing=settings.keep_firing,
        summary=f"pgbouncer {NAME} has {{{{ $value | humanizePercentage }}}} of its clients",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the clients that {NAME} takes are there; expected at "
            f"most {number(most * 100)}%. At 100% it refuses them."
        ),
        action="SHOW CLIENTS: which application grew? Else raise max_client_conn and the open-files limit.",
    )
