"""Connections that wait cost no thread: a request is served once all of it is there.

One thread reads all connections. It hands a complete request to the server's threads, takes the connection
back for the next one, and sends on what a slow client does not read. So no client can hold a thread, however
slowly it sends or reads, and each wait has an end.
"""

import ipaddress
import logging
import math
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING

from cheroot.server import HTTPConnection

from specter_core.http_framing import Framing
from specter_core.http_limits import Limits
from specter_core.http_requests import Request

if TYPE_CHECKING:
    from specter_core.http_server import Server

LOGGER = logging.getLogger(__name__)
PIECE = 64 * 1024
# What a slow client has not read of an answer, and a thread does not wait for.
MAX_UNSENT = 1024 * 1024
# What clients have at the server's end to read their answers: less than a supervisor waits before it kills.
STOP_SECONDS = 3.0
# How often a thread that waits for a client looks whether the server ends.
LOOK_SECONDS = 0.25
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Input(BytesIO):
    """A request, as a stream that never waits."""

    bytes_read = 0

    def has_data(self) -> bool:
        """Return False: what follows the request is not in the stream."""
        return False


class Output:
    """What a connection is sent. A writer waits only for what is beyond `MAX_UNSENT`.

    Args:
        sock: that does not block.
        seconds: for an answer.
        last: says until when there is time at all (monotonic), whatever an answer has.
    """

    bytes_written = 0

    def __init__(self, sock: socket.socket, seconds: float, last: Callable[[], float]) -> None:
        self.unsent = bytearray()
        self._socket = sock
        self._seconds = seconds
        self._last = last
        self._end: float | None = None

    def begin(self) -> None:
        """Begin an answer: its time runs from its first byte."""
        self._end = None

    def write(self, data: bytes) -> int:
        """Send `data`, or keep it for later.

        Raises:
            TimeoutError: the client does not read what came before.
            OSError: the connection is lost.
        """
        if self._end is None:
            self._end = time.monotonic() + self._seconds
        self.unsent += data
        self.send()
        while len(self.unsent) > MAX_UNSENT:
            self._wait(self._end)
        return len(data)

    def send(self) -> int:
        """Send what can be sent at once; return the event of the socket to wait for, 0 if all is sent."""
        try:
            while self.unsent:
                del self.unsent[: self._socket.send(self.unsent[:PIECE])]
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except (BlockingIOError, ssl.SSLWantWriteError):
            return selectors.EVENT_WRITE
        return 0

    def _wait(self, end: float) -> None:
        """Send a piece before `end`, in slices, because the server's end may come meanwhile."""
        try:
            while (left := min(end, self._last()) - time.monotonic()) > 0:
                self._socket.settimeout(min(left, LOOK_SECONDS))
                with suppress(TimeoutError):
                    del self.unsent[: self._socket.send(self.unsent[:PIECE])]
                    return
        finally:
            self._socket.setblocking(False)
        self.unsent.clear()
        raise TimeoutError("timed out")  # the words by which cheroot knows it


class Connection(HTTPConnection):
    """A connection that gives its server requests from memory.

    Attributes:
        received: what is not served yet.
        framing: of the request that is received.
        held: bytes that count into `Limits.held_bytes`.
        ending: whether it is closed once all is sent.
        source: who it belongs to.
    """

    RequestHandlerClass = Request
    server: "Server"
    rfile: Input
    wfile: Output

    def __init__(self, server: "Server", sock: socket.socket, makefile: object = None) -> None:
        del makefile  # a stream of the socket, that would wait
        super().__init__(server, sock, self._stream)
        self.received = bytearray()
        self.held = 0
        self.ending = False
        self.handshaking = isinstance(sock, ssl.SSLSocket)
        self.source = b""
        self.next_request()

    def _stream(self, sock: socket.socket, mode: str, _size: int) -> Input | Output:
        connections = self.server.connections
        return Input() if "r" in mode else Output(sock, self.server.limits.answer_seconds, connections.last)

    def next_request(self) -> None:
        """Begin to look for a request in what is received."""
        self.framing = Framing(self.server.max_request_header_size, self.server.max_request_body_size)

    def take_request(self) -> None:
        """Make the request that was received the stream to read."""
        self.rfile = Input(self.received[: self.framing.end])
        del self.received[: self.framing.end]
        self.wfile.begin()

    def communicate(self) -> bool:
        """Serve the request; return whether another one may follow."""
        more = super().communicate()  # type: ignore[no-untyped-call]  # cheroot's stub is bare
        return bool(more) and self.framing.sound

    def close(self) -> None:
        """Close it once what was written is sent."""
        self.server.connections.end(self)


