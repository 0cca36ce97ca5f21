"""A reverse proxy that remembers what is asked and answers as it is told to, for reads and writes apart."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from specter_detector.remote_read import PATH as READ_PATH
from specter_detector.remote_read import decompress
from tests.detector.protobuf_classes import read_messages

Fault = Literal["none", "500", "429", "hang", "cut", "truncated", "lost"]
"""`cut`: the connection is closed in the middle of the answer. `truncated`: half an answer that claims to be
whole. `lost`: the server has the request, and the connection is closed instead of an answer."""
Direction = Literal["read", "write"]
WRITE_PATH = "/api/v1/write"
MOST = 1 << 20
"""Bytes of a request."""
FORWARDED = ("Content-Type", "Content-Encoding", "X-Prometheus-Remote-Write-Version", "Accept-Encoding")


@dataclass(frozen=True)
class Asked:
    """A request; `fault` is what it met."""

    direction: Direction
    path: str
    params: Mapping[str, str]
    fault: Fault


@dataclass
class Plan:
    """What requests of one direction meet."""

    fault: Fault = "none"
    where: Callable[[Mapping[str, str]], bool] = lambda _params: True


@dataclass
class FaultyProxy:
    """A proxy in front of `upstream` (host:port)."""

    url: str
    upstream: str
    plans: dict[Direction, Plan] = field(default_factory=lambda: {"read": Plan(), "write": Plan()})
    asked: list[Asked] = field(default_factory=list)
    healed: threading.Event = field(default_factory=threading.Event)

    def spoil(
        self,
        direction: Direction,
        fault: Fault,
        where: Callable[[Mapping[str, str]], bool] = lambda _params: True,
    ) -> None:
        """Let requests of `direction` whose parameters fit `where` meet `fault` from now on."""
        self.healed.clear()
        self.plans[direction] = Plan(fault, where)

    def heal(self) -> None:
        """Forward everything again; what hangs ends without an answer."""
        self.plans = {"read": Plan(), "write": Plan()}
        self.healed.set()

    def met(self, direction: Direction, fault: Fault) -> int:
        """Return how many requests of `direction` met `fault`."""
        return sum(asked.direction == direction and asked.fault == fault for asked in list(self.asked))


def _params(path: str, query: str, body: bytes) -> dict[str, str]:
    """Return the parameters of a request; of a remote read those that a range query would have."""
    if path == READ_PATH:
        (asked,) = read_messages()["ReadRequest"].FromString(decompress(body, MOST)).queries
        times = {"start": asked.start_timestamp_ms / 1000, "end": asked.end_timestamp_ms / 1000}
        (name,) = (each.value for each in asked.matchers if each.name == "__name__")
        return {"query": name} | {key: str(value) for key, value in times.items()}
    return {name: values[0] for name, values in parse_qs(query or body.decode("latin-1")).items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _handle(self, body: bytes) -> None:
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        direction: Direction = "write" if parts.path == WRITE_PATH else "read"
        params = _params(parts.path, parts.query, body) if direction == "read" else {}
        plan = proxy.plans[direction]
        fault: Fault = plan.fault if plan.where(params) else "none"
        proxy.asked.append(Asked(direction, parts.path, params, fault))
        try:
            self._answer(proxy, fault, body)
        except (OSError, HTTPException):
            # Either side has gone: the other one shall see the same.
            self.close_connection = True

    def _answer(self, proxy: FaultyProxy, fault: Fault, body: bytes) -> None:
        if fault == "hang":
            proxy.healed.wait(30)
            self.close_connection = True
        elif fault == "500":
            self._send(500, b"no space left on device")
        elif fault == "429":
            self._send(429, b"slow down", retry_after="1")
        else:
            status, answer, kind = self._forwarded(proxy.upstream, body)
            half = answer[: len(answer) // 2]
            if fault == "lost":
                self.close_connection = True
            elif fault == "cut":
                self._send(status, half, length=max(1, len(answer)), kind=kind)
                self.close_connection = True
            else:
                self._send(status, half if fault == "truncated" else answer, kind=kind)

    def _forwarded(self, upstream: str, body: bytes) -> tuple[int, bytes, str]:
        connection = HTTPConnection(upstream, timeout=20)
        try:
            headers = {name: self.headers[name] for name in FORWARDED if name in self.headers}
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            return response.status, response.read(), response.headers.get("Content-Type", "text/plain")
        finally:
            connection.close()

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        length: int | None = None,
        kind: str = "text/plain",
        retry_after: str | None = None,
    ) -> None:
        # Prometheus takes samples with 204, which has no body; one that is cut needs one.
        self.send_response(200 if status == 204 else status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def faulty_proxy(upstream_url: str) -> Iterator[FaultyProxy]:
    """Run a proxy in front of `upstream_url` that forwards everything until it is told otherwise."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    proxy = FaultyProxy(f"http://127.0.0.1:{http.server_port}", urlsplit(upstream_url).netloc)
    http.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        http.shutdown()
        http.server_close()
        thread.join()
