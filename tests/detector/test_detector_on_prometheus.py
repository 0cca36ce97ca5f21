"""The detector against a real Prometheus, with the clock in the test's hands."""

import logging
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_detector.config import DetectorConfig, resolve
from specter_detector.models.fit import fit
from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.reader import PrometheusReader, RefusedError, UnreachableError
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from tests.detector.fitted import constant_history
from tests.detector.generated_series import load, p95, request_rate
from tests.detector.running import detector_of
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

pytestmark = pytest.mark.integration

DAY = 86400
CONFIG = """
reader:
  datasource_url: {url}
  queries:
    rate: {{expr: shop_rate, data_range: [0, .inf]}}
    p95: {{expr: 'max by (service) (shop_p95)'}}
    broken: {{expr: 'sum by by (shop_rate)'}}
models:
  m: {{class: seasonal, min_rel_dev_from_expected: 0.3}}
schedulers:
  s: {{infer_every: 15s}}
"""


class ManualClock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def config_of(text: str) -> DetectorConfig:
    return resolve(parse_config(text, DetectorSchema, file="test"))


@pytest.fixture(scope="module")
def end() -> int:
    """Where history ends: a while ago, so that the test's live samples are in the past."""
    now = int(time.time())
    return now - now % 300 - 7200


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[Prometheus]:
    rng = np.random.default_rng(1)
    times = np.arange(end - 28 * DAY, end, 15.0)
    kept = times % 300 == 0
    lines = []
    for name, values in (("shop_rate", request_rate(times, rng, 20.0)), ("shop_p95", p95(times, rng, 20.0))):
        lines.append(f"# TYPE {name} gauge")
        lines += [
            f'{name}{{service="shop",for="me"}} {value:.6g} {at:.0f}'
            for at, value in zip(times[kept], values[kept], strict=True)
        ]
    lines.append("# TYPE disk_used gauge")
    lines += [f"disk_used {50 + (at - times[0]) / DAY:.6g} {at:.0f}" for at in times[kept]]
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), history=lines) as server:
        yield server


def put(server: Prometheus, name: str, value: float, at: float, **labels: str) -> None:
    with requests.Session() as session:
        record = record_of(labels_of({"__name__": name, **labels}), value, at)
        assert RemoteWriteClient(server.url, session).send(request([record]), 5).kind == "ok"


