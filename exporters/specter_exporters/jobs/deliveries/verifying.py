"""Who sent what: each kind of provider signs in its own way, and says when; it is good for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from specter_exporters.bodies import NoJsonError, load_json
from specter_exporters.jobs.deliveries import outcomes, sns
from specter_exporters.jobs.deliveries.der import DerError, rsa_key_of
from specter_exporters.jobs.deliveries.outcomes import Counted, EventError
from specter_exporters.jobs.deliveries.signatures import (
    Point,
    ecdsa_matches,
    hmac_key,
    hmac_matches,
    rsa_matches,
)

OLDEST = 300.0
"""Seconds that a signature is good for, either way: clocks differ."""
OLDEST_OF_SNS = 3600.0
"""SNS tries again for up to an hour with the first try's time."""
MOST_CERTIFICATES = 10
Fetch = Callable[[str], str]


class UnreachableError(Exception):
    """What a request is verified with cannot be had now; the request may come again."""


class SignatureError(Exception):
    """A request is not signed by the provider, or too long ago."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came: the body as it was sent, headers by their names in lower case, and when, in Unix seconds."""

    body: bytes
    headers: Mapping[str, str]
    at: float


class Verifier(Protocol):
    """A kind of provider."""

    def events(self, request: Request) -> list[Counted]:
        """Return what a request tells.

        Raises:
            SignatureError: it is not signed, or too old.
            UnreachableError: that cannot be told now.
            EventError: it is signed, and not of the provider's form.
        """


class StandardWebhooks:
    """Whoever signs by https://www.standardwebhooks.com: HMAC-SHA256 of number, time and body.

    Args:
        secret: the shared secret; see `hmac_key`.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac_key(secret)

    def events(self, request: Request) -> list[Counted]:
        """Return what a request tells; see `Verifier`."""
        number, time = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        _young(time, request.at, OLDEST)
        signed = f"{number}.{time}.".encode() + request.body
        if not number or not hmac_matches(self._key, signed, request.headers.get("webhook-signature", "")):
            raise SignatureError("it is not signed with the secret")
        told = outcomes.generic(_json(request.body))
        return [(f"{number[:200]} {index}", outcome, count) for index, (_, outcome, count) in enumerate(told)]


class SendGrid:
    """SendGrid's signed event webhook: ECDSA of time and body.

    Args:
        key: its public key, a point of P-256.
    """

    def __init__(self, key: Point) -> None:
        self._key = key

    def events(self, request: Request) -> list[Counted]:
        """Return what a request tells; see `Verifier`."""
        time = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        signature = request.headers.get("x-twilio-email-event-webhook-signature", "")
        _young(time, request.at, OLDEST)
        if not ecdsa_matches(self._key, time.encode() + request.body, signature):
            raise SignatureError("it is not signed by SendGrid's key")
        return list(outcomes.sendgrid(_json(request.body)))


class Ses:
    """SES by a topic of SNS: RSA, with a certificate of SNS' own host. A subscription is confirmed.

    Args:
        topic: ARN of the topic; messages of others are refused.
        fetch: returns what is at a URL of SNS, or raises UnreachableError.
    """

    def __init__(self, topic: str, fetch: Fetch) -> None:
        self._topic = topic
        self._fetch = fetch
        self._keys: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def events(self, request: Request) -> list[Counted]:
        """Return what a request tells; see `Verifier`."""
        said = sns.message(_json(request.body))
        if said["TopicArn"] != self._topic:
            raise SignatureError("it is of another topic")
        if abs(request.at - sns.sent_at(said)) > OLDEST_OF_SNS:
            raise SignatureError("it was sent too long ago")
        key = self._key(said["SigningCertURL"])
        digest = sns.DIGESTS[said["SignatureVersion"]]
        if not rsa_matches(key, sns.signed_text(said), said["Signature"], digest):
            raise SignatureError("it is not signed by SNS")
        if said["Type"] == sns.CONFIRMATION:
            if not sns.is_sns_url(said["SubscribeURL"]):
                raise SignatureError("it confirms elsewhere than at SNS")
            self._fetch(said["SubscribeURL"])
            return []
        if said["Type"] != sns.NOTIFICATION:
            return []
        told = outcomes.ses(_json(said["Message"].encode()))
        return [(said["MessageId"][:200], outcome, count) for _, outcome, count in told]

    def _key(self, url: str) -> tuple[int, int]:
        if not sns.is_certificate_url(url):
            raise SignatureError("its certificate is not at SNS")
        known = self._keys.get(url)
        if known is not None:
            return known
        # One asks at a time: whoever invents URLs of certificates holds one thread and not all.
        if not self._lock.acquire(blocking=False):
            raise UnreachableError("another certificate is being asked for")
        try:
            key = self._keys[url] = rsa_key_of(self._fetch(url))
            if len(self._keys) > MOST_CERTIFICATES:
                self._keys.popitem(last=False)
        except DerError as error:
            raise SignatureError(f"what is at its certificate's URL {error}") from error
        finally:
            self._lock.release()
        return key


def _young(time: str, now: float, oldest: float) -> None:
    if not time.isdecimal() or not time.isascii() or abs(now - int(time[:20])) > oldest:
        raise SignatureError("it was signed too long ago, or says no time")


def _json(body: bytes) -> object:
    try:
        return load_json(body)
    except NoJsonError as error:
        raise EventError(f"it is no JSON: {error}") from None
