"""Brokers that greet as real ones do, and then send what a test says: on Redis' wire and on AMQP's."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from amqp.serialization import dumps

from specter_exporters.queues.allowance import Allowance
from specter_exporters.queues.celery_exchange import CeleryBroker, ExchangeSubscription
from specter_exporters.queues.celery_listener import Subscription
from specter_exporters.queues.on_redis.celery_channel import RedisSubscription
from specter_exporters.queues.on_redis.model import RedisServer

Script = Callable[[socket.socket, threading.Event], object]
"""What is done with a connection; the event is set when the test is over."""


class Wire(Protocol):
    """How a broker speaks."""

    name: str

    def greet(self, connection: socket.socket) -> None:
        """Answer until the client listens."""

    def message(self, body: bytes) -> bytes:
        """Return what the broker sends for a message with this body."""

    def endless(self) -> bytes:
        """Return the beginning of something that has gigabytes."""

    def subscribe(self, port: int, folder: Path, timeout: float) -> Callable[[Allowance], Subscription]:
        """Return what subscribes there."""


class RedisWire:
    name = "redis"

    def greet(self, connection: socket.socket) -> None:
        asked = b""
        while b"PSUBSCRIBE" not in asked:
            asked = connection.recv(4096)
            connection.sendall(b"+PONG\r\n" * asked.count(b"PING") + b"+OK\r\n" * asked.count(b"CLIENT"))
        connection.sendall(b"*3\r\n" + _bulk(b"psubscribe") + _bulk(b"/0.celeryev*") + b":1\r\n")

    def message(self, body: bytes) -> bytes:
        data = json.dumps({"body": body.decode("latin-1")}).encode()
        parts = (b"pmessage", b"/0.celeryev*", b"/0.celeryev/x", data)
        return b"*4\r\n" + b"".join(_bulk(part) for part in parts)

    def endless(self) -> bytes:
        return b"*4\r\n$2000000000\r\n"

    def subscribe(self, port: int, folder: Path, timeout: float) -> Callable[[Allowance], Subscription]:
        server = RedisServer("main", f"redis://127.0.0.1:{port}/0", timeout=timeout)
        return lambda allowance: RedisSubscription(server, allowance)


class AmqpWire:
    name = "amqp"

    def greet(self, connection: socket.socket) -> None:
        assert _exactly(connection, 8) == b"AMQP\x00\x00\x09\x01"
        connection.sendall(_method(0, 10, 10, "ooFSS", (0, 9, {}, b"PLAIN", b"en_US")))
        _frame(connection)
        connection.sendall(_method(0, 10, 30, "BlB", (100, 131072, 60)))
        # TuneOk; then Open, Channel.Open, Declare, Bind, Consume and what they are answered with.
        _frame(connection)
        answers = (
            _method(0, 10, 41, "s", ("",)),
            _method(1, 20, 11, "S", (b"",)),
            _method(1, 50, 11, "sll", ("q", 0, 0)),
            _method(1, 50, 21, "", ()),
            _method(1, 60, 21, "s", ("tag",)),
        )
        for answer in answers:
            _frame(connection)
            connection.sendall(answer)

    def message(self, body: bytes) -> bytes:
        deliver = _method(1, 60, 60, "sLbss", ("tag", 1, False, "celeryev", "worker.heartbeat"))
        header = _wrapped(2, 1, struct.pack(">HHQH", 60, 0, len(body), 0))
        parts = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
        return deliver + header + b"".join(_wrapped(3, 1, part) for part in parts)

    def endless(self) -> bytes:
        return struct.pack(">BHI", 1, 0, 4_000_000_000)

    def subscribe(self, port: int, folder: Path, timeout: float) -> Callable[[Allowance], Subscription]:
        (folder / "password").write_text("secret\n")
        broker = CeleryBroker(f"amqp://a@127.0.0.1:{port}/", folder / "password", timeout=timeout)
        return lambda allowance: ExchangeSubscription(broker, allowance)


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def _wrapped(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _method(channel: int, kind: int, number: int, form: str, values: Sequence[object]) -> bytes:
    return _wrapped(1, channel, struct.pack(">HH", kind, number) + dumps(form, values))


def _frame(connection: socket.socket) -> bytes:
    _, _, size = struct.unpack(">BHI", _exactly(connection, 7))
    return _exactly(connection, size + 1)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the client is gone")
        data += more
    return data


@contextmanager
def lying(*scripts: Script) -> Iterator[tuple[int, threading.Event]]:
    """Serve each connection by the next script, those after the last by that; yield the port and the end.

    A connection ends with its script.
    """
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for number in range(1000):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                script = scripts[min(number, len(scripts) - 1)]
                threading.Thread(target=_run, args=(script, connection, over), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], over
        finally:
            over.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _run(script: Script, connection: socket.socket, over: threading.Event) -> None:
    with connection:
        try:
            script(connection, over)
        except OSError:
            return  # the client has had enough
