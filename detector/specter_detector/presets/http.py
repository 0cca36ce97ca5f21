"""Requests that services serve: rate, errors, duration, saturation."""

from specter_core import metrics
from specter_detector.presets.model import RATIO, Preset, PresetQuery, Source, share

REQUESTS = metrics.HTTP_SERVER_REQUEST_DURATION
OLDER = "http_request_duration_seconds"
"""The histogram that most client libraries' examples define; it has no agreed label for a status."""

SERVICE = "service, job"
ROUTE = f"service, job, {metrics.ROUTE}"


def rate(by: str, counter: str, matchers: str = "") -> str:
    """Return requests a second, added up."""
    return f"sum by ({by}) (rate({counter}{matchers}[5m]))"


def quantile(of: float, by: str, buckets: str) -> str:
    """Return a quantile of a duration; nothing where there were no requests."""
    return f"histogram_quantile({of:g}, sum by ({by}, le) (rate({buckets}[5m]))) >= 0"


def error_ratio(by: str, counter: str) -> str:
    """Return the share that ended in a 5xx, see `share`."""
    return share(rate(by, counter, f'{{{metrics.STATUS}=~"5.."}}'), rate(by, counter), 0.1)


def recorded(name: str) -> Source:
    """Return what the recording rules have worked out already."""
    return Source(name, (name,))


HTTP = Preset(
    "http",
    "services that speak HTTP, instrumented by OpenTelemetry or Specter",
    (
        PresetQuery(
            "request_rate",
            "Request rate of a service",
            "traffic that stops, drops or floods",
            "requests/s",
            "service",
            (
                recorded(metrics.SERVICE_REQUEST_RATE),
                Source(rate(SERVICE, REQUESTS.count), (REQUESTS.count,)),
                Source(rate(SERVICE, f"{OLDER}_count"), (f"{OLDER}_count",)),
            ),
            min_dev=0.1,
            min_rel_dev=0.3,
        ),
        PresetQuery(
            "error_ratio",
            "Error ratio of a service",
            "more requests fail than usual at this time",
            "ratio",
            "service",
            (
                recorded(metrics.SERVICE_ERROR_RATIO),
                Source(error_ratio(SERVICE, REQUESTS.count), (REQUESTS.count,)),
            ),
            direction="above_expected",
            min_dev=0.02,
            data_range=RATIO,
        ),
        PresetQuery(
            "latency_p95",
            "Latency of a service, p95",
            "users wait longer than usual",
            "seconds",
            "service",
            (
                recorded(metrics.SERVICE_DURATION["p95"]),
                Source(quantile(0.95, SERVICE, REQUESTS.bucket), (REQUESTS.bucket,)),
                Source(quantile(0.95, SERVICE, f"{OLDER}_bucket"), (f"{OLDER}_bucket",)),
            ),
            direction="above_expected",
            min_dev=0.05,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "latency_p99",
            "Latency of a service, p99",
            "the slowest requests get slower: a lock, a queue, one bad instance",
            "seconds",
            "service",
            (
                recorded(metrics.SERVICE_DURATION["p99"]),
                Source(quantile(0.99, SERVICE, REQUESTS.bucket), (REQUESTS.bucket,)),
            ),
            direction="above_expected",
            min_dev=0.1,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "active_requests",
            "Requests being served",
            "saturation: requests pile up because something behind is slow",
            "requests",
            "service",
            (
                Source(
                    f"sum by ({SERVICE}) ({metrics.HTTP_SERVER_ACTIVE_REQUESTS.name})",
                    (metrics.HTTP_SERVER_ACTIVE_REQUESTS.name,),
                ),
            ),
            direction="above_expected",
            min_dev=10,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "exception_rate",
            "Exceptions of a service",
            "a defect, often of a new version",
            "exceptions/s",
            "service",
            (
                Source(
                    rate(SERVICE, metrics.HTTP_SERVER_EXCEPTIONS.name), (metrics.HTTP_SERVER_EXCEPTIONS.name,)
                ),
            ),
            direction="above_expected",
            min_dev=0.05,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "route_request_rate",
            "Request rate of a route",
            "which feature lost or gained its traffic",
            "requests/s",
            "detail",
            (
                recorded(metrics.ROUTE_REQUEST_RATE),
                Source(rate(ROUTE, REQUESTS.count, f'{{{metrics.ROUTE}!=""}}'), (REQUESTS.count,)),
            ),
            min_dev=0.1,
            min_rel_dev=0.3,
        ),
        PresetQuery(
            "route_error_ratio",
            "Error ratio of a route",
            "which feature fails",
            "ratio",
            "detail",
            (
                recorded(metrics.ROUTE_ERROR_RATIO),
                Source(error_ratio(ROUTE, REQUESTS.count), (REQUESTS.count,)),
            ),
            direction="above_expected",
            min_dev=0.02,
            data_range=RATIO,
        ),
        PresetQuery(
            "route_latency_p95",
            "Latency of a route, p95",
            "which feature is slow",
            "seconds",
            "detail",
            (
                recorded(metrics.ROUTE_DURATION["p95"]),
                Source(quantile(0.95, ROUTE, REQUESTS.bucket), (REQUESTS.bucket,)),
            ),
            direction="above_expected",
            min_dev=0.05,
            min_rel_dev=0.5,
        ),
    ),
)
