"""Ticks that were missed and are run later, and what is remembered over a restart."""

import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_detector.app import Detector
from specter_detector.config import DetectorConfig, resolve
from specter_detector.output import Sample
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.scheduler import TickSchedule
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from specter_detector.storage import Storage
from specter_detector.telemetry import Telemetry
from tests.detector.generated_series import request_rate
from tests.detector.inline_fitter import InlineFitter
from tests.detector.running import detector_of
from tests.servers.prometheus import Prometheus, running_prometheus

DAY = 86400
TICKS = 40
CONFIG = """
reader:
  datasource_url: {url}
  queries: {{{alias}: {{expr: shop_rate}}}}
schedulers:
  s: {{infer_every: 15s}}
"""


@pytest.fixture(scope="module")
def end() -> int:
    now = int(time.time())
    return now - now % 300 - 1800


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[Prometheus]:
    """Four days every five minutes, then every fifteen seconds, but for a hole from tick 20 to 29."""
    rng = np.random.default_rng(1)
    times = np.arange(end - 4 * DAY, end + 15 * TICKS + 1, 15.0)
    pairs = list(zip(times.tolist(), request_rate(times, rng, 20.0).tolist(), strict=True))
    lines = ["# TYPE shop_rate gauge"]
    lines += [
        f'shop_rate{{service="shop"}} {value:.6g} {at:.0f}'
        for at, value in pairs
        if at <= end and at % 300 == 0
    ]
    labels = labels_of({"__name__": "shop_rate", "service": "shop"})
    hole = range(end + 15 * 20, end + 15 * 30)
    live = [Sample(labels, value, at) for at, value in pairs if at > end and at not in hole]
    with (
        running_prometheus(tmp_path_factory.mktemp("prometheus"), history=lines) as server,
        requests.Session() as session,
    ):
        assert RemoteWriteClient(server.url, session).send(live, 5).kind == "ok"
        yield server


def config_of(url: str, alias: str) -> DetectorConfig:
    return resolve(parse_config(CONFIG.format(url=url, alias=alias), DetectorSchema, file="test"))


def scores(server: Prometheus, alias: str, end: int) -> list[float]:
    values = []
    for tick in range(1, TICKS + 1):
        at = end + 15 * tick
        # The samples of this very time, not older ones that a query would repeat.
        values += server.values(f'anomaly_score{{for="{alias}"}} and timestamp(anomaly_score) == {at}', at)
    return values


@pytest.mark.integration
def test_ticks_run_late_write_what_they_would_have_written_in_time(prometheus: Prometheus, end: int) -> None:
    with closing(detector_of(config_of(prometheus.url, "in_time"))) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        for tick in range(1, 11):
            detector.engine.tick("s", end + 15.0 * tick)
        in_time = list(job.latest)
    with closing(detector_of(config_of(prometheus.url, "late"))) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        detector.engine.tick("s", end + 15.0)
        assert detector.engine.catch_up("s", end + 30.0, end + 150.0) == 9
        assert list(job.latest) == in_time
        # Those that have been run are not run again.
        assert detector.engine.catch_up("s", end + 30.0, end + 150.0) == 0
    assert scores(prometheus, "late", end) == scores(prometheus, "in_time", end)
    assert len(scores(prometheus, "late", end)) == 10


@pytest.mark.integration
def test_time_of_which_the_server_has_nothing_is_no_absence(prometheus: Prometheus, end: int) -> None:
    with closing(detector_of(config_of(prometheus.url, "hole"))) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        detector.engine.tick("s", end + 15.0 * 10)
        judged = detector.engine.catch_up("s", end + 15.0 * 11, end + 15.0 * TICKS)
        # Ten samples are missing, and for six of their ticks the one before is not older than 90 s.
        assert judged == 30 - 10 + 6
        assert job.counts["absent"] == 0
        assert [verdict.reason for verdict in job.latest] == [""]


@pytest.mark.integration
def test_after_a_restart_the_judgement_goes_on_where_it_was(prometheus: Prometheus, end: int) -> None:
    def detector(alias: str, storage: Storage) -> Detector:
        return Detector(
            config_of(prometheus.url, alias),
            storage=storage,
            telemetry=Telemetry(CollectorRegistry()),
            fitter=InlineFitter(),
        )

    with closing(detector("whole", Storage(None))) as whole:
        (job,) = whole.engine.jobs
        whole.engine.fit(job, end)
        for tick in range(1, 11):
            whole.engine.tick("s", end + 15.0 * tick)
        expected = list(job.latest)
    storage = Storage(None)
    with closing(detector("restarted", storage)) as first:
        (job,) = first.engine.jobs
        first.engine.fit(job, end)
        for tick in range(1, 6):
            first.engine.tick("s", end + 15.0 * tick)
    with closing(detector("restarted", storage)) as second:
        (job,) = second.engine.jobs
        assert job.ticked == end + 75.0
        for tick in range(6, 11):
            second.engine.tick("s", end + 15.0 * tick)
        assert list(job.latest) == expected


def test_a_tick_given_back_counts_as_missed_and_a_resumed_schedule_knows_the_last() -> None:
    schedule = TickSchedule(15.0)
    schedule.resume(1003.0)
    assert schedule.take(1051.0) == (1050.0, 3)
    schedule.give_back(1050.0)
    assert schedule.take(1061.0) == (1050.0, 0)
    schedule.give_back(1050.0 - 3 * 15.0)
    assert schedule.take(1061.0) == (1050.0, 3)
