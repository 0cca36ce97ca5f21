"""PromQL of the dashboard Sign-in, on the recorded layer and on what the exporter says of single sources."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import service

RATE = "[$__rate_interval]"
TOP = 20


def of(metric: Metric, *matchers: str) -> str:
    """Select a metric of the chosen services."""
    return service(metric.name, *matchers)


def rate(metric: Metric, *by: str) -> str:
    """Return a counter's rate a second, added up by service and labels."""
    return f"sum by ({', '.join((metrics.SERVICE, *by))}) (rate({of(metric)}{RATE}))"


def highest(metric: Metric, *by: str) -> str:
    """Return a gauge's highest value by service and labels."""
    return f"max by ({', '.join((metrics.SERVICE, *by))}) ({of(metric)})"


def suspected() -> str:
    """Return 1 for each kind of attack or surge that is suspected, else 0."""
    found = f"{of(metrics.AUTH_ATTACK_SUSPECTED)} or {of(metrics.HTTP_SURGE_SUSPECTED)}"
    return f"max by ({metrics.SERVICE}, kind) ({found})"


def count_suspected() -> str:
    """Count what is suspected now; absent where no exporter says anything."""
    return f"count({suspected()} == 1) or 0 * count({suspected()})"


def top_sources(metric: Metric) -> str:
    """Return what the sources with series of their own have in the exporter's window, the most first."""
    by = ", ".join((metrics.SERVICE, *metrics.SOURCE_LABELS))
    own = of(metric, 'source!="other"')
    return f"topk({TOP}, max by ({by}) ({own}))"


def accounts_of_top_sources() -> str:
    """Return the different accounts that the sources with most failures failed with."""
    by = ", ".join((metrics.SERVICE, *metrics.SOURCE_LABELS))
    accounts = f"max by ({by}) ({of(metrics.AUTH_SOURCE_ACCOUNTS)})"
    return f"{accounts} and on ({by}) {top_sources(metrics.AUTH_SOURCE_FAILURES)}"
