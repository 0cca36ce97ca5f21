"""PromQL of the dashboard Queues and workers, beside that of servers."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.database_queries import LEVEL, highest, of, rate

QUEUE = f"{metrics.SYSTEM}, {metrics.QUEUE}"
MOST = 20


def by_queue(metric: Metric) -> str:
    """Return a gauge of the queues that have most of it."""
    return f"topk({MOST}, {highest(metric, by=QUEUE)} > 0)"


def recorded(series: str) -> str:
    """Return a recorded series of the queues that have most of it."""
    return f"topk({MOST}, {of(series)} > 0)"


def rate_by_queue(counter: Metric) -> str:
    """Return a counter's rate a second of the queues that have most of it."""
    return f"topk({MOST}, {rate(counter, QUEUE)} > 0)"


def failing_tasks() -> str:
    """Return how many tasks a second fail, of the names with most."""
    return f"topk({MOST}, {rate(metrics.QUEUE_TASK_FAILURES, 'task')} > 0)"


def unreachable() -> str:
    """Return the brokers that could not be asked, with the reason."""
    return f"{highest(metrics.QUEUE_FAILURE, by='reason')} == 1"


def silence() -> str:
    """Return the seconds since each worker's last sign of life, of those that were heard the longest ago."""
    return f"topk({MOST}, time() - {highest(metrics.QUEUE_WORKER_HEARTBEAT, by=f'{metrics.SYSTEM}, worker')})"


def held() -> str:
    """Return the seconds since the oldest message in progress was taken."""
    return f"topk({MOST}, time() - {highest(metrics.QUEUE_OLDEST_TAKEN, by=QUEUE)})"


def workers(state: str) -> str:
    """Return how many workers are in a state."""
    return highest(metrics.QUEUE_WORKERS, f'state="{state}"', by=metrics.SYSTEM)


def memory_used() -> str:
    """Return the share of the memory limit that is in use, of servers that have one."""
    return f"{highest(metrics.CACHE_MEMORY)} / {highest(metrics.CACHE_MEMORY_MAX)}"


def lost() -> str:
    """Return how many workers of a server are lost."""
    return f"sum by ({LEVEL}) ({workers('lost')})"


def oldest() -> str:
    """Return the age of the oldest message of a server."""
    return f"max by ({LEVEL}) ({of(metrics.QUEUE_AGE)})"


def total(metric: Metric) -> str:
    """Return a gauge's sum over the queues of a server."""
    return f"sum by ({LEVEL}) ({highest(metric, by=QUEUE)})"
