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


def spoil(proxy: FaultyProxy, direction: Direction, fault: Fault, seconds: float) -> None:
    """Spoil requests for `seconds`, and until two of them have met the fault."""
    before, until = proxy.met(direction, fault), time.monotonic() + seconds
    proxy.spoil(direction, fault)
    eventually(
        lambda: proxy.met(direction, fault) >= before + 2 and time.monotonic() >= until,
        f"{fault} met twice in {seconds} s",
        seconds + 60,
    )
    proxy.heal()


def go_through(folder: Path, direction: Direction, faults: tuple[Fault, ...], seconds: float) -> None:
    name = f"{direction}s_total"
    with behind_a_proxy(folder) as (server, proxy, detector):
        for fault in faults:
            failures = detector.metric(name) - detector.metric(name, outcome="ok")
            said = len(detector.log())
            spoil(proxy, direction, fault, seconds)
            last = newest(server)
            # The longer it took, the longer it waits before it tries again: half a minute at most.
            eventually(lambda last=last: newest(server) >= last + 2, f"ticks after {fault}", 60)  # type: ignore[misc]
            wait_for_ticks(server, 1)
            # An answer that breaks off behind its status has said what became of the samples.
            if (direction, fault) in SAID:
                assert SAID[direction, fault] in detector.log()[said:]
                failed = detector.metric(name) - detector.metric(name, outcome="ok")
                assert failed > failures
            assert detector.metric("samples_dropped_total") == 0, fault
        detector.wait_for_metric("spool_samples", lambda waiting: waiting == 0)
        assert_gapless(server, SERIES)
        assert detector.metric("ticks_skipped_total") == 0
        assert "Traceback" not in detector.log()


def test_no_fault_of_reading_costs_a_tick(tmp_path: Path) -> None:
    go_through(tmp_path, "read", READ_FAULTS, seconds=1.5)


def test_no_fault_of_writing_costs_a_sample(tmp_path: Path) -> None:
    go_through(tmp_path, "write", WRITE_FAULTS, seconds=1.5)


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("direction", ["read", "write"])
def test_no_long_fault_costs_anything(tmp_path: Path, direction: Direction) -> None:
    faults = READ_FAULTS if direction == "read" else WRITE_FAULTS
    go_through(tmp_path, direction, faults, seconds=20)
