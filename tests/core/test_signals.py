"""Signals to stop: waited for, and remembered."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from specter_core.signals import StopSignals


@pytest.fixture
def stop() -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield StopSignals()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_and_every_later_one(stop: StopSignals, number: signal.Signals) -> None:
    assert not stop.wait(0)
    assert not stop.wait(0.01)
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    assert stop.wait()
    assert stop.wait()
    assert stop.wait(0)


def test_signals_at_any_moment_of_the_wait_never_hang(stop: StopSignals) -> None:
    done = threading.Event()

    def shower() -> None:
        while not done.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=shower)
    thread.start()
    try:
        for _ in range(10_000):
            assert stop.wait(10)
    finally:
        done.set()
        thread.join()
