"""What the alerts on PostgreSQL have in common: the labels of a server, its texts and its link."""

from functools import partial

from specter_alerts.annotations import annotated_alert, looked_up, own
from specter_core import metrics
from specter_core.metrics import Metric

LEVEL = f"{metrics.SERVICE}, {metrics.SERVER}"
ON = f"on ({LEVEL})"
NAME = f"{{{{ $labels.{metrics.SERVER} }}}}"
OWN_LABELS = (metrics.SERVICE, metrics.SERVER)
OWN = own(OWN_LABELS)
"""Matchers of the alert's own server, to be filled in by `printf`."""

# The exporter is turned away by a server, or a pgbouncer, that lives.
TURNED_AWAY = 'reason=~"auth|database|privilege|tls"'

alert = partial(annotated_alert, board=metrics.DASHBOARD_DATABASE, of=metrics.SERVER)
"""Return an alert, which links to the dashboard of its server."""


def highest(metric: Metric, matchers: str = "", *, by: str = "") -> str:
    """Return the highest value of each server, and of each of the labels `by`."""
    labels = f"{LEVEL}, {by}" if by else LEVEL
    return f"max by ({labels}) ({metric.name}{f'{{{matchers}}}' if matchers else ''})"


def total(metric: Metric, offset: str = "") -> str:
    """Return the sum of each server, now or an `offset` ago: two exporters may watch one server."""
    then = f" offset {offset}" if offset else ""
    labels = ", ".join((metrics.SERVICE, *metric.labels))
    return f"sum by ({LEVEL}) (max by ({labels}) ({metric.name}{then}))"


def lookup(query: str, shown: str = "{{ .Labels.reason }}") -> str:
    """Return a template of what `query`, in which `OWN` stands for the server, finds; see `looked_up`."""
    return looked_up(query, OWN_LABELS, shown)
