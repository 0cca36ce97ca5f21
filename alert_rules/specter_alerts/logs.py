"""Logs: what their lines say, as a recorded layer by service and log."""

from specter_alerts import log_alerts, log_reading
from specter_alerts.counters import DAY, USUAL_INTERVAL, rate_of, usual
from specter_alerts.log_alerts import BY_LOG, SLOW_WINDOW, WINDOW
from specter_alerts.model import RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

ERRORS = 'level=~"error|critical"'
# What a cache may answer: not what it was told to pass on, and nothing that it calls by a word of its own.
CACHEABLE = 'cache_status!~"bypass|unknown"'
HITS = 'cache_status=~"hit|stale|revalidated"'

# Stretches of the day that ended this long ago: for so long a silent log is missed, and a little more.
STEP, BEFORE = "10m", "2h"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded layer of logs and the alerts on it and on their reading."""
    return [
        RuleGroup("specter_logs", (*_lines(), *_requests(settings), *_others())),
        RuleGroup("specter_logs_usual", _usual(), USUAL_INTERVAL),
        log_alerts.group(settings),
        log_reading.group(settings),
    ]


def _lines() -> tuple[RecordingRule, ...]:
    malformed = rate_of(BY_LOG, metrics.LOG_MALFORMED_LINES, SLOW_WINDOW)
    lines = rate_of(BY_LOG, metrics.LOG_LINES, SLOW_WINDOW)
    return (
        RecordingRule(metrics.LOG_LINE_RATE, rate_of(BY_LOG, metrics.LOG_LINES, WINDOW)),
        RecordingRule(metrics.LOG_ERROR_RATE, rate_of(BY_LOG, metrics.LOG_LINES, WINDOW, ERRORS)),
        RecordingRule(
            metrics.LOG_NEW_TEMPLATE_COUNT,
            rate_of(BY_LOG, metrics.LOG_NEW_TEMPLATES, SLOW_WINDOW, function="increase"),
        ),
        # Of no lines at all there is no ratio: 0 / 0 is NaN, which the comparison drops.
        RecordingRule(metrics.LOG_MALFORMED_RATIO, f"{malformed}\n/\n{lines} >= 0"),
    )


def _requests(settings: Settings) -> tuple[RecordingRule, ...]:
    counted, buckets = metrics.LOG_HTTP_REQUESTS, metrics.LOG_HTTP_DURATION.bucket
    errors = rate_of(BY_LOG, counted, WINDOW, f'{metrics.STATUS}=~"5.."')
    least = number(settings.min_request_rate)
    return (
        RecordingRule(metrics.LOG_REQUEST_RATE, rate_of(BY_LOG, counted, WINDOW)),
        # As for services with metrics of their own: no 5xx is 0, and of hardly any requests the share is
        # small.
        RecordingRule(
            metrics.LOG_ERROR_RATIO,
            f"(\n  {errors}\n  or\n  0 * {metrics.LOG_REQUEST_RATE}\n)\n/\n"
            f"clamp_min({metrics.LOG_REQUEST_RATE}, {least})",
        ),
        RecordingRule(
            metrics.LOG_DURATION_P95,
            f"histogram_quantile(\n  0.95,\n  {rate_of(f'{BY_LOG}, le', buckets, WINDOW)}\n) >= 0",
        ),
    )


def _others() -> tuple[RecordingRule, ...]:
    requests = metrics.LOG_CDN_REQUESTS
    hits, cacheable = rate_of(BY_LOG, requests, SLOW_WINDOW, HITS), metrics.LOG_CACHEABLE_RATE
    return (
        RecordingRule(
            metrics.LOG_SLOW_QUERY_RATE, rate_of(BY_LOG, metrics.LOG_SLOW_QUERY_DURATION.count, WINDOW)
        ),
        RecordingRule(cacheable, rate_of(BY_LOG, requests, SLOW_WINDOW, CACHEABLE)),
        RecordingRule(
            metrics.LOG_CDN_HIT_RATIO,
            # A cache that was emptied has no hit yet: that is a ratio of 0.
            f"(\n  {hits}\n  or\n  0 * {cacheable}\n)\n/\n({cacheable} > 0)",
        ),
    )


def _usual() -> tuple[RecordingRule, ...]:
    writing = f"sum_over_time(({metrics.LOG_LINE_RATE} > bool 0)[{DAY}:{STEP}] offset {BEFORE})"
    return (
        RecordingRule(metrics.LOG_WRITING_USUAL, writing),
        RecordingRule(metrics.LOG_ERROR_USUAL, usual(metrics.LOG_ERROR_RATE)),
        RecordingRule(metrics.LOG_SLOW_QUERY_USUAL, usual(metrics.LOG_SLOW_QUERY_RATE)),
        RecordingRule(metrics.LOG_CDN_HIT_USUAL, usual(metrics.LOG_CDN_HIT_RATIO)),
    )
