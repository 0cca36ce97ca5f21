"""A clock that steps back and forth by an hour, beside a server whose clock is right."""

import logging
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_detector.app import Runner
from specter_detector.config import resolve
from specter_detector.marks import Marks
from specter_detector.outputs import Written
from specter_detector.schema import DetectorSchema
from specter_detector.server_clock import DateHeaders, ServerClock
from specter_detector.storage import Storage
from specter_detector.store.folder import DataFolder
from specter_detector.telemetry import Telemetry
from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, eventually
from tests.detector.faults.ticks import assert_gapless, newest, wait_for_ticks
from tests.detector.inline_fitter import InlineFitter
from tests.servers.prometheus import Prometheus, running_prometheus

SERIES = 3
HOUR = 3600.0


class SteppingClock:
    """The machine's clock, off by `off` seconds."""

    def __init__(self) -> None:
        self.off = 0.0

    def time(self) -> float:
        return time.time() + self.off

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def step_through(folder: Path, steps: list[float], log: pytest.LogCaptureFixture) -> None:
    labels = series(SERIES)
    clock = SteppingClock()
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"specter_detector_{name}", labels) or 0.0

    def in_the_future(server: Prometheus) -> list[dict[str, object]]:
        return server.query('{__name__=~"anomaly_score|yhat.*"}[2h]', time.time() + 2 * HOUR)

    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(folder / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        config = resolve(parse_config(CONFIG.format(url=server.url), DetectorSchema, file="test"))
        storage = Storage(DataFolder.open(folder / "data"))
        stack.callback(storage.close)
        runner = Runner(lambda: config, storage, registry=registry, clock=clock, fitter=InlineFitter)
        thread = threading.Thread(target=runner.run)
        stack.callback(thread.join)
        stack.callback(runner.stop)
        with log.at_level(logging.INFO):
            thread.start()
            wait_for_ticks(server, 2)
            for off in steps:
                clock.off = off
                eventually(
                    lambda off=off: value("clock_ahead_seconds") == pytest.approx(off, abs=2.0),  # type: ignore[misc]
                    f"{off} s are seen",
                )
                last = newest(server)
                eventually(lambda last=last: newest(server) >= last + 2, "ticks")  # type: ignore[misc]
                assert in_the_future(server) == []
                said = log.records[-1].getMessage() if off else ""
                assert any(f"{abs(off):.0f} s" in record.getMessage() for record in log.records) or not off, (
                    said
                )
        runner.stop()
        thread.join()
        # The markers at the end, too, are of the server's time.
        assert in_the_future(server) == []
        assert server.values("anomaly_score") == []
        assert_gapless(server, SERIES)
        assert sum(value("samples_dropped_total", reason=reason) for reason in ("future", "conflict")) == 0
        assert value("samples_dropped_total", reason="out_of_order") == 0
        assert value("ticks_skipped_total") == 0
    lines = [record.getMessage() for record in log.records]
    assert sum("this machine's clock is" in line for line in lines) == sum(off != 0 for off in steps)
    assert "this machine's clock agrees with the server's again" in lines


@pytest.mark.integration
def test_an_hour_back_and_an_hour_forth_cost_no_tick(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    step_through(tmp_path, [-HOUR, 0.0, HOUR, 0.0], caplog)


@pytest.mark.integration
@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_clock_that_never_rests_costs_no_tick(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    random = Random(1)
    steps = [float(random.choice([-86400, -HOUR, -120, 120, HOUR, 40 * 86400])) for _ in range(20)]
    step_through(tmp_path, [each for off in steps for each in (off, 0.0)], caplog)


class Sink:
    """Where ticks go; `last` is what an earlier process has written."""

    def __init__(self, last: float | None = None) -> None:
        self.last = last
        self.ticks: list[float] = []

    def enqueue(self, scheduler: str, at: float, _written: object) -> None:
        self.ticks.append(at)

    def flush(self, budget: float) -> bool:
        return True

    def last_tick(self, scheduler: str) -> float | None:
        return self.last

    def close(self) -> None:
        """Hold nothing."""


class Samples(Written):
    """Four samples that nobody reads."""

    samples = 4


def marks_of(sink: Sink, now: float) -> tuple[Marks, CollectorRegistry]:
    registry = CollectorRegistry()
    return Marks(["k"], sink, Telemetry(registry), now), registry


def dropped(registry: CollectorRegistry) -> float | None:
    labels = {"reason": "out_of_order"}
    return registry.get_sample_value("specter_detector_samples_dropped_total", labels)


def test_with_the_servers_clock_set_back_too_no_time_is_written_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(last=990.0)
    marks, registry = marks_of(sink, 1000.0)
    for at in (980.0, 990.0, 1005.0, 1020.0):
        marks.write("k", at, Samples("q", ()))
    assert sink.ticks == [1005.0, 1020.0]
    assert dropped(registry) == 0  # what an earlier process has written is not lost
    with caplog.at_level(logging.INFO):
        for at in (1005.0, 1020.0, 1035.0):
            marks.write("k", at, Samples("q", ()))
    assert sink.ticks == [1005.0, 1020.0, 1035.0]
    assert dropped(registry) == 8
    assert [record.getMessage() for record in caplog.records] == [
        "the clock was set back: scores are written again when it is past what has been, in 15 s",
        "the clock is past what has been written: scores are written again",
    ]


def test_what_was_written_days_ahead_stops_nothing() -> None:
    sink = Sink(last=90_000.0)
    marks, _ = marks_of(sink, 1000.0)
    marks.write("k", 1005.0, Samples("q", ()))
    assert sink.ticks == [1005.0]


def test_the_date_of_an_answer_is_a_hint_and_the_server_is_asked() -> None:
    registry = CollectorRegistry()
    own = SteppingClock()
    dates = DateHeaders(time.monotonic)
    asked: list[float] = []

    def ask() -> float:
        asked.append(time.time())
        return asked[-1]

    clock = ServerClock(own, hint=dates.now, ask=ask, telemetry=Telemetry(registry))
    clock.check()
    for headers in ({}, {"Date": "soon"}, {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Age": "9"}):
        dates.note(headers)
        assert dates.now() is None
    dates.note({"Date": "Wed, 21 Oct 2015 07:28:00 GMT"})  # a proxy with a clock of its own
    clock.check()
    assert len(asked) == 1
    assert clock.time() == pytest.approx(time.time(), abs=1.0)
    own.off = 7 * HOUR
    clock.check()
    assert clock.time() == pytest.approx(time.time(), abs=1.0)
    assert registry.get_sample_value("specter_detector_clock_ahead_seconds") == pytest.approx(7 * HOUR, abs=1)
