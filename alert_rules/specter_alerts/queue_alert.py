"""What the alerts on queues, workers and caches have in common: labels, texts and the link."""

from functools import partial

from specter_alerts.annotations import annotated_alert, looked_up, own
from specter_alerts.counters import KNOWN
from specter_core import metrics
from specter_core.metrics import Metric

SERVER = f"{metrics.SERVICE}, {metrics.SERVER}"
SYSTEM = f"{SERVER}, {metrics.SYSTEM}"
QUEUE = f"{SYSTEM}, {metrics.QUEUE}"
ON = f"on ({QUEUE})"
NAME = f"{{{{ $labels.{metrics.QUEUE} }}}}"
BROKER = f"{{{{ $labels.{metrics.SERVER} }}}}"
WHERE = f"{NAME} ({{{{ $labels.{metrics.SYSTEM} }}}}) on {BROKER}"
PACE = "2m"
OWN_LABELS = (metrics.SERVICE, metrics.SERVER)
OWN = own(OWN_LABELS)
"""Labels of the alert's own broker, and their matchers, to be filled in by `printf`."""

alert = partial(annotated_alert, board=metrics.DASHBOARD_QUEUES, of=metrics.SERVER)
"""Return an alert, which links to the dashboard of its broker."""


def of_queue(metric: Metric, *matchers: str, offset: str = "") -> str:
    """Return a gauge by queue, now or an `offset` ago: two exporters may watch one broker."""
    then = f" offset {offset}" if offset else ""
    return f"max by ({QUEUE}) ({metric.name}{{{', '.join((KNOWN, *matchers))}}}{then})"


def queue_rate(counter: Metric, window: str, *, function: str = "rate") -> str:
    """Return a counter's rate a second by queue, or another function of it over `window`."""
    return f"max by ({QUEUE}) ({function}({counter.name}{{{KNOWN}}}[{window}]))"


def of_broker(query: str, shown: str) -> str:
    """Return a template of what `query`, in which `OWN` stands for it, says of the alert's own broker."""
    return looked_up(query, OWN_LABELS, shown)


def of_own(series: str, shown: str, query: str = "%s") -> str:
    """Return a template of what `series`, or a `query` of it, says of the alert's own queue."""
    labels = (*OWN_LABELS, metrics.SYSTEM, metrics.QUEUE)
    return looked_up(query % f"{series}{{{own(labels)}}}", labels, shown)


def own_pace(counter: Metric) -> str:
    """Return a template of how many a minute of the alert's own queue, as a mean of `PACE`."""
    return of_own(counter.name, "{{ . | value | printf `%.3g` }}", f"60 * max(rate(%s[{PACE}]))")
