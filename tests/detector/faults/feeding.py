"""Input for a detector under test: two days of history, then a sample a second of each series."""

import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import pi, sin

import requests

from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.series import Labels, labels_of
from tests.servers.prometheus import Prometheus

NAME = "shop_rate"
DAY = 86400.0
STEP = 300.0
BEFORE_TICK = 0.5
"""Seconds by which a sample is older than the tick that it is for."""


def series(count: int, start: int = 0) -> list[Labels]:
    """Return the labels of `count` services."""
    return [
        labels_of({"__name__": NAME, "service": f"service-{number}"})
        for number in range(start, start + count)
    ]


def value(labels: Labels, at: float) -> float:
    """Return a value with a day and noise: two processes that judge it apart say different things."""
    noise = zlib.crc32(f"{labels}{at:.1f}".encode()) / 2**32 - 0.5
    return 50 + 10 * sin(2 * pi * at / DAY) + 4 * noise


def history(labels: Sequence[Labels], end: float, days: float = 2.0) -> Iterator[str]:
    """Yield OpenMetrics lines of `days` before `end`, a sample every five minutes."""
    last = end // STEP * STEP
    yield f"# TYPE {NAME} gauge"
    for each in labels:
        pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in each if name != "__name__")
        at = last - days * DAY
        while at <= last:
            yield f"{NAME}{{{pairs}}} {value(each, at):.6g} {at:.0f}"
            at += STEP


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Feeder:
    """Writes a sample a second of each of `labels`, half a second before the tick."""

    def __init__(self, server: Prometheus, labels: Sequence[Labels]) -> None:
        self.labels = list(labels)
        self.changed: Callable[[Labels, float], float] = value
        self._url = server.url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder")

    def start(self) -> None:
        """Begin now."""
        self._thread.start()

    def stop(self) -> None:
        """Write no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            client = RemoteWriteClient(self._url, session)
            at = float(int(time.time())) + BEFORE_TICK
            while not self._stop.wait(max(0.0, at - time.time())):
                records = [record_of(each, self.changed(each, at), at) for each in list(self.labels)]
                client.send(request(records), 2.0)
                at = max(at + 1, int(time.time()) + BEFORE_TICK)


@contextmanager
def feeding(server: Prometheus, labels: Sequence[Labels]) -> Iterator[Feeder]:
    """Feed `server` while the block runs."""
    feeder = Feeder(server, labels)
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.stop()
