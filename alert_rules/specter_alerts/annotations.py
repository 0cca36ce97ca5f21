"""The annotations every alert carries, so that none is without a runbook or a link."""

from specter_alerts.settings import Settings


def annotate(
    settings: Settings,
    alert: str,
    *,
    summary: str,
    description: str,
    action: str,
    service: bool = True,
    to_detector: bool = False,
) -> dict[str, str]:
    """Return the annotations of `alert`.

    `description` holds the value and what is expected, `action` the first
    thing to do. `service` says whether the alert has a `service` label to link with,
    `to_detector` whether the dashboard Detector is the one to look at.
    """
    dashboard = settings.detector_dashboard_url() if to_detector else settings.dashboard_url(service=service)
    return {
        "summary": summary,
        "description": description,
        "action": action,
        "runbook_url": settings.runbook_url(alert),
        "dashboard": dashboard,
    }
