"""A Node service without Specter's code is watched like a Python one: by the rules, its log, its events."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
import numpy as np
import pytest
import requests
import yaml
from prometheus_client import CollectorRegistry

from specter_core import metrics
from specter_core.catalogue import platform_catalogue
from specter_core.web import WebOptions, WebServer
from specter_demo.coaching.node import SOURCE, NodeError, find_node, installed_packages
from specter_demo.coaching.past import coaching_past
from specter_demo.history.calibration import bucket_counts
from specter_demo.traffic.shape import TrafficShape
from specter_exporters.app import SpecterFlask
from specter_exporters.business import Business
from specter_exporters.business.endpoint import BusinessEndpoint
from specter_exporters.business.senders import Senders
from tests.exporters.serving import until
from tests.servers.prometheus import Prometheus, running_prometheus

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def why_not() -> str:
    """Return why there can be no Node service here; with Node.js there must be one, or the tests fail."""
    try:
        find_node()
    except NodeError as error:
        return str(error)
    return ""


WHY_NOT = why_not()
pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

CHECKOUT = Path(__file__).resolve().parents[2]
DOCUMENT = (CHECKOUT / "docs/other-languages.md").read_text(encoding="utf-8")
RULES = (CHECKOUT / "alert_rules/generated/http.rules.yml").read_text(encoding="utf-8")
DURATION = metrics.HTTP_SERVER_REQUEST_DURATION.name
TOKEN = "a-token-of-the-coach-0123456789"
# Quick, and so that every end of a session fails.
MODEL = {
    "/advice/:topic": {"median_seconds": 0.005, "sigma": 0.1, "failed": 0, "tokens": 40},
    "/sessions/:id/end": {"median_seconds": 0.005, "sigma": 0.1, "failed": 1, "tokens": 40},
}
# Three requests that succeed, one that fails.
ROUND = (
    ("GET", "/advice/sleep"),
    ("GET", "/advice/food"),
    ("GET", "/advice/work"),
    ("POST", "/sessions/7/end"),
)
PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class NodeService:
    """Where the service listens, and what it writes."""

    address: str
    log: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def from_document(key: str) -> dict[str, Any]:
    """Return the first YAML block of the page that begins with `key`."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    document: dict[str, Any] = yaml.safe_load(next(block for block in blocks if block.startswith(key)))
    return document


