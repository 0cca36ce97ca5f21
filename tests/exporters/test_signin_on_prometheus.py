"""The command in a process of its own: events over HTTP, a scrape by a real Prometheus, breaches read."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.exporters.signin_served import WITHIN, Exporter, serving
from tests.servers.prometheus import Prometheus, free_port

pytestmark = pytest.mark.integration

SCRAPE = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: signin
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    with serving(tmp_path) as running:
        yield running


def test_prometheus_sees_an_attack_and_an_operator_the_accounts(exporter: Exporter, tmp_path: Path) -> None:
    attack: list[dict[str, object]] = [
        {"event": "attempt", "source": "198.51.100.7", "account": f"leaked-{number}", "outcome": "failed"}
        for number in range(200)
    ]
    breach: dict[str, object] = {
        "event": "attempt",
        "source": "198.51.100.7",
        "account": "victim@example.com",
        "outcome": "success",
    }
    people: list[dict[str, object]] = [
        {"event": "attempt", "source": f"203.0.113.{number}", "account": f"c{number}", "outcome": "success"}
        for number in range(50)
    ]
    for events in (people, attack, [breach]):
        assert exporter.send(events).status_code == 202
    assert exporter.send(people, token="guessed").status_code == 401

    config = tmp_path / "prometheus.yml"
    config.write_text(SCRAPE.format(target=exporter.metrics.removeprefix("http://")), encoding="utf-8")
    server = Prometheus(tmp_path, free_port(), config)
    server.start()
    try:
        server.wait_for('specter_auth_attack_suspected{kind="credential_stuffing"} == 1')
        assert server.values('specter_auth_attempts_total{outcome="failed"}') == [200]
        assert server.values('specter_auth_attempts_total{outcome="success"}') == [51]
        assert server.values("specter_auth_suspected_breaches_total") == [1]
        assert server.values('specter_auth_events_refused_total{reason="unauthorized"}') == [1]
        assert server.values('specter_auth_attack_suspected{kind!="credential_stuffing"} == 1') == []
        (series,) = server.query('specter_auth_source_failures{grouping="address", source!="other"}')
        labels = series["metric"]
        assert isinstance(labels, dict)
        assert re.fullmatch("[0-9a-f]{16}", labels["source"])
        assert server.values("up") == [1]
        assert server.values('count({__name__=~".*_created"})') == []
    finally:
        server.stop()

    text = requests.get(f"{exporter.metrics}/metrics", timeout=WITHIN).text
    assert "198.51.100" not in text
    assert "victim" not in text
    read = {"Authorization": "Bearer read-token-0123456789"}
    answer = requests.get(f"{exporter.events}/api/v1/suspected-breaches", headers=read, timeout=WITHIN)
    (found,) = answer.json()["breaches"]
    assert (found["account"], found["failures"], found["source"]) == (
        "victim@example.com",
        200,
        labels["source"],
    )
    # Apart: neither listener serves what the other one does.
    assert requests.get(f"{exporter.events}/metrics", timeout=WITHIN).status_code == 404
    assert requests.post(f"{exporter.metrics}/api/v1/signins", json=people, timeout=WITHIN).status_code == 404
    hostile = {"Host": "attacker.example"}
    assert (
        requests.get(f"{exporter.events}/api/v1/openapi.json", headers=hostile, timeout=WITHIN).status_code
        == 421
    )

    exporter.process.send_signal(signal.SIGTERM)
    assert exporter.process.wait(WITHIN) == 0
