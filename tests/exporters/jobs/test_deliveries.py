"""What providers tell of deliveries: counted once, if it is theirs. Signatures are made by openssl."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from specter_core.config import ConfigError
from specter_exporters.jobs.config import load
from specter_exporters.jobs.deliveries import outcomes, sns
from specter_exporters.jobs.deliveries.der import DerError, p256_key, rsa_key_of
from specter_exporters.jobs.deliveries.outcomes import EventError
from specter_exporters.jobs.deliveries.signatures import ecdsa_matches, rsa_matches
from specter_exporters.jobs.deliveries.verifying import Request, SendGrid, Ses, SignatureError
from tests.exporters.jobs.serving_jobs import WITHIN, JobsProcess, running_jobs

SECRET = b"a-shared-secret-of-the-tests"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem"
CONFIG = """\
deliveries:
  - {name: partner, kind: webhook, key_file: partner.key}
  - {name: sendgrid, kind: sendgrid, key_file: sendgrid.key}
"""


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a key of P-256, and one of RSA with its certificate."""
    folder = tmp_path_factory.mktemp("deliveries")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "ec.pem"))
    public = openssl("ec", "-in", str(folder / "ec.pem"), "-pubout", "-outform", "DER")
    (folder / "sendgrid.key").write_text(base64.b64encode(public).decode())
    (folder / "partner.key").write_text("whsec_" + base64.b64encode(SECRET).decode())
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "rsa.pem"),
            "-out", str(folder / "sns.crt"), "-days", "2", "-subj", "/CN=sns.amazonaws.com")  # fmt: skip
    return folder


def signed(keys: Path, name: str, text: bytes, digest: str = "sha256") -> str:
    return base64.b64encode(openssl("dgst", f"-{digest}", "-sign", str(keys / name), given=text)).decode()


@pytest.fixture(scope="module")
def jobs(keys: Path) -> Iterator[JobsProcess]:
    with running_jobs(keys, CONFIG) as running:
        yield running


def count(jobs: JobsProcess, provider: str, outcome: str) -> float:
    # Sorted by the labels' names.
    return jobs.scrape()["specter_delivery_events_total", (outcome, provider)]


def refused(jobs: JobsProcess, provider: str, reason: str) -> float:
    return jobs.scrape()["specter_delivery_refused_total", (provider, reason)]


