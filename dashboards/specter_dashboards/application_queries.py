"""PromQL of the dashboard Application, on the recorded layer and what applications expose."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES, service

RATE = "[$__rate_interval]"
INSTANCE = f"{metrics.SERVICE}, instance"
SERVER = f"{metrics.SERVICE}, {metrics.SERVER_ADDRESS}"


def of(metric: Metric | str, *matchers: str) -> str:
    """Select a metric of the chosen services."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{{{', '.join((SERVICES, *matchers))}}}"


def worst(series: str) -> str:
    """Return the highest value of each service."""
    return f"max by ({metrics.SERVICE}) ({service(series)})"


def total(metric: Metric, by: str = INSTANCE) -> str:
    """Return a gauge added up by labels."""
    return f"sum by ({by}) ({of(metric)})"


def rate(metric: Metric | str, by: str, *matchers: str) -> str:
    """Return a counter's rate a second, added up by labels."""
    return f"sum by ({by}) (rate({of(metric, *matchers)}{RATE}))"


def mean(metric: Metric, by: str) -> str:
    """Return the mean of a histogram's observations; nothing where there were none."""
    return f"{rate(metric.sum, by)} / ({rate(metric.count, by)} > 0)"


def exceptions_by_route() -> str:
    """Return exceptions a second by route and class."""
    by = f"{metrics.SERVICE}, {metrics.ROUTE}, {metrics.EXCEPTION}"
    return f"{rate(metrics.HTTP_SERVER_EXCEPTIONS, by)} > 0"


def failed_calls() -> str:
    """Return the calls a second that failed, by how: the status of an answer, else what kept it away."""
    failed = f'{metrics.ERROR_TYPE}!=""'
    by = f"{SERVER}, {metrics.ERROR_TYPE}"
    return rate(metrics.HTTP_CLIENT_REQUEST_DURATION.count, by, failed)


def window_ends() -> str:
    """Return the time until a server's window of calls is over, in seconds."""
    return f"max by ({SERVER}) ({of(metrics.HTTP_CLIENT_RATELIMIT_RESET)}) - time()"


def checks() -> str:
    """Return 1 where every instance's check succeeds, else 0."""
    return f"min by ({metrics.SERVICE}, check) ({of(metrics.HEALTH_CHECK_UP)})"


def check_duration() -> str:
    """Return the longest newest run of each check, in seconds."""
    return f"max by ({metrics.SERVICE}, check) ({of(metrics.HEALTH_CHECK_DURATION)})"


def of_process(name: str) -> str:
    """Return what each process says of itself."""
    return f"max by ({INSTANCE}) ({of(name)})"


def cpu() -> str:
    """Return the cores that each process uses."""
    return f"max by ({INSTANCE}) (rate({of(metrics.PROCESS_CPU)}{RATE}))"


def process_age() -> str:
    """Return how long each process has run, in seconds."""
    return f"time() - max by ({INSTANCE}) ({of(metrics.PROCESS_START)})"