@contextmanager
def node_service(folder: Path, events_url: str, model: object = MODEL) -> Iterator[NodeService]:
    """Install and start the service; it is stopped by SIGTERM."""
    token, log, model_file = folder / "token", folder / "coaching.log", folder / "model.json"
    token.write_text(TOKEN, encoding="utf-8")
    model_file.write_text(json.dumps(model), encoding="utf-8")
    environment = {
        "NODE_PATH": str(installed_packages(print, seconds=240.0)),
        "COACHING_LISTEN": "127.0.0.1:0",
        "COACHING_LOG_FILE": str(log),
        "COACHING_EVENTS_URL": events_url,
        "COACHING_TOKEN_FILE": str(token),
        "COACHING_MODEL_FILE": str(model_file),
    }
    process = subprocess.Popen(
        [str(find_node()), str(SOURCE / "service.js")],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield NodeService(f"127.0.0.1:{port}", log, process)
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def business() -> Iterator[tuple[CollectorRegistry, str]]:
    """The exporter's registry, and the URL on which it takes events."""
    registry = CollectorRegistry()
    endpoint = BusinessEndpoint(Business(platform_catalogue(), registry), Senders({"coaching": TOKEN}))
    server = WebServer(endpoint, WebOptions("127.0.0.1", 0))
    server.start()
    yield registry, server.url
    server.stop()


@pytest.fixture
def node(tmp_path: Path, business: tuple[CollectorRegistry, str]) -> Iterator[NodeService]:
    with node_service(tmp_path, business[1]) as running:
        yield running


@pytest.fixture
def python_service() -> Iterator[str]:
    """The same service in Flask."""
    app = flask.Flask("python")
    SpecterFlask(app, service_name="python", service_version="1.0.0")

    @app.get("/advice/<topic>")
    def advice(topic: str) -> str:
        return topic

    @app.post("/sessions/<int:number>/end")
    def end(number: int) -> str:
        raise RuntimeError(f"session {number} has no model")

    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    yield server.url
    server.stop()


@contextmanager
def driven(*urls: str) -> Iterator[None]:
    """Send every URL the same requests until the end of the block."""
    stop = threading.Event()

    def drive() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                for method, path in ROUND:
                    for url in urls:
                        session.request(method, url + path, timeout=5)
                stop.wait(PAUSE)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def configuration(node: NodeService, python_url: str) -> str:
    """Return a Prometheus that scrapes both, the Node service as the page says."""
    scrape = from_document("scrape_configs")["scrape_configs"][0]
    scrape["static_configs"][0]["targets"] = [node.address]
    plain = {
        "job_name": "python",
        "static_configs": [
            {"targets": [python_url.removeprefix("http://")], "labels": {"service": "python"}}
        ],
    }
    times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return yaml.safe_dump({"global": times, "rule_files": ["rules.yml"], "scrape_configs": [scrape, plain]})


def recorded(prometheus: Prometheus, service: str) -> dict[tuple[str, str], float]:
    """Return what the rules record of `service`: values by name and kind of route."""
    found = {}
    for row in prometheus.query(f'{{service="{service}", __name__=~"service(_route)?:http_server.*"}}'):
        labels, value = row["metric"], row["value"]
        assert isinstance(labels, dict)
        assert isinstance(value, list)
        # The frameworks write a route's parameters in ways of their own.
        kind = labels.get(metrics.ROUTE, "").split("/")[1:2]
        found[labels["__name__"], "".join(kind)] = float(value[1])
    return found


def test_the_rules_say_of_it_what_they_say_of_a_python_service(
    tmp_path: Path, node: NodeService, python_service: str
) -> None:
    config = configuration(node, python_service)
    with (
        running_prometheus(tmp_path / "prometheus", config=config, files={"rules.yml": RULES}) as prometheus,
        driven(node.url, python_service),
    ):

        def complete() -> dict[str, dict[tuple[str, str], float]] | None:
            both = {service: recorded(prometheus, service) for service in ("coaching", "python")}
            rates = [both[service].get((metrics.ROUTE_REQUEST_RATE, "sessions"), 0.0) for service in both]
            return both if min(rates) > 0.5 and both["coaching"].keys() == both["python"].keys() else None

        both = until(complete, "both services are recorded")
    coach, python = both["coaching"], both["python"]
    # Rate, error ratio and three quantiles, of the service and of its two routes.
    assert len(coach) == 5 * 3
    for name, where, expected in (
        (metrics.SERVICE_ERROR_RATIO, "", 0.25),
        (metrics.ROUTE_ERROR_RATIO, "advice", 0.0),
        (metrics.ROUTE_ERROR_RATIO, "sessions", 1.0),
    ):
        assert coach[name, where] == pytest.approx(expected, abs=0.05)
        assert python[name, where] == pytest.approx(expected, abs=0.05)
    for key in ((metrics.SERVICE_REQUEST_RATE, ""), (metrics.ROUTE_REQUEST_RATE, "advice")):
        assert coach[key] == pytest.approx(python[key], rel=0.4)
    assert 0.0 < coach[metrics.SERVICE_DURATION["p95"], ""] < 5.0


def test_its_version_is_told_as_a_python_service_tells_it(node: NodeService) -> None:
    text = requests.get(f"{node.url}/metrics", timeout=5).text
    version = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))["version"]
    assert f'target_info{{service_name="coaching",service_version="{version}"}} 1' in text.splitlines()


def test_scrapes_and_probes_of_it_are_no_requests(node: NodeService) -> None:
    for _ in range(3):
        requests.get(f"{node.url}/healthz", timeout=5).raise_for_status()
        text = requests.get(f"{node.url}/metrics", timeout=5).text
    assert "http_server_request_duration_count" not in text
    assert not node.log.read_text(encoding="utf-8")


def test_its_business_events_are_counted(node: NodeService, business: tuple[CollectorRegistry, str]) -> None:
    for method, path in ROUND:
        requests.request(method, node.url + path, timeout=5)

    def counted(outcome: str, reason: str) -> float | None:
        labels = {"event": "coaching_session", "outcome": outcome, "reason": reason}
        return business[0].get_sample_value(metrics.BUSINESS_EVENTS.name, labels)

    until(lambda: counted("success", "") == 3.0, "three conversations are counted")
    until(lambda: counted("failed", "provider_error") == 1.0, "a failed one is counted")


