"""The web server as a client meets it: Host header, passwords, TLS, ports."""

import gc
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import bcrypt
import pytest
import requests

from specter_core.errors import SpecterError
from specter_core.web import TlsServerConfig, WebConfig, WebOptions, WebServer
from tests.core.certificates import self_signed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("hunter2")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


@contextmanager
def serving(
    config: WebConfig | None = None, host: str = "127.0.0.1", application: "WSGIApplication" = app
) -> Iterator[WebServer]:
    server = WebServer(application, WebOptions(host, 0, config=config or WebConfig()), threads=2)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def status(server: WebServer, host: str | None = None, path: str = "/metrics") -> int:
    headers = {} if host is None else {"Host": host}
    return requests.get(server.url + path, headers=headers, timeout=10).status_code


LOOPBACK_HOSTS = (
    *("localhost", "LOCALHOST", "localhost:9845"),
    *("127.0.0.1", "127.0.0.1:80", "127.1.2.3", "[::1]", "[::1]:9845"),
)
OTHER_HOSTS = (
    *("evil.example", "evil.example:9845", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("127.0.0.1@evil.example", "10.0.0.1", "0.0.0.0", "[::]", "[fe80::1]:80"),
)


def test_on_loopback_only_a_loopback_host_header_is_served() -> None:
    with serving() as server:
        assert {host: status(server, host) for host in LOOPBACK_HOSTS} == dict.fromkeys(LOOPBACK_HOSTS, 200)
        assert {host: status(server, host) for host in OTHER_HOSTS} == dict.fromkeys(OTHER_HOSTS, 421)
        answer = requests.get(server.url, headers={"Host": "evil.example"}, timeout=10)
        assert answer.text == "This server listens on loopback and answers only to a loopback Host header.\n"


def test_beyond_loopback_any_host_header_is_served() -> None:
    with serving(host="0.0.0.0") as server:
        port = server.url.rpartition(":")[2]
        answer = requests.get(f"http://127.0.0.1:{port}/", headers={"Host": "shop.example"}, timeout=10)
        assert answer.status_code == 200


def test_ipv6_is_bound_and_named_in_brackets() -> None:
    with serving(host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert status(server) == 200


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that bcrypt was asked about."""
    asked: list[bytes] = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        asked.append(password)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return asked


def get(server: WebServer, user: str, password: str) -> int:
    return requests.get(f"{server.url}/metrics", auth=(user, password), timeout=10).status_code


def test_a_right_password_is_verified_by_bcrypt_once(checks: list[bytes]) -> None:
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        assert [get(server, "alice", "right") for _ in range(5)] == [200] * 5
        assert checks == [b"right"]
        assert [get(server, "alice", "wrong") for _ in range(3)] == [401] * 3
        assert checks == [b"right", *[b"wrong"] * 3]


def test_an_unknown_user_costs_a_bcrypt_too_and_never_passes(checks: list[bytes]) -> None:
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        assert get(server, "mallory", "right") == 401
        assert checks == [b"right"]


def test_the_decoy_of_an_unknown_user_is_a_hash_that_bcrypt_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[bool] = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def noted(password: bytes, hashed: bytes) -> bool:
        results.append(real(password, hashed))  # raises for what is no hash
        return results[-1]

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        assert get(server, "mallory", "other") == 401
    assert results == [False]


def test_guesses_do_not_push_a_right_password_out(checks: list[bytes]) -> None:
    guesses = [f"guess{number}" for number in range(5)]
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        assert get(server, "alice", "right") == 200
        assert [get(server, "alice", guess) for guess in guesses] == [401] * len(guesses)
        assert get(server, "alice", "right") == 200
        assert get(server, "alice", guesses[0]) == 401
    assert checks == [b"right", *(guess.encode() for guess in guesses), guesses[0].encode()]


def test_a_password_longer_than_bcrypt_reads_is_no_error() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    with serving(WebConfig(basic_auth_users={"alice": hashed})) as server:
        assert get(server, "alice", "x" * 100) == 200
        assert get(server, "alice", "x" * 71) == 401


BAD_HEADERS = ("", "Basic", "Basic !!!", "Basic /w==", "Bearer cmlnaHQ=", "Basic cmlnaHQ=")


def test_a_header_without_credentials_is_unauthorized() -> None:
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        for header in BAD_HEADERS:
            answer = requests.get(server.url, headers={"Authorization": header}, timeout=10)
            assert answer.status_code == 401, header
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="specter"'
            assert answer.text == "Unauthorized\n"


def test_health_checks_need_no_password_and_nothing_near_them_is_open() -> None:
    with serving(WebConfig(basic_auth_users={"alice": HASH})) as server:
        assert status(server, path="/-/healthy") == 200
        assert status(server, path="/-/ready") == 200
        for path in ("/-/healthy/", "/-/healthy/x", "/-/reload", "/"):
            assert status(server, path=path) == 401, path
        assert status(server, "evil.example", "/-/healthy") == 421


def test_a_failing_application_shows_the_client_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        answer = requests.get(f"{server.url}/fails", timeout=10)
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "RuntimeError: hunter2" in capfd.readouterr().err


def test_a_header_without_end_is_refused() -> None:
    with serving() as server:
        answer = requests.get(server.url, headers={"X": "x" * 100_000}, timeout=10)
        assert answer.status_code == 413


def reading(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with what was forwarded for whom, after the body."""
    if environ["PATH_INFO"] != "/unread":
        environ["wsgi.input"].read(4096)
    start_response("200 OK", [("Content-Length", str(len(environ.get("HTTP_X_FORWARDED_FOR", ""))))])
    return [environ.get("HTTP_X_FORWARDED_FOR", "").encode()]


def spoken(server: WebServer, request: bytes) -> bytes:
    """Return what is answered until the server ends the connection, which the client never does."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


CHUNKED = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("start", [b"", b"2\r\n{}\r\n"])
def test_a_chunk_size_without_end_is_refused_before_more_of_it_is_read(start: bytes) -> None:
    with serving(application=reading) as server:
        answer = spoken(server, CHUNKED % b"a" + start + b"1" * 256)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_body_in_chunks_that_is_not_read_is_no_next_request() -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(application=reading) as server:
        answer = spoken(server, CHUNKED % b"unread" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answer


def test_repeated_forwarded_for_is_joined_and_its_spelling_with_underscores_is_not_read() -> None:
    headers = (
        b"X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nX_Forwarded_For: 192.0.2.3\r\n"
        b"X-Forwarded_For: 192.0.2.4\r\nConnection: close\r\n"
    )
    with serving(application=reading) as server:
        answer = spoken(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
    assert answer.endswith(b"\r\n\r\n192.0.2.1, 192.0.2.2")


# cheroot leaves the socket that it could not bind to the garbage collector.
unbound = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@unbound
def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = WebServer(app, WebOptions("127.0.0.1", port))
        with pytest.raises(SpecterError) as caught:
            server.start()
        server.stop()
    gc.collect()
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another address"
    )


@unbound
def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(
        SpecterError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address; "
    ):
        WebServer(app, WebOptions("192.0.2.1", 0)).start()
    gc.collect()


def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    WebServer(app, WebOptions("127.0.0.1", 0)).stop()
    with serving() as server:
        assert status(server) == 200
        server.stop()


def tls(config: TlsServerConfig) -> WebConfig:
    return WebConfig(tls_server_config=config)


def test_tls_answers_a_client_that_trusts_the_certificate(tmp_path: Path) -> None:
    own = self_signed(tmp_path, "server")
    with serving(tls(TlsServerConfig(cert_file=own.cert, key_file=own.key))) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert requests.get(f"{server.url}/a", verify=str(own.cert), timeout=10).text == "/a"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(server.url, verify=True, timeout=10)


def test_a_client_certificate_is_required_and_verified(tmp_path: Path) -> None:
    own, client, stranger = (self_signed(tmp_path, name) for name in ("server", "client", "stranger"))
    config = TlsServerConfig(
        cert_file=own.cert,
        key_file=own.key,
        client_ca_file=client.cert,
        client_auth_type="RequireAndVerifyClientCert",
    )
    with serving(tls(config)) as server:

        def fetch(cert: tuple[str, str] | None) -> int:
            return requests.get(server.url, verify=str(own.cert), cert=cert, timeout=10).status_code

        assert fetch((str(client.cert), str(client.key))) == 200
        for cert in (None, (str(stranger.cert), str(stranger.key))):
            with pytest.raises(requests.exceptions.ConnectionError):
                fetch(cert)
        assert fetch((str(client.cert), str(client.key))) == 200


def test_tls_files_that_are_missing_or_do_not_fit_are_named(tmp_path: Path) -> None:
    one, two = self_signed(tmp_path, "one"), self_signed(tmp_path, "two")
    missing = tmp_path / "missing.key"
    for key, text in (
        (missing, f"tls_server_config: {missing} is not a file"),
        (two.key, f"tls_server_config: {one.cert} and {two.key}: KEY_VALUES_MISMATCH"),
    ):
        with pytest.raises(SpecterError) as caught:
            WebServer(
                app, WebOptions("127.0.0.1", 0, config=tls(TlsServerConfig(cert_file=one.cert, key_file=key)))
            )
        assert str(caught.value) == text


def test_an_encrypted_key_is_an_error_and_no_question(tmp_path: Path) -> None:
    own = self_signed(tmp_path, "own")
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", own.key, "-aes128", "-passout", "pass:hunter2", "-out", locked],
        check=True,
        capture_output=True,
        timeout=30,
    )
    with pytest.raises(SpecterError, match=f"{locked}: "):
        WebServer(
            app, WebOptions("127.0.0.1", 0, config=tls(TlsServerConfig(cert_file=own.cert, key_file=locked)))
        )


PROGRAM = """
import requests
from specter_core.web import WebOptions, WebServer

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"served"]

server = WebServer(app, WebOptions("127.0.0.1", 0))
server.start()
print(requests.get(server.url).text)
"""


def test_a_program_that_does_not_stop_its_server_ends_all_the_same() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("served\n", "", 0)
