"""POST as the wrapper speaks it, to servers that answer in many ways."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from specter_exporters.run.http_post import Answer, BadAnswerError, Connection
from specter_exporters.run.pings import Ping
from specter_exporters.run.receiver import NoAnswerError, Receiver
from tests.core.certificates import self_signed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@dataclass
class Scripted:
    """A server; `requests` are as they came."""

    port: int
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def scripted(*script: Sequence[bytes], context: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Serve as many connections as `script` has, each with its answers and then ended."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = Scripted(listening.getsockname()[1])

    def serve() -> None:
        for answers in script:
            with suppress(OSError), listening.accept()[0] as plain:
                connection = plain if context is None else context.wrap_socket(plain, server_side=True)
                for answer in answers:
                    received = b""
                    while not received.endswith("ü".encode()):
                        received += connection.recv(65536)
                    server.requests.append(received)
                    connection.sendall(answer)
                if context is not None:
                    connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listening:
        yield server
    thread.join(10)


def post(*answers: bytes, times: int = 1) -> list[Answer]:
    with scripted(answers) as server:
        connection = Connection("127.0.0.1", server.port, secure=False, seconds=5.0)
        taken = [
            connection.post("/ping?a=b", {"X-Specter-Kind": "backup"}, "ü".encode()) for _ in range(times)
        ]
        connection.close()
    port = server.port
    assert set(server.requests) == {
        f"POST /ping?a=b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Specter-Kind: backup\r\n"
        "Content-Length: 2\r\n\r\nü".encode()
    }
    return taken


def test_an_answer_has_status_headers_and_text_and_the_connection_is_kept() -> None:
    later = b"HTTP/1.1 429 Too Many Requests\r\nRETRY-AFTER: 3\r\nContent-Length: 4\r\n\r\nslow"
    first, second = post(OK, later, times=2)
    assert first == Answer(200, {"content-length": "2"}, b"OK")
    assert (second.status, second.headers["retry-after"], second.text) == (429, "3", b"slow")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"OK"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n",
            b"2\r\nOK\r\n0\r\n\r\n",
        ),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK", b"OK"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nOK", b"OK"),
    ],
)
def test_ways_to_answer(raw: bytes, text: bytes) -> None:
    (answer,) = post(raw)
    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"220 mail.example.org ESMTP\r\n\r\n", "the answer is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "the answer has too many headers"),
    ],
)
def test_what_is_no_answer_is_said(raw: bytes, wrong: str) -> None:
    with pytest.raises(BadAnswerError, match=f"^{wrong}$"):
        post(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nOK"]
)
def test_an_answer_that_breaks_off_is_none(raw: bytes) -> None:
    with pytest.raises(ConnectionError):
        post(raw)


def test_an_answer_that_comes_in_drops_is_waited_for_as_a_whole() -> None:
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, suppress(OSError):
            while not over.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        connection = Connection("127.0.0.1", listening.getsockname()[1], secure=False, seconds=0.3)
        with pytest.raises(TimeoutError):
            connection.post("/", {}, b"")
        over.set()
        thread.join(10)
    assert not connection.kept


def test_a_kept_connection_that_was_ended_meanwhile_is_made_anew() -> None:
    ping = Ping("backup", "start", "some-run", 1.0, "ü")
    with scripted([OK], [OK]) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.port}/ping/", lambda: "a key/with?", seconds=5.0)
        receiver.send(ping)
        receiver.send(ping)
        receiver.close()
    assert [request.split()[1] for request in server.requests] == [
        b"/ping/a%20key%2Fwith%3F/backup/start?rid=some-run&create=1"
    ] * 2


def test_tls_is_spoken_to_whom_is_known_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "receiver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    ping = Ping("backup", "0", "some-run", 1.0, "ü")
    with scripted([OK], [OK], context=context) as server:
        url = f"https://127.0.0.1:{server.port}/ping"
        with pytest.raises(NoAnswerError, match="certificate verify failed"):
            Receiver(url, lambda: "key", seconds=5.0).send(ping)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
        receiver = Receiver(url, lambda: "key", seconds=5.0)
        receiver.send(ping)
        receiver.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hc-ping.com",
        "ftp://x",
        "http://",
        "http://u:p@x/",
        "http://x/?a=b",
        "http://x:port/",
        "http://user:password",
        "http://x/a b",
    ],
)
def test_what_is_no_url_of_a_receiver_is_refused(url: str) -> None:
    with pytest.raises(NoAnswerError, match=r"^ping URL: expected such as \S+ without user and query$"):
        Receiver(url, lambda: "key", seconds=1.0).send(Ping("x", "0", "r", 1.0))


def test_a_host_that_cannot_be_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match="label"):
        Receiver(f"http://{'x' * 64}.example/", lambda: "key", seconds=1.0).send(Ping("x", "0", "r", 1.0))
