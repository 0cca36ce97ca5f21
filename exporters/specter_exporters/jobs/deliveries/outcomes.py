"""What events of providers mean: how many of which outcome, and the number by which one is known again."""

from collections.abc import Iterable, Mapping
from typing import Any

DELIVERED, DEFERRED, BOUNCED = "delivered", "deferred", "bounced"
DROPPED, COMPLAINED, OTHER = "dropped", "complained", "other"
OUTCOMES = (DELIVERED, DEFERRED, BOUNCED, DROPPED, COMPLAINED, OTHER)
MOST_RECIPIENTS = 1000
_SENDGRID = {
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "bounce": BOUNCED,
    "dropped": DROPPED,
    "spamreport": COMPLAINED,
}
# Of SES: what an event is called, where its recipients are, and the outcome.
_SES = {
    "Delivery": ("delivery", "recipients", DELIVERED),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients", DEFERRED),
    "Bounce": ("bounce", "bouncedRecipients", BOUNCED),
    "Complaint": ("complaint", "complainedRecipients", COMPLAINED),
    "Reject": ("reject", "", DROPPED),
    "Rendering Failure": ("failure", "", DROPPED),
}
Counted = tuple[str, str, int]
"""The event's own number (empty where it has none), its outcome, and how many recipients it is about."""


class EventError(ValueError):
    """An event is not of the form that its provider sends; the message says why."""


def generic(content: Any) -> Iterable[Counted]:
    """Return what `{"outcome": "delivered"}`, or a list of such, says; any other word is `other`."""
    for each in content if isinstance(content, list) else [content]:
        outcome = _mapping(each).get("outcome")
        if not isinstance(outcome, str):
            raise EventError("an event has no outcome")
        yield "", outcome if outcome in OUTCOMES else OTHER, 1


def sendgrid(content: Any) -> Iterable[Counted]:
    """Return what a list of SendGrid's events says."""
    if not isinstance(content, list):
        raise EventError("expected a list of events")
    for each in content:
        event = _mapping(each)
        number, name = event.get("sg_event_id"), event.get("event")
        yield str(number or "")[:200], _SENDGRID.get(str(name), OTHER), 1


def ses(content: Any) -> Iterable[Counted]:
    """Return what a notification or an event of SES says (the `Message` of SNS)."""
    event = _mapping(content)
    name = str(event.get("eventType") or event.get("notificationType") or "")
    if name not in _SES:
        yield "", OTHER, 1
        return
    key, recipients, outcome = _SES[name]
    details = event.get(key)
    details = details if isinstance(details, Mapping) else {}
    # A mailbox that is full takes the mail later.
    if name == "Bounce" and details.get("bounceType") == "Transient":
        outcome = DEFERRED
    found = details.get(recipients)
    yield "", outcome, min(MOST_RECIPIENTS, len(found)) if isinstance(found, list) and found else 1


def _mapping(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise EventError("an event is no object")
    return content
