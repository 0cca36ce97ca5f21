"""The payment stub, and the shop when payments or the database fail: no gunicorn, no database needed."""

import io
import json
import random
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask
import pytest
from prometheus_client import CollectorRegistry

from specter_core.metrics import HTTP_CLIENT_REQUEST_DURATION
from specter_core.web import WebOptions, WebServer
from specter_demo.payments import create_payments
from specter_demo.provider import FINE, Trouble
from specter_demo.settings import Settings
from specter_demo.shop.app import create_app
from specter_demo.shop.payment import PaymentClient, PaymentError
from specter_demo.status_page import create_status_page
from specter_exporters.app import Outgoing, Recorder
from specter_exporters.dependencies.calling import Caller
from specter_exporters.dependencies.credentials import run_credential
from specter_exporters.dependencies.model import Call, Credential, Expiry, Secret, StatusPage
from specter_exporters.dependencies.results import CredentialResult, StatusResult
from specter_exporters.dependencies.status_pages import run_status_page
from tests.demo.shop_server import free_port


@contextmanager
def serving(app: flask.Flask) -> Iterator[str]:
    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def outgoing(registry: CollectorRegistry) -> Outgoing:
    return Outgoing(Recorder(registry, service_name="shop", service_version="1.4.0"))


def observed(registry: CollectorRegistry, status: str, error: str) -> float | None:
    labels = {
        "http_request_method": "POST",
        "server_address": "127.0.0.1",
        "http_response_status_code": status,
        "error_type": error,
    }
    return registry.get_sample_value(HTTP_CLIENT_REQUEST_DURATION.count, labels)


def test_charges_take_a_lognormal_time_around_25_ms() -> None:
    slept: list[float] = []
    client = create_payments(random.Random(1), slept.append).test_client()
    for number in range(400):
        answer = client.post("/charges", json={"order_id": number, "amount_cents": 100})
        assert answer.status_code == 201
    assert statistics.median(slept) == pytest.approx(0.025, rel=0.06)
    assert statistics.quantiles(slept, n=20)[-1] == pytest.approx(0.041, rel=0.1)


@pytest.mark.parametrize("body", [None, [], {}, {"amount_cents": 0}, {"amount_cents": "100"}])
def test_wrong_charges_are_refused(body: object) -> None:
    client = create_payments(random.Random(1), lambda _: None).test_client()
    assert client.post("/charges", json=body).status_code == 400


def test_the_account_is_told_to_who_has_the_token_and_when_the_token_ends(tmp_path: Path) -> None:
    file = tmp_path / "token"
    expiry = Expiry(json=("token_expires_at",))
    with serving(create_payments(random.Random(1), token="t0ken", token_expires_at=1.9e9)) as url:
        call = Call("credential", "GET", f"{url}/account", 5.0, headers={"Authorization": "Bearer ${secret}"})
        credential = Credential(call, Secret("token", file=file), frozenset({401}), expiry, 60.0)
        for text, expected in (
            ("t0ken", CredentialResult(None, 1.9e9)),
            ("other", CredentialResult("auth", None)),
        ):
            file.write_text(text)
            with Caller(None) as caller:
                assert run_credential(credential, caller) == expected


def test_without_a_token_nobody_has_an_account() -> None:
    client = create_payments(random.Random(1)).test_client()
    for header in ("", "Bearer ", "Bearer None"):
        assert client.get("/account", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize(
    ("trouble", "indicator", "component", "incidents"),
    [
        (FINE, "none", "operational", 0),
        (Trouble(declined=0.35), "minor", "degraded_performance", 1),
        (Trouble(unanswered=0.1), "minor", "degraded_performance", 1),
        (Trouble(away=True), "major", "major_outage", 1),
    ],
)
def test_the_status_page_says_what_is_wrong_with_charges_and_nothing_else_is(
    trouble: Trouble, indicator: str, component: str, incidents: int
) -> None:
    with serving(create_status_page(lambda: trouble)) as url, Caller(None) as caller:
        charges = StatusPage(url, frozenset({"Charges"}), 15.0, 5.0)
        assert run_status_page(charges, caller) == StatusResult(indicator, {component: 1}, incidents)
        rest = StatusPage(url, frozenset({"Dashboard"}), 15.0, 5.0)
        assert run_status_page(rest, caller) == StatusResult(indicator, {"operational": 1}, incidents)


def test_third_party_exposes_health_and_no_metrics() -> None:
    client = create_payments(random.Random(1)).test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 404


def test_charge_returns_the_providers_reference() -> None:
    registry = CollectorRegistry()
    with serving(create_payments(random.Random(1), lambda _: None)) as url:
        reference = PaymentClient(url, outgoing(registry)).charge(1, 100, "a" * 32)
    assert reference.startswith("ch_")
    assert observed(registry, "201", "") == 1.0


def test_refusal_of_the_provider_is_an_error_with_its_status() -> None:
    app = flask.Flask("broken")
    app.add_url_rule("/charges", view_func=lambda: ("sorry", 500), methods=["POST"])
    registry = CollectorRegistry()
    with serving(app) as url, pytest.raises(PaymentError, match="answered 500"):
        PaymentClient(url, outgoing(registry)).charge(1, 100, "a" * 32)
    assert observed(registry, "500", "500") == 1.0


@pytest.mark.parametrize("text", ["fine", "[]", '{"reference": 7}'])
def test_answer_without_a_reference_is_an_error(text: str) -> None:
    app = flask.Flask("odd")
    app.add_url_rule("/charges", view_func=lambda: text, methods=["POST"])
    with serving(app) as url, pytest.raises(PaymentError):
        PaymentClient(url, outgoing(CollectorRegistry())).charge(1, 100, "a" * 32)


def test_provider_that_is_away_is_an_error_that_is_measured() -> None:
    registry = CollectorRegistry()
    client = PaymentClient(f"http://127.0.0.1:{free_port()}", outgoing(registry))
    with pytest.raises(PaymentError, match="cannot be reached"):
        client.charge(1, 100, "a" * 32)
    assert observed(registry, "", "connection") == 1.0


def test_provider_that_never_answers_times_out() -> None:
    registry = CollectorRegistry()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = PaymentClient(
            f"http://127.0.0.1:{silent.getsockname()[1]}", outgoing(registry), timeout=0.05
        )
        with pytest.raises(PaymentError, match="in time"):
            client.charge(1, 100, "a" * 32)
    assert observed(registry, "", "timeout") == 1.0


def test_shop_without_its_database_answers_503_and_names_no_host(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(
        state_dir=tmp_path, database_dsn=f"host=127.0.0.1 port={port} dbname=shop user=secret-user"
    )
    log = io.StringIO()
    client = create_app(settings, log=log).test_client()
    for path in ("/", "/products/1", "/search?q=granite", "/healthz"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "secret-user" not in answer.text
    assert client.post("/login", json={"email": "a@b.example", "password": "x"}).status_code == 503
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["error"] * 4
    assert {line["error"] for line in lines} == {"OperationalError"}
    assert str(port) not in log.getvalue()