class Connections:
    """Reads and keeps the connections of a server, in a thread of its own.

    Args:
        serve: is given connections whose request is complete. They come back by `keep` or `end`.
        limits: for clients.
    """

    def __init__(self, serve: Callable[[Connection], None], limits: Limits) -> None:
        self._serve = serve
        self._limits = limits
        # By the time that they have, which is the same for all of one kind: the first one ends first.
        self._receiving: dict[Connection, float] = {}
        self._idle: dict[Connection, float] = {}
        self._sending: dict[Connection, float] = {}
        self._serving: set[Connection] = set()
        self._held = 0
        self._tasks: deque[tuple[Callable[[Connection], None], Connection]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._woken = False
        self._stopping = False
        self._end = math.inf
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)

    @property
    def idle(self) -> int:
        """How many connections are kept between requests."""
        return len(self._idle)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def last(self) -> float:
        """Return until when answers may be read, in monotonic seconds."""
        return self._end

    def finish(self) -> None:
        """Let clients read their answers for a little longer."""
        self._end = time.monotonic() + STOP_SECONDS

    def stop(self) -> None:
        """Send what is left to be sent, then end the thread and close all connections."""
        self._stopping = True
        self._wake()
        self._thread.join()
        for _, connection in self._tasks:
            _close(connection)
        for connection in chain(self._receiving, self._idle, self._sending, self._serving):
            _close(connection)
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def add(self, connection: Connection) -> None:
        """Take a new connection, unless more than may be busy are waiting to be looked at."""
        if len(self._tasks) > self._limits.busy:
            _close(connection)
            return
        self._do(self._begin, connection)

    def keep(self, connection: Connection) -> None:
        """Take a connection back: its request is answered."""
        self._do(self._answered, connection)

    def end(self, connection: Connection) -> None:
        """Take a connection back that has to end."""
        connection.ending = True
        self._do(self._answered, connection)

    def _do(self, task: Callable[[Connection], None], connection: Connection) -> None:
        self._tasks.append((task, connection))
        if not self._woken:
            self._woken = True
            self._wake()

    def _wake(self) -> None:
        self._wake_sender.send(b"\0")

    def _run(self) -> None:
        while not self._over():
            for key, _ in self._selector.select(self._seconds()):
                if key.data is None:
                    self._wake_receiver.recv(PIECE)
                    # Before the tasks are done: whoever comes later wakes again.
                    self._woken = False
                else:
                    self._safely(self._ready, key.data)
            while self._tasks:
                self._safely(*self._tasks.popleft())
            self._expire(time.monotonic())

    def _over(self) -> bool:
        """Return whether the server has ended and nothing is left to be sent, or no time for it."""
        if not self._stopping:
            return False
        for connection in [*self._receiving, *self._idle]:
            self._forget(connection)
        return not (self._tasks or self._sending) or time.monotonic() >= self._end

    def _safely(self, task: Callable[[Connection], None], connection: Connection) -> None:
        """Do a task; a defect ends this connection and no other."""
        try:
            task(connection)
        except OSError as error:
            LOGGER.debug("connection from %s: %s", connection.remote_addr, error)
            self._forget(connection)
        except Exception:
            LOGGER.exception("connection from %s", connection.remote_addr)
            self._forget(connection)

    def _seconds(self) -> float | None:
        """Return for how long nothing ends."""
        ends = [next(iter(kind.values())) for kind in (self._receiving, self._idle, self._sending) if kind]
        end = min([*ends, self._end])
        return max(end - time.monotonic(), 0.0) if math.isfinite(end) else None

    def _begin(self, connection: Connection) -> None:
        connection.source = source(connection.remote_addr)
        connection.socket.setblocking(False)
        self._make_room()
        self._receive_from(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._ready(connection)  # often, the request is there already

    def _receive_from(self, connection: Connection) -> None:
        self._receiving[connection] = time.monotonic() + self._limits.request_seconds

    def _make_room(self) -> None:
        while len(self._receiving) + len(self._sending) + len(self._serving) >= self._limits.busy:
            waiting = [*self._receiving, *self._sending]
            if not waiting:
                raise ConnectionAbortedError("all connections are being served")
            most = Counter(connection.source for connection in waiting).most_common(1)[0][0]
            self._forget(next(connection for connection in waiting if connection.source == most))

    def _ready(self, connection: Connection) -> None:
        if connection in self._sending:
            self._send(connection)
        elif connection in self._receiving or connection in self._idle:  # otherwise it was just closed
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        """Read a piece: what is more makes the connection ready again, after it was others' turn."""
        try:
            if connection.handshaking:
                self._shake_hands(connection)
            while piece := connection.socket.recv(PIECE):
                if self._idle.pop(connection, None) is not None:
                    self._receive_from(connection)
                connection.received += piece
                if self._received(connection):
                    return
                if not _decrypted(connection.socket):
                    self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
                    return
        except ssl.SSLWantWriteError:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        else:
            self._ended(connection)

    def _shake_hands(self, connection: Connection) -> None:
        connection.socket.do_handshake()
        connection.handshaking = False
        connection.ssl_env = connection.server.ssl_adapter.get_environ(connection.socket)

    def _received(self, connection: Connection) -> bool:
        """Return whether a connection sends no more for now: its request is served, or it was closed."""
        framing = connection.framing
        if framing.complete(connection.received):
            self._hand_over(connection)
            return True
        if framing.expects_continue:
            framing.expects_continue = False
            connection.wfile.unsent += CONTINUE
            connection.wfile.send()
        self._hold(connection)
        return connection not in self._receiving

    def _ended(self, connection: Connection) -> None:
        """Let the server answer the beginning of a request: its client may have closed one direction only."""
        if not connection.received:
            self._forget(connection)
            return
        connection.framing.give_up(connection.received)
        self._hand_over(connection)

    def _hand_over(self, connection: Connection) -> None:
        self._hold(connection)
        if self._receiving.pop(connection, None) is None:
            return
        self._selector.unregister(connection.socket)
        self._serving.add(connection)
        connection.take_request()
        self._serve(connection)

    def _hold(self, connection: Connection) -> None:
        """Count what a connection holds, and close the one that holds most where it is too much."""
        held = len(connection.received) + len(connection.wfile.unsent)
        self._held += held - connection.held
        connection.held = held
        while self._held > self._limits.held_bytes:
            waiting = [*self._receiving, *self._sending]
            if not waiting:
                return
            self._forget(max(waiting, key=lambda one: one.held))

    def _answered(self, connection: Connection) -> None:
        connection.rfile = Input()  # nobody counts the request any more
        self._serving.discard(connection)
        self._sending[connection] = time.monotonic() + self._limits.answer_seconds
        self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)
        self._hold(connection)
        if connection in self._sending:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        """Send what is left of an answer; after that, close the connection or look for the next request."""
        event = connection.wfile.send()
        if event:
            self._selector.modify(connection.socket, event, connection)
            return
        del self._sending[connection]
        if connection.ending:
            self._forget(connection)
            return
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        connection.next_request()
        if not connection.received:
            self._idle[connection] = time.monotonic() + self._limits.idle_seconds
            self._hold(connection)
            return
        self._receive_from(connection)
        if not self._received(connection):
            self._receive(connection)

    def _expire(self, now: float) -> None:
        for kind in (self._receiving, self._idle, self._sending):
            while kind:
                connection, end = next(iter(kind.items()))
                if end > now:
                    break
                if connection.received and kind is self._receiving:
                    with suppress(OSError):  # it is closed in any case
                        connection.socket.send(TIMEOUT)
                self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        """Close a connection, whatever it is doing."""
        for kind in (self._receiving, self._idle, self._sending):
            kind.pop(connection, None)
        self._serving.discard(connection)
        self._held -= connection.held
        connection.held = 0
        with suppress(KeyError, ValueError):  # it was being served, or never was registered
            self._selector.unregister(connection.socket)
        _close(connection)
        # cheroot's connections are in cycles, which are collected later.
        connection.received.clear()
        connection.wfile.unsent.clear()


def _decrypted(sock: socket.socket) -> int:
    """Return how many bytes are decrypted and not read: no selector knows of them."""
    return sock.pending() if isinstance(sock, ssl.SSLSocket) else 0


def _close(connection: Connection) -> None:
    with suppress(OSError):  # the client was faster
        connection.socket.shutdown(socket.SHUT_RDWR)
    connection.socket.close()


def source(address: str | None) -> bytes:
    """Return whose address it is: an IPv4 address, or the /64 of an IPv6 address."""
    if not address:
        return b""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped.packed if found.ipv4_mapped else found.packed[:8]
    return found.packed
