"""The annotations every alert carries, so that none is without a runbook or a link."""

from specter_alerts.settings import Settings


def annotate(
    settings: Settings, alert: str, *, summary: str, description: str, action: str, service: bool = True
) -> dict[str, str]:
    """Return the annotations of `alert`.

    `description` holds the value and what is expected, `action` the first
    thing to do. `service` says whether the alert has a `service` label to link with.
    """
    return {
        "summary": summary,
        "description": description,
        "action": action,
        "runbook_url": settings.runbook_url(alert),
        "dashboard": settings.dashboard_url(service=service),
    }
