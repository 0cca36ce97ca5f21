"""Brokers that lie to whoever listens to Celery's workers: memory is bounded, and nothing is told as well."""

import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specter_core.clock import SystemClock
from specter_exporters.queues import allowance
from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.celery_listener import CeleryListener
from specter_exporters.queues.model import Problem
from tests.exporters.queues.lying import AmqpWire, RedisWire, Script, Wire, lying
from tests.exporters.serving import until

BEAT = json.dumps({"type": "worker-heartbeat", "hostname": "one@host", "freq": 2.0, "active": 0}).encode()


@pytest.fixture(params=[RedisWire(), AmqpWire()], ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


@contextmanager
def listened(wire: Wire, folder: Path, *scripts: Script, timeout: float = 2.0) -> Iterator[CeleryEvents]:
    """Listen to a broker of these scripts."""
    with lying(*scripts) as (port, over):
        events = CeleryEvents("celery", SystemClock())
        listener = CeleryListener("main", wire.subscribe(port, folder, timeout), events, SystemClock())
        listener.start()
        try:
            yield events
        finally:
            over.set()
            listener.stop()


def problem(events: CeleryEvents) -> Problem:
    found: Problem = until(events.problem, "a problem told")
    return found


def honest(wire: Wire, *bodies: bytes) -> Script:
    """Greet, send messages, and stay."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        wire.greet(connection)
        for body in bodies:
            connection.sendall(wire.message(body))
        over.wait(20)

    return script


def test_workers_are_heard_and_again_after_a_connection_that_died_in_the_middle_of_a_message(
    wire: Wire, tmp_path: Path
) -> None:
    died = threading.Event()

    def dies(connection: socket.socket, over: threading.Event) -> None:
        wire.greet(connection)
        connection.sendall(wire.message(BEAT) + wire.message(BEAT)[:-9])
        died.wait(20)

    with listened(wire, tmp_path, dies, honest(wire, BEAT)) as events:
        until(events.workers, "a worker")
        died.set()
        assert problem(events).reason == "connection"
        assert events.workers() is None
        [worker] = until(events.workers, "a worker after it")
        assert (worker.name, worker.state, events.problem()) == ("one@host", "idle", None)


def test_one_that_says_nothing_is_no_broker_without_workers(wire: Wire, tmp_path: Path) -> None:
    with listened(wire, tmp_path, lambda _, over: over.wait(20), timeout=0.3) as events:
        assert problem(events).reason == "timeout"
        assert events.workers() is None


def test_one_that_falls_silent_is_left(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_SILENCE", 0.6)
    with listened(wire, tmp_path, honest(wire, BEAT)) as events:
        until(events.workers, "a worker")
        assert problem(events) == Problem("timeout", "the broker has said nothing for 0.6 s")
        assert events.workers() is None


def test_one_that_drips_is_cut(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_SECONDS", 0.5)

    def drips(connection: socket.socket, over: threading.Event) -> None:
        wire.greet(connection)
        connection.sendall(wire.endless())
        while not over.wait(0.01):
            connection.sendall(b"x")

    with listened(wire, tmp_path, drips) as events:
        assert problem(events) == Problem("timeout", "what the broker sends has no end within 0.5 s")
        assert events.workers() is None


@pytest.mark.parametrize("when", ["before it greets", "after it"])
def test_a_message_without_an_end_costs_little_memory(wire: Wire, when: str, tmp_path: Path) -> None:
    def floods(connection: socket.socket, over: threading.Event) -> None:
        if when == "after it":
            wire.greet(connection)
        else:
            connection.recv(1)
        connection.sendall(wire.endless())
        block = b"x" * 2**20
        while True:
            connection.sendall(block)

    tracemalloc.start()
    try:
        with listened(wire, tmp_path, floods) as events:
            assert problem(events) == Problem("other", "a message has more than 1048576 bytes")
            assert events.workers() is None
            # Of it, of the client's copy, and of the block that this test sends.
            assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [b"\x80\x05garbage", b"null", b"[]", b'[[1], "x", {"type": 5}]', b"[" * 100_000, b"9" * 5000],
    ids=["binary", "null", "nothing", "of other types", "deep", "a long number"],
)
def test_what_is_no_event_leaves_the_listener_alive_and_is_said(
    wire: Wire, tmp_path: Path, body: bytes
) -> None:
    with listened(wire, tmp_path, honest(wire, body)) as events:
        assert problem(events).message.startswith("what comes as events is none")
        assert events.workers() is None
    with listened(wire, tmp_path, honest(wire, body, BEAT)) as events:
        assert [worker.name for worker in until(events.workers, "a worker")] == ["one@host"]


def test_a_bomb_of_names_fills_no_memory_and_is_said(wire: Wire, tmp_path: Path) -> None:
    def beats(first: int) -> bytes:
        return json.dumps(
            [{"type": "worker-heartbeat", "hostname": f"w{first + n}"} for n in range(1500)]
        ).encode()

    with listened(wire, tmp_path, honest(wire, beats(0), beats(1500))) as events:
        assert problem(events).message.startswith("more than 2000 workers")
        assert len(events.workers() or ()) == 2000


@pytest.mark.parametrize(
    "begin",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\x00\x00\x00\x00\x00\x04abcd\xce", b"\x00" * 99],
    ids=["a web server", "a frame of nonsense", "zeros"],
)
def test_what_is_no_broker_is_said(wire: Wire, tmp_path: Path, begin: bytes) -> None:
    def speaks(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        over.wait(20)

    with listened(wire, tmp_path, speaks, timeout=0.5) as events:
        assert problem(events).reason in {"other", "timeout", "connection"}
        assert events.workers() is None
