"""The scrape mode: the newest outputs on /metrics, and nothing that is no longer so."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from specter_core.clock import SystemClock
from specter_core.config import parse_config
from specter_core.web import WebOptions, WebServer
from specter_detector.config import resolve
from specter_detector.exposed import Exposed
from specter_detector.outputs import Outputs
from specter_detector.schema import DetectorSchema
from specter_detector.series import Labels, labels_of
from specter_detector.telemetry import Telemetry
from tests.detector.running import detector_of
from tests.detector.test_outputs import A, B, outputs, tick
from tests.servers.prometheus import free_port, running_prometheus


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Page:
    """What is scraped."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.exposed = Exposed(clock=self.clock, telemetry=Telemetry(CollectorRegistry()))
        self.registry.register(self.exposed)

    def text(self) -> str:
        return generate_latest(self.registry).decode()

    def told(self) -> dict[tuple[str, str], float]:
        return {
            (sample.name, sample.labels.get("i", "")): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    def tick(self, subject: Outputs, at: float, scores: dict[Labels, float], scheduler: str = "s") -> None:
        self.clock.now = at
        self.exposed.enqueue(scheduler, at, [tick(subject, at, scores)])
        assert self.exposed.flush(1.0)


def test_the_last_tick_is_shown_as_gauges_without_timestamps() -> None:
    page = Page()
    page.tick(outputs(["anomaly_score"]), 1000.0, {A: 0.5, B: np.inf})
    assert page.text() == (
        "# HELP anomaly_score Output of the anomaly detector.\n"
        "# TYPE anomaly_score gauge\n"
        'anomaly_score{for="q",i="a",model_alias="m",scheduler_alias="s"} 0.5\n'
        'anomaly_score{for="q",i="b",model_alias="m",scheduler_alias="s"} +Inf\n'
    )


def test_what_is_ended_vanishes_and_a_scheduler_leaves_the_other_alone() -> None:
    page = Page()
    one, two = outputs(["anomaly_score"]), outputs(["anomaly_confidence"])
    page.tick(one, 1000.0, {A: 0.5, B: 0.7})
    page.tick(two, 1001.0, {A: 0.5}, scheduler="other")
    page.tick(one, 1015.0, {B: 0.9})
    assert page.told() == {("anomaly_score", "b"): 0.9, ("anomaly_confidence", "a"): 0.25}
    page.exposed.enqueue("s", 1016.0, [one.close(1016.0)])
    assert page.told() == {("anomaly_confidence", "a"): 0.25}
    assert page.exposed.last_tick("s") == 1016.0


def test_a_detector_that_hangs_does_not_look_alive() -> None:
    page = Page()
    page.tick(outputs(["anomaly_score"]), 1000.0, {A: 0.5})
    page.clock.now += 299
    assert page.told()
    page.clock.now += 2
    assert page.told() == {}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(st.sampled_from(["for", "i", "job", "Zone"]), TEXT))
def test_any_label_value_survives_the_page(labels: dict[str, str]) -> None:
    page = Page()
    page.tick(outputs(["anomaly_score"]), 1000.0, {labels_of(labels): 0.5})
    ((sample,),) = [family.samples for family in text_string_to_metric_families(page.text())]
    kept = {"exported_for" if name == "for" else name: value for name, value in labels.items()}
    assert sample.labels == {"for": "q", "model_alias": "m", "scheduler_alias": "s", **kept}


@pytest.mark.integration
def test_the_mode_is_a_setting() -> None:
    text = "reader: {queries: {q: {expr: x}}}\nwriter: {mode: scrape}"
    registry = CollectorRegistry()
    config = resolve(parse_config(text, DetectorSchema, file="test"))
    with closing(detector_of(config, clock=Clock(), registry=registry)):
        assert b"specter_detector_samples_written_total" in generate_latest(registry)
    # The next one, after a reload, shows its own outputs.
    with closing(detector_of(config, clock=Clock(), registry=CollectorRegistry())):
        pass


SCRAPES = """
scrape_configs:
  - job_name: specter-detector
    honor_labels: true
    scrape_interval: 1s
    static_configs: [{{targets: ['{target}']}}]
"""


@pytest.mark.integration
def test_prometheus_scrapes_outputs_with_the_inputs_labels_and_sees_them_end(tmp_path: Path) -> None:
    series = labels_of({"job": "shop", "instance": "a:1", "i": "a"})
    registry = CollectorRegistry()
    exposed = Exposed(clock=SystemClock(), telemetry=Telemetry(CollectorRegistry()))
    registry.register(exposed)
    web = WebServer(make_wsgi_app(registry), WebOptions(host="127.0.0.1", port=free_port()))
    web.start()
    try:
        config = SCRAPES.format(target=web.url.removeprefix("http://").rstrip("/"))
        with running_prometheus(tmp_path, config=config) as server:
            subject = outputs(["anomaly_score"])
            exposed.enqueue("s", time.time(), [tick(subject, time.time(), {series: 0.5})])
            selector = 'anomaly_score{job="shop",instance="a:1",for="q",i="a"}'
            assert server.wait_for(selector) == [0.5]
            exposed.enqueue("s", time.time(), [subject.close(time.time())])
            assert server.wait_for(f"absent({selector})") == [1.0]
    finally:
        web.stop()
