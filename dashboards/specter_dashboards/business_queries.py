"""PromQL of the dashboard Business, on the recorded layer and what the exporter exposes."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES

RATE = "[$__rate_interval]"
CHOSEN = 'event=~"$event"'
EVENT = f"{metrics.SERVICE}, event"
FUNNEL = f"{metrics.SERVICE}, funnel, event"
SUCCEEDED = f'{metrics.OUTCOME}="{metrics.SUCCESS}"'
FAILED = f'{metrics.OUTCOME}="{metrics.FAILED}"'


def of(metric: Metric | str, *matchers: str) -> str:
    """Select a metric of the chosen services."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{{{', '.join((SERVICES, *matchers))}}}"


def count(record: str, outcome: str) -> str:
    """Return how many of each chosen event there were, with one outcome; `outcome` is a matcher."""
    return f"sum by ({EVENT}) ({of(record, outcome, CHOSEN)})"


def by_outcome() -> str:
    """Return how many of the chosen events there were within five minutes, by outcome."""
    return f"sum by ({EVENT}, {metrics.OUTCOME}) ({of(metrics.EVENTS_5M, CHOSEN)})"


def success(record: str) -> str:
    """Return the share of success of the chosen events."""
    return of(record, CHOSEN)


def promised(metric: Metric) -> str:
    """Return what the catalogue promises of the chosen events."""
    return f"max by ({EVENT}) ({of(metric, CHOSEN)})"


def promised_per_hour() -> str:
    """Return the least number an hour that the catalogue promises."""
    return f"3600 * {promised(metrics.BUSINESS_OBJECTIVE_RATE)}"


def reasons() -> str:
    """Return failures a second of the chosen events, by reason."""
    failed = of(metrics.BUSINESS_EVENTS, FAILED, CHOSEN)
    return f"sum by ({EVENT}, reason) (rate({failed}{RATE}))"


def turnover() -> str:
    """Return the money of successful events an hour, by currency."""
    amount = of(metrics.BUSINESS_AMOUNT.sum, SUCCEEDED, CHOSEN)
    return f"3600 * sum by ({EVENT}, currency) (rate({amount}{RATE}))"


def quantile(metric: Metric, share: float, *matchers: str) -> str:
    """Return a quantile of what chosen events carry; nothing where there were none."""
    selected = of(metric.bucket, CHOSEN, *matchers)
    return f"histogram_quantile({share:g}, sum by ({EVENT}, le) (rate({selected}{RATE}))) >= 0"


def rate(metric: Metric, by: str) -> str:
    """Return a counter's rate a second, added up by labels."""
    return f"sum by ({metrics.SERVICE}, {by}) (rate({of(metric)}{RATE}))"


def highest(metric: Metric, by: str = "") -> str:
    """Return a gauge, the highest where several exporters of a service count."""
    labels = f"{metrics.SERVICE}, {by}" if by else metrics.SERVICE
    return f"max by ({labels}) ({of(metric)})"


def session_duration(share: float) -> str:
    """Return a quantile of the duration of sessions, in seconds; nothing where none ended."""
    bucket = of(metrics.BUSINESS_SESSION_DURATION.bucket)
    return f"histogram_quantile({share:g}, sum by ({metrics.SERVICE}, le) (rate({bucket}{RATE}))) >= 0"


def save_age() -> str:
    """Return the time since the users' counts were saved, in seconds."""
    return f"time() - max by ({metrics.SERVICE}) ({of(metrics.BUSINESS_STATE_LAST_SAVE)})"
