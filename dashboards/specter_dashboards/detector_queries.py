"""PromQL of the dashboard Detector, on what detectors say of themselves."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import FRESH_SECONDS

INSTANCES = 'instance=~"$instance"'
RATE = "[$__rate_interval]"
BY_INSTANCE = "job, instance"
# Labels that say what a series is about, as far as a table can know them.
TOP_LABELS = (metrics.FOR, metrics.SERVICE, metrics.ROUTE, "instance", "queue", "datname")
TOP_SERIES = 20
# How long a detector that is gone is still missed.
REMEMBERED = "1h"


def of(metric: Metric | str, *matchers: str) -> str:
    """Select a metric of the chosen detectors."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{{{', '.join((INSTANCES, *matchers))}}}"


def up() -> str:
    """Return 1 for each detector that answers its scrape, 0 for those that did within the last hour."""
    known = f"last_over_time({of(metrics.DETECTOR_BUILD)}[{REMEMBERED}])"
    return f"max by (instance) ({of(metrics.UP)} and on ({BY_INSTANCE}) {known})"


def worst(metric: Metric) -> str:
    """Return the lowest value of a gauge that is 1 where all is well."""
    return f"min by (instance) ({of(metric)})"


def oldest_scores() -> str:
    """Return the age of the scores of the query that is furthest behind, in seconds."""
    return f"time() - min by (instance) ({of(metrics.DETECTOR_LAST_TICK)})"


def loop_age() -> str:
    """Return the time since the scheduler last looked for a tick, in seconds."""
    return f"time() - min by (instance) ({of(metrics.DETECTOR_LAST_LOOP)})"


def clock_ahead() -> str:
    """Return by how much a detector's clock is ahead of its data source's, in seconds; behind is negative."""
    return f"max by (instance) ({of(metrics.DETECTOR_CLOCK_AHEAD)})"


def versions() -> str:
    """Return how many detectors run each version."""
    return f"count by (version, python_version) ({of(metrics.DETECTOR_BUILD)})"


def firing() -> str:
    """Return the alerts on detectors that fire."""
    alerts = 'alertname=~"Detector.+", instance=~"$instance|", alertstate="firing"'
    return f"{metrics.ALERTS}{{{alerts}}}"


def reloaded() -> str:
    """Return the detectors whose configuration was read anew within the last minute."""
    return f"time() - {of(metrics.DETECTOR_RELOAD_TIMESTAMP)} < 60"


def quantile(metric: Metric, share: float, by: str = "") -> str:
    """Return a quantile of a duration, in seconds; for each value of the label `by`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({of(metric.bucket)}{RATE})))"


def rate(metric: Metric, by: str, *matchers: str) -> str:
    """Return a counter's rate a second, added up by label."""
    return f"sum by ({by}) (rate({of(metric, *matchers)}{RATE}))"


def total(metric: Metric, by: str) -> str:
    """Return a gauge added up over detectors, by label."""
    return f"sum by ({by}) ({of(metric)})"


def series_of(state: str) -> str:
    """Return the series in one state, by query."""
    selected = of(metrics.DETECTOR_SERIES, f'state="{state}"')
    return f"sum by (query) ({selected})"


def age(metric: Metric) -> str:
    """Return the time since a timestamp of each query, in seconds."""
    return f"time() - min by (query) ({of(metric)})"


def age_of_save() -> str:
    """Return the time since each detector saved what it has learnt, in seconds."""
    return f"time() - max by (instance) ({of(metrics.DETECTOR_LAST_SAVE)} > 0)"


def anomalous_ratio() -> str:
    """Return the share of series above 1 of each query; the highest where several detectors share it."""
    return f"max by (query) ({of(metrics.DETECTOR_ANOMALOUS_RATIO)})"


def top_scores() -> str:
    """Return the series with the highest fresh scores."""
    score = metrics.ANOMALY_SCORE
    fresh = f"({score} and (time() - timestamp({score}) < {FRESH_SECONDS}))"
    return f"topk({TOP_SERIES}, max by ({', '.join(TOP_LABELS)}) {fresh})"


def fit_duration() -> str:
    """Return the duration of each query's newest fit, in seconds."""
    return f"max by (query) ({of(metrics.DETECTOR_FIT_DURATION)})"


def of_process(name: str) -> str:
    """Return a gauge of the detectors' processes."""
    return _processes(of(name))


def cpu() -> str:
    """Return the cores that the detectors' processes use."""
    return _processes(f"rate({of(metrics.PROCESS_CPU)}{RATE})")


def _processes(expr: str) -> str:
    return f"max by (instance) ({expr} and on ({BY_INSTANCE}) {of(metrics.DETECTOR_BUILD)})"