def test_what_a_visitor_gets_wrong_is_no_failure_of_the_service(node: NodeService) -> None:
    connection = http.client.HTTPConnection(node.address, timeout=5)
    connection.request("GET", "/advice/%E0%A4%A")  # requests would mend it
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (400, {"error": "not understood"})
    connection.close()


def test_events_are_sent_again_when_the_exporter_asks_for_it_and_told_of_when_it_refuses(
    tmp_path: Path,
) -> None:
    answers = [(429, {"Retry-After": "0"}), (409, {}), (401, {}), (200, {})]
    keys: list[str | None] = []

    def events(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        keys.append(environ.get("HTTP_IDEMPOTENCY_KEY"))
        status, headers = answers[min(len(keys), len(answers)) - 1]
        start_response(f"{status} Said", [*headers.items()])
        return [b"{}"]

    server = WebServer(events, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        with node_service(tmp_path, server.url) as running:
            requests.get(f"{running.url}/advice/sleep", timeout=5)
            until(lambda: '"status":401' in running.log.read_text(encoding="utf-8"), "the refusal is told of")
    finally:
        server.stop()
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_its_log_is_read_by_the_log_exporter(tmp_path: Path, node: NodeService) -> None:
    for method, path in ROUND:
        requests.request(method, node.url + path, timeout=5)
    until(lambda: node.log.read_text(encoding="utf-8").count("\n") == len(ROUND), "the log has its lines")
    config = tmp_path / "logs.yml"
    config.write_text(yaml.safe_dump(from_document("logs")), encoding="utf-8")
    command = [sys.executable, "-m", "specter_core", "exporter", "logs", "try", str(config), "coaching"]
    done = subprocess.run(command, input=node.log.read_bytes(), capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert 'specter_log_lines_total{level="error",log="coaching"} 1.0' in lines
    assert 'specter_log_lines_total{level="info",log="coaching"} 3.0' in lines
    served = (
        'specter_log_http_requests_total{http_request_method="POST",http_response_status_code="500",'
        'http_route="/sessions/{id}/end",log="coaching"} 1.0'
    )
    assert served in lines


def test_a_visitor_sees_no_error_where_the_model_gives_no_advice(
    tmp_path: Path, business: tuple[CollectorRegistry, str]
) -> None:
    away = {"/advice/:topic": MODEL["/advice/:topic"] | {"failed": 1}}
    with node_service(tmp_path, business[1], away) as running:
        answer = requests.get(f"{running.url}/advice/sleep", timeout=5)
        assert (answer.status_code, answer.json()["from"]) == (200, "the prepared ones")

        def failed() -> bool:
            labels = {"event": "coaching_session", "outcome": "failed", "reason": "provider_error"}
            return business[0].get_sample_value(metrics.BUSINESS_EVENTS.name, labels) == 1.0

        until(failed, "the failure is counted")
        assert '"level":50' in running.log.read_text(encoding="utf-8")


def test_it_takes_as_long_as_its_made_up_past_says(
    tmp_path: Path, business: tuple[CollectorRegistry, str]
) -> None:
    past = coaching_past(TrafficShape())
    model = json.loads((SOURCE / "model.json").read_text(encoding="utf-8"))
    with node_service(tmp_path, business[1], model) as running:

        def ask(number: int) -> None:
            requests.get(f"{running.url}/advice/{number}", timeout=10).raise_for_status()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(200)))
        text = requests.get(f"{running.url}/metrics", timeout=5).text
    found = bucket_counts(text.replace("http_server_request_duration", DURATION))
    (outcome, counts) = found.popitem()
    assert not found
    assert (outcome,) == past.calibration.outcomes["/advice/:topic"]
    expected = past.calibration.probabilities["/advice/:topic"][0]
    # A share of 200 has a standard deviation of at most 0.035; a busy machine adds some milliseconds.
    assert np.cumsum(counts) / 200 == pytest.approx(np.cumsum(expected), abs=0.2)
