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
from specter_detector.asking import Asking
from specter_detector.config import DetectorConfig, Query, resolve
from specter_detector.datasource import BrokenError, DatasourceError, RefusedError, SlowError
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.schema import DetectorSchema
from specter_detector.series import History, Vector, labels_of
from specter_detector.storage import Storage
from specter_detector.telemetry import Telemetry
from specter_detector.troubles import Troubles
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
    live = [record_of(labels, value, at) for at, value in pairs if at > end and at not in hole]
    with (
        running_prometheus(tmp_path_factory.mktemp("prometheus"), history=lines) as server,
        requests.Session() as session,
    ):
        assert RemoteWriteClient(server.url, session).send(request(live), 5).kind == "ok"
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
        in_time = list(job.latest())
    registry = CollectorRegistry()
    with closing(detector_of(config_of(prometheus.url, "late"), registry=registry)) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        detector.engine.tick("s", end + 15.0)
        detector.engine.tick("s", end + 150.0)
        assert list(job.latest()) == in_time
        assert registry.get_sample_value("specter_detector_ticks_caught_up_total") == 8
        assert registry.get_sample_value("specter_detector_ticks_skipped_total") == 0
    assert scores(prometheus, "late", end) == scores(prometheus, "in_time", end)
    assert len(scores(prometheus, "late", end)) == 10


@pytest.mark.integration
def test_time_of_which_the_server_has_nothing_is_no_absence(prometheus: Prometheus, end: int) -> None:
    registry = CollectorRegistry()
    with closing(detector_of(config_of(prometheus.url, "hole"), registry=registry)) as detector:
        (job,) = detector.engine.jobs
        detector.engine.fit(job, end)
        detector.engine.tick("s", end + 15.0 * 10)
        detector.engine.tick("s", end + 15.0 * TICKS)
        # Ten samples are missing, and for six of their ticks the one before is not older than 90 s.
        assert registry.get_sample_value("specter_detector_ticks_caught_up_total") == 29 - 10 + 6
        assert registry.get_sample_value("specter_detector_ticks_skipped_total") == 10 - 6
        assert job.counts["absent"] == 0
        assert [verdict.reason for verdict in job.latest()] == [""]


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
        expected = list(job.latest())
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
        assert list(job.latest()) == expected


class Defective:
    """A reader that knows the present and fails as told when it is asked for ticks before."""

    def __init__(self) -> None:
        self.errors: list[DatasourceError] = []
        self.asked: list[float] = []

    def instant(self, query: Query, at: float, *_args: object, **_more: object) -> Vector:
        return Vector({(("a", "b"),): 1.0})

    def range(self, query: Query, start: float, end: float, step: float, *_args: object) -> History:
        self.asked.append(start)
        if self.errors:
            raise self.errors.pop(0)
        times = np.arange(start, end + step / 2, step)
        return History(times, ((("a", "b"),),), np.ones((1, times.size)))


def asking_for(reader: Defective) -> tuple[Asking, Job]:
    config = config_of("http://127.0.0.1:1", "q")
    telemetry = Telemetry(CollectorRegistry())
    query = config.reader.queries["q"]
    model, scheduler = config.models["default"], config.schedulers["s"]
    job = Job(query, model, scheduler, config.writer.form, max_bands=1, identities=Identities())
    return Asking(reader, config.reader.queries, Troubles(), telemetry), job  # type: ignore[arg-type]


def test_ticks_that_cannot_be_made_up_for_put_off_the_present_three_times_at_most() -> None:
    reader = Defective()
    asking, job = asking_for(reader)
    assert asking.ask([job], 1500.0).due == frozenset()  # nothing is missing before the first
    job.observe(1500.0, Vector({}))
    reader.errors = [SlowError("slow"), BrokenError("500"), SlowError("slow")]
    for at in (1560.0, 1575.0):
        with pytest.raises(DatasourceError):
            asking.ask([job], at)
    given_up = asking.ask([job], 1590.0)
    assert given_up.missed == ()
    assert given_up.due == {1515.0, 1530.0, 1545.0, 1560.0, 1575.0}
    reader.errors = [RefusedError("no")]
    assert asking.ask([job], 1590.0).missed == ()
    answered = asking.ask([job], 1545.0)
    assert [at for at, _ in answered.missed] == [1515.0, 1530.0]
    assert reader.asked == [1515.0] * 5


def test_ticks_older_than_an_hour_are_given_up() -> None:
    reader = Defective()
    asking, job = asking_for(reader)
    job.observe(1500.0, Vector({}))
    answer = asking.ask([job], 1500.0 + 2 * 3600)
    assert answer.older == 240 - 1
    assert len(answer.due) == len(answer.missed) == 240
    assert job.pass_over(1530.0) == 2
    assert asking.ask([job], 1545.0).due == frozenset()
