"""The pages' view of a real Prometheus: one series out of any expression, whatever its labels hold."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from specter_core.config import parse_config
from specter_core.metrics import SERVICE_DEPLOYED
from specter_core.web import WebOptions, WebServer
from specter_detector.config import DetectorConfig, resolve
from specter_detector.http import open_session
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.models.fit import fit
from specter_detector.reader import PrometheusReader
from specter_detector.schema import DetectorSchema
from specter_detector.series import Labels, labels_of
from specter_detector.web.live import LiveWatch, ReaderHistories
from specter_detector.web.views import NoAnswerError, UnknownSeriesError
from tests.detector.web_watch import FixedClock, InlineReplays, feedback_store, make_app
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

STEP = 300
NOW = 1_768_910_400 + 5 * STEP
START = NOW - 3 * 86400
HOSTILE = "$1 ${x} \"'\\ \n 🦊 <b>"
VALUES = {"shop": 10.0, HOSTILE: 20.0, "other": 30.0}
CONFIG = """
reader:
  datasource_url: {url}
  max_age: 10m
  queries:
    plain: {{expr: depth}}
    summed: {{expr: "sum by (service) (depth) # of all"}}
    total: {{expr: sum(depth)}}
    shifted: {{expr: depth, offset: 1h}}
"""


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def level(value: float, at: float) -> float:
    return value + math.sin(at / 3000)


def history() -> Iterator[str]:
    for service, value in VALUES.items():
        for at in range(START, NOW + 1, 60):
            yield f'depth{{service="{escaped(service)}"}} {level(value, at)} {at}'
    for at in range(NOW - 7200, NOW - 6900 + 1, 60):
        yield f'{SERVICE_DEPLOYED}{{service="shop",service_version="2.4.0"}} 1 {at}'
        yield f'{SERVICE_DEPLOYED}{{service="other",service_version="9"}} 1 {at}'


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), history=history()) as server:
        yield server


@pytest.fixture(scope="module")
def config(prometheus: Prometheus) -> DetectorConfig:
    return resolve(parse_config(CONFIG.format(url=prometheus.url), DetectorSchema, file="detector.yml"))


@pytest.fixture(scope="module")
def reader(config: DetectorConfig) -> Iterator[PrometheusReader]:
    reader = PrometheusReader(config.reader, open_session(config.reader.connection))
    yield reader
    reader.close()


SERIES = [
    ("plain", labels_of({"__name__": "depth", "service": "shop"}), 10.0),
    ("plain", labels_of({"__name__": "depth", "service": HOSTILE}), 20.0),
    ("summed", labels_of({"service": HOSTILE}), 20.0),
    ("total", (), 60.0),
]


@pytest.mark.parametrize(("query", "labels", "value"), SERIES)
def test_one_series_is_read_out_of_any_expression(
    config: DetectorConfig, reader: PrometheusReader, query: str, labels: Labels, value: float
) -> None:
    times, values = ReaderHistories(lambda: reader).one(config.reader.queries[query], labels, NOW - 3600, NOW)
    assert times.tolist() == list(range(NOW - 3600, NOW + 1, STEP))
    share = 3 if query == "total" else 1
    assert values.tolist() == pytest.approx([value + share * math.sin(at / 3000) for at in times])


def test_the_offset_of_a_query_holds_for_its_history(
    config: DetectorConfig, reader: PrometheusReader
) -> None:
    labels = labels_of({"__name__": "depth", "service": "shop"})
    times, values = ReaderHistories(lambda: reader).one(
        config.reader.queries["shifted"], labels, NOW - 3600, NOW
    )
    assert values.tolist() == pytest.approx([level(10.0, at - 3600) for at in times])


def test_a_series_that_is_not_there_is_named(config: DetectorConfig, reader: PrometheusReader) -> None:
    with pytest.raises(UnknownSeriesError, match=r'query summed has no series \{service="nobody"\}'):
        ReaderHistories(lambda: reader).one(
            config.reader.queries["summed"], labels_of({"service": "nobody"}), NOW - 3600, NOW
        )


def test_deployments_of_its_service_are_found(reader: PrometheusReader) -> None:
    histories = ReaderHistories(lambda: reader)
    (event,) = histories.deployments(labels_of({"service": "shop"}), NOW - 86400, NOW)
    assert event.text == "2.4.0"
    assert NOW - 7200 <= event.at <= NOW - 7200 + STEP
    assert histories.deployments(labels_of({"region": "eu"}), NOW - 86400, NOW) == []
    assert histories.deployments(labels_of({"service": HOSTILE}), NOW - 86400, NOW) == []


def running(config: DetectorConfig, reader: PrometheusReader) -> Job:
    job = Job(
        config.reader.queries["summed"],
        config.models["default"],
        config.schedulers["default"],
        config.writer.form,
        max_bands=config.writer.max_bands,
        identities=Identities(),
    )
    past = reader.history(job.query, START, NOW - STEP)
    job.install(past.labels, fit(past.times, past.values, job.options, with_state=True))
    job.observe(NOW, reader.instant(job.query, NOW))
    return job


def test_the_whole_way_from_prometheus_to_a_history_over_http(
    config: DetectorConfig, reader: PrometheusReader, tmp_path: Path
) -> None:
    job, feedback = running(config, reader), feedback_store(tmp_path)
    watch = LiveWatch(
        lambda: [job],
        histories=ReaderHistories(lambda: reader),
        replays=InlineReplays(),
        windows=feedback.windows,
        clock=FixedClock(NOW),
    )
    server = WebServer(make_app(watch, feedback), WebOptions("127.0.0.1", 0))
    server.start()
    try:
        listed = requests.get(f"{server.url}/api/v1/series", params={"query": "summed"}, timeout=30)
        assert {row["labels"]["service"] for row in listed.json()["series"]} == set(VALUES)
        asked = {"query": "summed", "labels": json.dumps({"service": HOSTILE}), "start": str(NOW - 86400)}
        said = requests.get(f"{server.url}/api/v1/history", params=asked, timeout=60).json()
        assert said["observed"] == pytest.approx([level(20.0, at) for at in said["times"]], rel=1e-6)
        assert said["times"][-1] == NOW
        assert None not in said["score"]
    finally:
        server.stop()


def test_a_data_source_that_is_away_is_said_as_such(
    config: DetectorConfig, reader: PrometheusReader, tmp_path: Path, prometheus: Prometheus
) -> None:
    job = running(config, reader)
    watch = LiveWatch(
        lambda: [job],
        histories=ReaderHistories(lambda: reader),
        replays=InlineReplays(),
        windows=feedback_store(tmp_path).windows,
        clock=FixedClock(NOW),
    )
    labels = labels_of({"service": "shop"})
    prometheus.stop()
    try:
        with pytest.raises(NoAnswerError, match=r"does not answer: .*Connection refused"):
            watch.replay("summed", labels, NOW - 3600, NOW, job.options)
        assert watch.events("summed", labels, NOW - 3600, NOW) == []
    finally:
        prometheus.start()
