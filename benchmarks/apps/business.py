"""Business events over HTTP: requests and events a second of the exporter on one core, and its latency.

The exporter runs as it is shipped, in a process of its own on one core; events come
over real sockets from here, from another core where there is one.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks import report

CONNECTIONS = 8
SECONDS = 5.0
BATCH = 100
OFFERED = 1500.0
"""Requests a second at which latency is measured: the goal of `business_requests_per_s`."""
TOKEN = "a-token-for-the-benchmark-only"
WITHIN = 20.0


def report_business(seconds: float = SECONDS) -> None:
    """Print requests a second (one event each), events a second (batches), what each costs, and latency.

    Args:
        seconds: each of the three is measured for.
    """
    with exporter() as (process, port):
        load = Load(port)
        load.run(1, seconds=1.0)  # warm
        before = processor_time(process)
        single = load.run(1, seconds=seconds)
        took = processor_time(process) - before
        report("business_requests_per_s", len(single.latencies) / single.seconds, "requests/s")
        report("business_request_cpu_us", took / len(single.latencies) * 1e6, "us")
        before = processor_time(process)
        batches = load.run(BATCH, seconds=seconds)
        took = processor_time(process) - before
        report("business_events_per_s", len(batches.latencies) * BATCH / batches.seconds, "events/s")
        report("business_event_cpu_us", took / len(batches.latencies) / BATCH * 1e6, "us")
        paced = load.run(1, seconds=seconds, rate=OFFERED)
        report("business_p99_ms", quantile(paced.latencies, 0.99) * 1e3, "ms")
        report("business_p50_ms", quantile(paced.latencies, 0.5) * 1e3, "ms")
        report("business_offered_requests_per_s", len(paced.latencies) / paced.seconds, "requests/s")
        # Others on the machine slow down all but the processor time: what was measured beside them.
        report("business_load_average", os.getloadavg()[0], "processes")


def processor_time(process: psutil.Process) -> float:
    """Return the seconds that a process has computed."""
    times = process.cpu_times()
    return float(times.user + times.system)


def quantile(values: list[float], q: float) -> float:
    """Return the smallest of `values` that a share `q` of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


@contextmanager
def exporter() -> Iterator[tuple[psutil.Process, int]]:
    """Run the exporter on the first core; yield its process and the port on which it takes events."""
    with TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text(TOKEN, encoding="utf-8")
        code = "from specter_exporters.cli import exporter; exporter()"
        command = [sys.executable, "-c", code, "app", "--business.token-file", f"bench={token}",
                   "--business.listen-address", "127.0.0.1:0", "--web.listen-address", "127.0.0.1:0",
                   "--business.rate", "10000000", "--storage.path", f"{folder}/data"]  # fmt: skip
        process = subprocess.Popen(command)
        cores = sorted(os.sched_getaffinity(0))
        try:
            os.sched_setaffinity(process.pid, cores[:1])
            os.sched_setaffinity(0, cores[1:] or cores)
            yield psutil.Process(process.pid), _events_port(process)
        finally:
            os.sched_setaffinity(0, cores)
            process.terminate()
            process.wait(WITHIN)


def _events_port(process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        for one in psutil.Process(process.pid).net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN and _takes_events(one.laddr.port):
                return int(one.laddr.port)
        time.sleep(0.05)
    raise RuntimeError("the exporter does not listen")


def _takes_events(port: int) -> bool:
    request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as connection:
        connection.sendall(request)
        return connection.recv(64).startswith(b"HTTP/1.1 200")


@dataclass(slots=True)
class Measured:
    """What was seen: seconds from each request to its answer, and how long it went on."""

    latencies: list[float]
    seconds: float


class Load:
    """Sends requests over connections that are kept, one at a time on each.

    Args:
        port: of the exporter.
        connections: so many.
    """

    def __init__(self, port: int, connections: int = CONNECTIONS) -> None:
        self._port = port
        self._connections = connections
        self._number = 0

    def run(self, events: int, *, seconds: float, rate: float | None = None) -> Measured:
        """Send requests of `events` each, as fast as they are answered or at `rate` a second in all."""
        selector = selectors.DefaultSelector()
        idle = [self._connected() for _ in range(self._connections)]
        connections = {one.fileno(): one for one in idle}
        for one in idle:
            selector.register(one, selectors.EVENT_READ)
        due: dict[socket.socket, float] = {}
        latencies: list[float] = []
        started = time.perf_counter()
        sent = 0
        while (now := time.perf_counter()) < started + seconds or due:
            # From when it should have been sent: a late one has waited already.
            while idle and now < started + seconds and (rate is None or now >= started + sent / rate):
                one = idle.pop()
                due[one] = now if rate is None else started + sent / rate
                one.sendall(self._request(events))
                sent += 1
            for key, _ in selector.select(0.0005 if rate is not None else 1.0):
                one = connections[key.fd]
                if self._answered(one.recv(65536)):
                    latencies.append(time.perf_counter() - due.pop(one))
                    idle.append(one)
        took = time.perf_counter() - started
        selector.close()
        for one in idle:
            one.close()
        return Measured(latencies, took)

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _request(self, events: int) -> bytes:
        self._number += 1
        one = {"event": "payment", "outcome": "failed", "reason": "card_declined", "amount": 12.5,
               "currency": "EUR", "user": f"user-{self._number % 50_000}"}  # fmt: skip
        body = json.dumps([one] * events if events > 1 else one).encode()
        head = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _answered(self, part: bytes) -> bool:
        """Return whether this is the last part of an answer: the server sends its head apart."""
        if part.startswith((b"HTTP/1.1 200", b"{")):
            return part.endswith(b"}")
        raise RuntimeError(f"the exporter answered {part[:200]!r}")
