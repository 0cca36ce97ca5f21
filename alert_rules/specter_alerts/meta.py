"""Whether the watching itself works: scores that stop coming, rules that fail, the heartbeat."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts about Specter and Prometheus themselves."""
    detector = (_down(settings), _stale(settings), _never(settings), _absent(settings))
    return [
        RuleGroup("specter_detector_alerts", detector),
        RuleGroup("specter_alerting", (_rules_failing(settings), _watchdog(settings))),
    ]


def _down(settings: Settings) -> AlertRule:
    target = f'{metrics.UP}{{job="{settings.detector_job}"}}'
    return AlertRule(
        "DetectorDown",
        f"{target} == 0\nor\nabsent({target})",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorDown",
            summary="The anomaly detector is down: no new scores",
            description=(
                "Job {{ $labels.job }} {{ with $labels.instance }}at {{ . }} {{ end }}does not answer "
                "its scrape or has no target (value {{ $value }}); expected `up` 1. Anomalies go "
                "unnoticed meanwhile; thresholds still alert."
            ),
            action="Read the detector's log and start it again; it fills no gap, it scores from now on.",
            service=False,
        ),
        wait="1m",
    )


def _stale(settings: Settings) -> AlertRule:
    # One query may stop while the others go on, so each is watched.
    newest = f"max by (job, instance, query) ({metrics.DETECTOR_LAST_TICK.name})"
    return AlertRule(
        "DetectorScoresStale",
        f"time() - {newest} > {number(settings.scores_stale_seconds)}",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorScoresStale",
            summary="Scores of {{ $labels.query }} have stopped coming",
            description=(
                "The newest scores of query {{ $labels.query }} are {{ $value | humanizeDuration }} "
                f"old; expected at most {number(settings.scores_stale_seconds)}s. Its anomalies go "
                "unnoticed."
            ),
            action=(
                "Read the detector's log for this query: an unreachable data source, a refused query, a "
                "write."
            ),
            service=False,
        ),
        wait="15s",
    )


def _never(settings: Settings) -> AlertRule:
    return AlertRule(
        "DetectorScoresMissing",
        f'{metrics.UP}{{job="{settings.detector_job}"}} == 1\n'
        f"unless on (job, instance)\n{metrics.DETECTOR_LAST_TICK.name}",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorScoresMissing",
            summary="The detector runs and has written no score",
            description=(
                "{{ $labels.instance }} is up (value {{ $value }}) and has not completed a tick since it "
                "started; expected the first within minutes."
            ),
            action="Read the detector's log: it is still fitting, finds no series, or cannot write.",
            service=False,
        ),
        wait="5m",
    )


def _absent(settings: Settings) -> AlertRule:
    return AlertRule(
        "LearntSeriesAbsent",
        f'{metrics.DETECTOR_SERIES.name}{{state="absent"}} > 0',
        "warning",
        "scores",
        annotate(
            settings,
            "LearntSeriesAbsent",
            summary="{{ $value }} series of {{ $labels.query }} are missing",
            description=(
                "{{ $value }} series that the detector has learnt for query {{ $labels.query }} no "
                "longer arrive; expected 0. Missing data is not known to be healthy."
            ),
            action=(
                "Compare the query's series now with those of an hour ago; retired ones are forgotten by "
                "a refit."
            ),
            service=False,
        ),
        wait="2m",
    )


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
