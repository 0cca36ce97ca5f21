"""What the alerts on PostgreSQL have in common: the labels of a server, its texts and its link."""

from functools import partial

from specter_alerts.annotations import annotated_alert
from specter_core import metrics
from specter_core.metrics import Metric

LEVEL = f"{metrics.SERVICE}, {metrics.SERVER}"
ON = f"on ({LEVEL})"
NAME = f"{{{{ $labels.{metrics.SERVER} }}}}"
OWN = f"{metrics.SERVICE}=%q,{metrics.SERVER}=%q"
"""Matchers of the alert's own server, to be filled in by `printf`."""

alert = partial(annotated_alert, board=metrics.DASHBOARD_DATABASE, of=metrics.SERVER)
"""Return an alert, which links to the dashboard of its server."""


def highest(metric: Metric, matchers: str = "", *, by: str = "") -> str:
    """Return the highest value of each server, and of each of the labels `by`."""
    labels = f"{LEVEL}, {by}" if by else LEVEL
    return f"max by ({labels}) ({metric.name}{f'{{{matchers}}}' if matchers else ''})"


def lookup(query: str, shown: str, otherwise: str) -> str:
    """Return a template of what a further query finds about the alert's own server.

    Not labels of the alert, which would begin anew with each change of them.

    Args:
        query: PromQL in which `OWN` stands for the server.
        shown: template of what is shown of its first series.
        otherwise: what is shown where there is none.
    """
    own = f"$labels.{metrics.SERVICE} $labels.{metrics.SERVER}"
    return (
        f'{{{{ with printf "{query}" {own} | query }}}}{{{{ with first . }}}}{shown}{{{{ end }}}}'
        f"{{{{ else }}}}{otherwise}{{{{ end }}}}"
    )
