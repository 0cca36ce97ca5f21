"""What the alerts on queues, workers and caches have in common: labels, texts and the link."""

from typing import Unpack

from specter_alerts.annotations import Said, annotate
from specter_alerts.counters import KNOWN
from specter_alerts.model import AlertRule, Severity
from specter_alerts.settings import Settings
from specter_core import metrics
from specter_core.metrics import Metric

SERVER = f"{metrics.SERVICE}, {metrics.SERVER}"
SYSTEM = f"{SERVER}, {metrics.SYSTEM}"
QUEUE = f"{SYSTEM}, {metrics.QUEUE}"
ON = f"on ({QUEUE})"
NAME = f"{{{{ $labels.{metrics.QUEUE} }}}}"
BROKER = f"{{{{ $labels.{metrics.SERVER} }}}}"
WHERE = f"{NAME} ({{{{ $labels.{metrics.SYSTEM} }}}}) on {BROKER}"
_OWN = (metrics.SERVICE, metrics.SERVER, metrics.SYSTEM, metrics.QUEUE)


def of_queue(metric: Metric, *matchers: str) -> str:
    """Return a gauge by queue: two exporters may watch one broker."""
    return f"max by ({QUEUE}) ({metric.name}{{{', '.join((KNOWN, *matchers))}}})"


def queue_rate(counter: Metric, window: str, *, function: str = "rate") -> str:
    """Return a counter's rate a second by queue, or another function of it over `window`."""
    return f"max by ({QUEUE}) ({function}({counter.name}{{{KNOWN}}}[{window}]))"


def of_own(series: str, shown: str, otherwise: str = "unknown") -> str:
    """Return a template of what `series` says of the alert's own queue."""
    matchers = ",".join(f"{name}=%q" for name in _OWN)
    values = " ".join(f"$labels.{name}" for name in _OWN)
    return (
        f'{{{{ with printf "{series}{{{matchers}}}" {values} | query }}}}'
        f"{{{{ with first . }}}}{shown}{{{{ end }}}}{{{{ else }}}}{otherwise}{{{{ end }}}}"
    )


def alert(
    settings: Settings,
    name: str,
    expr: str,
    severity: Severity,
    symptom: str,
    *,
    wait: str = "",
    keep_firing: str = "",
    **said: Unpack[Said],
) -> AlertRule:
    """Return the alert `name`, which links to the dashboard of its broker."""
    annotations = annotate(settings, name, **said)
    annotations["dashboard"] = settings.queues_dashboard_url()
    return AlertRule(name, expr, severity, symptom, annotations, wait=wait, keep_firing=keep_firing)
