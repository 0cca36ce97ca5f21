"""Read a generated dashboard as Grafana would: panels, targets, variables substituted."""

import re
from typing import Any

# What Grafana puts in for the variables that a query may use.
SUBSTITUTES = {
    "service": ".+",
    "instance": ".+",
    "page": ".+",
    "device": ".+",
    "dependency": ".+",
    "event": ".+",
    "server": ".+",
    "database": ".+",
    "job_name": ".+",
    "datasource": "prometheus",
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
}
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every panel, rows and what is in collapsed rows included."""
    found = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", [])]
    return found


def charts(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every panel that shows data."""
    return [panel for panel in panels(dashboard) if panel["type"] not in {"row", "text"}]


def substitute(text: str) -> str:
    """Replace `$name` and `${name}`; an unknown variable raises KeyError."""
    return re.sub(r"\$\{?([A-Za-z_]\w*)(?::\w+)?\}?", lambda match: SUBSTITUTES[match[1]], text)


def expressions(dashboard: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (where, PromQL, instant) of every target, annotation and query variable."""
    found = [
        (f"{panel['title']} {target['refId']}", target["expr"], target["instant"])
        for panel in charts(dashboard)
        for target in panel["targets"]
    ]
    found += [(f"annotation {a['name']}", a["expr"], False) for a in dashboard["annotations"]["list"]]
    return found
