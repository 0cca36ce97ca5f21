"""A query API that answers as it is told: too late, in half, with the wrong thing."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ONE_ROW = (
    b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}}'
)
ONE_LINE = ONE_ROW.replace(b'"vector"', b'"matrix"').replace(b'"value":[1,"2"]', b'"values":[[900,"2"]]')


@dataclass
class Request:
    """What was asked, and how to answer it."""

    handler: BaseHTTPRequestHandler
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    released: threading.Event

    def answer(self, body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        """Send `body`, announced as `length` bytes."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def hang(self) -> None:
        """Wait until the test is over."""
        self.released.wait(20)

    def drip(self, body: bytes, every: float) -> None:
        """Send a byte each `every` seconds."""
        self.answer(b"", length=len(body))
        for byte in body:
            if self.released.wait(every):
                return
            try:
                self.handler.wfile.write(bytes([byte]))
                self.handler.wfile.flush()
            except OSError:
                return


@dataclass
class Faulty:
    """A running server and what it has been asked."""

    url: str
    asked: list[Request] = field(default_factory=list)


@contextmanager
def faulty_server(
    respond: Callable[[Request], None], *, context: ssl.SSLContext | None = None
) -> Iterator[Faulty]:
    """Run a server that answers every request by `respond`, the probe's too."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            params = {name: values[0] for name, values in parse_qs(parts.query).items()}
            request = Request(self, parts.path, params, dict(self.headers.items()), released)
            faulty.asked.append(request)
            respond(request)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    faulty = Faulty(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield faulty
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
