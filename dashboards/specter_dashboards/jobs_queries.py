"""PromQL of the dashboard Jobs."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES

LEVEL = f"{metrics.SERVICE}, {metrics.JOB_NAME}"
CHOSEN = f'{SERVICES}, {metrics.JOB_NAME}=~"${metrics.JOB_NAME}"'
RATE = "[$__rate_interval]"
NOT_DELIVERED = f'{metrics.OUTCOME}=~"bounced|dropped|complained"'


def of(metric: Metric) -> str:
    """Select a metric of the chosen jobs."""
    return f"{metric.name}{{{CHOSEN}}}"


def highest(metric: Metric, level: str = LEVEL) -> str:
    """Return the highest value of each job, or of each of the labels `level`."""
    return f"max by ({level}) ({of(metric)})"


def of_service(metric: Metric) -> str:
    """Return the lowest value of what is 1 where all is well, of each service."""
    return f"min by ({metrics.SERVICE}) ({metric.name}{{{SERVICES}}})"


def failed() -> str:
    """Return when the newest run of each job failed, of those that have not succeeded since."""
    bad, good = highest(metrics.JOB_LAST_FAILURE), highest(metrics.JOB_LAST_SUCCESS)
    return f"({bad} > on ({LEVEL}) {good} or on ({LEVEL}) ({bad} unless on ({LEVEL}) {good}))"


def counted(condition: str) -> str:
    """Return how many jobs of each service meet `condition`; 0 only where jobs are known."""
    by = f"count by ({metrics.SERVICE})"
    return f"{by} ({condition}) or 0 * {by} ({of(metrics.JOB_INFO)})"


def overdue() -> str:
    """Return the jobs of which a run was missed that none has come after."""
    return f"{highest(metrics.JOB_OVERDUE)} == 1"


def since(metric: Metric) -> str:
    """Return the time since a timestamp of each job, in seconds."""
    return f"time() - {highest(metric)}"


def until_next() -> str:
    """Return the time until the next scheduled run of each job, in seconds."""
    return f"{highest(metrics.JOB_NEXT_EXPECTED)} - time()"


def listed() -> str:
    """Return one row a job, with its kind and its schedule."""
    return highest(metrics.JOB_INFO, f"{LEVEL}, kind, schedule")


def runs() -> str:
    """Return how many runs of each outcome ended in the time shown."""
    return f"sum by ({metrics.OUTCOME}) (increase({of(metrics.JOB_RUNS)}{RATE}))"


def missed() -> str:
    """Return how many runs of each job were missed, of those of which some were."""
    return f"sum by ({LEVEL}) (increase({of(metrics.JOB_MISSED)}{RATE})) > 0"


def mean_duration() -> str:
    """Return the mean duration of the runs of each job that ended, in seconds."""
    return _mean(metrics.JOB_DURATION, LEVEL, CHOSEN)


def pings() -> str:
    """Return the pings a second by what became of them."""
    return f"sum by (result) (rate({metrics.JOB_PINGS.name}{{{SERVICES}}}{RATE}))"


def commit() -> str:
    """Return the mean seconds of a write to the store, of each service."""
    return _mean(metrics.JOB_COMMITS, metrics.SERVICE, SERVICES)


def _mean(summary: Metric, level: str, matchers: str) -> str:
    total, count = (
        f"sum by ({level}) (rate({name}{{{matchers}}}{RATE}))" for name in (summary.sum, summary.count)
    )
    return f"{total} / {count}"


def deliveries() -> str:
    """Return the events a second of each provider and outcome."""
    by = f"{metrics.DELIVERY_PROVIDER}, {metrics.OUTCOME}"
    return f"sum by ({by}) (rate({metrics.DELIVERY_EVENTS.name}{{{SERVICES}}}{RATE}))"


def undelivered() -> str:
    """Return the share of each provider's deliveries that did not arrive, of those that are over."""
    by = f"sum by ({metrics.SERVICE}, {metrics.DELIVERY_PROVIDER})"
    name = metrics.DELIVERY_EVENTS.name
    over = f'{metrics.OUTCOME}=~"delivered|bounced|dropped|complained"'
    bad = f"{by} (rate({name}{{{SERVICES}, {NOT_DELIVERED}}}{RATE}))"
    return f"{bad} / {by} (rate({name}{{{SERVICES}, {over}}}{RATE}))"