def sample_value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_scores_faults_vanishing_and_a_broken_query_beside_working_ones(
    prometheus: Prometheus, end: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(end)
    registry = CollectorRegistry()
    config = config_of(CONFIG.format(url=prometheus.url))
    with closing(detector_of(config, clock=clock, registry=registry)) as detector:
        engine = detector.engine
        with caplog.at_level(logging.WARNING):
            for job in engine.jobs:
                engine.fit(job, end)
        expected = 20.0 * float(load(np.array([float(end)]))[0])
        usual_p95 = prometheus.values("shop_p95", end - 300)[0]

        def tick(number: int, *, rate: float | None, latency: float | None) -> float:
            at = end + 15.0 * number
            clock.now = at + 0.1
            if rate is not None:
                put(prometheus, "shop_rate", rate, at, service="shop", **{"for": "me"})
            if latency is not None:
                put(prometheus, "shop_p95", latency, at, service="shop", **{"for": "me"})
            engine.tick("s", at)
            return at

        at = tick(1, rate=expected, latency=usual_p95)
        assert sample_value(registry, "specter_detector_anomalous_ratio", query="rate") == 0
        labels = '{for="rate",exported_for="me",service="shop",model_alias="m",scheduler_alias="s"}'
        assert prometheus.values(f"anomaly_score{labels}", at) == [0.0]
        assert prometheus.values(f"yhat{labels}", at)[0] == pytest.approx(expected, rel=0.1)
        lower, upper = (prometheus.values(f"yhat_{side}{labels}", at)[0] for side in ("lower", "upper"))
        assert 0 <= lower < expected < upper < 2 * expected
        assert len(prometheus.query('{__name__=~"anomaly_score|yhat.*"}', at)) == 8

        caplog.set_level(logging.INFO)
        at = tick(2, rate=expected / 4, latency=usual_p95 * 5)
        assert sample_value(registry, "specter_detector_anomalous_ratio", query="rate") == 1
        assert prometheus.values('anomaly_score{for="rate"}', at)[0] > 1
        assert prometheus.values('anomaly_score{for="p95"}', at)[0] > 1

        at = tick(3, rate=float("nan"), latency=usual_p95)
        assert prometheus.values('anomaly_score{for="rate"}', at) == []
        assert sample_value(registry, "specter_detector_series", query="rate", state="invalid") == 1

        at = tick(4, rate=expected, latency=usual_p95)
        assert prometheus.values('anomaly_score{for="rate"}', at) == [0.0]
        # The newest sample is 90 s old at tick 10 and older at tick 11; Prometheus would show it for 300 s.
        tick(10, rate=None, latency=usual_p95)
        assert sample_value(registry, "specter_detector_series", query="rate", state="scored") == 1
        at = tick(11, rate=None, latency=usual_p95)
        assert prometheus.values("shop_rate", at) == [pytest.approx(expected)]
        assert prometheus.values('{__name__=~"anomaly_score|yhat.*",for="rate"}', at) == []
        assert prometheus.values('anomaly_score{for="p95"}', at)[0] < 1
        assert sample_value(registry, "specter_detector_series", query="rate", state="absent") == 1
        assert sample_value(registry, "specter_detector_series", query="rate", state="scored") == 0
        assert sample_value(registry, "specter_detector_reads_total", query="broken", outcome="error") == 6
        assert sample_value(registry, "specter_detector_reads_total", query="rate", outcome="ok") == 5
        assert sample_value(registry, "specter_detector_reads_total", query="rate", outcome="empty") == 1
    alarms = [text for record in caplog.records if "an alarm begins" in (text := record.getMessage())]
    latency, rate = sorted(alarms)  # queries are asked at the same time and judged as they answer
    assert latency.startswith("query p95:")
    assert "(spike)" in latency
    assert rate.startswith(
        'query rate: an alarm begins: {__name__="shop_rate", for="me", service="shop"} scores'
    )
    assert "(drop)" in rate
    broken = [record.getMessage() for record in caplog.records if "broken" in record.getMessage()]
    assert len(broken) == 2  # one line for fits, one for ticks; not one a tick
    assert "parse error" in broken[0]


def test_a_series_that_appears_warms_up_and_is_fitted_sooner_than_fit_every(
    prometheus: Prometheus, end: int
) -> None:
    clock = ManualClock(end)
    registry = CollectorRegistry()
    text = f"reader: {{datasource_url: '{prometheus.url}', queries: {{new: {{expr: new_thing, step: 15s}}}}}}"
    with closing(detector_of(config_of(text), clock=clock, registry=registry)) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        for number in range(30):
            clock.now = end + 15.0 * number
            put(prometheus, "new_thing", 5.0, clock.now)
        detector.engine.tick("default", clock.now)
        assert prometheus.values('anomaly_score{for="new"}', clock.now) == []
        assert sample_value(registry, "specter_detector_series", query="new", state="warming") == 1
        assert not job.fit_due(end + 299)
        assert job.fit_due(end + 300)
        detector.engine.fit(job, clock.now)
        detector.engine.tick("default", clock.now)
        assert prometheus.values('anomaly_score{for="new"}', clock.now) == [0.0]
        assert sample_value(registry, "specter_detector_series", query="new", state="warming") == 0


def test_history_beyond_the_servers_limit_is_read_in_pieces(prometheus: Prometheus, end: int) -> None:
    queries = "{q: {expr: 'vector(time())', step: 30s}}"
    text = f"reader: {{datasource_url: '{prometheus.url}', queries: {queries}}}"
    config = config_of(text)
    with requests.Session() as session, closing(PrometheusReader(config.reader, session)) as reader:
        history = reader.history(config.reader.queries["q"], end - 28 * DAY + 7, end + 7)
    assert history.values.shape == (1, 28 * DAY // 30)
    assert history.times[0] == end - 28 * DAY + 30
    assert history.times[-1] == end
    assert np.array_equal(history.values[0], history.times)


def test_history_marks_missing_steps_as_unknown(prometheus: Prometheus, end: int) -> None:
    for number in (0, 1, 4):
        put(prometheus, "gappy", float(number), end + 300.0 * number)
    text = f"reader: {{datasource_url: '{prometheus.url}', queries: {{q: {{expr: gappy}}}}}}"
    config = config_of(text)
    with requests.Session() as session, closing(PrometheusReader(config.reader, session)) as reader:
        history = reader.history(config.reader.queries["q"], end - 600, end + 1500)
    assert history.labels == ((("__name__", "gappy"),),)
    seen = {int(at - end): value for at, value in zip(history.times, history.values[0], strict=True)}
    assert list(seen) == [-600, -300, 0, 300, 600, 900, 1200, 1500]
    # Prometheus before 2.43 repeats a last value for five minutes: one step, never more.
    unknown = {at for at, value in seen.items() if np.isnan(value)}
    assert unknown in ({-600, -300, 900}, {-600, -300, 600, 900, 1500})
    assert (seen[0], seen[300], seen[1200]) == (0.0, 1.0, 4.0)


def test_with_too_many_series_a_history_keeps_those_of_the_last_tick_first(
    prometheus: Prometheus, end: int
) -> None:
    for name in ("a", "b", "c"):
        put(prometheus, "churn", 1.0, end, pod=name)
    limit = "max_series_per_query: 2, queries: {q: {expr: churn}}"
    config = config_of(f"reader: {{datasource_url: '{prometheus.url}', {limit}}}")
    alive = labels_of({"__name__": "churn", "pod": "c"})
    with requests.Session() as session, closing(PrometheusReader(config.reader, session)) as reader:
        history = reader.history(config.reader.queries["q"], end - 600, end, {alive})
    assert [dict(labels)["pod"] for labels in history.labels] == ["c", "a"]


def test_with_too_many_series_a_tick_keeps_those_that_are_known(prometheus: Prometheus, end: int) -> None:
    for name in ("a", "b", "c"):
        put(prometheus, "crowd", 1.0, end, pod=name)
    limit = "max_series_per_query: 2, queries: {q: {expr: crowd}}"
    config = config_of(f"reader: {{datasource_url: '{prometheus.url}', {limit}}}")
    with closing(detector_of(config, clock=ManualClock(end))) as detector:
        (job,) = detector.engine.jobs
        known = labels_of({"__name__": "crowd", "pod": "c"})
        times, values = constant_history(1.0, until=end)
        job.install([known], fit(times, values, job.options, with_state=True))
        detector.engine.tick("default", end)
        assert known in job.present
        assert job.counts == {"scored": 1, "warming": 1, "absent": 0, "invalid": 0, "over_limit": 1}


def test_a_limit_is_asked_for_at_each_fit_and_a_wrong_one_costs_the_leaks_alone(
    prometheus: Prometheus, end: int, caplog: pytest.LogCaptureFixture
) -> None:
    text = (
        "reader: {{datasource_url: '{}', queries: {{"
        "right: {{expr: disk_used, limit: 'vector(79)'}}, wrong: {{expr: disk_used, limit: 'sum(1 +)'}}}}}}"
    )
    config = config_of(text.format(prometheus.url))
    with closing(detector_of(config, clock=ManualClock(end + 31.0))) as detector:
        for job in detector.engine.jobs:
            detector.engine.fit(job, end)
        put(prometheus, "disk_used", 78.0, end + 30.0)
        detector.engine.tick("default", end + 30.0)
    # It is there in a day, of the four from which on that counts.
    assert prometheus.values('anomaly_score{for="right"}', end + 30)[0] == pytest.approx(4.0, rel=0.2)
    assert prometheus.values('anomaly_score{for="wrong"}', end + 30)[0] < 1
    assert "query wrong: capacity limit: bad_data" in caplog.text


def test_errors_tell_a_refusal_from_an_outage(prometheus: Prometheus, end: int) -> None:
    text = "reader: {{datasource_url: '{}', queries: {{bad: {{expr: 'sum(1 +)'}}, scalar: {{expr: '1'}}}}}}"
    config = config_of(text.format(prometheus.url))
    with requests.Session() as session, closing(PrometheusReader(config.reader, session)) as reader:
        with pytest.raises(RefusedError, match=r"bad_data: .*unexpected"):
            reader.instant(config.reader.queries["bad"], end)
        with pytest.raises(RefusedError, match="must return a vector"):
            reader.instant(config.reader.queries["scalar"], end)
    gone = config_of(text.format(f"http://127.0.0.1:{free_port()}"))
    with (
        requests.Session() as session,
        closing(PrometheusReader(gone.reader, session)) as reader,
        pytest.raises(UnreachableError, match="Connection refused"),
    ):
        reader.instant(gone.reader.queries["bad"], end)
