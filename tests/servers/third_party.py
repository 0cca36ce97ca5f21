"""A third party over HTTP or HTTPS: a sign-in, a status page, and the ways in which such things fail."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.core.certificates import Certificate

TOKEN = "issued-token"
PASSWORD = "correct-horse"
STATUS = {
    "page": {
        "id": "kctbh9vrtdwd",
        "name": "Payments",
        "url": "https://status.example.com",
        "time_zone": "Etc/UTC",
        "updated_at": "2026-11-27T01:02:03.456Z",
    },
    "status": {"indicator": "none", "description": "All Systems Operational"},
}
COMPONENTS = {
    "page": STATUS["page"],
    "components": [
        {"id": "a", "name": "API", "status": "operational", "group": False, "group_id": "g"},
        {"id": "b", "name": "Webhooks", "status": "partial_outage", "group": False, "group_id": "g"},
        {"id": "g", "name": "Core", "status": "partial_outage", "group": True, "components": ["a", "b"]},
    ],
}
UNRESOLVED = {
    "page": STATUS["page"],
    "incidents": [{"id": "i", "status": "investigating", "impact": "minor"}],
}


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass
class ThirdParty:
    """The running server; tests change `pages` and `token`."""

    url: str
    port: int
    seen: list[Seen] = field(default_factory=list)
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    token: str = "good-token"
    over: threading.Event = field(default_factory=threading.Event)

    def page(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        """Answer `path` with bytes, or with a JSON document."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    def publish(self, indicator: str = "none") -> None:
        """Serve a status page."""
        status = {**STATUS, "status": {"indicator": indicator, "description": "d"}}
        self.page("/api/v2/status.json", status)
        self.page("/api/v2/components.json", COMPONENTS)
        self.page("/api/v2/incidents/unresolved.json", UNRESOLVED)


def _handler(party: ThirdParty) -> type[BaseHTTPRequestHandler]:  # noqa: C901  one method a path
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            path = urlsplit(self.path).path
            party.seen.append(Seen(self.command, path, dict(self.headers), body))
            special = getattr(self, f"on_{path.strip('/').replace('-', '_')}", None)
            with suppress(OSError):  # who asks may have hung up
                if special is not None:
                    special(body)
                elif path in party.pages:
                    self.answer(*party.pages[path])
                else:
                    self.answer(404, {}, b"nothing here")

        do_POST = do_GET  # noqa: N815  http.server's names
        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def on_login(self, body: str) -> None:
            if parse_qs(body).get("password") != [PASSWORD]:
                self.answer(401, {}, b"{}")
                return
            document = json.dumps({"data": {"tokens": [TOKEN]}, "id": 7}).encode()
            self.answer(200, {"Set-Cookie": "session=s-1; Path=/; HttpOnly"}, document)

        def on_orders(self, body: str) -> None:
            signed_in = self.headers["Cookie"] == "session=s-1"
            if not signed_in or self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.answer(403, {}, b"sign in first")
                return
            self.answer(200, {}, b"<h1>3 orders</h1>")

        def on_me(self, body: str) -> None:
            known = self.headers["Authorization"] == f"Bearer {party.token}"
            headers = {"Token-Expiration": "2030-01-02 03:04:05 UTC"}
            self.answer(200 if known else 401, headers, b'{"token": {"expires_at": "2031-01-01T00:00:00Z"}}')

        def on_hang(self, body: str) -> None:
            party.over.wait(60)

        def on_drip_headers(self, body: str) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not party.over.wait(0.05):
                self.wfile.write(b"a")

        def on_drip_body(self, body: str) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")  # until the connection ends
            while not party.over.wait(0.05):
                self.wfile.write(b"a")

        def on_huge(self, body: str) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not party.over.is_set():
                self.wfile.write(b"a" * 65_536)

        def on_garbage(self, body: str) -> None:
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.close_connection = True

        def on_hang_up(self, body: str) -> None:
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that refuse a certificate are part of the tests."""


@contextmanager
def third_party(certificate: Certificate | None = None) -> Iterator[ThirdParty]:
    """Run a third party while the block runs, over TLS with a `certificate`."""
    party = ThirdParty("", 0)
    server = _Server(("127.0.0.1", 0), _handler(party))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    party.port = server.server_address[1]
    party.url = f"{'https' if certificate else 'http'}://127.0.0.1:{party.port}"
    thread = threading.Thread(target=server.serve_forever, name="third-party", daemon=True)
    thread.start()
    try:
        yield party
    finally:
        party.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
