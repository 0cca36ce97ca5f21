"""A receiver of pings that writes down what arrives, and refuses when it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "ping-key-0123456789"


@dataclass
class Arrived:
    """A ping as it arrived: `action` is the end of its path."""

    job: str
    action: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str

    @property
    def run_id(self) -> str:
        return self.query["rid"][0]

    @property
    def at(self) -> float:
        return float(self.headers["x-specter-at"])


@dataclass
class PingReceiver:
    """The running receiver; tests change `statuses`, which it answers by action, and `busy`.

    So many requests are told to come again after as many seconds as `retry_after` says.
    """

    port: int
    pings: list[Arrived] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    busy: int = 0
    retry_after: str = "0"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping"

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(ping.job, ping.action) for ping in self.pings]


@contextmanager
def running_receiver(port: int = 0) -> Iterator[PingReceiver]:
    """Run a receiver on `port`, on a free one by default."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1

        def do_POST(self) -> None:
            place = urlsplit(self.path)
            base, key, job, action = place.path.removeprefix("/").split("/")
            assert base == "ping"
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status = receiver.statuses.get(action, 200)
            if receiver.busy:
                receiver.busy -= 1
                status = 429
            if status < 300:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.pings.append(Arrived(job, action, key, parse_qs(place.query), headers, body))
            self.send_response(status)
            text = b"OK" if status < 300 else b"not now"
            self.send_header("Content-Length", str(len(text)))
            if status == 429:
                self.send_header("Retry-After", receiver.retry_after)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the standard library's name)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        receiver = PingReceiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
