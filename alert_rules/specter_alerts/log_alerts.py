"""Alerts on what lines of logs say: new errors, many errors, failed requests, slow queries, cache misses."""

from functools import partial

from specter_alerts.annotations import annotated_alert
from specter_alerts.counters import rate_of
from specter_alerts.model import AlertRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics

WINDOW = "5m"
SLOW_WINDOW = "15m"
BY_LOG = f"{metrics.SERVICE}, {metrics.LOG}"
WHERE = "{{ $labels.service }} (log {{ $labels.log }})"


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on what lines say."""
    return RuleGroup(
        "specter_log_alerts",
        (
            _new_template(settings),
            _new_error_frequent(settings),
            _errors_high(settings),
            _failing(settings, "AccessLogErrorRatioCritical", "critical", settings.error_ratio_critical),
            _failing(settings, "AccessLogErrorRatioHigh", "warning", settings.error_ratio_warning),
            _slow_queries(settings),
            _cdn(settings),
        ),
    )


log_alert = partial(annotated_alert, symptom="logs", board=metrics.DASHBOARD_LOGS)
"""Returns an alert that links to the dashboard Logs."""


def _new_template(settings: Settings) -> AlertRule:
    return log_alert(
        settings,
        "LogErrorTemplateNew",
        f"{metrics.LOG_NEW_TEMPLATE_COUNT} > 0",
        "info",
        summary="{{ $labels.service }} logs errors of a form never seen before",
        description=(
            f"New forms of error messages in {WHERE} within {SLOW_WINDOW}: {{{{ $value | printf `%.0f` }}}}; "
            "expected 0. One more, or one after a deployment, is where to look first."
        ),
        action=(
            "Read the example on the log exporter's page, and compare its time with the deployments on the "
            "dashboard."
        ),
    )


def _new_error_frequent(settings: Settings) -> AlertRule:
    by = f"{BY_LOG}, template_id"
    age, least = number(settings.log_new_error_age_seconds), number(settings.log_new_error_rate)
    first = f"max by ({by}) ({metrics.LOG_TEMPLATE_FIRST_SEEN.name})"
    # In the warm-up of a first start every form is young, and none counts as new.
    counted = rate_of(BY_LOG, metrics.LOG_NEW_TEMPLATES.name, "1h", function="increase")
    return log_alert(
        settings,
        "LogNewErrorFrequent",
        f"{rate_of(by, metrics.LOG_TEMPLATE_LINES.name, WINDOW)} > {least}\n"
        f"and on ({by})\ntime() - {first} < {age}\n"
        f"and on ({BY_LOG})\n{counted} > 0",
        "warning",
        summary="A new error comes again and again in {{ $labels.service }}",
        description=(
            "{{ $value | printf `%.2f` }} lines a second in "
            f"{WHERE} are of the form {{{{ $labels.template_id }}}}, first seen within the last {age}s; "
            f"expected at most {least}."
        ),
        action=(
            "Look the form up on the log exporter's page: message, exception, example. Was something "
            "deployed just before? Roll it back."
        ),
        wait=settings.log_new_error_for,
        keep_firing=settings.keep_firing,
    )


def _rises(recorded: str, usual: str, rate: float, rise: float) -> str:
    """Return PromQL for a recorded rate above `rate` and above `rise` times what is usual."""
    # `unless`, and not `and`: where nothing is usual yet, `rate` alone counts.
    return f"{recorded} > {number(rate)}\nunless on ({BY_LOG})\n{recorded} <= {number(rise)} * {usual}"


def _errors_high(settings: Settings) -> AlertRule:
    least, rise = settings.log_error_rate, settings.log_error_rise
    return log_alert(
        settings,
        "LogErrorsHigh",
        _rises(metrics.LOG_ERROR_RATE, metrics.LOG_ERROR_USUAL, least, rise),
        "warning",
        symptom="errors",
        summary="{{ $labels.service }} logs {{ $value | printf `%.2f` }} errors a second",
        description=(
            f"{{{{ $value | printf `%.2f` }}}} error lines a second in {WHERE} in the last {WINDOW}; "
            f"expected at most {number(least)}, or {number(rise)} times the mean of the last day."
        ),
        action="See on the dashboard which forms of messages they are, and open the runbook of the first.",
        wait=settings.log_rise_for,
        keep_firing=settings.keep_firing,
    )


def _failing(settings: Settings, name: str, severity: Severity, limit: float) -> AlertRule:
    least = number(settings.min_request_rate)
    return log_alert(
        settings,
        name,
        f"{metrics.LOG_ERROR_RATIO} > {number(limit)}\n"
        f"and on ({BY_LOG})\n{metrics.LOG_REQUEST_RATE} >= {least}\n"
        # Who has metrics of its own has ErrorRatioCritical and ErrorRatioHigh.
        f"unless on ({metrics.SERVICE})\n{metrics.SERVICE_REQUEST_RATE}",
        severity,
        symptom="errors",
        summary="{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the requests in {WHERE} ended in a 5xx in the last "
            f"{WINDOW}; expected at most {number(limit * 100)}%."
        ),
        action=(
            "See on the dashboard which route fails, and read the service's own log of the same minutes; "
            "compare with deployments."
        ),
        wait=settings.critical_for if severity == "critical" else settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _slow_queries(settings: Settings) -> AlertRule:
    least, rise = settings.slow_query_rate, settings.slow_query_rise
    return log_alert(
        settings,
        "SlowQueriesRising",
        _rises(metrics.LOG_SLOW_QUERY_RATE, metrics.LOG_SLOW_QUERY_USUAL, least, rise),
        "warning",
        symptom="latency",
        summary="The database of {{ $labels.service }} logs more slow queries",
        description=(
            f"{{{{ $value | printf `%.2f` }}}} slow queries a second in {WHERE} in the last {WINDOW}; "
            f"expected at most {number(least)}, or {number(rise)} times the mean of the last day."
        ),
        action=(
            "See on the dashboard which command and how slow; then locks, a plan that changed, a missing "
            "index, or a job that just began."
        ),
        wait=settings.log_rise_for,
        keep_firing=settings.keep_firing,
    )


def _cdn(settings: Settings) -> AlertRule:
    ratio, share = metrics.LOG_CDN_HIT_RATIO, number(settings.cdn_hit_share)
    return log_alert(
        settings,
        "CdnHitRatioLow",
        f"{ratio} < {share} * {metrics.LOG_CDN_HIT_USUAL}\n"
        f"and on ({BY_LOG})\n{metrics.LOG_CACHEABLE_RATE} >= {number(settings.cdn_min_rate)}",
        "warning",
        symptom="traffic",
        summary="The cache of {{ $labels.service }} answers {{ $value | humanizePercentage }} only",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the cacheable requests in {WHERE} were hits within "
            f"{SLOW_WINDOW}; expected at least {number(settings.cdn_hit_share * 100)}% of the mean of the "
            "last day. The rest reaches the origin."
        ),
        action=(
            "Was the cache purged, or did headers or URLs change with a deployment? Watch the load of the "
            "origin."
        ),
        wait=settings.log_rise_for,
        keep_firing=settings.keep_firing,
    )
