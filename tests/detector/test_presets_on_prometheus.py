"""Presets and lints against a real Prometheus that scrapes a small host, a queue and a service."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import parse_config
from specter_detector.cli import detector
from specter_detector.config import default_config, resolve
from specter_detector.http import open_session
from specter_detector.lints.server import gather
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.loading import PresetLoader
from specter_detector.presets.remembered import recall, remember
from specter_detector.presets.watch import PresetWatch
from specter_detector.prometheus_api import PrometheusApi, open_api
from specter_detector.reader import PrometheusReader, RefusedError, SlowError, UnreachableError
from specter_detector.schema import DetectorSchema
from tests.servers.exposition import exposing
from tests.servers.prometheus import Prometheus, free_port, running_prometheus


class ManualClock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


pytestmark = pytest.mark.integration

TARGET = """\
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 10
node_cpu_seconds_total{cpu="1",mode="idle"} 12
node_cpu_seconds_total{cpu="0",mode="iowait"} 1
node_cpu_seconds_total{cpu="1",mode="iowait"} 1
# TYPE node_load5 gauge
node_load5 0.5
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/a",fstype="ext4",mountpoint="/"} 25
node_filesystem_avail_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 5
# TYPE node_filesystem_size_bytes gauge
node_filesystem_size_bytes{device="/dev/a",fstype="ext4",mountpoint="/"} 100
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 5
# TYPE specter_queue_ready gauge
specter_queue_ready{server="main",system="celery",queue="mail"} 7
specter_queue_ready{server="main",system="celery",queue="idle"} 0
# TYPE specter_queue_oldest_timestamp_seconds gauge
specter_queue_oldest_timestamp_seconds{basis="first_seen",server="main",system="celery",queue="mail"} 1e9
# TYPE specter_queue_arrived_total counter
specter_queue_arrived_total{server="main",system="celery",queue="mail"} 70
# TYPE specter_cache_hits_total counter
specter_cache_hits_total{server="main"} 9
# TYPE specter_cache_misses_total counter
specter_cache_misses_total{server="main"} 1
# TYPE specter_cache_memory_bytes gauge
specter_cache_memory_bytes{server="main"} 5e7
# TYPE visits counter
visits 5
# TYPE anomaly_score gauge
anomaly_score{for="node_load_per_cpu",model_alias="m",scheduler_alias="s"} 0.1
"""
CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{target}"], labels: {{service: shop}}}}]
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with (
        exposing(TARGET) as target,
        running_prometheus(
            tmp_path_factory.mktemp("prometheus"), config=CONFIG.format(target=target)
        ) as server,
    ):
        server.wait_for("rate(node_cpu_seconds_total[5m])")
        server.wait_for("count_over_time(visits[1m]) >= 4")
        yield server


@pytest.fixture
def api(prometheus: Prometheus) -> Iterator[PrometheusApi]:
    with closing(open_api(default_config(prometheus.url).reader)) as api:
        yield api


def test_what_the_server_has_is_on_and_its_series_are_counted(
    prometheus: Prometheus, api: PrometheusApi
) -> None:
    watch = PresetWatch(default_config(prometheus.url))
    new = watch.check(time.time(), api)
    series = {chosen.query.alias: chosen.cost.series for chosen in new}
    assert series == {
        "node_cpu_used": 1, "node_load_per_cpu": 1, "node_cpu_iowait": 1, "node_disk_free": 1,
        "queue_depth": 2, "queue_oldest_age": 2, "queue_arrival_rate": 1,
        "redis_memory_used": 1, "redis_miss_ratio": 1,
    }  # fmt: skip
    assert all(chosen.cost.seconds < 2 for chosen in new)
    # What was chosen can be read as it is, limits too.
    config = watch.config
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        now = time.time()
        (free,) = reader.instant(config.reader.queries["node_disk_free"], now).samples.values()
        assert free == 0.25
        ages = reader.instant(config.reader.queries["queue_oldest_age"], now).samples
        assert sorted(ages.values()) == [0.0, pytest.approx(now - 1e9, abs=30)]


@pytest.mark.parametrize(
    "expr",
    [
        expr
        for preset in PRESETS.values()
        for query in preset.queries
        for source in query.sources
        for expr in (source.expr, source.limit)
        if expr
    ],
)
def test_prometheus_accepts_every_expression(api: PrometheusApi, expr: str) -> None:
    assert api.cost(expr, time.time(), 5.0).series >= 0


def test_what_is_on_stays_on_across_a_restart_although_it_vanished(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    clock = ManualClock(time.time())
    config = default_config(prometheus.url)
    loader = PresetLoader(lambda: config, tmp_path, clock)
    first = loader()
    assert "queue_depth" in first.reader.queries
    assert not loader.due()
    assert not loader.check()
    # Restarted a day later, when nothing of it is there any more.
    clock.now += 86400
    assert PresetLoader(lambda: config, tmp_path, clock)() == first
    assert "queue_depth" not in PresetLoader(lambda: config, tmp_path / "new", clock)().reader.queries


def test_presets_come_when_the_server_does(prometheus: Prometheus, tmp_path: Path) -> None:
    clock = ManualClock(time.time())
    away = PresetLoader(lambda: default_config(f"http://127.0.0.1:{free_port()}"), tmp_path, clock)
    assert away().reader.queries == {}
    assert not away.due()
    clock.now += 60
    assert away.due()
    urls = [f"http://127.0.0.1:{free_port()}", prometheus.url, prometheus.url]
    there = PresetLoader(lambda: default_config(urls[0]), tmp_path, clock)
    assert there().reader.queries == {}
    urls.pop(0)
    # A reload with another address is another configuration.
    assert "queue_depth" in there().reader.queries
    assert not there.check()
    own = parse_config(
        "presets: [queues]\nreader: {queries: {queue_depth: {expr: x}}}", DetectorSchema, file="d"
    )
    mine = resolve(own, datasource_url=prometheus.url)
    loaded = PresetLoader(lambda: mine, tmp_path, clock)()
    assert loaded.reader.queries["queue_depth"].expr == "x"
    assert set(loaded.reader.queries) == {
        *("queue_depth", "queue_oldest_age", "queue_arrival_rate"),
        *("redis_memory_used", "redis_miss_ratio"),
    }


def test_a_file_of_presets_that_cannot_be_used_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("{", '{"version": 9}', "[]", '{"version": 1, "on": [{"query": "x"}]}'):
        (tmp_path / "presets.json").write_text(text)
        assert recall(tmp_path) == ()
        assert (tmp_path / "presets.bad").read_text() == text
        assert "presets.json cannot be used" in caplog.messages[-1]
    assert recall(tmp_path) == ()


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert not remember(tmp_path / "file", ())
    assert "presets are decided on anew after a restart" in caplog.messages[-1]


def test_only_names_that_were_asked_for_come_back(api: PrometheusApi) -> None:
    many = [f"no_such_metric_of_a_{'very_' * 10}long_name_{number}" for number in range(100)]
    assert api.existing([*many, "visits", "node_load5"], time.time()) == {"visits", "node_load5"}


def test_types_and_intervals_are_told_by_the_server(api: PrometheusApi) -> None:
    facts = gather(["rate(visits[1m])", 'node_load5{job="shop"}', "sum(x"], api, time.time(), 5.0)
    assert facts.types == {"visits": "counter", "node_load5": "gauge"}
    assert facts.intervals == {
        "visits": pytest.approx(1.0, abs=0.2),
        'node_load5{job="shop"}': pytest.approx(1.0, abs=0.2),
    }


def test_errors_of_the_server_are_told_apart(prometheus: Prometheus, api: PrometheusApi) -> None:
    with pytest.raises(RefusedError, match="bad_data"):
        api.cost("sum(", time.time(), 1.0)
    with pytest.raises(SlowError):
        api.cost("sum_over_time(vector(1)[50d:1s])", time.time(), 0.001)
    config = default_config(f"http://127.0.0.1:{free_port()}")
    with closing(open_api(config.reader)) as away, pytest.raises(UnreachableError):
        away.existing(["up"], time.time())


FILE = """\
reader:
  tz: UTC
  queries:
    visits: {expr: visits}
    fast: {expr: 'rate(visits[2s])'}
    everything: {expr: 'sum({job="shop"})'}
    depth: {expr: specter_queue_ready, data_range: [0, 5]}
