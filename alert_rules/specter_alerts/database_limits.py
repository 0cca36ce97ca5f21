"""Limits at which PostgreSQL stops taking writes, and indexes that were never finished."""

from specter_alerts.database_alert import LEVEL, NAME, ON, alert, highest
from specter_alerts.model import AlertRule, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics

INVALID = 'problem="invalid"'


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on transaction age, sequences and indexes."""
    return (
        *_wraparound(settings),
        *_sequences(settings),
        _invalid(settings),
    )


def _wraparound(settings: Settings) -> tuple[AlertRule, ...]:
    age = highest(metrics.PG_DB_XID_AGE, by="database")
    # Who lets autovacuum wait for longer has older transactions in ordinary life.
    late = f"{age} > {ON} group_left ()\n1.1 * {highest(metrics.PG_FREEZE_MAX_AGE)}"
    warning, critical = settings.pg_transaction_age_warning, settings.pg_transaction_age_critical
    on_database = f"on ({LEVEL}, database)"
    return (
        _age(settings, "PostgresWraparoundCritical", f"{age} > {number(critical)}", "critical", critical),
        _age(
            settings,
            "PostgresWraparoundNearing",
            f"({age} > {number(warning)}) <= {number(critical)}\nand {on_database}\n{late}",
            "warning",
            warning,
        ),
    )


def _age(settings: Settings, name: str, expr: str, severity: Severity, most: float) -> AlertRule:
    return alert(
        settings,
        name,
        expr,
        severity,
        # Two databases are two things: the critical one of one does not mute the warning of another.
        f"wraparound_{severity}",
        wait="15m",
        keep_firing=settings.keep_firing,
        summary=f"{{{{ $labels.database }}}} on PostgreSQL {NAME} is not frozen in time",
        description=(
            f"The oldest row of {{{{ $labels.database }}}} on {NAME} that is not frozen is "
            f"{{{{ $value | humanize }}}} transactions old; expected at most {number(most / 1e9)}G. "
            "Near 2.1G the server takes no more writes."
        ),
        action=(
            "End what holds vacuum up (old transactions, prepared ones, slots), then VACUUM (FREEZE) the "
            "tables with the highest age(relfrozenxid)."
        ),
    )


def _sequences(settings: Settings) -> tuple[AlertRule, ...]:
    used = highest(metrics.PG_SEQUENCE_USED, by="database, schema, sequence")
    warning, critical = settings.pg_sequence_warning, settings.pg_sequence_critical
    return (
        _sequence(
            settings, "PostgresSequenceEndingCritical", f"{used} > {number(critical)}", "critical", critical
        ),
        _sequence(
            settings,
            "PostgresSequenceEnding",
            f"({used} > {number(warning)}) <= {number(critical)}",
            "warning",
            warning,
        ),
    )


def _sequence(settings: Settings, name: str, expr: str, severity: Severity, most: float) -> AlertRule:
    sequence = "{{ $labels.schema }}.{{ $labels.sequence }}"
    return alert(
        settings,
        name,
        expr,
        severity,
        f"sequence_{severity}",
        wait="15m",
        keep_firing=settings.keep_firing,
        summary=f"Sequence {sequence} on PostgreSQL {NAME} ends soon",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the values of {sequence} in "
            f"{{{{ $labels.database }}}} on {NAME} are used up; expected at most {number(most * 100)}%. "
            "At 100% inserts fail."
        ),
        action="Widen the column to bigint: a new column, filled in batches, then exchanged.",
    )


def _invalid(settings: Settings) -> AlertRule:
    labels = "database, schema, table, index"
    return alert(
        settings,
        "PostgresIndexInvalid",
        f"{highest(metrics.PG_INDEX_PROBLEM, INVALID, by=labels)} == 1",
        "info",
        "index",
        wait=settings.pg_index_invalid_for,
        summary=f"Index {{{{ $labels.schema }}}}.{{{{ $labels.index }}}} on PostgreSQL {NAME} is invalid",
        description=(
            f"{{{{ $labels.index }}}} of {{{{ $labels.schema }}}}.{{{{ $labels.table }}}} in "
            f"{{{{ $labels.database }}}} on {NAME} has been invalid for {settings.pg_index_invalid_for} "
            "(value {{ $value }}, expected 0): a concurrent build failed. It slows writes and serves no read."
        ),
        action="DROP INDEX CONCURRENTLY it, find out what the build failed at, and build it again.",
    )
