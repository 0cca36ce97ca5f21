"""PromQL of the dashboard Data integrity."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES

LEVEL = f"{metrics.SERVICE}, {metrics.DATABASE}"
OF_CHECK = f"{LEVEL}, {metrics.CHECK}"
CHOSEN = f'{SERVICES}, {metrics.DATABASE}=~"$database"'


def of(metric: Metric) -> str:
    """Select a metric of the chosen databases."""
    return f"{metric.name}{{{CHOSEN}}}"


def highest(metric: Metric, level: str = OF_CHECK) -> str:
    """Return the highest value of each check, or of each of the labels `level`."""
    return f"max by ({level}) ({of(metric)})"


def with_labels(query: str) -> str:
    """Return `query` of each check with its kind and severity."""
    info = highest(metrics.SQL_CHECK_INFO, f"{OF_CHECK}, kind, severity")
    return f"{query} * on ({OF_CHECK}) group_left (kind, severity) {info}"


def violated() -> str:
    """Return how many checks are violated; 0 only where the result of one is known."""
    violations = highest(metrics.SQL_VIOLATIONS)
    return f"count by ({LEVEL}) ({violations} > 0) or 0 * count by ({LEVEL}) ({violations})"


def unknown() -> str:
    """Return how many checks failed or were not run; 0 only where the exporter is scraped."""
    failed = f"({highest(metrics.SQL_CHECK_SUCCESS)} == 0)"
    stale = f"({highest(metrics.SQL_CHECK_STALE)} == 1)"
    all_checks = highest(metrics.SQL_CHECK_INTERVAL)
    return f"count by ({LEVEL}) ({failed} or {stale}) or 0 * count by ({LEVEL}) ({all_checks})"


def unanswered() -> str:
    """Return the databases that let nobody in, with the reason."""
    return f"{highest(metrics.SQL_FAILURE, f'{LEVEL}, reason')} == 1"


def age() -> str:
    """Return how long ago each check was completed, in seconds."""
    return f"time() - {highest(metrics.SQL_CHECK_LAST_SUCCESS)}"


def busy() -> str:
    """Return the share of its interval that each check takes."""
    return f"{highest(metrics.SQL_CHECK_DURATION)} / {highest(metrics.SQL_CHECK_INTERVAL)}"


def failures() -> str:
    """Return how many runs a second failed."""
    return f"sum by ({OF_CHECK}) (rate({of(metrics.SQL_CHECK_FAILED_RUNS)}[$__rate_interval]))"


def dropped() -> str:
    """Return how many groups a second were summed up as `other`."""
    return f"sum by ({OF_CHECK}) (rate({of(metrics.SQL_DROPPED_GROUPS)}[$__rate_interval]))"
