"""Scheduled jobs: what failed, what did not run, what takes too long, and whether they can tell at all.

A job is told apart by `service` and `job_name`. How long a run usually takes is for the detector to tell.
"""

from functools import partial
from typing import Unpack

from specter_alerts.annotations import DURATION, TIME, Said, annotated_alert, looked_up, own
from specter_alerts.availability import exporter_down
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

LEVEL = f"{metrics.SERVICE}, {metrics.JOB_NAME}"
ON = f"on ({LEVEL})"
NAME = f"{{{{ $labels.{metrics.JOB_NAME} }}}}"
# Of a delivery that is over: one that is deferred is tried again.
NOT_DELIVERED = f'{metrics.OUTCOME}=~"bounced|dropped|complained"'
OVER = f'{metrics.OUTCOME}=~"delivered|bounced|dropped|complained"'
REFUSED = 'result=~"not_found|invalid|too_large|rate_limited|full"'

SCHEDULE = "{{ .Labels.schedule }}"
OWN_LABELS = (metrics.SERVICE, metrics.JOB_NAME)
_alert = partial(annotated_alert, board=metrics.DASHBOARD_JOBS, of=metrics.JOB_NAME)


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded share of runs that succeed, and the alerts on jobs."""
    return [
        RuleGroup(
            "specter_jobs", (RecordingRule(metrics.SERVICE_JOB_SUCCESS_RATIO, _success_ratio(settings)),)
        ),
        RuleGroup("specter_jobs_alerts", (*_runs(settings), *_schedule(settings), _ratio(settings))),
        RuleGroup("specter_jobs_watch_alerts", (*_watch(settings), _deliveries(settings))),
    ]


def _highest(metric: Metric) -> str:
    return f"max by ({LEVEL}) ({metric.name})"


def _of_own(metric: Metric, shown: str) -> str:
    """Return a template of what `metric` says of the alert's own job."""
    return looked_up(f"{metric.name}{{{own(OWN_LABELS)}}}", OWN_LABELS, shown)


def _success_ratio(settings: Settings) -> str:
    runs = f"sum by ({metrics.SERVICE}) (increase({metrics.JOB_RUNS.name}[1d]))"
    good = f'{metrics.JOB_RUNS.name}{{{metrics.OUTCOME}="{metrics.SUCCESS}"}}'
    return f"sum by ({metrics.SERVICE}) (increase({good}[1d]))\n/\n({runs} >= {settings.job_least_runs})"


def _runs(settings: Settings) -> tuple[AlertRule, ...]:
    failed, succeeded = _highest(metrics.JOB_LAST_FAILURE), _highest(metrics.JOB_LAST_SUCCESS)
    status = _of_own(metrics.JOB_EXIT_STATUS, "{{ . | value }}")
    return (
        _alert(
            settings,
            "JobFailed",
            f"{failed} > {ON} {succeeded}\nor {ON}\n({failed} unless {ON} {succeeded})",
            "warning",
            "job",
            keep_firing=settings.keep_firing,
            summary=f"The newest run of {NAME} failed",
            description=(
                f"The newest run of {NAME} that has ended failed, or never told its end: "
                f"{{{{ $value | humanizeTimestamp }}}}, exit status {status}. "
                f"Expected: a success after it; the newest: {_of_own(metrics.JOB_LAST_SUCCESS, TIME)}."
            ),
            action=(
                f"Read the end of its output: GET /api/v1/jobs/{NAME} of the listener of pings, or its own "
                "log. Mend it and run it again."
            ),
        ),
        _alert(
            settings,
            "JobRunningLong",
            f"time() - {_highest(metrics.JOB_RUNNING_SINCE)} > {ON} {_highest(metrics.JOB_MAX_DURATION)}",
            "warning",
            "job_duration",
            keep_firing=settings.keep_firing,
            summary=f"A run of {NAME} takes too long",
            description=(
                f"A run of {NAME} began {{{{ $value | humanizeDuration }}}} ago and has not told its end; "
                f"expected no more than its `max_duration`, {_of_own(metrics.JOB_MAX_DURATION, DURATION)}."
            ),
            action=(
                "See whether its process lives, and what it waits for: a lock, a network, another run. One "
                "that was killed tells nothing; it counts as lost after twice the time."
            ),
        ),
    )


def _schedule(settings: Settings) -> tuple[AlertRule, ...]:
    due, within = settings.job_unsuccessful_runs, settings.job_missed_within
    return (
        _alert(
            settings,
            "JobUnsuccessful",
            f"{_highest(metrics.JOB_UNSUCCESSFUL)} > {due}",
            "critical",
            "job",
            keep_firing=settings.keep_firing,
            summary=f"{NAME} has not succeeded for {due} scheduled runs",
            description=(
                f"{{{{ $value }}}} runs of {NAME} have fallen due since one last ended well "
                f"({_of_own(metrics.JOB_LAST_SUCCESS, TIME)}); expected {due} at most. They failed, hang or "
                "did not come."
            ),
            action="Run it by hand and read what it says; then see why its scheduler's runs differ.",
        ),
        _alert(
            settings,
            "JobOverdue",
            f"{_highest(metrics.JOB_OVERDUE)} == 1",
            "warning",
            "job",
            keep_firing=settings.keep_firing,
            summary=f"{NAME} did not run",
            description=(
                f"A scheduled run of {NAME} had not begun when its grace was over, and none has come since "
                f"({{{{ $value }}}}, expected 0). Its schedule: {_of_own(metrics.JOB_INFO, SCHEDULE)}. Its "
                f"newest success: {_of_own(metrics.JOB_LAST_SUCCESS, TIME)}."
            ),
            action=(
                "See whether its scheduler runs (cron, systemctl list-timers) and has the job; whether the "
                "job can reach the listener of pings; whether the schedule in jobs.yml is the right one."
            ),
        ),
        _alert(
            settings,
            "JobRunsMissed",
            f"sum by ({LEVEL}) (increase({metrics.JOB_MISSED.name}[{within}])) > {settings.job_missed_runs}",
            "info",
            "job_missed",
            summary=f"{NAME} misses runs",
            description=(
                f"{{{{ $value | humanize }}}} scheduled runs of {NAME} were missed in {within}; expected "
                f"{settings.job_missed_runs} at most. Others may have come in between."
            ),
            action="Compare how long its runs take with the time between two; see what else runs then.",
        ),
    )