def webhook(number: str, body: bytes, at: float, secret: bytes = SECRET) -> dict[str, str]:
    text = f"{number}.{int(at)}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, text, hashlib.sha256)).decode()
    return {"webhook-id": number, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{signature}"}


@pytest.mark.integration
def test_a_webhook_is_counted_once_and_only_if_it_is_signed_now(jobs: JobsProcess) -> None:
    url = f"{jobs.pings}/deliveries/partner"
    body = b'[{"outcome": "delivered"}, {"outcome": "bounced"}, {"outcome": "opened"}]'

    def post(headers: dict[str, str], data: bytes = body) -> int:
        return requests.post(url, data=data, headers=headers, timeout=WITHIN).status_code

    assert post(webhook("a", body, time.time())) == 200
    assert post(webhook("a", body, time.time())) == 200, "sent again"
    assert [count(jobs, "partner", each) for each in ("delivered", "bounced", "other")] == [1, 1, 1]
    assert post(webhook("b", body, time.time() - 600)) == 403
    assert post(webhook("c", body, time.time(), b"another secret")) == 403
    assert post({}) == 403
    assert post(webhook("d", body, time.time()), body + b" ") == 403
    assert post(webhook("e", b"{}", time.time()), b"{}") == 400
    assert count(jobs, "partner", "delivered") == 1
    assert refused(jobs, "partner", "signature") == 4
    assert refused(jobs, "partner", "invalid") == 1
    assert requests.post(f"{jobs.pings}/deliveries/nobody", timeout=WITHIN).status_code == 404
    assert requests.get(url, timeout=WITHIN).status_code == 405


@pytest.mark.integration
def test_events_of_sendgrid_are_counted_once_by_their_number(jobs: JobsProcess, keys: Path) -> None:
    names = ["delivered", "deferred", "bounce", "dropped", "spamreport", "open"]
    body = json.dumps([{"event": name, "sg_event_id": name} for name in names]).encode()
    at = str(int(time.time()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
        "X-Twilio-Email-Event-Webhook-Signature": signed(keys, "ec.pem", at.encode() + body),
    }
    url = f"{jobs.pings}/deliveries/sendgrid"
    for _ in range(2):
        answer = requests.post(url, data=body, headers=headers, timeout=WITHIN)
        assert answer.status_code == 200, answer.text
    assert {each: count(jobs, "sendgrid", each) for each in outcomes.OUTCOMES} == dict.fromkeys(
        outcomes.OUTCOMES, 1.0
    )
    headers["X-Twilio-Email-Event-Webhook-Signature"] = signed(keys, "ec.pem", b"something else")
    answer = requests.post(url, data=body, headers=headers, timeout=WITHIN)
    assert (answer.status_code, answer.text) == (403, "it is not signed by SendGrid's key")


NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def notification(keys: Path, content: object, **changed: str) -> dict[str, str]:
    """Return a message of SNS, signed."""
    said = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": json.dumps(content),
        "Timestamp": "2026-11-27T12:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        **changed,
    }
    digest = {"1": "sha1", "2": "sha256"}.get(said["SignatureVersion"], "sha256")
    if said["Type"] in {"Notification", "SubscriptionConfirmation"}:
        said["Signature"] = signed(keys, "rsa.pem", sns.signed_text(said), digest)
    return said


@pytest.fixture
def ses(keys: Path) -> tuple[Callable[[dict[str, str]], list[Any]], list[str]]:
    """Return what takes a message at noon, and the URLs that it asked for."""
    asked: list[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        return (keys / "sns.crt").read_text()

    verifier = Ses(TOPIC, fetch)

    def take(said: dict[str, str]) -> list[Any]:
        return verifier.events(Request(json.dumps(said).encode(), {}, NOW.timestamp()))

    return take, asked


BOUNCE = {"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{}, {}]}}


@pytest.mark.parametrize("version", ["1", "2"])
def test_ses_is_counted_by_recipients_and_its_certificate_is_asked_for_once(
    keys: Path, ses: tuple[Callable[[dict[str, str]], list[Any]], list[str]], version: str
) -> None:
    take, asked = ses
    said = notification(keys, BOUNCE, SignatureVersion=version, Subject="of SES")
    for _ in range(2):
        assert take(said) == [(said["MessageId"], "bounced", 2)]
    assert asked == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"TopicArn": f"{TOPIC}-2"}, "another topic"),
        ({"Timestamp": "2026-11-27T10:30:00.000Z"}, "too long ago"),
        ({"SigningCertURL": "https://sns.evil.example/SimpleNotificationService-1.pem"}, "not at SNS"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("https", "http")}, "not at SNS"),
        ({"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com.evil.example/")}, "not at SNS"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("sns.", "x@sns.")}, "not at SNS"),
        ({"SigningCertURL": CERTIFICATE_URL.replace(".com/", ".com:444/")}, "not at SNS"),
        ({"SigningCertURL": CERTIFICATE_URL.replace("/Simple", "/x/Simple")}, "not at SNS"),
    ],
)
def test_a_message_of_somebody_else_is_refused_and_nobody_is_asked(
    keys: Path,
    ses: tuple[Callable[[dict[str, str]], list[Any]], list[str]],
    changed: dict[str, str],
    why: str,
) -> None:
    take, asked = ses
    with pytest.raises(SignatureError, match=why):
        take(notification(keys, BOUNCE, **changed))
    assert asked == []


def test_a_message_that_was_changed_is_refused(
    keys: Path, ses: tuple[Callable[[dict[str, str]], list[Any]], list[str]]
) -> None:
    with pytest.raises(SignatureError, match="not signed by SNS"):
        ses[0]({**notification(keys, BOUNCE), "Message": json.dumps({"eventType": "Delivery"})})
    unsigned = notification(keys, BOUNCE)
    del unsigned["Signature"]
    with pytest.raises(EventError, match="without Signature"):
        ses[0](unsigned)


