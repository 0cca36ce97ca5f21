"""The detector's way of the data: what it reads, judges, learns and writes."""

from typing import Unpack

from specter_alerts.annotations import Said, annotated_alert
from specter_alerts.detector_scores import QUERY
from specter_alerts.model import AlertRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

INSTANCE = "job, instance"


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on reading, judging, learning and writing."""
    watched = (
        _reads_failing,
        _over_limit,
        _scoring_failing,
        _fits_late,
        _fit_pool,
        _writes_failing,
        _conflict,
        _dropped,
        _spool_growing,
        _spool_lost,
    )
    return RuleGroup("specter_detector_data", tuple(alert(settings) for alert in watched))


def _alert(
    settings: Settings,
    name: str,
    expr: str,
    *,
    wait: str = "",
    severity: Severity = "warning",
    **said: Unpack[Said],
) -> AlertRule:
    return annotated_alert(settings, name, expr, severity, "scores", wait=wait, to_detector=True, **said)


def _failed_share(metric: Metric, failed: str, by: str, within: str, least: float) -> str:
    """Return PromQL for the share of `metric` whose outcome is in the regular expression `failed`."""
    bad = f'sum by ({by}) (rate({metric.name}{{outcome=~"{failed}"}}[{within}]))'
    return f"{bad}\n/\nsum by ({by}) (rate({metric.name}[{within}]))\n> {number(least)}"


def _reads_failing(settings: Settings) -> AlertRule:
    within, most = settings.errors_within, settings.failed_ratio
    return _alert(
        settings,
        "DetectorReadsFailing",
        _failed_share(metrics.DETECTOR_READS, "error|unreachable", QUERY, within, most),
        summary="Reads of {{ $labels.query }} fail",
        description=(
            "{{ $value | humanizePercentage }} of the reads of query {{ $labels.query }} failed within "
            f"{within}; expected at most {number(most * 100)}%. Ticks without an answer score nothing."
        ),
        action=(
            "Read the detector's log for this query: refused, too slow, or the data source out of reach? "
            "Then ask Prometheus the same."
        ),
        wait="5m",
    )


def _over_limit(settings: Settings) -> AlertRule:
    return _alert(
        settings,
        "DetectorSeriesOverLimit",
        f'{metrics.DETECTOR_SERIES.name}{{state="over_limit"}} > 0',
        summary="{{ $value }} series of {{ $labels.query }} are not watched",
        description=(
            "Query {{ $labels.query }} returns {{ $value }} series more than `max_series` allows; expected "
            "0. Those are not scored. Series that were known before are kept."
        ),
        action="Aggregate in the query, split it, raise `max_series`, or add a shard.",
        severity="info",
        # A rollout doubles the series of pods for some minutes.
        wait="15m",
    )


def _scoring_failing(settings: Settings) -> AlertRule:
    within = settings.errors_within
    errors = f'{metrics.DETECTOR_MODEL_RUNS.name}{{outcome="error"}}'
    return _alert(
        settings,
        "DetectorScoringFailing",
        f"sum by ({QUERY}) (increase({errors}[{within}])) > 0",
        summary="Judging the series of {{ $labels.query }} fails",
        description=(
            "{{ $value | printf `%.0f` }} runs of the model of query {{ $labels.query }} ended in an error "
            f"within {within}; expected 0. Such a tick is broken off, for other queries too."
        ),
        action="This is a defect: the log has a traceback to report. Take the query out meanwhile.",
    )


def _fits_late(settings: Settings) -> AlertRule:
    last, most = metrics.DETECTOR_LAST_FIT.name, number(settings.fit_late_seconds)
    queries = f"group by ({QUERY}) ({metrics.DETECTOR_SERIES.name})"
    return _alert(
        settings,
        "DetectorFitsLate",
        f"time() - max by ({QUERY}) ({last}) > {most}\n"
        "or\n"
        # Not one since the start: what was saved before goes on scoring, so nothing else tells.
        f"(\n  {queries}\n"
        f"  * on ({INSTANCE}) group_left ()\n  (time() - {metrics.PROCESS_START}) > {most}\n)\n"
        f"unless on ({QUERY})\n{last}",
        summary="{{ $labels.query }} has not been fitted for {{ $value | humanizeDuration }}",
        description=(
            "The series of query {{ $labels.query }} were last fitted {{ $value | humanizeDuration }} ago, "
            f"or not at all; expected at most {most}s. New series get no model, and seasons grow old."
        ),
        action=(
            "Compare duration and number of fits on the dashboard: failing (see the log), or more than "
            "`fit_every` leaves time for?"
        ),
        wait="5m",
    )


def _fit_pool(settings: Settings) -> AlertRule:
    within, most = settings.restarts_within, settings.restarts_allowed
    restarts = metrics.DETECTOR_FIT_POOL_RESTARTS.name
    return _alert(
        settings,
        "DetectorFitPoolRestarting",
        f"sum by ({INSTANCE}, reason) (increase({restarts}[{within}])) > {most}",
        summary="The processes that fit are replaced again and again",
        description=(
            "{{ $value | printf `%.0f` }} times within "
            f"{within} the processes that fit for {{{{ $labels.instance }}}} {{{{ $labels.reason }}}}; "
            f"expected at most {most}. Each time a fit is lost."
        ),
        action=(
            "Died: does the host have memory left? The kernel ends them first. Hung: a longer `step`, a "
            "shorter `fit_window`."
        ),
    )


def _writes_failing(settings: Settings) -> AlertRule:
    within, most = settings.errors_within, settings.failed_ratio
    return _alert(
        settings,
        "DetectorWritesFailing",
        _failed_share(metrics.DETECTOR_WRITES, "rejected|unreachable", INSTANCE, within, most),
        summary="The detector's writes fail",
        description=(
            "{{ $value | humanizePercentage }} of the remote-write requests of {{ $labels.instance }} failed "
            f"within {within}; expected at most {number(most * 100)}%. What is not delivered waits in the "
            "spool; what is refused is lost."
        ),
        action="See the outcomes on the dashboard and what the server answered in the detector's log.",
        wait="5m",
    )


def _conflict(settings: Settings) -> AlertRule:
    within = settings.errors_within
    dropped = f'{metrics.DETECTOR_SAMPLES_DROPPED.name}{{reason="conflict"}}'
    return _alert(
        settings,
        "DetectorWriteConflict",
        f"increase({dropped}[{within}]) > 0",
        summary="Two detectors write the same series",
        description=(
            "The server refused {{ $value | printf `%.0f` }} samples of {{ $labels.instance }} within "
            f"{within}, because it has other values of the same series and time; expected 0. Its scores are "
            "those of two detectors, mixed."
        ),
        action=(
            "Look for a second detector with the same configuration, and stop it, give each its shard, or "
            "set `shard: {replicas: 2}`."
        ),
    )


def _dropped(settings: Settings) -> AlertRule:
    within = settings.errors_within
    dropped = f'{metrics.DETECTOR_SAMPLES_DROPPED.name}{{reason!="conflict"}}'
    return _alert(
        settings,
        "DetectorSamplesDropped",
        f"sum by ({INSTANCE}, reason) (increase({dropped}[{within}])) > 0",
        summary="The detector gives up samples: {{ $labels.reason }}",
        description=(
            f"{{{{ $value | printf `%.0f` }}}} samples of {{{{ $labels.instance }}}} were given up within "
            f"{within} for the reason {{{{ $labels.reason }}}}; expected 0. Their scores are missing."
        ),
        action="The runbook says what each reason means and what mends it; the log names a series.",
    )


def _spool_growing(settings: Settings) -> AlertRule:
    waiting, within = metrics.DETECTOR_SPOOL_SAMPLES.name, settings.errors_within
    return _alert(
        settings,
        "DetectorSpoolGrowing",
        # Never empty and not shrinking: what is being sent after an outage shrinks.
        f"{waiting}\nand min_over_time({waiting}[{within}]) > 0\nand delta({waiting}[{within}]) > 0",
        summary="The detector's samples pile up",
        description=(
            "{{ $value | humanize }} samples of {{ $labels.instance }} wait for the remote-write server, and "
            f"they have become more for {within}; expected 0. Scores come late; what waits too long is lost."
        ),
        action=(
            "Is the server away, refusing the login, or slower than what is written? See the writes on the "
            "dashboard and the log."
        ),
        wait="5m",
    )


def _spool_lost(settings: Settings) -> AlertRule:
    return _alert(
        settings,
        "DetectorSpoolNotPersistent",
        f"{metrics.DETECTOR_SPOOL_PERSISTENT.name} == 0",
        summary="The detector's samples are not on disk before they are sent",
        description=(
            "{{ $labels.instance }} keeps what it has to write in memory alone (`spool_persistent` is "
            "{{ $value }}); expected 1. A restart during an outage loses it, or says it twice."
        ),
        action="Make the folder in `--storage.path` writable; the log says why it is not.",
        wait="5m",
    )
