"""PromQL of the dashboard Frontend, on the recorded web vitals and what the beacon says of itself."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES, service

CHOSEN = f'{SERVICES}, page=~"$page", device=~"$device"'


def worst(metric: Metric) -> str:
    """Return the highest 75th percentile of the chosen pages and devices."""
    return f"max({p75(metric)})"


def p75(metric: Metric) -> str:
    """Return the 75th percentile by page and device."""
    return _chosen(metrics.WEB_VITALS_P75[metric])


def views(metric: Metric) -> str:
    """Return how many views that is of."""
    return _chosen(metrics.WEB_VITALS_VIEWS[metric])


def good(metric: Metric) -> str:
    """Return the share of good views."""
    return _chosen(metrics.WEB_VITALS_GOOD[metric])


def poor(metric: Metric) -> str:
    """Return the share of poor views."""
    return _chosen(metrics.WEB_VITALS_POOR[metric])


def needs_improvement(metric: Metric) -> str:
    """Return the share of views that are neither."""
    return f"clamp_min(1 - {good(metric)} - {poor(metric)}, 0)"


def beacon(metric: Metric, by: str) -> str:
    """Return a counter of the beacon, a second."""
    return f"sum by ({by}) (rate({service(metric.name)}[$__rate_interval]))"


def refused_share() -> str:
    """Return the share of requests to the beacon that are refused."""
    refused, requests = (
        f"sum(rate({service(metric.name)}[$__rate_interval]))"
        for metric in (metrics.BEACON_REFUSED, metrics.BEACON_REQUESTS)
    )
    return f"{refused} / {requests}"


def _chosen(series: str) -> str:
    return f"{series}{{{CHOSEN}}}"
