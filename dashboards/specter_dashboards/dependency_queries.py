"""PromQL of the dashboard Third parties."""

from specter_core import metrics
from specter_core.metrics import Metric

CHOSEN = f'{metrics.DEPENDENCY}=~"$dependency"'
NO_INCIDENT = 'indicator="none"'
BY = f"by ({metrics.DEPENDENCY})"


def of(metric: Metric | str, *matchers: str) -> str:
    """Select a metric of the chosen dependencies."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{{{', '.join((CHOSEN, *matchers))}}}"


def worst(metric: Metric | str) -> str:
    """Return the lowest value of what is 1 where all is well, by dependency."""
    return f"min {BY} ({of(metric)})"


def highest(metric: Metric | str, by: str = "") -> str:
    """Return the highest value by dependency, and by the label `by`."""
    labels = f"{metrics.DEPENDENCY}, {by}" if by else metrics.DEPENDENCY
    return f"max by ({labels}) ({of(metric)})"


def until(metric: Metric | str) -> str:
    """Return the time until a timestamp of each dependency, in seconds."""
    return f"min {BY} ({of(metric)}) - time()"


def since(metric: Metric, by: str = "") -> str:
    """Return the time since a timestamp of each dependency, in seconds."""
    labels = f"{metrics.DEPENDENCY}, {by}" if by else metrics.DEPENDENCY
    return f"time() - max by ({labels}) ({of(metric)})"


def listed() -> str:
    """Return one row a dependency, with its criticality."""
    return f"max by ({metrics.DEPENDENCY}, {metrics.CRITICALITY}) ({of(metrics.DEPENDENCY_INFO)})"


def vendors() -> str:
    """Return 1 for each dependency whose vendor says none, 0 where it says anything else."""
    return f"min {BY} ({of(metrics.DEPENDENCY_VENDOR_STATUS, NO_INCIDENT)})"


def indicated() -> str:
    """Return what vendors say now."""
    return f"max by ({metrics.DEPENDENCY}, indicator) ({of(metrics.DEPENDENCY_VENDOR_STATUS)}) == 1"


def failing() -> str:
    """Return what newest runs failed at."""
    labels = f"{metrics.DEPENDENCY}, kind, step, reason"
    return f"max by ({labels}) ({of(metrics.DEPENDENCY_FAILURE)})"


def failed_share() -> str:
    """Return the share of runs that failed, by what was asked."""
    labels = f"{metrics.DEPENDENCY}, kind"
    failed = f"sum by ({labels}) (rate({of(metrics.DEPENDENCY_FAILED_RUNS)}[$__rate_interval]))"
    return f"{failed} / sum by ({labels}) (rate({of(metrics.DEPENDENCY_RUNS)}[$__rate_interval]))"


def late() -> str:
    """Return by how much runs are late; those that are on time are 0 or below."""
    return f"time() - min by ({metrics.DEPENDENCY}, kind) ({of(metrics.DEPENDENCY_NEXT_RUN)})"


def firing() -> str:
    """Return the alerts on third parties that fire."""
    alerts = f'alertname=~"Dependency.+", {metrics.DEPENDENCY}=~"$dependency|", alertstate="firing"'
    return f"{metrics.ALERTS}{{{alerts}}}"
