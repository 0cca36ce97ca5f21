"""Calls to other servers, real ones: durations, failures by kind, bodies that are streamed, limits."""

import asyncio
import gc
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from prometheus_client import CollectorRegistry

from specter_exporters.app import Outgoing, Recorder
from specter_exporters.app.outgoing import error_type
from specter_exporters.app.outgoing_httpx import measure_httpx
from specter_exporters.app.outgoing_requests import measure_requests
from tests.exporters.driving import Timer, value

CALLS = "http_client_request_duration_seconds"
REMAINING = "specter_http_client_ratelimit_remaining"
LIMIT = "specter_http_client_ratelimit_limit"
RESET = "specter_http_client_ratelimit_reset_timestamp_seconds"
SERVER = "127.0.0.1"


class Handler(BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        steps: dict[str, Callable[[], None]] = {
            "/ok": lambda: self.reply(200, b"ok"),
            "/boom": lambda: self.reply(503, b"no", ("Retry-After", "60")),
            "/limited": lambda: self.reply(
                200,
                b"",
                ("X-RateLimit-Limit", "100"),
                ("X-RateLimit-Remaining", "7"),
                ("X-RateLimit-Reset", "60"),
            ),
            "/away": lambda: self.reply(302, b"", ("Location", "/ok")),
            "/hang": lambda: self.server.ended.wait(30) and None,  # type: ignore[attr-defined]
            "/broken": self.broken,
            "/chunks": self.chunks,
        }
        steps[self.path]()

    do_POST = do_GET  # noqa: N815

    def reply(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, content in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(body)

    def broken(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"part")
        self.close_connection = True

    def chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(3):
            self.wfile.write(b"3\r\nabc\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer((SERVER, 0), Handler)
    server.daemon_threads = True
    server.ended = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://{SERVER}:{server.server_port}"
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate that nobody trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-subj", "/CN=localhost", "-days", "1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server((SERVER, 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"https://{SERVER}:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def closed_url() -> str:
    """Where nothing listens."""
    with socket.create_server((SERVER, 0)) as listener:
        return f"http://{SERVER}:{listener.getsockname()[1]}"


class Client:
    """Gets URLs with one of the libraries and says what was recorded."""

    def __init__(self, get: Callable[..., object], recorder: Recorder) -> None:
        self.get = get
        self.registry = recorder.registry

    def recorded(self) -> dict[tuple[str, str, str, str], float]:
        return recorded(self.registry)


def recorded(registry: CollectorRegistry) -> dict[tuple[str, str, str, str], float]:
    """Return calls by method, server, status and kind of failure."""
    names = ("http_request_method", "server_address", "http_response_status_code", "error_type")
    return {
        (
            sample.labels[names[0]],
            sample.labels[names[1]],
            sample.labels[names[2]],
            sample.labels[names[3]],
        ): (sample.value)
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"{CALLS}_count"
    }


@pytest.fixture(params=["requests", "httpx", "httpx-async"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    recorder = Recorder()
    outgoing = Outgoing(recorder)
    if request.param == "requests":
        with requests.Session() as session:
            measure_requests(session, outgoing)
            yield Client(lambda url, timeout=10.0: session.get(url, timeout=timeout), recorder)
    elif request.param == "httpx":
        with httpx.Client() as sync:
            measure_httpx(sync, outgoing)
            yield Client(lambda url, timeout=10.0: sync.get(url, timeout=timeout), recorder)
    else:

        def get(url: str, timeout: float = 10.0) -> object:
            async def main() -> object:
                async with httpx.AsyncClient() as asynchronous:
                    measure_httpx(asynchronous, outgoing)
                    return await asynchronous.get(url, timeout=timeout)

            return asyncio.run(main())

        yield Client(get, recorder)


FAILURES = (requests.RequestException, httpx.HTTPError)


def test_calls_are_recorded_by_server_and_status(client: Client, url: str) -> None:
    client.get(f"{url}/ok")
    client.get(f"{url}/ok")
    client.get(f"{url}/boom")
    assert client.recorded() == {("GET", SERVER, "200", ""): 2, ("GET", SERVER, "503", "503"): 1}


def test_a_server_that_does_not_answer_is_a_timeout(client: Client, url: str) -> None:
    with pytest.raises(FAILURES):
        client.get(f"{url}/hang", timeout=0.2)
    assert client.recorded() == {("GET", SERVER, "", "timeout"): 1}
    labels = dict(zip(("http_request_method", "server_address", "http_response_status_code", "error_type"),
                      ("GET", SERVER, "", "timeout"), strict=True))  # fmt: skip
    assert (value(client.registry, f"{CALLS}_sum", **labels) or 0) >= 0.2


def test_a_refused_connection_is_one(client: Client, closed_url: str) -> None:
    with pytest.raises(FAILURES):
        client.get(closed_url)
    assert client.recorded() == {("GET", SERVER, "", "connection"): 1}


def test_an_untrusted_certificate_is_a_tls_error(client: Client, tls_url: str) -> None:
    with pytest.raises(FAILURES):
        client.get(tls_url)
    assert client.recorded() == {("GET", SERVER, "", "tls"): 1}


def test_a_body_that_breaks_off_is_a_protocol_error(client: Client, url: str) -> None:
    with pytest.raises(FAILURES):
        client.get(f"{url}/broken")
    ((labels, count),) = client.recorded().items()
    assert (labels[3], count) == ("protocol", 1)


def test_limits_are_exposed_until_their_window_is_over(url: str) -> None:
    wall = Timer()
    wall.now = 1_800_000_000.0
    recorder = Recorder(wall=wall)
    with requests.Session() as session:
        measure_requests(session, Outgoing(recorder))
        session.get(f"{url}/limited", timeout=10)
        found = [value(recorder.registry, name, server_address=SERVER) for name in (REMAINING, LIMIT, RESET)]
        assert found == [7, 100, wall.now + 60]
        wall.advance(60)
        assert [value(recorder.registry, name, server_address=SERVER) for name in (REMAINING, LIMIT)] == [
            None
        ] * 2
        session.get(f"{url}/boom", timeout=10)
        assert value(recorder.registry, RESET, server_address=SERVER) == wall.now + 60
        assert value(recorder.registry, REMAINING, server_address=SERVER) is None


def test_each_hop_of_requests_is_a_call(url: str) -> None:
    recorder = Recorder()
    with requests.Session() as session:
        measure_requests(session, Outgoing(recorder))
        session.get(f"{url}/away", timeout=10)
    assert recorded(recorder.registry) == {("GET", SERVER, "302", ""): 1, ("GET", SERVER, "200", ""): 1}


class Stream:
    """A recorder whose clock the consumer of a body moves."""

    def __init__(self) -> None:
        self.timer = Timer()
        self.recorder = Recorder(timer=self.timer)
        self.outgoing = Outgoing(self.recorder)

    @property
    def seconds(self) -> float | None:
        return value(
            self.recorder.registry, f"{CALLS}_sum", http_request_method="GET", server_address=SERVER,
            http_response_status_code="200", error_type="",
        )  # fmt: skip


def seconds_of(stream: Stream) -> list[float]:
    """Return the recorded seconds, none before the call is over."""
    return [] if stream.seconds is None else [stream.seconds]


def test_what_the_consumer_of_a_stream_does_is_no_part_of_the_call(url: str) -> None:
    stream = Stream()
    with requests.Session() as session:
        measure_requests(session, stream.outgoing)
        response = session.get(f"{url}/chunks", stream=True, timeout=10)
        assert seconds_of(stream) == []
        for _ in response.iter_content(3):
            stream.timer.advance(100)
    assert stream.seconds == 0
    other = Stream()
    with httpx.Client() as client:
        measure_httpx(client, other.outgoing)
        with client.stream("GET", f"{url}/chunks") as streamed:
            assert seconds_of(other) == []
            assert b"".join(streamed.iter_bytes()) == b"abcabcabc"
    assert other.seconds == 0


def test_a_stream_that_is_closed_or_forgotten_is_recorded(url: str) -> None:
    closed, forgotten = Stream(), Stream()
    with requests.Session() as session:
        undo = measure_requests(session, closed.outgoing)
        session.get(f"{url}/chunks", stream=True, timeout=10).close()
        undo()
        measure_requests(session, forgotten.outgoing)
        response = session.get(f"{url}/chunks", stream=True, timeout=10)
        assert seconds_of(forgotten) == []
        response.raw.close()
        del response
        gc.collect()
    assert (closed.seconds, forgotten.seconds) == (0, 0)


def test_httpx_streams_of_coroutines_end_with_their_bodies(url: str) -> None:
    stream = Stream()

    async def main() -> bytes:
        async with httpx.AsyncClient() as client:
            measure_httpx(client, stream.outgoing)
            async with client.stream("GET", f"{url}/chunks") as response:
                assert seconds_of(stream) == []
                return b"".join([chunk async for chunk in response.aiter_bytes()])

    assert asyncio.run(main()) == b"abcabcabc"
    assert stream.seconds == 0


def test_a_cancelled_call_is_recorded_as_such(url: str) -> None:
    recorder = Recorder()

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            measure_httpx(client, Outgoing(recorder))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.get(f"{url}/hang", timeout=30)

    asyncio.run(main())
    assert recorded(recorder.registry) == {("GET", SERVER, "", "cancelled"): 1}


def test_the_whole_module_can_be_measured_and_left_again(url: str) -> None:
    recorder = Recorder()
    undo = measure_requests(requests, Outgoing(recorder))
    try:
        requests.post(f"{url}/ok", timeout=10)
    finally:
        undo()
    requests.get(f"{url}/ok", timeout=10)
    assert recorded(recorder.registry) == {("POST", SERVER, "200", ""): 1}


def test_undone_clients_are_as_they_were(url: str) -> None:
    recorder = Recorder()
    with httpx.Client() as client:
        measure_httpx(client, Outgoing(recorder))()
        client.get(f"{url}/ok")
    assert recorded(recorder.registry) == {}
    assert "send" not in vars(client)


def test_server_addresses_are_bounded_and_without_credentials() -> None:
    recorder = Recorder()
    outgoing = Outgoing(recorder, max_servers=2)
    for number in range(5):
        outgoing.call("GET", f"Host{number}.example").finish()
    outgoing.call("STEAL", "host0.example").finish()
    assert recorded(recorder.registry) == {
        ("GET", "host0.example", "", ""): 1,
        ("GET", "host1.example", "", ""): 1,
        ("GET", "other", "", ""): 3,
        ("_OTHER", "host0.example", "", ""): 1,
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.exceptions.ConnectTimeout(), "timeout"),
        (requests.exceptions.ProxyError(), "proxy"),
        (httpx.PoolTimeout("full"), "timeout"),
        (httpx.RemoteProtocolError("gone"), "protocol"),
        (ValueError(), "_OTHER"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
    ],
)
def test_kinds_of_failure(error: BaseException, expected: str) -> None:
    assert error_type(error) == expected


def test_a_name_that_does_not_resolve_is_a_dns_error() -> None:
    error = httpx.ConnectError("no such name")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert error_type(error) == "dns"


def test_what_was_being_handled_is_no_part_of_the_failure() -> None:
    error = requests.exceptions.ConnectionError()
    error.__context__ = TimeoutError()
    assert error_type(error) == "connection"
    loop: Any = ValueError()
    loop.__cause__ = loop
    assert error_type(loop) == "_OTHER"
