"""An HTTP server that fails in the ways in which remote-write servers do."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal[
    "ok", "500", "429", "429-date", "hang", "trickle", "cut", "truncated", "truncated-ok", "redirect"
]


class FaultyReceiver:
    """Fails as planned, one fault a request, then takes everything.

    Attributes:
        url: of it.
        plan: faults to come.
        taken: bodies that it said to have taken.
        asked: number of requests.
    """

    def __init__(self, url: str, plan: list[Fault]) -> None:
        self.url = url
        self.plan = plan
        self.taken: list[bytes] = []
        self.asked = 0
        self.released = threading.Event()


@contextmanager
def faulty_receiver(*plan: Fault) -> Iterator[FaultyReceiver]:
    """Run a server that meets its first requests with the faults of `plan`."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    server = FaultyReceiver(f"http://127.0.0.1:{http.server_port}", list(plan))
    http.faulty = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: FaultyReceiver = self.server.faulty  # type: ignore[attr-defined]
        server.asked += 1
        fault = server.plan.pop(0) if server.plan else "ok"
        if fault == "cut":
            # Not even read: the client finds the connection closed while it sends or waits.
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if fault == "hang":
            server.released.wait(30)
            self.close_connection = True
        elif fault == "trickle":
            self._trickle(server)
        elif fault == "redirect":
            self._answer(302, b"", headers={"Location": "/login"})
        elif fault == "429":
            self._answer(429, b"slow down", headers={"Retry-After": "1"})
        elif fault == "429-date":
            self._answer(429, b"slow down", headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
        elif fault == "500":
            self._answer(500, b"disk full")
        elif fault == "truncated":
            self._answer(503, b"over", length=100)
        else:
            server.taken.append(body)
            self._answer(200, b"", length=100 if fault == "truncated-ok" else 0)

    def _answer(
        self, status: int, body: bytes, length: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if length:
            self.close_connection = True

    def _trickle(self, server: FaultyReceiver) -> None:
        """Send an endless answer, a byte at a time: no single read ever times out."""
        self.send_response(500)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            while not server.released.wait(0.05):
                self.wfile.write(b"1\r\nx\r\n")
        except OSError:
            return  # the client has had enough, which is what the test is about

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
