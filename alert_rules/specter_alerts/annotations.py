"""The annotations every alert carries, so that none is without a runbook or a link."""

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
