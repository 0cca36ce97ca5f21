"""The notification inbox: who may write to it, what it keeps, and how much."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from specter_core.clock import SystemClock
from specter_demo.inbox import LARGEST_BODY, NEWEST, Journal, create_inbox

TOKEN = "inbox-token-of-the-test"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Noon(SystemClock):
    def time(self) -> float:
        return 1_700_000_000.5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notifications.jsonl"


@pytest.fixture
def client(file: Path) -> Iterator[FlaskClient]:
    mails = Journal(file.with_name("mails.jsonl"))
    with create_inbox(Journal(file), mails, TOKEN, Noon()).test_client() as opened:
        yield opened


def webhook(*names: str, **more: object) -> dict[str, object]:
    """A body as Alertmanager 0.25 sends it."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": name, "service": "shop"},
            "annotations": {"summary": f"{name} on shop"},
            "startsAt": "2024-03-05T12:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://127.0.0.1/graph",
            "fingerprint": "c0ffee",
        }
        for name in names
    ]
    return {"version": "4", "groupKey": "{}:{}", "receiver": "warning", "alerts": alerts, **more}


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_each_alert_of_a_webhook_becomes_one_line(client: FlaskClient, file: Path) -> None:
    answer = client.post("/alerts/warning", json=webhook("AnomalyDetected", "SlowService"), headers=HEADERS)
    assert (answer.status_code, answer.json) == (200, {"received": 2})
    first, second = lines(file)
    assert second["alertname"] == "SlowService"
    assert first == {
        "received_at": 1_700_000_000.5,
        "severity": "warning",
        "status": "firing",
        "alertname": "AnomalyDetected",
        "labels": {"alertname": "AnomalyDetected", "service": "shop"},
        "annotations": {"summary": "AnomalyDetected on shop"},
        "startsAt": "2024-03-05T12:00:00Z",
    }
    assert client.get("/notifications", headers=HEADERS).json == [first, second]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00e9"],
)
def test_without_the_token_nothing_is_read_or_written(
    client: FlaskClient, file: Path, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert client.post("/alerts/critical", json=webhook("Down"), headers=headers).status_code == 401
    assert client.get("/notifications", headers=headers).status_code == 401
    assert not file.exists()


def test_health_needs_no_token(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_body_over_a_mebibyte_is_refused(client: FlaskClient, file: Path) -> None:
    body = webhook("Down", padding="x" * LARGEST_BODY)
    assert client.post("/alerts/critical", json=body, headers=HEADERS).status_code == 413
    assert not file.exists()


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", '{"alerts": 1}', '{"alerts": ["x"]}'])
def test_what_is_no_webhook_is_refused(client: FlaskClient, file: Path, body: str) -> None:
    assert client.post("/alerts/info", data=body, headers=HEADERS).status_code == 400
    assert not file.exists()


def test_unknown_severity_is_refused(client: FlaskClient) -> None:
    answer = client.post("/alerts/fatal", json=webhook("Down"), headers=HEADERS)
    assert answer.status_code == 404
    assert "critical, warning, info, heartbeat" in str(answer.json)


def test_keys_that_are_missing_or_new_are_tolerated(client: FlaskClient, file: Path) -> None:
    body = {"alerts": [{"labels": None, "novelty": {"a": 1}}], "novelty": True}
    assert client.post("/alerts/info", json=body, headers=HEADERS).status_code == 200
    assert lines(file)[0]["alertname"] == ""


def test_heartbeats_are_counted_and_not_listed(client: FlaskClient, file: Path) -> None:
    for _ in range(3):
        client.post("/alerts/heartbeat", json=webhook("Watchdog"), headers=HEADERS)
    assert client.get("/notifications", headers=HEADERS).json == []
    assert not file.exists()
    beat = json.loads(file.with_name("heartbeat.json").read_text(encoding="utf-8"))
    assert beat == {"received_at": 1_700_000_000.5, "count": 3}


def test_newest_hundred_survive_a_restart(file: Path) -> None:
    journal = Journal(file)
    journal.append([{"number": number} for number in range(NEWEST + 20)])
    with file.open("a", encoding="utf-8") as cut_off:
        cut_off.write('{"number": 12')
    numbers = [line["number"] for line in Journal(file).newest()]
    assert numbers == list(range(21, NEWEST + 20))


def test_file_is_rotated_when_it_is_full(file: Path) -> None:
    journal = Journal(file, largest=1000)
    for number in range(200):
        journal.append([{"number": number}])
    rotated = file.with_name("notifications.jsonl.1")
    assert file.stat().st_size <= 1000
    assert rotated.stat().st_size <= 1000
    assert lines(file)[-1] == {"number": 199}
    assert len(list(file.parent.iterdir())) == 2


MAIL = {"recipient": "ada@shop.example", "subject": "Your order", "text": "Thank you."}


def test_a_mail_is_kept_with_its_time_apart_from_the_alerts(client: FlaskClient, file: Path) -> None:
    assert client.post("/mails", json={**MAIL, "more": 1}, headers=HEADERS).json == {"received": 1}
    kept = {"received_at": 1_700_000_000.5, **MAIL}
    assert lines(file.with_name("mails.jsonl")) == [kept]
    assert client.get("/mails", headers=HEADERS).json == [kept]
    assert client.get("/notifications", headers=HEADERS).json == []


@pytest.mark.parametrize("body", [[], {}, {**MAIL, "text": 7}, {"recipient": "", "subject": ""}])
def test_what_is_no_mail_is_refused(client: FlaskClient, file: Path, body: object) -> None:
    assert client.post("/mails", json=body, headers=HEADERS).status_code == 400
    assert not file.with_name("mails.jsonl").exists()


def test_no_mail_is_sent_or_read_without_the_token(client: FlaskClient) -> None:
    assert client.post("/mails", json=MAIL).status_code == 401
    assert client.get("/mails").status_code == 401
