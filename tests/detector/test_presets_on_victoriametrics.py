"""Presets, lints and exclusions against a real VictoriaMetrics."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from specter_core import metrics
from specter_detector.config import default_config
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.lints.server import gather
from specter_detector.presets.catalogue import QUERIES
from specter_detector.presets.watch import PresetWatch
from specter_detector.prometheus_api import PrometheusApi, open_api
from tests.servers.victoriametrics import VictoriaMetrics, running_victoriametrics

pytestmark = pytest.mark.integration

STEP = 15


@pytest.fixture(scope="module")
def end() -> int:
    now = int(time.time())
    return now - now % STEP


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[VictoriaMetrics]:
    with running_victoriametrics(tmp_path_factory.mktemp("victoriametrics")) as server:
        info, maintenance = metrics.TARGET_INFO.name, metrics.MAINTENANCE_ACTIVE.name
        times = range(end - 3600, end, STEP)
        lines = [f'node_load5{{job="node",instance="a"}} 0.5 {at}000' for at in times]
        for cpu in (0, 1):
            labels = f'job="node",instance="a",cpu="{cpu}",mode="idle"'
            lines += [f"node_cpu_seconds_total{{{labels}}} {at - end + 3600} {at}000" for at in times]
        for at in times:
            version = 1 if at < end - 1800 else 2
            lines.append(f'{info}{{service="shop",job="a",service_version="{version}"}} 1 {at}000')
            active = int(end - 900 <= at < end - 600)
            lines.append(f'{maintenance}{{match_service="pay"}} {active} {at}000')
        server.put(lines)
        yield server


@pytest.fixture
def api(server: VictoriaMetrics) -> Iterator[PrometheusApi]:
    with closing(open_api(default_config(server.url).reader)) as api:
        yield api


def test_what_the_server_has_is_on(server: VictoriaMetrics, api: PrometheusApi, end: int) -> None:
    watch = PresetWatch(default_config(server.url))
    new = watch.check(end - STEP, api)
    assert {chosen.query.alias: chosen.cost.series for chosen in new} == {
        "node_cpu_used": 1,
        "node_load_per_cpu": 1,
    }


def test_it_accepts_every_expression(api: PrometheusApi, end: int) -> None:
    for query in QUERIES.values():
        for source in query.sources:
            assert api.cost(source.expr, end, 5.0).series >= 0
            if source.limit is not None:
                assert api.cost(source.limit, end, 5.0).series >= 0


def test_intervals_are_measured_and_types_are_not_known(api: PrometheusApi, end: int) -> None:
    facts = gather(["node_load5"], api, end, 5.0)
    assert facts.intervals == {"node_load5": 15.0}
    assert facts.types == {}


def test_windows_are_read_from_their_metrics(api: PrometheusApi, end: int) -> None:
    windows = ExclusionReader(api, horizon=3600, timeout=10).update(end - STEP)
    found = {(window.kind, window.match): round(end - window.start) for window in windows}
    assert found == {
        ("deployment", (("service", "shop"),)): pytest.approx(2100, abs=300),
        ("maintenance", (("service", "pay"),)): pytest.approx(1200, abs=300),
    }
