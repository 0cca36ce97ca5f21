"""What the story sees: of Prometheus, only what this run wrote; of the inbox, only this fault's alert."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from specter_demo.faults import find_fault
from specter_demo.story.observe import (
    NOTHING,
    AlertView,
    RouteView,
    alert_fires,
    family_alert,
    is_over,
    notified_at,
    observe,
    score_is_quiet,
    score_is_up,
    series_name,
)
from specter_demo.story.prometheus import PrometheusClient, PrometheusError
from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.series import labels_of
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

FAULT = find_fault("api-latency")
RATE = "service_route:http_server_requests:rate1m"
P95 = "service_route:http_server_request_duration_seconds:p95_rate1m"

# --- Prometheus ---


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path / "prometheus") as server:
        yield server


def put(prometheus: Prometheus, name: str, value: float | None, at: float, **labels: str) -> None:
    import requests  # noqa: PLC0415

    labels = {key.removesuffix("_"): text for key, text in labels.items()}
    client = RemoteWriteClient(prometheus.url, requests.Session())
    outcome = client.send(request([record_of(labels_of({"__name__": name, **labels}), value, at)]), 5.0)
    client.close()
    assert outcome.kind == "ok", outcome


@pytest.mark.integration
def test_what_an_earlier_run_wrote_is_not_seen(prometheus: Prometheus) -> None:
    client, now = PrometheusClient(prometheus.url), time.time()
    score = {"service": "shop", "for_": "route_latency_p95", "http_route": "/search"}
    alert = {**score, "alertname": "AnomalyDetected", "alertstate": "firing"}
    put(prometheus, "anomaly_score", 7.0, now - 30.0, **score)
    put(prometheus, "ALERTS", 1.0, now - 30.0, **alert)
    assert prometheus.values("anomaly_score") == [7.0]  # Prometheus shows it for five minutes

    seen = observe(client, now - 10.0)
    assert (dict(seen.scores), seen.alerts, seen.highest) == ({}, (), None)
    assert not score_is_up(client, FAULT, now - 10.0)
    assert not alert_fires(client, FAULT, now - 10.0)

    put(prometheus, "anomaly_score", 0.9, now - 5.0, **score)
    put(prometheus, "ALERTS", 1.0, now - 5.0, **{**alert, "alertstate": "pending"})
    seen = observe(client, now - 10.0)
    assert dict(seen.scores) == {"route_latency_p95 /search": 0.9}
    assert [(a.name, a.state) for a in seen.alerts] == [("AnomalyDetected", "pending")]
    assert score_is_quiet(client, FAULT, now - 10.0)
    assert not score_is_quiet(client, FAULT, now), "nothing was scored since then"
    assert not score_is_up(client, FAULT, now - 10.0)
    assert not alert_fires(client, FAULT, now - 10.0)

    put(prometheus, "anomaly_score", 1.1, now - 1.0, **score)
    put(prometheus, "ALERTS", 1.0, now - 1.0, **alert)
    assert score_is_up(client, FAULT, now - 10.0)
    assert not score_is_quiet(client, FAULT, now - 10.0)
    assert alert_fires(client, FAULT, now - 10.0)


@pytest.mark.integration
def test_only_what_the_fault_should_disturb_counts(prometheus: Prometheus) -> None:
    client, now = PrometheusClient(prometheus.url), time.time()
    put(prometheus, "anomaly_score", 9.0, now, service="shop", for_="request_rate")
    put(prometheus, "anomaly_score", 9.0, now, service="other", for_="latency_p95")
    put(prometheus, "ALERTS", 1.0, now, alertname="AnomalyDetected", alertstate="firing", for_="request_rate")
    put(prometheus, "ALERTS", 1.0, now, alertname="LatencyHigh", alertstate="firing", for_="latency_p95")
    elsewhere = {"service": "coaching", "for_": "latency_p95"}
    put(prometheus, "ALERTS", 1.0, now, alertname="AnomalyDetected", alertstate="firing", **elsewhere)
    assert not score_is_up(client, FAULT, now - 60.0)
    assert not alert_fires(client, FAULT, now - 60.0)
    put(prometheus, "anomaly_score", 9.0, now, service="shop", for_="latency_p95")
    assert score_is_up(client, FAULT, now - 60.0)


@pytest.mark.integration
def test_a_rule_family_s_alert_counts_by_its_name_and_the_shop_and_is_over_when_it_is_resolved(
    prometheus: Prometheus,
) -> None:
    client, now = PrometheusClient(prometheus.url), time.time()
    alone = replace(FAULT, expects=(), alert="MemoryLeak")
    both = replace(FAULT, family_alerts=("MemoryLeak", "ExceptionsRising"))
    leak = {"alertname": "MemoryLeak", "alertstate": "firing"}
    put(prometheus, "ALERTS", 1.0, now, **leak, service="other")
    put(prometheus, "ALERTS", 1.0, now, **{**leak, "alertname": "ServiceDown"}, service="shop")
    put(prometheus, "ALERTS", 1.0, now - 30.0, **leak, service="shop", severity="warning")
    assert not alert_fires(client, alone, now - 10.0)
    assert family_alert(client, both, now - 10.0) is None
    assert is_over(client, alone, now - 10.0, now)

    put(prometheus, "ALERTS", 1.0, now - 1.0, **leak, service="shop", severity="warning")
    assert alert_fires(client, alone, now - 10.0)
    assert family_alert(client, both, now - 10.0) == "MemoryLeak"
    assert family_alert(client, FAULT, now - 10.0) is None
    assert not is_over(client, alone, now - 10.0, now)

    # As Prometheus ends the series of an alert.
    put(prometheus, "ALERTS", None, now, **leak, service="shop", severity="warning")
    assert is_over(client, alone, now - 10.0, now)


@pytest.mark.integration
def test_the_observation_joins_routes_scores_and_alerts(prometheus: Prometheus) -> None:
    client, now = PrometheusClient(prometheus.url), time.time()
    put(prometheus, RATE, 2.5, now, service="shop", http_route="/")
    put(prometheus, RATE, 1.5, now, service="shop", http_route="[id]")
    put(prometheus, RATE, 9.0, now, service="other", http_route="/other")
    put(prometheus, P95, 0.02, now, service="shop", http_route="/")
    put(prometheus, P95, float("nan"), now, service="shop", http_route="[id]")
    put(prometheus, "anomaly_score", 0.2, now, service="shop", for_="route_request_rate", http_route="/")
    put(prometheus, "anomaly_score", 1.7, now, service="shop", for_="route_latency_p95", http_route="/")
    put(prometheus, "anomaly_score", 0.5, now, service="shop", for_="request_rate")
    for name, severity in (("Watchdog", "none"), ("LatencyHigh", "warning"), ("ServiceDown", "critical")):
        put(
            prometheus,
            "ALERTS",
            1.0,
            now,
            alertname=name,
            alertstate="firing",
            severity=severity,
            service="shop",
        )
    view = {"service": "shop", "page": "/", "device": "mobile"}
    put(prometheus, "ALERTS", 1.0, now, alertname="LcpPoor", alertstate="pending", severity="warning", **view)
    seen = observe(client, now - 60.0)
    assert seen.routes == (RouteView("/", 2.5, 0.02, 1.7), RouteView("[id]", 1.5, None, None))
    assert dict(seen.scores) == {
        "route_request_rate /": 0.2,
        "route_latency_p95 /": 1.7,
        "request_rate": 0.5,
    }
    assert seen.highest == ("route_latency_p95 /", 1.7)
    assert seen.alerts == (
        AlertView("ServiceDown", "critical", "firing", "shop", "shop"),
        AlertView("LatencyHigh", "warning", "firing", "shop", "shop"),
        AlertView("LcpPoor", "warning", "pending", "shop / mobile", "shop"),
    )


@pytest.mark.integration
def test_an_empty_prometheus_shows_nothing_and_a_bad_query_is_quoted(prometheus: Prometheus) -> None:
    client = PrometheusClient(prometheus.url)
    assert observe(client, 0.0) == NOTHING
    assert client.range("nothing", 0.0, 60.0, 15.0) == []
    assert client.samples("nothing", 60.0, 60.0) == []
    with pytest.raises(PrometheusError, match=r"Prometheus refuses 'sum\(': .*parse error"):
        client.query("sum(")


def test_a_prometheus_that_is_away_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(PrometheusError, match=f"^Prometheus at {url}/api/v1/query does not answer"):
        PrometheusClient(url).query("up")


def test_series_are_named_as_people_say_them() -> None:
    assert series_name({"for": "route_latency_p95", "http_route": "/search"}) == "route_latency_p95 /search"
    assert series_name({"for": "latency_p95", "service": "shop"}) == "latency_p95"
    assert series_name({"for": "latency_p95", "http_route": ""}) == "latency_p95"
    assert series_name({"http_route": "/"}) == "? /"
    view = {"for": "frontend_lcp", "service": "shop", "page": "/products/{product}", "device": "mobile"}
    assert series_name(view) == "frontend_lcp /products/{product} mobile"


# --- the inbox's file ---


def line(received_at: float, **changes: object) -> str:
    entry: dict[str, object] = {
        "received_at": received_at,
        "severity": "warning",
        "status": "firing",
        "alertname": "AnomalyDetected",
        "labels": {"for": "route_latency_p95", "service": "shop"},
    }
    return json.dumps(entry | changes) + "\n"


def test_the_first_delivery_after_the_fault_counts(tmp_path: Path) -> None:
    file = tmp_path / "notifications.jsonl"
    assert notified_at(file, FAULT, 100.0) is None
    file.write_text(
        line(99.0)
        + line(101.0, status="resolved")
        + line(102.0, alertname="LatencyHigh")
        + line(103.0, labels={"for": "request_rate"})
        + line(104.0, labels={})
        + line(105.0, labels={"for": "route_latency_p95", "service": "coaching"})
        + line(105.5)
        + line(106.0)
    )
    assert notified_at(file, FAULT, 100.0) == 105.5
    assert notified_at(file, FAULT, 107.0) is None


def test_a_delivery_of_a_rule_family_s_alert_counts_by_the_shop(tmp_path: Path) -> None:
    file, fault = tmp_path / "notifications.jsonl", replace(FAULT, expects=(), alert="MemoryLeak")
    file.write_text(
        line(101.0)
        + line(102.0, alertname="MemoryLeak", labels={"service": "other"})
        + line(103.0, alertname="MemoryLeak", labels={"service": "shop"})
    )
    assert notified_at(file, fault, 100.0) == 103.0


@pytest.mark.parametrize(
    "cut", ['{"received_at": 101.0, "stat', '{"received_at": 101.0, "status": "fir\xff', ""]
)
def test_a_half_written_last_line_is_read_when_it_is_whole(tmp_path: Path, cut: str) -> None:
    file = tmp_path / "notifications.jsonl"
    file.write_bytes((line(99.0) + cut).encode("latin-1"))
    assert notified_at(file, FAULT, 100.0) is None
    file.write_text(line(99.0) + line(101.0).rstrip("\n"))
    assert notified_at(file, FAULT, 100.0) == 101.0


def test_a_line_that_a_crash_cut_off_does_not_hide_later_ones(tmp_path: Path) -> None:
    file = tmp_path / "notifications.jsonl"
    file.write_text(f'{{"received_at": 100.5, "sta{line(101.0)}[1, 2]\n\n{{}}\n{line(102.0)}')
    assert notified_at(file, FAULT, 100.0) == 102.0


def test_a_delivery_in_a_file_that_was_rotated_away_is_found(tmp_path: Path) -> None:
    file = tmp_path / "notifications.jsonl"
    file.with_name("notifications.jsonl.1").write_text(line(101.0))
    assert notified_at(file, FAULT, 100.0) == 101.0
    file.write_text(line(102.0))
    assert notified_at(file, FAULT, 100.0) == 101.0
