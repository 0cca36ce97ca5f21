"""Scores of the detector that stop coming: down, stale, missing, not learnt, series that are gone."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

# The labels of what a detector says of one query.
QUERY = "job, instance, query"


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on scores that do not come."""
    watched = (_down, _stale, _never, _fits_failing, _absent)
    return RuleGroup("specter_detector_alerts", tuple(alert(settings) for alert in watched))


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
            summary="The anomaly detector is down or not scraped: no new scores known",
            description=(
                "Job {{ $labels.job }} {{ with $labels.instance }}at {{ . }} {{ end }}does not answer "
                "its scrape, has no target, or is not in Prometheus' scrape configuration (value "
                "{{ $value }}); expected `up` 1. Anomalies may go unnoticed; thresholds still alert."
            ),
            action=(
                f"See whether Prometheus scrapes a job `{settings.detector_job}`; then read the detector's "
                "log and start it again. It fills no gap, it scores from now on."
            ),
            to_detector=True,
        ),
        wait="1m",
    )


def _quiet_empty(settings: Settings) -> str:
    """Select the quiet queries that have answered with no series of late: nothing is there to score."""
    window = f"{number(settings.scores_stale_seconds)}s"
    reads = f'{metrics.DETECTOR_READS.name}{{outcome="empty", query=~"{"|".join(settings.quiet_queries)}"}}'
    return f"sum by ({QUERY}) (increase({reads}[{window}])) > 0"


def _learning(settings: Settings) -> str:
    """Select the queries that are new, and whose fits go well: their series have too little history."""
    series = metrics.DETECTOR_SERIES.name
    warming = f'sum by ({QUERY}) ({series}{{state="warming"}}) > 0'
    fitted = (
        f"time() - max by ({QUERY}) ({metrics.DETECTOR_LAST_FIT.name}) < {number(settings.fit_late_seconds)}"
    )
    known = f"group by ({QUERY}) ({series} offset {settings.warm_up_within})"
    return f"({warming} and on ({QUERY}) {fitted} unless on ({QUERY}) {known})"


def _stale(settings: Settings) -> AlertRule:
    # One query may stop while the others go on, so each is watched.
    newest = f"max by ({QUERY}) ({metrics.DETECTOR_LAST_TICK.name})"
    return AlertRule(
        "DetectorScoresStale",
        f"time() - {newest} > {number(settings.scores_stale_seconds)}\n"
        f"unless on ({QUERY})\n{_quiet_empty(settings)}",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorScoresStale",
            summary="Scores of {{ $labels.query }} have stopped coming",
            description=(
                "The newest accepted scores of query {{ $labels.query }} are {{ $value | humanizeDuration }} "
                f"old; expected at most {number(settings.scores_stale_seconds)}s. Its anomalies go "
                "unnoticed."
            ),
            action=(
                "Read the detector's log for this query: data source unreachable, query refused or without "
                "series, no fit, or scores that the server does not accept."
            ),
            to_detector=True,
        ),
        wait="15s",
    )


def _never(settings: Settings) -> AlertRule:
    # Every query has its series by state from the first tick on; before it there is only `up`.
    states = metrics.DETECTOR_SERIES.name
    return AlertRule(
        "DetectorScoresMissing",
        f"group by ({QUERY}) ({states})\n"
        f"unless on ({QUERY})\n{metrics.DETECTOR_LAST_TICK.name}\n"
        f"unless on ({QUERY})\n{_quiet_empty(settings)}\n"
        f"unless on ({QUERY})\n{_learning(settings)}\n"
        "or\n"
        f'group by (job, instance) ({metrics.UP}{{job="{settings.detector_job}"}} == 1)\n'
        f"unless on (job, instance)\n{states}",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorScoresMissing",
            summary=(
                "The detector has written no score{{ with $labels.query }} of {{ . }}{{ end }} "
                "since it started"
            ),
            description=(
                "{{ $labels.instance }} is up and has written no score "
                "{{ with $labels.query }}of query {{ . }} {{ end }}since it started (value {{ $value }}); "
                "expected the first within minutes."
            ),
            action=(
                "Read the detector's log: still fitting, too little history, no series, a refused query, or "
                "scores that the server does not accept."
            ),
            to_detector=True,
        ),
        wait="5m",
    )


def _fits_failing(settings: Settings) -> AlertRule:
    errors, ok = (f'{metrics.DETECTOR_FITS.name}{{outcome="{outcome}"}}' for outcome in ("error", "ok"))
    return AlertRule(
        "DetectorFitsFailing",
        f"sum by ({QUERY}) (increase({errors}[{settings.fit_errors_within}])) >= 2\n"
        f"unless on ({QUERY})\n"
        f"sum by ({QUERY}) (increase({ok}[{settings.fit_ok_within}])) > 0",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorFitsFailing",
            summary="Fits of {{ $labels.query }} fail",
            description=(
                "{{ $value | printf `%.0f` }} fits of query {{ $labels.query }} failed within "
                f"{settings.fit_errors_within} and none worked within {settings.fit_ok_within}; expected 0. "
                "Its models grow old, and new series get none."
            ),
            action="Read the detector's log for `fit`: it says why history cannot be read or fitted.",
            to_detector=True,
        ),
        wait="5m",
    )


def _absent(settings: Settings) -> AlertRule:
    quiet = "|".join(settings.quiet_queries)
    return AlertRule(
        "LearntSeriesAbsent",
        f'{metrics.DETECTOR_SERIES.name}{{state="absent", query!~"{quiet}"}} > 0',
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
                "Compare the query's series now with those of an hour ago; retired ones are forgotten a "
                "day after they were last seen."
            ),
            to_detector=True,
        ),
        wait="2m",
    )
