"""Data in SQL databases: what is violated, what is behind, and what is not known.

A check that fails says nothing about the data, and one that is not run says nothing at all: both have
alerts of their own. A business number that is odd is for the detector to tell.
"""

from functools import partial
from typing import Unpack

from specter_alerts.annotations import DURATION, Said, annotated_alert, looked_up, own
from specter_alerts.availability import exporter_down
from specter_alerts.model import AlertRule, RuleGroup, Severity
from specter_alerts.settings import Settings
from specter_core import metrics
from specter_core.metrics import Metric

OF_DATABASE = f"{metrics.SERVICE}, {metrics.DATABASE}"
LEVEL = f"{OF_DATABASE}, {metrics.CHECK}"
OF_CHECK = (metrics.SERVICE, metrics.DATABASE, metrics.CHECK)
CHECK = f"{{{{ $labels.{metrics.CHECK} }}}}"
DATABASE = f"{{{{ $labels.{metrics.DATABASE} }}}}"
DIAGNOSE = "Run `specter exporter sql check --config FILE`, or open the exporter's page `/checks`"
COPYING = "See whether what copies runs, and what it waits for; then whether the source writes more."


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts on checks of data."""
    alerts = (*_violated(settings), *_behind(settings), *_unknown(settings), _unwatched(settings))
    return [RuleGroup("specter_integrity_alerts", alerts)]


def _highest(metric: Metric, matchers: str = "", level: str = LEVEL) -> str:
    return f"max by ({level}) ({metric.name}{f'{{{matchers}}}' if matchers else ''})"


_alert = partial(annotated_alert, service=True, board=metrics.DASHBOARD_INTEGRITY)


def _violated(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _violation(settings, "IntegrityViolatedCritical", "critical"),
        _violation(settings, "IntegrityViolated", "warning"),
    )


def _violation(settings: Settings, name: str, severity: Severity) -> AlertRule:
    info = _highest(metrics.SQL_CHECK_INFO, f'severity="{severity}"')
    return _alert(
        settings,
        name,
        f"{_highest(metrics.SQL_VIOLATIONS)} > 0\nand on ({LEVEL})\n{info}",
        severity,
        # Two checks are two things: the critical one of one does not mute the warning of another.
        f"integrity_{severity}",
        keep_firing=settings.sql_keep_firing,
        summary=f"The data in {DATABASE} is not as {CHECK} wants it",
        description=(
            f"The check {CHECK} of {DATABASE} finds {{{{ $value | humanize }}}} violations; expected 0. "
            "They are of its newest run."
        ),
        action=f"{DIAGNOSE}, which name violating rows; find out who writes such rows, and stop that first.",
    )


def _limit(metric: Metric, shown: str = "{{ . | value | humanize }}") -> str:
    """Return a template of what the alert's own check allows."""
    return looked_up(f"{metric.name}{{{own(OF_CHECK)}}}", OF_CHECK, shown)