def test_a_subscription_is_confirmed_at_sns_alone(
    keys: Path, ses: tuple[Callable[[dict[str, str]], list[Any]], list[str]]
) -> None:
    take, asked = ses
    confirm = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    said = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": confirm}
    assert take(notification(keys, "hello", **said)) == []
    assert asked == [CERTIFICATE_URL, confirm]
    with pytest.raises(SignatureError, match="elsewhere"):
        take(notification(keys, "hello", **{**said, "SubscribeURL": "https://evil.example/"}))


@pytest.mark.parametrize(
    ("event", "outcome", "recipients"),
    [
        ({"notificationType": "Delivery", "delivery": {"recipients": ["a", "b", "c"]}}, "delivered", 3),
        (
            {"eventType": "Bounce", "bounce": {"bounceType": "Transient", "bouncedRecipients": [{}]}},
            "deferred",
            1,
        ),
        ({"eventType": "Complaint", "complaint": {"complainedRecipients": [{}]}}, "complained", 1),
        ({"eventType": "Reject", "reject": {"reason": "Bad content"}}, "dropped", 1),
        ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{}, {}]}}, "deferred", 2),
        ({"eventType": "Open"}, "other", 1),
        ({}, "other", 1),
        ({"eventType": "Bounce", "bounce": "?"}, "bounced", 1),
    ],
)
def test_events_of_ses_have_outcomes(event: dict[str, object], outcome: str, recipients: int) -> None:
    assert list(outcomes.ses(event)) == [("", outcome, recipients)]


def test_signatures_are_those_of_the_key_and_the_text(keys: Path) -> None:
    key = p256_key(base64.b64decode((keys / "sendgrid.key").read_text()))
    signature = signed(keys, "ec.pem", b"text")
    assert ecdsa_matches(key, b"text", signature)
    assert not ecdsa_matches(key, b"text.", signature)
    assert not ecdsa_matches((key[0], key[1] ^ 1), b"text", signature), "no point of the curve"
    # r = s = 0, which a verifier without limits takes for anything's signature.
    assert not ecdsa_matches(key, b"text", base64.b64encode(bytes.fromhex("3006020100020100")).decode())
    assert not ecdsa_matches(key, b"text", "no base64")
    rsa = rsa_key_of((keys / "sns.crt").read_text())
    assert rsa_matches(rsa, b"text", signed(keys, "rsa.pem", b"text"), "sha256")
    assert not rsa_matches(rsa, b"text", signed(keys, "rsa.pem", b"text"), "sha1")
    assert not rsa_matches((rsa[0] >> 1024, rsa[1]), b"text", signed(keys, "rsa.pem", b"text"), "sha256")


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x03\x02\x01\x05", b"\x04\x00"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(DerError):
        p256_key(data)
    with pytest.raises(DerError):
        rsa_key_of(
            f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(data).decode()}\n-----END CERTIFICATE-----"
        )


def test_an_old_signature_of_sendgrid_is_refused(keys: Path) -> None:
    verifier = SendGrid(p256_key(base64.b64decode((keys / "sendgrid.key").read_text())))
    at = str(int(NOW.timestamp()) - 301)
    headers = {
        "x-twilio-email-event-webhook-timestamp": at,
        "x-twilio-email-event-webhook-signature": signed(keys, "ec.pem", at.encode() + b"[]"),
    }
    with pytest.raises(SignatureError, match="too long ago"):
        verifier.events(Request(b"[]", headers, NOW.timestamp()))
    assert verifier.events(Request(b"[]", headers, NOW.timestamp() - 60)) == []


def test_the_file_says_who_signs_how(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "short").write_text("short")
    (tmp_path / "jobs.yml").write_text(
        "deliveries:\n"
        "  - {name: a, kind: ses}\n"
        "  - {name: b, kind: webhook, topic: arn:aws:sns:x:1:y}\n"
        "  - {name: c, kind: sendgrid, key_file: short}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "jobs.yml")
    assert str(caught.value).count("ses has a topic, sendgrid and webhook a key_file") == 2
    (tmp_path / "jobs.yml").write_text(
        "deliveries:\n  - {name: c, kind: sendgrid, key_file: short}\n"
        "  - {name: d, kind: webhook, key_file: short}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "jobs.yml")
    assert "deliveries[0].key_file: expected the verification key that SendGrid shows" in str(caught.value)
    assert "deliveries[1].key_file: expected 16 bytes or more" in str(caught.value)
