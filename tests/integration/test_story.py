"""The whole product on real servers: faults of the shop come all the way to a notification."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from specter_core.clock import SystemClock
from specter_demo.platform import Platform
from specter_demo.story.narrator import Narrator, Phase
from specter_demo.story.prometheus import PrometheusClient
from specter_demo.story.telling import Request, brought_up, narrator_of
from specter_stack.launcher import Stack
from specter_stack.layout import Layout
from specter_stack.postgres import data_folder, server_account

pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(420)]
SPECTER = (sys.executable, "-m", "specter_core")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    cluster = data_folder(Layout(folder), server_account()).parent
    if cluster.exists():
        shutil.rmtree(cluster)


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.5)


def value_of(client: PrometheusClient, expression: str) -> float | None:
    samples = client.query(expression)
    return samples[0].value if samples else None


def tell(narrator: Narrator) -> None:
    while not narrator.over:
        narrator.tick()
        time.sleep(0.5)


def notifications(platform: Platform) -> list[dict[str, Any]]:
    lines = platform.settings.notifications_file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_release_that_drops_an_index_is_noticed_at_every_stage(state: Path) -> None:
    said: list[str] = []
    request = Request("api-latency", state, time.time())
    with brought_up(request, SystemClock(), said.append, None) as (stack, platform):
        narrator = narrator_of(request, platform, SystemClock(), said.append)
        tell(narrator)

        assert narrator.phase is Phase.NOTIFIED, said
        after = {
            stage: narrator.timeline.seconds_after_fault(stage)
            for stage in ("score", "alert", "notification")
        }
        assert 0 < (after["score"] or 0) <= 45, after
        assert 0 < (after["notification"] or 0) <= 120, after
        assert (after["score"] or 0) < (after["alert"] or 0) < (after["notification"] or 0)

        client = PrometheusClient(platform.url("prometheus"))
        _the_release_is_visible(client)
        _only_the_slow_route_is_accused(client)
        _the_notification_says_what_where_and_what_to_do(platform)
        _clearing_brings_the_score_down(narrator, client)
        _prometheus_killed_comes_back_and_scores_go_on(stack, platform, client)


def _the_release_is_visible(client: PrometheusClient) -> None:
    versions = {sample.labels["service_version"] for sample in client.query('target_info{service="shop"}')}
    assert versions == {"1.5.0"}


def _only_the_slow_route_is_accused(client: PrometheusClient) -> None:
    accused = client.query('anomaly_score{for=~"route_.*"} > 1')
    assert {(s.labels["for"], s.labels["http_route"]) for s in accused} == {("route_latency_p95", "/search")}
    slow = value_of(
        client, 'service_route:http_server_request_duration_seconds:p95_rate1m{http_route="/search"}'
    )
    assert slow is not None
    assert slow > 0.02
    upper = value_of(client, 'yhat_upper{for="route_latency_p95",http_route="/search"}')
    assert upper is not None
    assert upper < slow


def _the_notification_says_what_where_and_what_to_do(platform: Platform) -> None:
    anomalies = [line for line in notifications(platform) if line["alertname"] == "AnomalyDetected"]
    search = [line for line in anomalies if line["labels"].get("http_route") == "/search"]
    assert search, anomalies
    assert search[0]["severity"] == "warning"
    text = search[0]["annotations"]
    assert "/search" in text["summary"] + text["description"]
    assert text["action"]
    assert text["runbook_url"].endswith("/AnomalyDetected.md")


def _clearing_brings_the_score_down(narrator: Narrator, client: PrometheusClient) -> None:
    narrator.fault.clear(narrator.control)
    quiet = 'max(anomaly_score{for="route_latency_p95",http_route="/search"}) <= 1'
    eventually(lambda: bool(client.query(quiet)), 120)


def _prometheus_killed_comes_back_and_scores_go_on(
    stack: Stack, platform: Platform, client: PrometheusClient
) -> None:
    first = stack.pid("prometheus")
    scored = value_of(client, 'count(anomaly_score{service="shop"})')
    assert scored
    killed_at = time.time()
    psutil.Process(first).kill()
    eventually(lambda: stack.pid("prometheus") not in {0, first}, 30)
    stack.wait("prometheus")
    fresh = f'count(timestamp(anomaly_score{{service="shop"}}) > {killed_at + 5:.0f})'
    eventually(lambda: value_of(client, fresh) == scored, 90)
    metrics = requests.get(f"{platform.url('detector')}/metrics", timeout=5).text
    assert "specter_detector_datasource_up 1.0" in metrics


@pytest.mark.prove
@pytest.mark.parametrize("local_time", ["03:00", "15:00"])
def test_a_traffic_drop_is_noticed_at_night_as_in_the_afternoon(tmp_path: Path, local_time: str) -> None:
    command = [*SPECTER, "demo", "check", "--fault", "traffic-drop", "--local-time", local_time]
    state = ("--state-dir", str(tmp_path))
    try:
        run = subprocess.run([*command, *state], capture_output=True, text=True, timeout=300, check=False)
    finally:
        subprocess.run([*SPECTER, "stack", "clean", *state], check=True, capture_output=True)
    assert run.returncode == 0, run.stderr
    story = json.loads(run.stdout.splitlines()[-1])
    assert list(story) == ["fault", "setup_s", "score_s", "alert_s", "notification_s", "family_alert_s"]
    assert story["fault"] == "traffic-drop"
    assert story["score_s"] <= 45, story
    assert 0 < story["score_s"] < story["alert_s"] < story["notification_s"] <= 120, story