def _ratio(settings: Settings) -> AlertRule:
    least = settings.job_success_ratio
    return annotated_alert(
        settings,
        "JobSuccessRatioLow",
        f"{metrics.SERVICE_JOB_SUCCESS_RATIO} < {number(least)}",
        "warning",
        "job_ratio",
        wait="5m",
        service=True,
        board=metrics.DASHBOARD_JOBS,
        summary="Jobs of {{ $labels.service }} fail too often",
        description=(
            "{{ $value | humanizePercentage }} of the runs of {{ $labels.service }} of the last day ended "
            f"well; expected {number(100 * least)}% at least."
        ),
        action="Look on the dashboard for the jobs that fail, and begin with the one that does most often.",
    )


def _watch(settings: Settings) -> tuple[AlertRule, ...]:
    refused, within = settings.job_refused_least, settings.job_refused_within
    return (
        _exporter_down(settings),
        _of_exporter(
            settings,
            "JobPingEndpointDown",
            f"min by ({metrics.SERVICE}) ({metrics.JOB_PINGS_UP.name}) == 0",
            wait=settings.jobs_down_for,
            summary="Jobs of {{ $labels.service }} cannot tell that they ran",
            description=(
                "The listener of pings does not answer the exporter's own request ({{ $value }}, expected "
                "1). Runs that come are not counted, and will be missed."
            ),
            action="See the exporter's log; restart it.",
        ),
        _of_exporter(
            settings,
            "JobStoreFailing",
            f"min by ({metrics.SERVICE}) ({metrics.JOB_STORE_UP.name}) == 0",
            wait=settings.jobs_down_for,
            summary="What jobs of {{ $labels.service }} tell is not kept",
            description=(
                "The newest write to the store of the jobs exporter failed ({{ $value }}, expected 1): pings "
                "are answered with 503, and runs that come are not counted."
            ),
            action="The exporter's log has the reason: a full disk, or a database that is away.",
        ),
        _of_exporter(
            settings,
            "JobPingsRefused",
            f"sum by ({metrics.SERVICE}) (increase({metrics.JOB_PINGS.name}{{{REFUSED}}}[{within}]))\n"
            f"> {refused}",
            severity="info",
            summary="Pings of jobs of {{ $labels.service }} are refused",
            description=(
                f"{{{{ $value | humanize }}}} pings were refused in {within}; expected {refused} at most. Of "
                "a job that they come from, nothing is known."
            ),
            action=(
                f"Look at `{metrics.JOB_PINGS.name}` by result: not_found is a wrong name, UUID or key, "
                "rate_limited a job that pings too often, full the limit `most_made`."
            ),
        ),
    )


def _exporter_down(settings: Settings) -> AlertRule:
    return exporter_down(
        settings,
        "JobsExporterDown",
        settings.jobs_job,
        board=metrics.DASHBOARD_JOBS,
        wait=settings.jobs_down_for,
        summary="Jobs of {{ $labels.service }} are not watched",
        unknown="Nothing is known of their jobs, and what these tell is lost unless it is told again.",
    )


def _deliveries(settings: Settings) -> AlertRule:
    within, most = settings.delivery_within, settings.delivery_failed_ratio
    by = f"sum by ({metrics.SERVICE}, {metrics.DELIVERY_PROVIDER})"
    bad = f"{by} (increase({metrics.DELIVERY_EVENTS.name}{{{NOT_DELIVERED}}}[{within}]))"
    every = f"{by} (increase({metrics.DELIVERY_EVENTS.name}{{{OVER}}}[{within}]))"
    provider = f"{{{{ $labels.{metrics.DELIVERY_PROVIDER} }}}}"
    return annotated_alert(
        settings,
        "DeliveriesFailing",
        f"{bad}\n/\n({every} >= {settings.delivery_least})\n> {number(most)}",
        "warning",
        "delivery",
        wait="1m",
        service=True,
        board=metrics.DASHBOARD_JOBS,
        summary=f"Mails or webhooks by {provider} do not arrive",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of what {provider} was given in {within} bounced, was "
            f"dropped or complained of; expected {number(100 * most)}% at most."
        ),
        action=(
            "See the provider's own log for the reason that it gives most: a blocked sender, a list of "
            "addresses that are none, an endpoint that is away. Stop the sender before its reputation goes."
        ),
    )


def _of_exporter(
    settings: Settings,
    name: str,
    expr: str,
    *,
    severity: Severity = "warning",
    wait: str = "",
    **said: Unpack[Said],
) -> AlertRule:
    return annotated_alert(
        settings,
        name,
        expr,
        severity,
        "watch",
        wait=wait,
        service=True,
        board=metrics.DASHBOARD_JOBS,
        **said,
    )
