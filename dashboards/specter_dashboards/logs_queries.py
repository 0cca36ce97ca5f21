"""PromQL of the dashboard Logs, on the recorded layer and on what the log exporter says of its lines."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import service

RATE = "[$__rate_interval]"
TOP = 20
FAILED = f'{metrics.STATUS}=~"5.."'
LOG = f"{{{{{metrics.SERVICE}}}}} {{{{{metrics.LOG}}}}}"
"""The legend of a log's series."""
COLUMNS = [(metrics.SERVICE, "service"), (metrics.LOG, "log")]
"""The columns of a table that say which log it is."""


def of(metric: Metric, *matchers: str) -> str:
    """Select a metric of the chosen services."""
    return service(metric.name, *matchers)


def labels(*by: str) -> str:
    """Return the labels of a log, and `by`."""
    return ", ".join((metrics.SERVICE, metrics.LOG, *by))


def rate(metric: Metric | str, *by: str, matchers: tuple[str, ...] = ()) -> str:
    """Return a counter's rate a second, added up by log and labels."""
    name = metric if isinstance(metric, str) else metric.name
    return f"sum by ({labels(*by)}) (rate({service(name, *matchers)}{RATE}))"


def quantile(metric: Metric, share: float, *by: str) -> str:
    """Return a quantile of a duration, in seconds, by log and labels; absent where there were none."""
    return f"histogram_quantile({share:g}, {rate(metric.bucket, 'le', *by)}) >= 0"


def total(metric: Metric, *by: str) -> str:
    """Return a gauge added up by log and labels."""
    return f"sum by ({labels(*by)}) ({of(metric)})"


def readable() -> str:
    """Return 1 for each log that can be read wherever it is followed, else 0."""
    return f"min by ({labels()}) ({of(metrics.LOG_UP)})"


def age(metric: Metric, by: str) -> str:
    """Return the time since the newest of timestamps, in seconds."""
    return f"time() - max by ({by}) ({of(metric)} > 0)"


def newest_templates() -> str:
    """Return for how many seconds each of the newest forms of error messages has been known."""
    by = labels("template_id")
    return f"bottomk({TOP}, time() - max by ({by}) ({of(metrics.LOG_TEMPLATE_FIRST_SEEN)}))"


def rate_of_newest_templates() -> str:
    """Return lines a second of the newest forms of error messages."""
    by = labels("template_id")
    return f"{rate(metrics.LOG_TEMPLATE_LINES, 'template_id')} and on ({by}) {newest_templates()}"


def frequent_templates() -> str:
    """Return lines a second of the forms of error messages that come most often."""
    return f"topk({TOP}, {rate(metrics.LOG_TEMPLATE_LINES, 'template_id')})"


def failing_routes() -> str:
    """Return requests a second that ended in a 5xx, by the routes that have most of them."""
    failed = rate(metrics.LOG_HTTP_REQUESTS, metrics.ROUTE, metrics.STATUS, matchers=(FAILED,))
    return f"topk({TOP}, {failed} > 0)"


def biggest_routes() -> str:
    """Return bytes of responses a second of the routes that have most of them."""
    return f"topk({TOP}, {rate(metrics.LOG_HTTP_RESPONSE_BYTES, metrics.ROUTE)})"


def overflow() -> str:
    """Return entries a second that were counted as `other`, by metric."""
    return f"sum by ({metrics.SERVICE}, metric) (rate({of(metrics.LOG_LABEL_OVERFLOW)}{RATE}))"


def state_errors() -> str:
    """Return times a second that offsets and counters could not be saved."""
    return f"sum by ({metrics.SERVICE}, instance) (rate({of(metrics.LOG_STATE_ERRORS)}{RATE}))"
