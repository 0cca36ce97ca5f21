"""The annotations every alert carries, so that none is without a runbook or a link."""

from collections.abc import Iterable
from typing import NotRequired, TypedDict, Unpack

from specter_alerts.model import AlertRule, Severity
from specter_alerts.settings import Settings
from specter_core import metrics


def annotate(
    settings: Settings,
    alert: str,
    *,
    summary: str,
    description: str,
    action: str,
    service: bool = True,
    board: str = metrics.DASHBOARD_MAIN_STATUS,
    of: str = "",
    to_detector: bool = False,
    to_host: bool = False,
) -> dict[str, str]:
    """Return the annotations of `alert`.

    `description` holds the value and what is expected, `action` the first
    thing to do. `service` says whether the alert has a `service` label to link with, `board` is the uid
    of the dashboard to look at, `of` a further label to link with, and `to_detector` and `to_host` say
    that it is the one of the alert's detector or host.
    """
    dashboard = settings.dashboard_url(service=service, board=board, of=of)
    if to_detector:
        dashboard = settings.detector_dashboard_url()
    elif to_host:
        dashboard = settings.hosts_dashboard_url()
    return {
        "summary": summary,
        "description": description,
        "action": action,
        "runbook_url": settings.runbook_url(alert),
        "dashboard": dashboard,
    }


def own(labels: Iterable[str]) -> str:
    """Return the matchers of the alert's own `labels`, for a query of `looked_up`."""
    return ",".join(f"{label}=%q" for label in labels)


def looked_up(query: str, labels: Iterable[str], shown: str = "{{ .Labels.reason }}") -> str:
    """Return a template of what a further query finds, "unknown" where that is nothing.

    Not labels of the alert, which would begin anew with each change of them.

    Args:
        query: PromQL with a `%q` for the value of each of `labels`, see `own`.
        labels: of the alert.
        shown: template of what is shown of the first series.
    """
    values = " ".join(f"$labels.{label}" for label in labels)
    return (
        f'{{{{ with printf "{query}" {values} | query }}}}{{{{ with first . }}}}{shown}{{{{ end }}}}'
        "{{ else }}unknown{{ end }}"
    )


DURATION = "{{ . | value | humanizeDuration }}"
TIME = "{{ . | value | humanizeTimestamp }}"
"""How what is looked up is shown: of seconds, of a unix time."""


class Said(TypedDict):
    """What an alert says, see `annotate`."""

    summary: str
    description: str
    action: str


class Told(Said):
    """What an alert says, and where it links to."""

    service: NotRequired[bool]
    board: NotRequired[str]
    of: NotRequired[str]
    to_detector: NotRequired[bool]
    to_host: NotRequired[bool]


def annotated_alert(
    settings: Settings,
    name: str,
    expr: str,
    severity: Severity,
    symptom: str,
    *,
    wait: str = "",
    keep_firing: str = "",
    **told: Unpack[Told],
) -> AlertRule:
    """Return the alert `name` with its annotations, see `annotate` and `AlertRule`."""
    annotations = annotate(settings, name, **told)
    return AlertRule(name, expr, severity, symptom, annotations, wait=wait, keep_firing=keep_firing)
