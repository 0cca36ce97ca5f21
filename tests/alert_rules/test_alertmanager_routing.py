"""Alertmanager's configuration: valid, every alert routed, nothing muted that says something else."""

import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from specter_alerts.families import all_groups
from specter_alerts.routing import config
from specter_alerts.writer import render
from specter_stack.programs import find_program

ALERTS = [rule for group in all_groups() for rule in group.alerts]
TOKEN = "not-a-secret"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(render()["alertmanager.yml"], encoding="utf-8")
    return path


def call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.integration
def test_amtool_accepts_the_configuration(config_file: Path) -> None:
    checked = call(str(find_program("amtool")), "check-config", str(config_file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_amlint_finds_nothing(config_file: Path) -> None:
    amlint = shutil.which("amlint", path=str(Path(__file__).parents[2] / ".venv" / "bin"))
    assert amlint is not None
    checked = call(amlint, "check", str(config_file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No issues found" in checked.stdout


@pytest.mark.integration
@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.alert)
def test_every_alert_reaches_the_receiver_of_its_severity(config_file: Path, rule: Any) -> None:
    receiver = "heartbeat" if rule.alert == "Watchdog" else rule.severity
    routed = call(
        str(find_program("amtool")),
        "config",
        "routes",
        "test",
        f"--config.file={config_file}",
        f"--verify.receivers={receiver}",
        f"alertname={rule.alert}",
        f"severity={rule.severity}",
        "service=shop",
    )
    assert routed.returncode == 0, routed.stdout + routed.stderr


@pytest.mark.integration
def test_an_alert_without_a_severity_is_not_lost(config_file: Path) -> None:
    routed = call(
        str(find_program("amtool")),
        "config",
        "routes",
        "test",
        f"--config.file={config_file}",
        "--verify.receivers=warning",
        "alertname=Own",
    )
    assert routed.returncode == 0, routed.stdout + routed.stderr


def test_every_receiver_sends_resolved_with_the_token_from_a_file() -> None:
    for receiver in config()["receivers"]:
        assert receiver["webhook_configs"] == [
            {
                "url": f"http://specter-notifications:9846/alerts/{receiver['name']}",
                "send_resolved": True,
                "http_config": {"authorization": {"credentials_file": "secrets/notifications-token"}},
            }
        ]


def test_an_anomaly_is_notified_within_two_minutes_of_the_fault_also_in_a_group_notified_before() -> None:
    fault_to_score, to_evaluation = 30, 5
    anomaly = next(rule for rule in ALERTS if rule.alert == "AnomalyDetected")
    route = config()["route"]
    waits = max(seconds(route["group_wait"]), seconds(route["group_interval"]))
    assert fault_to_score + to_evaluation + seconds(anomaly.wait) + waits <= 100


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


class Receiver:
    """A webhook that keeps what it was sent."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str | None, dict[str, Any]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.deliveries.append((self.path, self.headers["Authorization"], body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def alerts(self, path: str) -> list[dict[str, Any]]:
        return [alert for sent, _, body in self.deliveries if sent == path for alert in body["alerts"]]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {seconds} s"
        time.sleep(0.05)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        receiver.thread.join()


@contextmanager
def alertmanager(folder: Path, config_text: str) -> Iterator[str]:
    """Run Alertmanager from another working directory and yield its URL."""
    conf = folder / "conf"
    (conf / "secrets").mkdir(parents=True)
    (conf / "secrets" / "notifications-token").write_text(f"{TOKEN}\n", encoding="utf-8")
    (conf / "alertmanager.yml").write_text(config_text, encoding="utf-8")
    log = folder / "log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [
                str(find_program("alertmanager")),
                f"--config.file={conf / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
                "--log.format=json",
            ],
            cwd="/",
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://{listening(log)}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def listening(log: Path) -> str:
    found: list[str] = []

    def look() -> bool:
        lines = [
            json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")
        ]
        found.extend(line["address"] for line in lines if line.get("msg") == "Listening on")
        return bool(found)

    wait_for(look, "Alertmanager listens")
    return found[0]


def post(url: str, alerts: list[dict[str, str]]) -> None:
    now = datetime.now(UTC).isoformat()
    body = json.dumps([{"labels": labels, "startsAt": now} for labels in alerts]).encode()
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def quick(address: str) -> str:
    """Return the generated configuration with the receiver's address and without waiting."""
    document = config()
    for route in (document["route"], *document["route"]["routes"]):
        route.update(group_wait="0s", group_interval="1s")
    return yaml.safe_dump(document).replace("specter-notifications:9846", address)


def labels(alertname: str, severity: str, symptom: str, **more: str) -> dict[str, str]:
    return {
        "alertname": alertname,
        "severity": severity,
        "symptom": symptom,
        "cluster": "local",
        "service": "shop",
        **more,
    }


@pytest.mark.integration
def test_the_token_is_read_beside_the_configuration_and_sent(tmp_path: Path) -> None:
    with receiving() as receiver, alertmanager(tmp_path, quick(receiver.address)) as url:
        post(url, [labels("ErrorRatioCritical", "critical", "errors")])
        wait_for(lambda: bool(receiver.deliveries), "a notification")
    path, authorization, body = receiver.deliveries[0]
    assert (path, authorization) == ("/alerts/critical", f"Bearer {TOKEN}")
    assert body["groupLabels"] == {
        "alertname": "ErrorRatioCritical",
        "cluster": "local",
        "service": "shop",
    }


@pytest.mark.integration
def test_critical_mutes_the_same_statement_only(tmp_path: Path) -> None:
    critical = [
        labels("LatencyCritical", "critical", "latency"),
        labels("PostgresConnectionsCritical", "critical", "connections", server="main"),
    ]
    muted = [
        labels("PostgresConnectionsHigh", "warning", "connections", server="main"),
        labels("LatencyHigh", "warning", "latency"),
        labels("AnomalyDetected", "warning", "latency", **{"for": "latency_p95"}),
    ]
    heard = [
        labels(
            "AnomalyDetected", "warning", "latency", **{"for": "route_latency_p95", "http_route": "/search"}
        ),
        labels("AnomalyDetected", "warning", "traffic", **{"for": "request_rate"}),
        labels("AnomalyDetected", "warning", "anomaly", **{"for": "queue_depth"}),
        labels("ErrorRatioHigh", "warning", "errors"),
        labels("PostgresConnectionsHigh", "warning", "connections", server="other"),
        labels("LatencyHigh", "warning", "latency", service="payments"),
        labels("LatencyHigh", "warning", "latency", cluster="other"),
    ]
    deployment = labels("DeploymentStarted", "info", "deployment", service_version="2")
    # A user's own alerts without the labels that inhibition compares.
    own = [
        {"alertname": "OwnCritical", "severity": "critical"},
        {"alertname": "OwnWarning", "severity": "warning"},
    ]
    with receiving() as receiver, alertmanager(tmp_path, quick(receiver.address)) as url:
        post(url, [*critical, own[0]])
        wait_for(lambda: len(receiver.alerts("/alerts/critical")) >= 3, "the critical notifications")
        post(url, [*muted, *heard, deployment, own[1]])
        states = states_of(url, len([*critical, *own, *muted, *heard, deployment]))
        wait_for(
            lambda: (
                {key(a["labels"]) for a in receiver.alerts("/alerts/warning")}
                >= {key(h) for h in [*heard, own[1]]}
            ),
            "the warnings",
        )
        wait_for(lambda: bool(receiver.alerts("/alerts/info")), "the deployment")
    assert {k for k, inhibitors in states.items() if inhibitors} == {key(m) for m in muted}
    assert {key(a["labels"]) for a in receiver.alerts("/alerts/warning")} == {
        key(h) for h in [*heard, own[1]]
    }
    assert [a["labels"] for a in receiver.alerts("/alerts/info")] == [deployment]


def key(found: dict[str, str]) -> str:
    return json.dumps(found, sort_keys=True)


def states_of(url: str, count: int) -> dict[str, list[str]]:
    """Return which alerts are inhibited by what, once `count` alerts have been processed."""
    result: dict[str, list[str]] = {}

    def look() -> bool:
        with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as response:
            found = json.load(response)
        result.clear()
        result.update({key(alert["labels"]): alert["status"]["inhibitedBy"] for alert in found})
        return len(found) >= count and all(a["status"]["state"] != "unprocessed" for a in found)

    wait_for(look, "all alerts processed")
    return result
