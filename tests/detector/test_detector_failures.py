"""Servers that hang, take no writes, or leak: what the detector makes of them."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_core.config import ConfigError, parse_config
from specter_core.errors import SpecterError, UsageError
from specter_core.secret_files import read_secret_file
from specter_detector.config import Connection, DetectorConfig, load, resolve
from specter_detector.fitting import FitError, FitRequest, PoolFitter
from specter_detector.http import open_session
from specter_detector.models.fit import FitOptions, fit
from specter_detector.pools import LocalPool
from specter_detector.reader import UnreachableError
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from specter_stack.programs import find_program
from tests.detector.fitted import constant_history, named, watched
from tests.detector.running import detector_of
from tests.servers.prometheus import free_port, running_prometheus

ROOT = Path(__file__).parents[2]
DAY = 86400.0


def config_of(text: str) -> DetectorConfig:
    return resolve(parse_config(text, DetectorSchema, file="test"))


@pytest.mark.integration
def test_scores_that_nobody_takes_do_not_count_as_written(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [
        str(find_program("prometheus")), f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--config.file={tmp_path / 'p.yml'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    (tmp_path / "p.yml").write_text("scrape_configs: []")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    registry = CollectorRegistry()
    text = f"reader: {{datasource_url: '{url}', queries: {{q: {{expr: 'vector(1)'}}}}}}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                if requests.get(f"{url}/-/ready", timeout=2).ok:
                    break
            except requests.ConnectionError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with closing(detector_of(config_of(text), registry=registry)) as detector:
            (job,) = detector.engine.jobs
            now = time.time() // 15 * 15
            detector.engine.fit(job, now)
            detector.engine.tick("default", now)
            assert job.counts["scored"] == 1
        value = registry.get_sample_value
        assert value("specter_detector_last_tick_timestamp_seconds", {"query": "q"}) is None
        assert (value("specter_detector_writes_total", {"outcome": "unreachable"}) or 0) >= 1
        assert value("specter_detector_writes_total", {"outcome": "rejected"}) == 0
    finally:
        process.kill()
        process.wait()


class Api(BaseHTTPRequestHandler):
    """Prometheus' query API, which hangs at expressions called `slow`, or at all."""

    everything = False
    released = threading.Event()

    def do_GET(self) -> None:
        if self.everything or "slow" in self.path:
            self.released.wait(10)
            return
        result = [{"metric": {"a": "b"}, "value": [0, "1"]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def api(*, everything: bool) -> Iterator[str]:
    released = threading.Event()
    handler = type("Handler", (Api,), {"everything": everything, "released": released})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def slow_config(url: str) -> DetectorConfig:
    queries = "{a: {expr: slow}, b: {expr: fast}}"
    return config_of(f"reader: {{datasource_url: '{url}', timeout: 300ms, queries: {queries}}}")


def test_a_query_that_hangs_costs_itself_alone() -> None:
    registry = CollectorRegistry()
    with api(everything=False) as url:
        detector = detector_of(slow_config(url), registry=registry)
        with closing(detector):
            detector.engine.tick("default", 900.0)
            for job in detector.engine.jobs:
                if job.query.alias == "a":
                    detector.engine.fit(job, 900.0)
    reads = "specter_detector_reads_total"
    assert registry.get_sample_value(reads, {"query": "a", "outcome": "error"}) == 1
    assert registry.get_sample_value(reads, {"query": "a", "outcome": "unreachable"}) == 0
    assert registry.get_sample_value(reads, {"query": "b", "outcome": "ok"}) == 1
    assert registry.get_sample_value("specter_detector_series", {"query": "b", "state": "warming"}) == 1
    fits = {"query": "a", "outcome": "error"}
    assert registry.get_sample_value("specter_detector_fits_total", fits) == 1


def test_a_query_that_hangs_leaves_the_scores_of_the_others_delivered(tmp_path: Path) -> None:
    with api(everything=False) as url, running_prometheus(tmp_path / "prometheus") as server:
        queries = "{a: {expr: slow}, b: {expr: fast}}"
        text = (
            f"reader: {{datasource_url: '{url}', timeout: 300ms, queries: {queries}}}\npresets: []\n"
            f"writer: {{datasource_url: '{server.url}', max_samples_per_request: 1}}"
        )
        now = time.time() // 15 * 15
        with closing(detector_of(config_of(text))) as detector:
            (job,) = (job for job in detector.engine.jobs if job.query.alias == "b")
            times, values = constant_history(1.0, until=now)
            labels = labels_of({"a": "b"})
            job.install([labels], fit(times, values, job.options, with_state=True))
            detector.engine.tick("default", now)
            # Four outputs are four requests here; not one may wait for the next tick.
            assert len(server.query('{__name__=~"anomaly_score|yhat.*"}', now)) == 4


def test_a_server_that_hangs_at_everything_is_out_of_reach() -> None:
    with (
        api(everything=True) as url,
        closing(detector_of(slow_config(url))) as detector,
        pytest.raises(UnreachableError, match=r"no answer within 0\.3 s"),
    ):
        detector.engine.tick("default", 900.0)


def test_a_defect_in_a_tick_or_a_fit_is_counted_and_the_service_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    with api(everything=False) as url:
        text = f"reader: {{datasource_url: '{url}', queries: {{q: {{expr: x}}}}}}\n"
        text += "schedulers: {s: {infer_every: 1s, fit_every: 1s, fit_window: 28d}}"
        detector = detector_of(config_of(text), registry=registry)
        calls = {"tick": 0, "fit": 0}

        def broken(name: str) -> object:
            def call(*_args: object) -> None:
                calls[name] += 1
                raise ZeroDivisionError(name)

            return call

        stop = threading.Event()
        thread = threading.Thread(target=detector.service.run, args=(stop,))
        try:
            thread.start()
            deadline = time.monotonic() + 20
            while not detector.service.ready:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            for name in calls:
                monkeypatch.setattr(detector.engine, name, broken(name))
            while min(calls.values()) < 2:
                assert time.monotonic() < deadline, calls
                time.sleep(0.02)
        finally:
            stop.set()
            thread.join(timeout=10)
            detector.close()
    fits = {"query": "q", "outcome": "error"}
    assert (registry.get_sample_value("specter_detector_fits_total", fits) or 0) >= 2
    assert (registry.get_sample_value("specter_detector_ticks_skipped_total") or 0) >= 2
    assert "the fit of query q failed" in caplog.text
    assert "the tick of scheduler s" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_fit_that_hangs_is_ended_and_its_process_replaced() -> None:
    times, values = constant_history(5.0, until=DAY)
    rows = np.arange(1)

    def fitted(fitter: PoolFitter) -> int:
        request = FitRequest(times, values.__getitem__, FitOptions(), rows[:0], rows)
        return len(list(fitter.fit_all(request)))

    fitter = PoolFitter(LocalPool(), timeout=20.0)
    try:
        assert fitted(fitter) == 1
        (worker,) = (
            child for child in psutil.Process().children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        )  # fmt: skip
        os.kill(worker.pid, signal.SIGSTOP)
        fitter.timeout = 0.3
        with pytest.raises(FitError, match=r"more than 0\.3 s"):
            fitted(fitter)
        worker.wait(timeout=10)
        fitter.timeout = 20.0
        assert fitted(fitter) == 1
    finally:
        fitter.close()


def test_secrets_stay_out_of_messages(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2\nmore\n")
    with pytest.raises(SpecterError, match="one line of printable") as caught:
        read_secret_file(file, what="bearer_token_file")
    assert "hunter2" not in str(caught.value)
    text = "reader: {queries: {q: {expr: x}}}"
    schema = parse_config(text, DetectorSchema, file="d.yml")
    for url in ("http://me:hun@ter2@prom", "http://me:hun/ter2@prom:x", "me:hunter2@prom"):
        with pytest.raises(UsageError) as usage:
            resolve(schema, datasource_url=url)
        assert "hun" not in str(usage.value)
        assert "ter2" not in str(usage.value)
    with pytest.raises(ConfigError) as wrong:
        config_of("reader: {datasource_url: 'http://me:hun@ter2@prom', queries: {q: {expr: x}}}")
    assert "ter2" not in str(wrong.value)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with api(everything=False) as url, open_session(Connection(url, 2.0)) as session:
        assert session.get(f"{url}/fast", timeout=5).status_code == 200
    with open_session(Connection("http://prometheus.example", 2.0)) as session:
        assert session.trust_env


def test_the_output_is_recognised_by_its_configured_name_and_not_in_label_values() -> None:
    text = "reader: {{queries: {{q: {{expr: '{}'}}}}}}\nwriter: {{metric_format: {{__name__: specter_$VAR}}}}"
    for fine in ('up{a="specter_yhat"}', "anomaly_score", "my_specter_yhat"):
        config_of(text.format(fine))
    for wrong in ("specter_yhat", '{__name__="specter_anomaly_score"}', "sum(specter_yhat_lower)"):
        with pytest.raises(ConfigError, match="own output"):
            config_of(text.format(wrong))


def test_a_rare_route_is_no_anomaly_and_a_big_one_that_falls_is() -> None:
    policy = load(ROOT / "stack/detector/detector.yml").models["rates"].policy
    rng = np.random.default_rng(4)
    times = np.arange(0, 28 * DAY, 300.0)
    rare = np.where(rng.random(times.size) < 0.03, 1 / 60, 0.0)
    big = rng.poisson(20 * 60, times.size) / 60
    one, other = named("rare", "big")
    series = watched(times, np.stack([rare, big]), [one, other], FitOptions(policy=policy))
    verdicts = series.judge(float(times[-1]) + 15, {one: 2 / 60, other: 5.0})
    assert [verdict.anomalous for verdict in verdicts] == [False, True]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_unit_of_a_series_does_not_matter(unit: float) -> None:
    rng = np.random.default_rng(5)
    times = np.arange(0, 7 * DAY, 300.0)
    (labels,) = named("a")
    series = watched(times, unit * (10 + rng.normal(size=(1, times.size))), [labels])
    (verdict,) = series.judge(float(times[-1]) + 15, {labels: unit * 10})
    assert (verdict.upper - verdict.yhat) / unit == pytest.approx(6.0, abs=3.0)
