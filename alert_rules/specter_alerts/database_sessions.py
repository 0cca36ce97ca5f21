"""Sessions of PostgreSQL: connections, transactions, locks."""

from specter_alerts.database_alert import LEVEL, NAME, ON, OWN, alert, highest, lookup, total
from specter_alerts.model import AlertRule, RecordingRule, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics

DEADLOCKS_WITHIN = "15m"
LEAKER = lookup(f"topk(1, {metrics.PG_LEAKED.name}{{{OWN}}})", "{{ .Labels.application }}")


def recorded() -> tuple[RecordingRule, ...]:
    """Return the share of the connections that are taken, of those that ordinary roles can have."""
    usable = f"{highest(metrics.PG_MAX_CONNECTIONS)} - {highest(metrics.PG_RESERVED_CONNECTIONS)}"
    taken = total(metrics.PG_CONNECTIONS)
    return (RecordingRule(metrics.SERVER_CONNECTIONS_USED, f"{taken}\n/\n({usable})"),)


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on sessions."""
    return (
        _full(settings, "PostgresConnectionsCritical", "critical", settings.pg_connections_critical, "1m"),
        _full(settings, "PostgresConnectionsHigh", "warning", settings.pg_connections_warning, "5m"),
        _running_out(settings),
        _leaking(settings),
        _idle(settings),
        _long(settings),
        _waiting(settings),
        _storm(settings),
        _deadlocks(settings),
    )


def _full(settings: Settings, name: str, severity: Severity, most: float, wait: str) -> AlertRule:
    return alert(
        settings,
        name,
        f"{metrics.SERVER_CONNECTIONS_USED} > {number(most)}",
        severity,
        "connections",
        wait=wait,
        keep_firing=settings.keep_firing,
        summary=f"PostgreSQL {NAME} has {{{{ $value | humanizePercentage }}}} of its connections taken",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the connections that ordinary roles can have are "
            f"taken on {NAME}; expected at most {number(most * 100)}%. At 100% clients are refused."
        ),
        action="See on the dashboard which database and state they are of; make the pool that grew smaller.",
    )


def _running_out(settings: Settings) -> AlertRule:
    used, within = metrics.SERVER_CONNECTIONS_USED, settings.pg_connections_full_within_minutes
    ago = ["", *(f" offset {minutes}m" for minutes in (1, 2, 3))]
    rises = [f"{used}{ago[index]} > {used}{ago[index + 1]}" for index in range(3)]
    full = f"{used} + {within} / 3 * ({used} - {used}{ago[3]}) > 1"
    return alert(
        settings,
        "PostgresConnectionsRunningOut",
        f"\nand {ON}\n".join([f"{used} > {number(settings.pg_connections_rising)}", full, *rises]),
        "warning",
        "connections",
        wait="30s",
        keep_firing=settings.keep_firing,
        summary=f"PostgreSQL {NAME} will soon have no connection left",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the connections that ordinary roles can have are "
            f"taken on {NAME}, more each minute for three minutes; at this pace all are taken within "
            f"{within} minutes. Expected that pools give them back. Idle for long are most of application: "
            f"{LEAKER}."
        ),
        action=(
            "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC; "
            "restart the application that has most, and look at its newest release."
        ),
    )


def _leaking(settings: Settings) -> AlertRule:
    step = settings.pg_leak_step_minutes
    ago = ["", *(f"{step * index}m" for index in (1, 2, 3))]
    rises = [
        f"{total(metric, ago[index])} > {total(metric, ago[index + 1])}"
        for metric, steps in ((metrics.PG_LEAKED, 2), (metrics.PG_CONNECTIONS, 3))
        for index in range(steps)
    ]
    return alert(
        settings,
        "PostgresConnectionsLeaking",
        f"\nand {ON}\n".join([f"{total(metrics.PG_LEAKED)} >= {settings.pg_leak_least}", *rises]),
        "warning",
        "connection_leak",
        keep_firing=settings.pg_leak_keep_firing,
        summary=f"Connections to PostgreSQL {NAME} leak",
        description=(
            f"{{{{ $value }}}} sessions of {NAME} have been idle for longer than `idle_limit`; they have "
            f"become more for {2 * step} minutes, and all connections for {3 * step}; expected that pools "
            f"give them back. Most are of application: {LEAKER}."
        ),
        action="Restart that application to free them; look for connections that are not given back.",
    )


def _idle(settings: Settings) -> AlertRule:
    most = number(settings.pg_idle_in_transaction_seconds)
    return alert(
        settings,
        "PostgresIdleInTransaction",
        f"{highest(metrics.PG_LONGEST_IDLE_TRANSACTION)} > {most}",
        "warning",
        "transaction",
        wait="1m",
        keep_firing=settings.keep_firing,
        summary=f"A transaction on PostgreSQL {NAME} is open and idle",
        description=(
            f"A session of {NAME} has been idle in its transaction for {{{{ $value | humanizeDuration }}}}; "
            f"expected at most {most}s. It holds its locks, and vacuum cannot remove what it may still see."
        ),
        action=(
            "SELECT pid, usename, application_name, query FROM pg_stat_activity WHERE state LIKE "
            "'idle in transaction%' ORDER BY state_change; then pg_terminate_backend(pid)."
        ),
    )


def _long(settings: Settings) -> AlertRule:
    most = number(settings.pg_transaction_seconds)
    idle = (
        f"{highest(metrics.PG_LONGEST_IDLE_TRANSACTION)} > {number(settings.pg_idle_in_transaction_seconds)}"
    )
    return alert(
        settings,
        "PostgresTransactionLong",
        f"{highest(metrics.PG_LONGEST_TRANSACTION)} > {most}\n"
        # One that is idle has an alert of its own.
        f"unless {ON}\n{idle}",
        "warning",
        "transaction",
        wait="1m",
        keep_firing=settings.keep_firing,
        summary=f"A transaction on PostgreSQL {NAME} takes very long",
        description=(
            f"The oldest transaction of {NAME} began {{{{ $value | humanizeDuration }}}} ago; expected at "
            f"most {most}s. Vacuum cannot remove what it may still see."
        ),
        action=(
            "SELECT pid, usename, application_name, query FROM pg_stat_activity ORDER BY xact_start LIMIT 3; "
            "a dump or a migration may go on, else pg_cancel_backend(pid)."
        ),
    )


def _waiting(settings: Settings) -> AlertRule:
    most = number(settings.pg_lock_wait_seconds)
    blocked, roots = (
        lookup(f"{metric.name}{{{OWN}}}", "{{ . | value }}")
        for metric in (metrics.PG_BLOCKED, metrics.PG_ROOT_BLOCKERS)
    )
    return alert(
        settings,
        "PostgresLockWaiting",
        f"{highest(metrics.PG_LONGEST_LOCK_WAIT)} > {most}\nand {ON}\n{highest(metrics.PG_BLOCKED)} > 0",
        "warning",
        "locks",
        keep_firing=settings.keep_firing,
        summary=f"Sessions of PostgreSQL {NAME} wait for a lock",
        description=(
            f"A session of {NAME} has waited for a lock for {{{{ $value | humanizeDuration }}}}; expected at "
            f"most {most}s. Blocked sessions: {blocked}; roots of the queue: {roots}."
        ),
        action=(
            "Find the root: WITH w AS (SELECT pid, pg_blocking_pids(pid) b FROM pg_locks WHERE NOT granted) "
            "SELECT pid, state, query FROM pg_stat_activity WHERE pid IN (SELECT unnest(b) FROM w EXCEPT "
            "SELECT pid FROM w); end it: pg_terminate_backend(pid)."
        ),
    )


def _storm(settings: Settings) -> AlertRule:
    within = "2m"
    blocked = f"max by ({LEVEL}) (avg_over_time({metrics.PG_BLOCKED.name}[{within}]))"
    root = f"max by ({LEVEL}) (max_over_time({metrics.PG_ROOT_BLOCKER_AGE.name}[{within}]))"
    roots = lookup(f"{metrics.PG_ROOT_BLOCKERS.name}{{{OWN}}}", "{{ . | value }}")
    return alert(
        settings,
        "PostgresLockStorm",
        # Who gives up after seconds has never waited for long, and is followed by the next.
        f"{blocked} > {number(settings.pg_blocked_sessions)}\nor\n{blocked} > "
        f"{number(settings.pg_blocked_by_one)}\nand {ON}\n{root} > {number(settings.pg_blocker_seconds)}",
        "warning",
        "locks",
        wait="30s",
        keep_firing=settings.keep_firing,
        summary=f"Sessions of PostgreSQL {NAME} queue for locks",
        description=(
            f"On average {{{{ $value | humanize }}}} sessions of {NAME} waited for a lock within {within}; "
            f"expected at most {number(settings.pg_blocked_sessions)}, or "
            f"{number(settings.pg_blocked_by_one)} where one transaction has blocked others for "
            f"{number(settings.pg_blocker_seconds)}s. Roots of the queue now: {roots}."
        ),
        action=(
            "Find the root by the query in the runbook: end it if it is idle in its transaction or a "
            "migration; if roots change all the time, many write the same rows."
        ),
    )


def _deadlocks(settings: Settings) -> AlertRule:
    counter = f"{metrics.PG_DB_DEADLOCKS.name}[{DEADLOCKS_WITHIN}]"
    return alert(
        settings,
        "PostgresDeadlocks",
        f"max by ({LEVEL}, database) (increase({counter})) > {settings.pg_deadlocks}",
        "warning",
        "deadlocks",
        summary=f"Transactions of {{{{ $labels.database }}}} on PostgreSQL {NAME} deadlock",
        description=(
            f"{{{{ $value | humanize }}}} deadlocks in {{{{ $labels.database }}}} on {NAME} within "
            f"{DEADLOCKS_WITHIN}; expected at most {settings.pg_deadlocks}. Each is a failed transaction."
        ),
        action=("The server's log has both statements of each; let both take their locks in the same order."),
    )
