"""Whether the alerting itself works: rules that fail, the heartbeat."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings
from specter_core import metrics


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts about alerting."""
    return [RuleGroup("specter_alerting", (_rules_failing(settings), _watchdog(settings)))]


def _rules_failing(settings: Settings) -> AlertRule:
    return AlertRule(
        "RuleEvaluationFailing",
        f"sum by (job, instance, rule_group) (increase({metrics.RULE_EVALUATION_FAILURES}[5m])) > 0",
        "warning",
        "alerting",
        annotate(
            settings,
            "RuleEvaluationFailing",
            summary="Prometheus fails to evaluate rules",
            description=(
                "{{ $value | humanize }} evaluations of {{ $labels.rule_group }} failed within five "
                "minutes on {{ $labels.instance }}; expected 0. Alerts of that group may not fire."
            ),
            action="Open Prometheus' /rules page: the failing rule shows its error.",
            service=False,
        ),
    )


def _watchdog(settings: Settings) -> AlertRule:
    return AlertRule(
        metrics.WATCHDOG,
        "vector(1)",
        "none",
        "alerting",
        annotate(
            settings,
            metrics.WATCHDOG,
            summary="Alerting works",
            description=(
                "Always firing (value {{ $value }}), as expected; its silence means alerting is broken."
            ),
            action="None while it fires. When it stops arriving, look at Prometheus, then Alertmanager.",
            service=False,
        ),
    )