presets: [node]
"""


def test_check_resolve_shows_series_presets_and_lints(prometheus: Prometheus, tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    file.write_text(FILE)
    arguments = ["check", str(file), "--resolve", "--datasource-url", prometheus.url]
    result = CliRunner().invoke(detector, arguments)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "  depth: 2 series" in lines
    assert any(line.startswith("  preset node: node_disk_free on: 1 series, 0.") for line in lines)
    assert (
        "  preset node: node_network_errors off: no metric node_network_receive_errs_total, "
        "node_network_transmit_errs_total" in lines
    )
    report = json.loads(CliRunner().invoke(detector, [*arguments, "--output", "json"]).output)
    assert {(lint["code"], lint["line"]) for lint in report["lints"]} == {
        ("raw-counter", 4), ("short-window", 5), ("own-output", 6), ("outside-data-range", 7),
    }  # fmt: skip
    on = {decision["query"] for decision in report["presets"] if decision["on"]}
    assert on == {"node_cpu_used", "node_load_per_cpu", "node_cpu_iowait", "node_disk_free"}
    assert CliRunner().invoke(detector, [*arguments, "--strict"]).exit_code == 1


def test_check_needs_no_file_to_say_what_would_be_watched(prometheus: Prometheus) -> None:
    result = CliRunner().invoke(detector, ["check", "--resolve", "--datasource-url", prometheus.url])
    assert result.exit_code == 0, result.output
    assert "  preset queues: queue_depth on: 2 series" in result.output
    assert "  preset signin off: none of its metrics exist" in result.output


def test_check_without_a_server_says_so(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = CliRunner().invoke(detector, ["check", "--resolve", "--datasource-url", url])
    assert result.exit_code == 1
    assert f"  {url}: " in result.output
    assert "Connection refused" in result.output
