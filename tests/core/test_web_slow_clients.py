"""The web server among clients that send, read or wait longer than they should."""

import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from specter_core.http_connections import STOP_SECONDS, Input, source
from specter_core.http_framing import MANY_CHUNKS, Framing
from specter_core.http_limits import Limits
from specter_core.web import TlsServerConfig, WebConfig, WebOptions, WebServer
from tests.core.certificates import self_signed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Less than the server keeps for a client that does not read; several are more than the system keeps.
LARGE = b"x" * 900_000
SEVERAL = 12
# Seconds, less than any wait of a server without other limits; a busy machine may take some of them.
WELL_BEFORE = 10
HEAD = b"POST /sent HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with the body that was sent, or with one as large as the path says."""
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    answer = LARGE * int(path.rpartition("/")[2]) if path.startswith("/large/") else body or path.encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


@contextmanager
def serving(limits: Limits | None = None, config: WebConfig | None = None) -> Iterator[WebServer]:
    options = WebOptions("127.0.0.1", 0, config=config or WebConfig())
    server = WebServer(app, options, threads=2, limits=limits)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def connected(server: WebServer, source_address: str = "127.0.0.1") -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection(
        (address.hostname, address.port), timeout=10, source_address=(source_address, 0)
    )


def answer(connection: socket.socket) -> bytes:
    """Return the body of the next answer; empty if the connection has ended."""
    stream = connection.makefile("rb", buffering=0)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        if not byte:
            return b""
        head += byte
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += stream.read(length - len(body)) or b""
    return body


def asked(server: WebServer, source_address: str = "127.0.0.1") -> tuple[bytes, float]:
    """Send a request as an honest client does; return its answer, and the seconds until it was there."""
    start = time.monotonic()
    with connected(server, source_address) as connection:
        connection.sendall(HEAD + b"Content-Length: 5\r\n\r\nhello")
        return answer(connection), time.monotonic() - start