def _behind(settings: Settings) -> tuple[AlertRule, ...]:
    lag, mark, rows = metrics.SQL_SYNC_LAG, metrics.SQL_SYNC_MARK_DIFFERENCE, metrics.SQL_SYNC_ROW_DIFFERENCE
    return (
        _beyond(
            settings,
            "SyncLagging",
            f"{_highest(lag)} > on ({LEVEL}) {_highest(metrics.SQL_SYNC_LAG_LIMIT)}",
            summary=f"{DATABASE} lags behind its source ({CHECK})",
            description=(
                f"The newest in {DATABASE} is {{{{ $value | humanizeDuration }}}} older than that of its "
                f"source ({CHECK}); expected at most {_limit(metrics.SQL_SYNC_LAG_LIMIT, DURATION)}."
            ),
            action=COPYING,
        ),
        _beyond(
            settings,
            "SyncBehind",
            f"{_highest(mark)} > on ({LEVEL}) {_highest(metrics.SQL_SYNC_MARK_LIMIT)}",
            summary=f"{DATABASE} is behind its source ({CHECK})",
            description=(
                f"The highest number in {DATABASE} is {{{{ $value | humanize }}}} below that of its source "
                f"({CHECK}); expected at most {_limit(metrics.SQL_SYNC_MARK_LIMIT)}."
            ),
            action=COPYING,
        ),
        _beyond(
            settings,
            "SyncRowsDiffer",
            f"abs(max by ({LEVEL}) ({rows.name})) > on ({LEVEL}) {_highest(metrics.SQL_SYNC_ROW_LIMIT)}",
            summary=f"{DATABASE} does not have the rows of its source ({CHECK})",
            description=(
                f"{DATABASE} and its source differ by {{{{ $value | humanize }}}} rows ({CHECK}); "
                f"expected at most {_limit(metrics.SQL_SYNC_ROW_LIMIT)}."
            ),
            action=f"{DIAGNOSE}: more rows in the source were not copied, more in the target not deleted.",
        ),
    )


def _beyond(settings: Settings, name: str, expr: str, **said: Unpack[Said]) -> AlertRule:
    return _alert(settings, name, expr, "warning", "sync", keep_firing=settings.sql_keep_firing, **said)


def _unknown(settings: Settings) -> tuple[AlertRule, ...]:
    down = f"{_highest(metrics.SQL_UP, level=OF_DATABASE)} == 0"
    failed = f"{_highest(metrics.SQL_CHECK_SUCCESS)} == 0"
    of_database = (metrics.SERVICE, metrics.DATABASE)
    failure = looked_up(f"{metrics.SQL_CHECK_FAILURE.name}{{{own(OF_CHECK)}}}", OF_CHECK)
    refusal = looked_up(f"{metrics.SQL_FAILURE.name}{{{own(of_database)}}} == 1", of_database)
    return (
        _alert(
            settings,
            "SqlCheckFailing",
            f"{failed}\nunless on ({OF_DATABASE})\n{down}",
            "warning",
            "watch",
            wait=settings.sql_failing_for,
            summary=f"What {CHECK} would find in {DATABASE} is not known",
            description=(
                f"The check {CHECK} of {DATABASE} has failed for {settings.sql_failing_for} "
                f"({{{{ $value }}}}, expected 1); reason: {failure}. Its violations are not known."
            ),
            action=f"{DIAGNOSE}: both have the database's own words.",
        ),
        _alert(
            settings,
            "SqlCheckStale",
            f"{_highest(metrics.SQL_CHECK_STALE)} == 1\nunless on ({LEVEL})\n{failed}",
            "warning",
            "watch",
            wait=settings.sql_stale_for,
            summary=f"{CHECK} of {DATABASE} is not run",
            description=(
                f"No run of {CHECK} of {DATABASE} was completed for two of its intervals ({{{{ $value }}}}, "
                "expected 0), and none failed: it waits for other checks, or hangs."
            ),
            action=(
                "Compare the checks' durations with their intervals; raise `concurrency`, or run less often."
            ),
        ),
        _alert(
            settings,
            "SqlDatabaseDown",
            down,
            "warning",
            "watch",
            wait=settings.sql_down_for,
            summary=f"{DATABASE} does not let its checks in",
            description=(
                f"The exporter has not been let into {DATABASE} for {settings.sql_down_for} "
                f"(`specter_sql_up` is {{{{ $value }}}}, expected 1); reason: {refusal}. "
                "Nothing is known of its data."
            ),
            action="Connect by hand with the exporter's URL and password; correct what is refused.",
        ),
    )


def _unwatched(settings: Settings) -> AlertRule:
    return exporter_down(
        settings,
        "SqlExporterDown",
        settings.sql_job,
        board=metrics.DASHBOARD_INTEGRITY,
        summary="The data of {{ $labels.service }} is not checked",
        unknown="Nothing is known of the data, which may be whole.",
    )
