"""The running service: outages of the data source, start and stop, its web pages."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_core.config import ConfigError, parse_config
from specter_detector.app import Detector, Runner
from specter_detector.config import load, resolve
from specter_detector.schema import DetectorSchema
from specter_detector.storage import Storage
from tests.detector.inline_fitter import InlineFitter
from tests.detector.running import detector_of
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

CONFIG = """
reader:
  datasource_url: {url}
  timeout: 2s
  queries:
    fifty: {{expr: 'label_replace(vector(50), "service", "shop", "", "")'}}
schedulers:
  s: {{infer_every: 1s, fit_every: 1h, fit_window: 1d}}
"""


def eventually(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"never within {seconds} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


@contextmanager
def running_service(url: str, registry: CollectorRegistry) -> Iterator[Detector]:
    config = resolve(parse_config(CONFIG.format(url=url), DetectorSchema, file="test"))
    detector = detector_of(config, registry=registry)
    stop = threading.Event()
    thread = threading.Thread(target=detector.service.run, args=(stop,))
    thread.start()
    try:
        yield detector
    finally:
        stop.set()
        thread.join(timeout=10)
        detector.close()
        assert not thread.is_alive()


def test_an_outage_at_the_start_and_in_the_middle_is_survived_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()

    def up() -> float | None:
        return registry.get_sample_value("specter_detector_datasource_up")

    def scored() -> float:
        labels = {"query": "fifty"}
        return registry.get_sample_value("specter_detector_last_tick_timestamp_seconds", labels) or 0.0

    def refused_connections() -> int:
        return sum("down" in record.getMessage() for record in caplog.records)

    with (
        caplog.at_level(logging.INFO),
        running_prometheus(tmp_path / "prometheus", start=False) as prometheus,
        running_service(prometheus.url, registry) as detector,
    ):
        eventually(lambda: refused_connections() == 1, "a line that the data source is down")
        assert up() == 0
        assert not detector.service.ready
        prometheus.start()
        eventually(lambda: up() == 1, "the data source is seen")
        assert prometheus.wait_for('anomaly_score{for="fifty",service="shop"}') == [0.0]
        eventually(lambda: detector.service.ready, "ready")
        prometheus.stop()
        eventually(lambda: up() == 0, "the outage is seen")
        before = scored()
        prometheus.start()
        eventually(lambda: scored() > before, "scores again")
        assert prometheus.wait_for('anomaly_score{for="fifty"}') == [0.0]
    lines = [record.getMessage() for record in caplog.records if "data source" in record.getMessage()]
    assert [line.split(",")[0] for line in lines] == [
        "data source is down", "data source is up", "data source is down", "data source is up",
    ]  # fmt: skip
    assert "Connection refused" in lines[0]


def test_how_many_series_are_scored_is_told_once_after_the_first_fit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now = time.time() // 300 * 300
    new = f'label_replace(vector(1) and on() (vector(time()) > {now}), "service", "new", "", "")'
    with running_prometheus(tmp_path) as server:
        text = CONFIG.format(url=server.url).replace('"", "")', f'"", "") or {new}')
        config = resolve(parse_config(text, DetectorSchema, file="test"))
        with closing(detector_of(config)) as detector:
            (job,) = detector.engine.jobs
            for at in (now, now + 1, now + 2):
                detector.engine.tick("s", at)
                told = [each.getMessage() for each in caplog.records if "warm up" in each.getMessage()]
                assert told == ([] if at == now else ["query fifty: 1 series are scored, 1 warm up"])
                detector.engine.fit(job, now)


def test_outputs_end_with_a_staleness_marker_when_the_service_stops(tmp_path: Path) -> None:
    with running_prometheus(tmp_path / "prometheus") as prometheus:
        with running_service(prometheus.url, CollectorRegistry()):
            prometheus.wait_for("anomaly_score")
        assert prometheus.values("anomaly_score") == []
        assert prometheus.values("count_over_time(anomaly_score[1m]) > 0") != []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_scores_serves_its_pages_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    config = tmp_path / "detector.yml"
    log = tmp_path / "detector.log"
    with running_prometheus(tmp_path / "prometheus") as prometheus, log.open("w") as output:
        config.write_text(CONFIG.format(url="http://127.0.0.1:1"))
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from specter_core.cli import main; main()"),
                *("detector", "run", "--config", str(config), "--web.listen-address=127.0.0.1:0"),
            ],
            stderr=output,
            env={**os.environ, "SPECTER_DATASOURCE_URL": prometheus.url},
        )
        try:
            assert prometheus.wait_for('anomaly_score{for="fifty"}') == [0.0]
            eventually(lambda: "listening on" in log.read_text(), "its address in the log")
            url = re.findall(r"listening on (\S+)", log.read_text())[0]
            assert requests.get(f"{url}/-/healthy", timeout=5).status_code == 200
            eventually(lambda: requests.get(f"{url}/-/ready", timeout=5).text == "ready\n", "ready")
            assert "Metrics" in requests.get(url, timeout=5).text
            exposition = requests.get(f"{url}/metrics", timeout=5).text
            assert 'specter_detector_series{query="fifty",state="scored"} 1.0' in exposition
            assert "specter_detector_datasource_up 1.0" in exposition
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
            process.wait()
        assert prometheus.values("anomaly_score") == []
    assert "Traceback" not in log.read_text()


def test_a_reload_takes_a_valid_configuration_and_keeps_the_old_one_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    config = tmp_path / "detector.yml"

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"specter_detector_{name}", labels)

    with running_prometheus(tmp_path / "prometheus") as prometheus:
        text = CONFIG.format(url=prometheus.url)
        config.write_text(text)
        runner = Runner(lambda: load(config), Storage(None), registry=registry, fitter=InlineFitter)
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            assert prometheus.wait_for('anomaly_score{for="fifty"}') == [0.0]
            assert value("config_last_reload_successful") == 1
            config.write_text(text.replace("infer_every", "infer_evry"))
            with pytest.raises(ConfigError, match="infer_evry"):
                runner.reload()
            assert value("config_last_reload_successful") == 0
            before = value("last_tick_timestamp_seconds", query="fifty")
            eventually(lambda: value("last_tick_timestamp_seconds", query="fifty") != before, "more scores")
            config.write_text(text.replace("fifty:", "half:"))
            runner.reload()
            assert value("config_last_reload_successful") == 1
            assert prometheus.wait_for('anomaly_score{for="half"}') == [0.0]
            eventually(lambda: prometheus.values('anomaly_score{for="fifty"}') == [], "its outputs end")
            assert value("last_tick_timestamp_seconds", query="fifty") is None
            # Another expression under the same name is another series: the old one ends.
            text = text.replace('"shop"', '"cart"')
            config.write_text(text.replace("fifty:", "half:"))
            runner.reload()
            assert prometheus.wait_for('anomaly_score{for="half",service="cart"}') == [0.0]
            assert prometheus.values('anomaly_score{for="half",service="shop"}') == []
            # One that is well-formed and cannot be put into practice is refused, too.
            config.write_text(
                text.replace("fifty:", "half:") + f"writer: {{spool: {{folder: {tmp_path / 'no' / 'file'}}}}}"
            )
            (tmp_path / "no").write_text("")
            runner.reload()
            eventually(lambda: value("config_last_reload_successful") == 0, "the refusal")
            config.write_text(text.replace("fifty:", "half:"))
            before = value("last_tick_timestamp_seconds", query="half")
            eventually(lambda: value("last_tick_timestamp_seconds", query="half") != before, "more scores")
            # A reload that changes nothing ends no output and forgets nothing.
            refits = value("fits_total", query="half", outcome="ok")
            runner.reload()
            eventually(lambda: value("fits_total", query="half", outcome="ok") != refits, "the next detector")
            assert prometheus.values('anomaly_score{for="half"}') == [0.0]
        finally:
            runner.stop()
            thread.join(timeout=10)
        assert not thread.is_alive()
    assert "the configuration is not reloaded, the old one is kept" in caplog.text
