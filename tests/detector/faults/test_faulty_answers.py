"""A proxy that spoils answers, of reads and of writes: nothing is lost and nothing doubled by any fault."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.proxy import Direction, Fault, FaultyProxy, faulty_proxy
from tests.detector.faults.ticks import assert_gapless, newest, wait_for_ticks
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

SERIES = 5
READ_FAULTS: tuple[Fault, ...] = ("500", "429", "hang", "cut", "truncated")
WRITE_FAULTS: tuple[Fault, ...] = ("500", "429", "hang", "cut", "truncated", "lost")
SAID: dict[tuple[Direction, Fault], str] = {
    ("read", "500"): "query shop: query: HTTP 500",
    ("read", "429"): "data source is down, retrying: HTTP 429",
    ("read", "hang"): "data source is down, retrying: ",
    ("read", "cut"): "data source is down, retrying: ",
    ("read", "truncated"): "query shop: query: the answer ends in the middle",
    ("write", "500"): "cannot write scores, retrying: HTTP 500: no space left on device",
    ("write", "429"): "cannot write scores, retrying: HTTP 429: slow down",
    ("write", "hang"): "cannot write scores, retrying: ",
    ("write", "lost"): "Remote end closed connection without response",
}


@contextmanager
def behind_a_proxy(folder: Path) -> Iterator[tuple[Prometheus, FaultyProxy, DetectorProcess]]:
    labels = series(SERIES)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(folder / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        proxy = stack.enter_context(faulty_proxy(server.url))
        config = CONFIG.format(url=proxy.url).replace("timeout: 2s", "timeout: 1s")
        detector = DetectorProcess(folder / "detector", config + "writer: {timeout: 1s}\n")
        stack.enter_context(running(detector))
        wait_for_ticks(server, 2)
        yield server, proxy, detector


def spoil(proxy: FaultyProxy, direction: Direction, fault: Fault, times: int) -> None:
    """Spoil requests until `times` of them have met the fault."""
    before = proxy.met(direction, fault)
    proxy.spoil(direction, fault)
    eventually(lambda: proxy.met(direction, fault) >= before + times, f"{fault} met {times} times")
    proxy.heal()


def go_through(folder: Path, direction: Direction, faults: tuple[Fault, ...], times: int) -> None:
    outcome = {"read": ("reads_total", "outcome"), "write": ("writes_total", "outcome")}[direction]
    with behind_a_proxy(folder) as (server, proxy, detector):
        for fault in faults:
            failures = detector.metric(outcome[0]) - detector.metric(outcome[0], outcome="ok")
            said = len(detector.log())
            spoil(proxy, direction, fault, times)
            last = newest(server)
            eventually(lambda last=last: newest(server) >= last + 2, f"ticks after {fault}")  # type: ignore[misc]
            wait_for_ticks(server, 1)
            # An answer that breaks off behind its status has said what became of the samples.
            if (direction, fault) in SAID:
                assert SAID[direction, fault] in detector.log()[said:]
                failed = detector.metric(outcome[0]) - detector.metric(outcome[0], outcome="ok")
                assert failed > failures
            assert detector.metric("samples_dropped_total") == 0, fault
        detector.wait_for_metric("spool_samples", lambda waiting: waiting == 0)
        assert_gapless(server, SERIES)
        assert detector.metric("ticks_skipped_total") == 0
        assert "Traceback" not in detector.log()


def test_no_fault_of_reading_costs_a_tick(tmp_path: Path) -> None:
    go_through(tmp_path, "read", READ_FAULTS, times=2)


def test_no_fault_of_writing_costs_a_sample(tmp_path: Path) -> None:
    go_through(tmp_path, "write", WRITE_FAULTS, times=2)


@pytest.mark.prove
@pytest.mark.parametrize("direction", ["read", "write"])
def test_no_long_fault_costs_anything(tmp_path: Path, direction: Direction) -> None:
    faults = READ_FAULTS if direction == "read" else WRITE_FAULTS
    go_through(tmp_path, direction, faults, times=12)
