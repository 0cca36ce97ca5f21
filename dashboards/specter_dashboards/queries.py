"""PromQL of the dashboards, on the vocabulary and the recorded layer."""

from specter_core import metrics

SERVICES = f'{metrics.SERVICE}=~"$service"'
# Alerts about the platform carry no service and concern every one.
SERVICES_OR_NONE = f'{metrics.SERVICE}=~"$service|"'
# Longer than an alert counts a score (30 s, bound to its `for`): one late tick shall not blank the screen.
FRESH_SECONDS = f"{metrics.SCORES_STALE_SECONDS:g}"
SERIES_LABELS = f"{metrics.SERVICE}, {metrics.ROUTE}, {metrics.FOR}"
TOP_ROUTES = 20


def service(series: str, *matchers: str) -> str:
    """Select a recorded series of the chosen services."""
    return f"{series}{{{', '.join((SERVICES, *matchers))}}}"


def firing(severity: str) -> str:
    """Count firing alerts of `severity`; 0 only while the heartbeat proves that alerting works."""
    alerts = f'{metrics.ALERTS}{{alertstate="firing", severity="{severity}", {SERVICES_OR_NONE}}}'
    return f'count({alerts}) or 0 * count({metrics.ALERTS}{{alertname="{metrics.WATCHDOG}"}})'


def firing_list() -> str:
    """Return one row a firing alert."""
    known_labels = (metrics.SERVICE, metrics.ROUTE, metrics.FOR, metrics.LOG, "kind", "query", "instance")
    labels = ", ".join(("severity", "alertname", *known_labels))
    known = 'alertstate="firing", severity=~"critical|warning|info"'
    return f"max by ({labels}) ({metrics.ALERTS}{{{known}, {SERVICES_OR_NONE}}})"


def up() -> str:
    """Return 1 where at least one target of the service's job answers, else 0."""
    return f"max by ({metrics.SERVICE}, job) ({metrics.UP}{{{SERVICES}}})"


def down_count() -> str:
    """Count service jobs of which no target answers; absent where there is no target at all."""
    return f"count({up()} == 0) or 0 * count({up()})"


def scores() -> str:
    """Return the anomaly scores that are fresh."""
    selected = service(metrics.ANOMALY_SCORE)
    return f"({selected} and (time() - timestamp({selected}) < {FRESH_SECONDS}))"


def scores_of(prefix: str) -> str:
    """Return each service's highest fresh score of the queries whose alias begins with `prefix`."""
    selected = service(metrics.ANOMALY_SCORE, f'{metrics.FOR}=~"{prefix}.+"')
    fresh = f"({selected} and (time() - timestamp({selected}) < {FRESH_SECONDS}))"
    return f"max by ({metrics.SERVICE}, {metrics.FOR}) {fresh}"


def highest_score() -> str:
    """Return each service's highest fresh score."""
    return f"max by ({metrics.SERVICE}) {scores()}"


def anomalous() -> str:
    """Return the series whose fresh score is above 1."""
    return f"max by ({SERIES_LABELS}) {scores()} > 1"


def anomalous_band(series: str) -> str:
    """Return one line of the expected band for the series in anomaly."""
    return f"avg by ({SERIES_LABELS}) ({service(series)}) and on ({SERIES_LABELS}) ({anomalous()})"


def anomalous_value() -> str:
    """Return the observed value of the series in anomaly, from the recorded series of each query."""
    observed = "\nor\n".join(
        f'label_replace({service(series)}, "{metrics.FOR}", "{alias}", "", "")'
        for alias, series in metrics.QUERY_SERIES.items()
    )
    return f"max by ({SERIES_LABELS}) (\n{observed}\n) and on ({SERIES_LABELS}) ({anomalous()})"


def band(series: str, alias: str, combine: str) -> str:
    """Return one line of the expected band of a service-level query; `combine` joins several models."""
    return f'{combine} by ({metrics.SERVICE}) ({series}{{{metrics.FOR}="{alias}", {SERVICES}}})'


def slowest_routes() -> str:
    """Return p95 of the slowest routes."""
    return f"topk({TOP_ROUTES}, {service(metrics.ROUTE_DURATION['p95'])})"


def of_slowest_routes(series: str) -> str:
    """Return `series` of the slowest routes."""
    return f"{service(series)} and on ({metrics.SERVICE}, {metrics.ROUTE}) {slowest_routes()}"


def route_scores() -> str:
    """Return the highest fresh score of each route."""
    routes = f"max by ({metrics.SERVICE}, {metrics.ROUTE}) {scores()}"
    return f"{routes} and on ({metrics.SERVICE}, {metrics.ROUTE}) {slowest_routes()}"


def exceptions() -> str:
    """Return exceptions a second by class."""
    name = metrics.HTTP_SERVER_EXCEPTIONS.name
    return f"sum by ({metrics.SERVICE}, exception) (rate({service(name)}[$__rate_interval]))"


def versions() -> str:
    """Return how many instances run each version."""
    info = service(metrics.TARGET_INFO.name)
    return f"count by ({metrics.SERVICE}, {metrics.SERVICE_VERSION}) ({info})"


def deployed() -> str:
    """Return the versions that are new."""
    return service(metrics.SERVICE_DEPLOYED)


def tick_age() -> str:
    """Return the age of the newest scores of each query, in seconds."""
    return f"time() - max by (query) ({metrics.DETECTOR_LAST_TICK.name})"


def detector_series() -> str:
    """Return the detector's series by state."""
    return f"sum by (state) ({metrics.DETECTOR_SERIES.name})"


def datasource_up() -> str:
    """Return 1 if every detector's last query reached its data source."""
    return f"min({metrics.DETECTOR_DATASOURCE_UP.name})"


def failed_reads() -> str:
    """Return failed PromQL queries a second."""
    reads = f'{metrics.DETECTOR_READS.name}{{outcome!="ok"}}'
    return f"sum by (query, outcome) (rate({reads}[$__rate_interval]))"


def failed_writes() -> str:
    """Return failed remote-write requests a second."""
    writes = f'{metrics.DETECTOR_WRITES.name}{{outcome!="ok"}}'
    return f"sum by (outcome) (rate({writes}[$__rate_interval]))"


def tick_duration() -> str:
    """Return p95 of a tick's duration."""
    bucket = f"rate({metrics.DETECTOR_TICK_DURATION.bucket}[$__rate_interval])"
    return f"histogram_quantile(0.95, sum by (le) ({bucket}))"