def ended(connection: socket.socket) -> bool:
    """Return whether the server ends a connection without another word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


STARTS = {
    "nothing": (b"", b""),
    "headers": (HEAD, b"X"),
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("start", STARTS)
def test_two_hundred_clients_that_drip_keep_an_honest_one_from_nothing(start: str) -> None:
    first, dripped = STARTS[start]
    with serving() as server, ExitStack() as stack:
        slow = [stack.enter_context(connected(server)) for _ in range(199)]
        for one in slow:
            one.sendall(first)
        drips = cycle(dripped)
        for _ in range(5):
            if dripped:
                byte = bytes([next(drips)])
                for one in slow:
                    with suppress(OSError):  # it had to make room: the honest one's last connection is ending
                        one.sendall(byte)
            body, seconds = asked(server)
            assert body == b"hello"
            assert seconds < WELL_BEFORE


def test_a_request_that_is_not_complete_in_time_is_told_so_and_ended() -> None:
    start = time.monotonic()
    with serving(Limits(request_seconds=1)) as server, connected(server) as connection:
        connection.settimeout(0.01)
        answered = None
        while answered is None:
            connection.sendall(b"x")
            try:
                answered = connection.recv(65536)
            except TimeoutError:
                continue
        assert answered.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert 1 <= time.monotonic() - start < WELL_BEFORE
        connection.settimeout(10)
        assert ended(connection)


def test_a_new_connection_that_sends_nothing_is_ended_without_a_word() -> None:
    with serving(Limits(request_seconds=0.1)) as server, connected(server) as connection:
        assert ended(connection)


def test_a_connection_that_is_kept_is_ended_after_the_time_between_requests() -> None:
    with serving(Limits(idle_seconds=1)) as server, connected(server) as connection:
        for path in (b"/a", b"/b"):
            start = time.monotonic()
            connection.sendall(GET % path)
            assert answer(connection) == path
        assert ended(connection)
        assert 1 <= time.monotonic() - start < WELL_BEFORE


def test_the_time_of_a_request_begins_with_its_first_byte() -> None:
    with serving(Limits(request_seconds=1, idle_seconds=60)) as server, connected(server) as connection:
        connection.sendall(GET % b"/a")
        assert answer(connection) == b"/a"
        start = time.monotonic()
        with connected(server) as other:
            assert ended(other)  # longer than a request may take
        connection.sendall(GET % b"/b")
        assert answer(connection) == b"/b"
        assert time.monotonic() - start >= 1


def told_to_close(server: WebServer) -> bool:
    with connected(server) as connection:
        connection.sendall(GET % b"/b")
        return b"\r\nConnection: close\r\n" in connection.recv(65536)


def test_more_connections_than_are_kept_are_told_to_close() -> None:
    with serving(Limits(idle=1)) as server, connected(server) as first:
        first.sendall(GET % b"/a")
        assert answer(first) == b"/a"
        while not told_to_close(server):
            pass  # the first one is not back yet
        first.sendall(GET % b"/c")
        assert answer(first) == b"/c"


def test_of_too_many_connections_the_source_with_most_loses_its_oldest() -> None:
    with serving(Limits(busy=4)) as server, ExitStack() as stack:
        quiet = stack.enter_context(connected(server, "127.0.0.2"))
        quiet.sendall(HEAD)
        greedy = []
        for _ in range(6):
            greedy.append(stack.enter_context(connected(server, "127.0.0.3")))
            greedy[-1].sendall(HEAD)
            if len(greedy) > 3:
                assert ended(greedy[-4])
        assert asked(server, "127.0.0.4")[0] == b"hello"
        assert ended(greedy[3])
        for one in (quiet, *greedy[4:]):
            one.sendall(b"Content-Length: 2\r\n\r\nhi")
            assert answer(one) == b"hi"


def test_of_too_many_bytes_the_connection_that_holds_most_is_ended() -> None:
    with (
        serving(Limits(held_bytes=300_000)) as server,
        connected(server) as small,
        connected(server) as large,
    ):
        small.sendall(HEAD + b"Content-Length: 100001\r\n\r\n" + b"s" * 100_000)
        large.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"l" * 199_000)
        large.sendall(b"l" * 1000)
        assert ended(large)
        small.sendall(b"s")
        assert answer(small) == b"s" * 100_001


def test_clients_that_do_not_read_hold_no_thread_and_get_their_answer_later() -> None:
    with serving() as server, ExitStack() as stack:
        slow = [stack.enter_context(connected(server)) for _ in range(8)]
        for one in slow:
            one.sendall(GET % b"/large/1" * SEVERAL)
        body, seconds = asked(server)
        assert body == b"hello"
        assert seconds < WELL_BEFORE
        assert [answer(slow[0]) for _ in range(SEVERAL)] == [LARGE] * SEVERAL


def test_an_answer_that_is_not_read_in_time_is_broken_off() -> None:
    limits = Limits(request_seconds=2, answer_seconds=0.3)
    with serving(limits) as server, connected(server) as little, connected(server) as much:
        little.sendall(GET % b"/large/1" * SEVERAL)  # waits without a thread
        much.sendall(GET % b"/large/%d" % SEVERAL)  # holds one
        with connected(server) as third:
            third.sendall(GET % b"/large/%d" % SEVERAL)
            assert asked(server)[0] == b"hello"  # once a thread is free again
        with connected(server) as other:
            assert ended(other)  # after the time that both of them have
        for connection in (little, much):
            received = sum(map(len, iter(partial(connection.recv, 1 << 20), b"")))
            assert received < SEVERAL * len(LARGE)


def test_a_large_answer_arrives_whole_at_a_client_that_reads() -> None:
    with serving() as server, connected(server) as connection:
        connection.sendall(GET % b"/large/5" + GET % b"/after")
        assert answer(connection) == LARGE * 5
        assert answer(connection) == b"/after"


def test_requests_that_come_at_once_are_answered_one_after_the_other() -> None:
    with serving() as server, connected(server) as connection:
        paths = [b"/%d" % number for number in range(50)]
        connection.sendall(b"".join(GET % path for path in paths))
        assert [answer(connection) for _ in paths] == paths


def test_a_client_that_waits_to_continue_is_told_so_once_before_it_sends_the_body() -> None:
    with serving() as server, connected(server) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        told = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.recv(len(told), socket.MSG_WAITALL) == told
        connection.sendall(b"hello")
        assert connection.recv(15, socket.MSG_WAITALL) == b"HTTP/1.1 200 OK"
        assert answer(connection) == b"hello"


def test_a_client_that_sends_no_more_is_answered_though_its_request_is_not_complete() -> None:
    with serving() as server, connected(server) as connection:
        connection.sendall(HEAD)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_two_lengths_of_one_body_are_refused() -> None:
    with serving() as server, connected(server) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_body_with_a_length_and_in_chunks_ends_the_connection() -> None:
    both = HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    with serving() as server, connected(server) as connection:
        connection.sendall(both + GET % b"/hidden")
        assert answer(connection) == b"a"
        assert ended(connection)


def test_a_server_stops_whatever_its_clients_wait_for() -> None:
    with ExitStack() as stack:
        with serving() as server:
            waiting = [stack.enter_context(connected(server)) for _ in range(3)]
            waiting[0].sendall(HEAD)
            waiting[1].sendall(GET % b"/large/1" * SEVERAL)
            assert asked(server)[0] == b"hello"
            start = time.monotonic()
        assert time.monotonic() - start < 5
        assert ended(waiting[0])
        assert ended(waiting[2])


def test_at_the_end_of_a_server_answers_are_read_to_their_end_and_who_does_not_read_is_not_waited_for() -> (
    None
):
    with serving() as server, connected(server) as reads, connected(server) as rests:
        for one in (reads, rests):
            one.sendall(GET % b"/large/%d" % SEVERAL)
            assert one.recv(1)
        start = time.monotonic()
        ending = threading.Thread(target=server.stop)
        ending.start()
        received = 1 + sum(map(len, iter(partial(reads.recv, 1 << 20), b"")))
        ending.join()
        assert time.monotonic() - start < STOP_SECONDS + 2
    assert received > SEVERAL * len(LARGE)


def test_a_request_is_forgotten_once_it_is_answered() -> None:
    gc.collect()
    with serving() as server, connected(server) as connection:
        connection.sendall(HEAD + b"Content-Length: 900000\r\n\r\n" + LARGE)
        assert answer(connection) == LARGE
        deadline = time.monotonic() + 5
        while remembered() >= len(LARGE):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def remembered() -> int:
    """Return the bytes of all requests that are in memory."""
    # By its type: what else is in memory may answer `isinstance` with an error, as Django's settings do.
    return sum(len(one.getbuffer()) for one in gc.get_objects() if type(one) is Input)


def test_a_body_in_very_many_tiny_chunks_is_given_up_and_one_in_many_ordinary_ones_is_not() -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunk, sound in ((b"1\r\nx\r\n", False), (b"40\r\n" + b"x" * 64 + b"\r\n", True)):
        framing = Framing(max_head=65_536, max_body=1 << 20)
        body = bytearray(head + chunk * (2 * MANY_CHUNKS) + b"0\r\n\r\n")
        assert framing.complete(body)
        assert (framing.sound, framing.end) == (sound, len(body))


def encrypted(server: WebServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(connected(server), server_hostname="127.0.0.1")


def test_under_tls_clients_without_a_handshake_or_a_request_keep_an_honest_one_from_nothing(
    tmp_path: Path,
) -> None:
    own = self_signed(tmp_path, "server")
    context = ssl.create_default_context(cafile=str(own.cert))
    config = WebConfig(tls_server_config=TlsServerConfig(cert_file=own.cert, key_file=own.key))
    with serving(Limits(request_seconds=20), config) as server, ExitStack() as stack:
        silent = [stack.enter_context(connected(server)) for _ in range(20)]
        silent[0].sendall(b"\x16\x03")
        slow = [stack.enter_context(encrypted(server, context)) for _ in range(5)]
        for one in slow:
            one.sendall(HEAD)
        unread = stack.enter_context(encrypted(server, context))
        unread.sendall(GET % b"/large/1" * SEVERAL)
        start = time.monotonic()
        with encrypted(server, context) as connection:
            connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000)
            assert answer(connection) == b"x" * 100_000
            connection.sendall(GET % b"/again")
            assert answer(connection) == b"/again"
        assert time.monotonic() - start < WELL_BEFORE
        slow[0].sendall(b"Content-Length: 2\r\n\r\nhi")
        assert answer(slow[0]) == b"hi"
        assert [answer(unread) for _ in range(SEVERAL)] == [LARGE] * SEVERAL


def test_what_is_no_tls_ends_its_own_connection_only(tmp_path: Path) -> None:
    own = self_signed(tmp_path, "server")
    context = ssl.create_default_context(cafile=str(own.cert))
    config = WebConfig(tls_server_config=TlsServerConfig(cert_file=own.cert, key_file=own.key))
    with serving(config=config) as server:
        with connected(server) as plain:
            plain.sendall(GET % b"/plain")
            assert b"200 OK" not in b"".join(iter(partial(plain.recv, 65536), b""))
        with encrypted(server, context) as connection:
            connection.sendall(GET % b"/a")
            assert answer(connection) == b"/a"


SOURCES: tuple[tuple[str | None, bytes], ...] = (
    *(("192.0.2.1", bytes((192, 0, 2, 1))), ("::ffff:192.0.2.1", bytes((192, 0, 2, 1))), (None, b"")),
    *(
        ("2001:db8::1", bytes.fromhex("20010db800000000")),
        ("fe80::1%eth0", bytes.fromhex("fe80000000000000")),
    ),
)


def test_a_source_is_an_ipv4_address_or_an_ipv6_network() -> None:
    assert {address: source(address) for address, _ in SOURCES} == dict(SOURCES)
