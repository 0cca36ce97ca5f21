"""The endpoint for business events: what it refuses, and whether it keeps what it knows of users."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule
from specter_alerts.settings import Settings, number
from specter_core import metrics

BOARD = metrics.DASHBOARD_BUSINESS
# Sent again by itself (409), or answered for each event (422, see `_rejected`).
HARMLESS = "2..|409|422"


def endpoint_alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on the endpoint."""
    return (_rejected(settings), _refused(settings), _not_saved(settings))


def _known() -> str:
    return f'{metrics.SERVICE}!=""'


def _rejected(settings: Settings) -> AlertRule:
    name, within, least = "BusinessEventsRejected", settings.refused_within, number(settings.refused_least)
    rejected = f"increase({metrics.BUSINESS_REJECTED.name}{{{_known()}}}[{within}])"
    return AlertRule(
        name,
        f"sum by ({metrics.SERVICE}, reason) ({rejected}) >= {least}",
        "warning",
        "business_intake",
        annotate(
            settings,
            name,
            summary="Business events are not counted: {{ $labels.reason }}",
            description=(
                f"{{{{ $value | printf `%.0f` }}}} events were refused within {within} as "
                "{{ $labels.reason }} by the catalogue of {{ $labels.service }}; expected fewer than "
                f"{least}. They are in no count and no ratio."
            ),
            action=(
                "Read the answers (422) in the sender's log: they name the field and what is known. Correct "
                "the sender, or add the event to the catalogue."
            ),
            board=BOARD,
        ),
        wait=settings.business_critical_for,
        keep_firing=settings.business_keep_firing,
    )


def _refused(settings: Settings) -> AlertRule:
    name, within, least = "BusinessRequestsRefused", settings.refused_within, number(settings.refused_least)
    refused = f'increase({metrics.BUSINESS_REQUESTS.name}{{{_known()}, code!~"{HARMLESS}"}}[{within}])'
    return AlertRule(
        name,
        f"sum by ({metrics.SERVICE}, sender, code) ({refused}) >= {least}",
        "warning",
        "business_intake",
        annotate(
            settings,
            name,
            summary="The events' endpoint answers {{ $labels.code }}",
            description=(
                f"{{{{ $value | printf `%.0f` }}}} requests with business events got the status "
                f"{{{{ $labels.code }}}} within {within}{{{{ with $labels.sender }}}} (sender {{{{ . }}}})"
                f"{{{{ end }}}}; expected fewer than {least}. Their events are lost unless sent again."
            ),
            action=(
                "401: the sender's token is not the one that the exporter was given. 413: send less at once. "
                "429: raise --business.rate, or find the sender's loop."
            ),
            board=BOARD,
        ),
        wait=settings.business_critical_for,
        keep_firing=settings.business_keep_firing,
    )


def _not_saved(settings: Settings) -> AlertRule:
    name, within = "BusinessStateNotSaved", settings.errors_within
    errors = f'{metrics.BUSINESS_STATE_SAVES.name}{{{_known()}, {metrics.OUTCOME}="error"}}'
    return AlertRule(
        name,
        # It is tried every minute: a second failure is no hiccup.
        f"sum by ({metrics.SERVICE}, instance) (increase({errors}[{within}])) > 1",
        "warning",
        "business_state",
        annotate(
            settings,
            name,
            summary="The users' counts cannot be saved",
            description=(
                "{{ $labels.instance }} failed {{ $value | printf `%.0f` }} times within "
                f"{within} to save active users and retention; expected 0. A restart loses what came since "
                "the last time."
            ),
            action="Look at the space and rights of the folder in `--storage.path`; the log has why.",
            board=BOARD,
        ),
        wait=settings.business_critical_for,
    )
