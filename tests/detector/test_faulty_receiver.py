"""A remote-write server that fails in every way: nothing is lost, nothing doubled, nothing waits for ever."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from specter_core.clock import SystemClock
from specter_detector.config import Connection
from specter_detector.http import open_session
from specter_detector.packing import Limits
from specter_detector.protobuf import Record, record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.spool import MemorySpool
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer
from tests.detector.records import records_in, written_of
from tests.servers.faulty_receiver import Fault, FaultyReceiver, faulty_receiver


@contextmanager
def writing_to(server: FaultyReceiver, *, timeout: float = 5.0) -> Iterator[tuple[Writer, CollectorRegistry]]:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    session = open_session(Connection(server.url, timeout))
    with closing(RemoteWriteClient(server.url, session)) as client:
        writer = Writer(
            client,
            MemorySpool(1 << 20, 86400.0, telemetry.dropped),
            clock=SystemClock(),
            random=Random(1),
            telemetry=telemetry,
            timeout=timeout,
            limits=Limits(samples=10),
        )
        yield writer, registry


def enqueue(writer: Writer, ticks: int, series: int = 15) -> list[Record]:
    """Give the writer some ticks; return all their records."""
    now = float(int(time.time()))
    everything = []
    for number in range(ticks):
        at = now - ticks + number
        records = [record_of((("__name__", "x"), ("i", str(i))), float(number), at) for i in range(series)]
        writer.enqueue("s", at, [written_of(records)])
        everything += records
    return everything


def unreachable(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("specter_detector_writes_total", {"outcome": "unreachable"}) or 0.0


@pytest.mark.parametrize("fault", ["500", "429", "429-date", "cut", "truncated", "redirect"])
def test_a_fault_is_retried_and_what_was_sent_is_there_once_and_in_order(fault: Fault) -> None:
    with faulty_receiver("ok", fault, "ok", fault, fault) as server, writing_to(server) as (writer, registry):
        sent = enqueue(writer, 3)
        assert writer.flush(20)
        assert records_in(server.taken) == sent
        # A connection that a server closed between two requests is opened again without being told.
        assert unreachable(registry) == 3
        assert registry.get_sample_value("specter_detector_samples_written_total") == len(sent)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    with faulty_receiver("429") as server, writing_to(server) as (writer, _):
        sent = enqueue(writer, 1, series=5)
        started = time.monotonic()
        assert not writer.flush(0.5)
        assert time.monotonic() - started < 0.5
        assert writer.flush(5)
        assert time.monotonic() - started >= 1.0
        assert records_in(server.taken) == sent
        assert server.asked == 2


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_server_that_never_ends_its_answer_costs_no_more_than_the_budget(fault: Fault) -> None:
    with faulty_receiver(fault) as server, writing_to(server, timeout=1.0) as (writer, registry):
        sent = enqueue(writer, 1, series=5)
        started = time.monotonic()
        assert not writer.flush(0.6)
        assert time.monotonic() - started < 2.0
        assert unreachable(registry) == 1
        assert writer.flush(10)
        assert records_in(server.taken) == sent


def test_samples_that_were_taken_are_not_sent_again_because_the_answer_was_cut_off() -> None:
    with faulty_receiver("truncated-ok") as server, writing_to(server) as (writer, registry):
        sent = enqueue(writer, 1, series=5)
        assert writer.flush(5)
        assert records_in(server.taken) == sent
        assert (server.asked, unreachable(registry)) == (1, 0)


def test_nobody_listens_and_then_somebody_does() -> None:
    with faulty_receiver() as server:
        url = server.url
    gone = FaultyReceiver(url, [])
    with writing_to(gone) as (writer, registry):
        enqueue(writer, 2)
        assert not writer.flush(0.5)
        assert unreachable(registry) >= 1
        assert writer.pending == 30
