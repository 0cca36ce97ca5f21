"""HTTP requests: rate, error ratio and latency of services and their routes.

The recording rules are the only place that reads the instrumentation's own
metric. A service that speaks another dialect is mapped here, and everything
above the recorded layer stays as it is.
"""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics

WINDOW = "1m"
REQUESTS = metrics.HTTP_SERVER_REQUEST_DURATION
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded layer of HTTP and the alerts on it."""
    return [
        RuleGroup("specter_http_service", _recorded_services(settings)),
        RuleGroup("specter_http_route", _recorded_routes(settings)),
        RuleGroup("specter_http_alerts", (*_error_alerts(settings), *_latency_alerts(settings))),
    ]


def _recorded_services(settings: Settings) -> tuple[RecordingRule, ...]:
    return _recorded(
        (metrics.SERVICE,),
        metrics.SERVICE_REQUEST_RATE,
        metrics.SERVICE_ERROR_RATIO,
        metrics.SERVICE_DURATION,
        settings,
    )


def _recorded_routes(settings: Settings) -> tuple[RecordingRule, ...]:
    return _recorded(
        (metrics.SERVICE, metrics.ROUTE),
        metrics.ROUTE_REQUEST_RATE,
        metrics.ROUTE_ERROR_RATIO,
        metrics.ROUTE_DURATION,
        settings,
    )


def _recorded(
    level: tuple[str, ...], rate: str, ratio: str, durations: dict[str, str], settings: Settings
) -> tuple[RecordingRule, ...]:
    by = ", ".join(level)
    # A target without a service, or a request without a route, would be lumped together under "".
    known = ", ".join(f'{label}!=""' for label in level)
    errors = f'sum by ({by}) (rate({REQUESTS.count}{{{known}, {metrics.STATUS}=~"5.."}}[{WINDOW}]))'
    return (
        RecordingRule(rate, f"sum by ({by}) (rate({REQUESTS.count}{{{known}}}[{WINDOW}]))"),
        # No 5xx has been seen yet is a ratio of 0. Of hardly any requests the share is small and not unknown:
        # a series that vanished each night would be an absence for the detector.
        RecordingRule(
            ratio,
            f"(\n  {errors}\n  or\n  0 * {rate}\n)\n/\n"
            f"clamp_min({rate}, {number(settings.min_request_rate)})",
        ),
        *(
            # A quantile of nothing is NaN; the comparison drops it, and the series is absent.
            RecordingRule(
                durations[name],
                f"histogram_quantile(\n  {number(quantile)},\n"
                f"  sum by ({by}, le) (rate({REQUESTS.bucket}{{{known}}}[{WINDOW}]))\n) >= 0",
            )
            for name, quantile in QUANTILES.items()
        ),
    )


def _enough(settings: Settings) -> str:
    """Return the condition that one bad request is not a large share of all."""
    least = number(settings.min_request_rate)
    return f"and on ({metrics.SERVICE})\n{metrics.SERVICE_REQUEST_RATE} >= {least}"


def _error_alerts(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _error_alert("ErrorRatioCritical", "critical", settings.error_ratio_critical, settings),
        _error_alert("ErrorRatioHigh", "warning", settings.error_ratio_warning, settings),
    )


def _error_alert(name: str, severity: Severity, limit: float, settings: Settings) -> AlertRule:
    return AlertRule(
        name,
        f"{metrics.SERVICE_ERROR_RATIO} > {number(limit)}\n{_enough(settings)}",
        severity,
        "errors",
        annotate(
            settings,
            name,
            summary="{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
            description=(
                "{{ $value | humanizePercentage }} of the requests to {{ $labels.service }} in the "
                f"last minute ended in a 5xx; expected at most {number(limit * 100)}%."
            ),
            action=(
                "Open the dashboard, see which route fails, and compare with the deployments marked on it."
            ),
        ),
        wait=settings.critical_for if severity == "critical" else settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _latency_alerts(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        _latency_alert("LatencyCritical", "critical", settings.latency_critical_seconds, settings),
        _latency_alert("LatencyHigh", "warning", settings.latency_warning_seconds, settings),
    )


def _latency_alert(name: str, severity: Severity, limit: float, settings: Settings) -> AlertRule:
    return AlertRule(
        name,
        f"{metrics.SERVICE_DURATION['p95']} > {number(limit)}\n{_enough(settings)}",
        severity,
        "latency",
        annotate(
            settings,
            name,
            summary="{{ $labels.service }} is slow: p95 is {{ $value | humanizeDuration }}",
            description=(
                "One request in twenty to {{ $labels.service }} took longer than "
                f"{{{{ $value | humanizeDuration }}}} in the last minute; expected at most {number(limit)}s."
            ),
            action=(
                "Open the dashboard, see which route is slow, and compare with the deployments marked on it."
            ),
        ),
        wait=settings.critical_for if severity == "critical" else settings.warning_for,
        keep_firing=settings.keep_firing,
    )
