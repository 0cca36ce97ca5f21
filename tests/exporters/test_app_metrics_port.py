"""A port that several processes have between them: served by one, and by another when that one ends."""

import fcntl
import os
import socket
import threading
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_core.web import WebOptions, WebServer
from specter_exporters.app import metrics_app
from specter_exporters.app.metrics_port import MetricsPort
from tests.exporters.serving import WITHIN, until

PATIENCE = "metrics are not served: cannot listen on 127.0.0.1:"


class Turns:
    """Lets a thread that waits go on once for each `release`, and counts how often it has waited."""

    def __init__(self) -> None:
        self.waited = 0
        self._go = threading.Semaphore(0)

    def __call__(self, seconds: float) -> None:
        self.waited += 1
        assert self._go.acquire(timeout=WITHIN)

    def release(self) -> None:
        self._go.release()


def server(made: list[WebServer], port: int) -> WebServer:
    made.append(WebServer(metrics_app(CollectorRegistry()), WebOptions("127.0.0.1", port)))
    return made[-1]


def test_it_is_served_by_who_holds_the_lock_and_then_by_who_has_waited(tmp_path: Path) -> None:
    lock, made, turns = tmp_path / "port", list[WebServer](), Turns()
    holder = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        MetricsPort(lock, lambda: server(made, 0), turns).start()
        until(lambda: turns.waited == 1, "waiting")
        turns.release()
        until(lambda: turns.waited == 2, "waiting again")
        assert made == []
    finally:
        os.close(holder)
    turns.release()
    until(lambda: made, "its turn")
    try:
        until(lambda: requests.get(made[0].url, timeout=WITHIN).status_code == 200, "an answer")
    finally:
        made[0].stop()


# cheroot leaves the socket that it could not bind to the garbage collection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_port_that_another_program_has_is_told_once_and_taken_when_it_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, turns = list[WebServer](), Turns()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        MetricsPort(tmp_path / "port", lambda: server(made, port), turns).start()
        for waited in (1, 2):
            until(lambda waited=waited: turns.waited == waited, "waiting")  # type: ignore[misc]
            if waited == 1:
                turns.release()
        assert [record.getMessage().startswith(PATIENCE) for record in caplog.records] == [True]
    turns.release()
    until(lambda: len(made) == 3, "its turn")
    try:
        until(
            lambda: requests.get(f"http://127.0.0.1:{port}", timeout=WITHIN).status_code == 200, "an answer"
        )
    finally:
        made[-1].stop()
