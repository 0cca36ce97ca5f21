"""Messages of Amazon SNS, which carries what SES tells: whose they are, and what is signed of them.

As https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html says it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from specter_exporters.jobs.deliveries.outcomes import EventError

NOTIFICATION, CONFIRMATION = "Notification", "SubscriptionConfirmation"
_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"
    ),
}  # fmt: skip
DIGESTS = {"1": "sha1", "2": "sha256"}


def message(content: Any) -> Mapping[str, str]:
    """Return the message.

    Raises:
        EventError: it is none, or of a kind or a signature that is not known.
    """
    if not isinstance(content, Mapping):
        raise EventError("a message of SNS is an object")
    found = {str(name): value for name, value in content.items() if isinstance(value, str)}
    needed = [name for name in _SIGNED.get(found.get("Type", ""), ("Type",)) if name != "Subject"]
    missing = [name for name in (*needed, "Signature", "SigningCertURL") if name not in found]
    if missing:
        raise EventError(f"a message of SNS without {missing[0]}")
    if found.get("Type") not in _SIGNED or found.get("SignatureVersion") not in DIGESTS:
        raise EventError("a message of SNS of another type or signature")
    return found


def signed_text(said: Mapping[str, str]) -> bytes:
    """Return what of a message is signed."""
    names = (name for name in _SIGNED[said["Type"]] if name in said)
    return "".join(f"{name}\n{said[name]}\n" for name in names).encode()


def is_certificate_url(url: str) -> bool:
    """Return whether a certificate at `url` is of SNS: of its own host, by TLS, under its own name."""
    return is_sns_url(url) and bool(_CERTIFICATE.fullmatch(urlsplit(url).path))


def is_sns_url(url: str) -> bool:
    """Return whether `url` is one of SNS, by TLS."""
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError:
        return False
    return (
        place.scheme == "https"
        and place.netloc == (place.hostname or "")
        and port is None
        and bool(_HOST.fullmatch(place.hostname or ""))
    )


def sent_at(said: Mapping[str, str]) -> float:
    """Return the Unix time at which a message was sent.

    Raises:
        EventError: its time is none.
    """
    try:
        moment = datetime.fromisoformat(said["Timestamp"])
    except ValueError:
        raise EventError("a message of SNS with a time that is none") from None
    if moment.tzinfo is None:
        raise EventError("a message of SNS with a time that is none")
    return moment.timestamp()
