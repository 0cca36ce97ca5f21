"""The events of Celery's workers on RabbitMQ: the exchange `celeryev`, and a queue of the exporter's on it.

The queue goes with its connection, and holds little while the exporter does not read it. Nothing else is
declared: where the exchange is missing, no worker has been there yet.
"""

import ssl
import struct
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound, RecoverableConnectionError
from amqp.transport import SSLTransport, TCPTransport

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.queues.allowance import Allowance, GuardedSocket, OverdrawnError
from specter_exporters.queues.celery_events import events_in
from specter_exporters.queues.celery_listener import DeafError
from specter_exporters.queues.model import Problem

QUEUE_PREFIX = "celeryev.specter."
"""Of the queue's name, which is another one each time; the documented rights are on it."""
HEARTBEAT = 6
"""Seconds: the broker says something in each half of it, so that silence of workers is theirs."""
KEPT_MESSAGES, KEPT_BYTES, KEPT_MS = 10_000, 2**25, 60_000
"""What the broker keeps for an exporter that does not read."""
BOUNDS = {"x-max-length": KEPT_MESSAGES, "x-max-length-bytes": KEPT_BYTES, "x-message-ttl": KEPT_MS}
PORTS = {"amqp": 5672, "amqps": 5671}
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (SpecterError, "auth"),  # the file of the password
    (AccessRefused, "privilege"),
    (NotAllowed, "privilege"),  # the virtual host
    (NotFound, "missing"),  # the exchange
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
    (OSError, "connection"),
    (RecoverableConnectionError, "connection"),
)
_NOT_UNDERSTOOD = (
    AMQPError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class CeleryBroker:
    """A virtual host whose workers tell of themselves.

    Attributes:
        url: amqp:// or amqps://, with the user and without a password.
        password_file: read anew at each connection.
        ca_file: whom to trust with amqps://; the system's authorities without.
        timeout: seconds for one answer.
        exchange: Celery's `event_exchange`.
    """

    url: str
    password_file: Path = field(repr=False)
    ca_file: Path | None = None
    timeout: float = 3.0
    exchange: str = "celeryev"

    @property
    def vhost(self) -> str:
        """The virtual host, `/` by default."""
        return unquote(urlsplit(self.url).path.removeprefix("/")) or "/"


class ExchangeSubscription:
    """Connects, and binds a queue to the exchange.

    Args:
        broker: where.
        allowance: what may be received.

    Raises:
        DeafError: the broker does not answer, or refuses it.
    """

    def __init__(self, broker: CeleryBroker, allowance: Allowance) -> None:
        self._messages: deque[bytes] = deque()
        self._sound = False
        with _deaf(entered=False):
            self._connection = _Connection(allowance, broker)
        allowance.begin()
        try:
            with _deaf(entered=False):
                self._connection.connect()
            allowance.restore()
            with _deaf(entered=True):
                self._consume(broker.exchange)
        except BaseException:
            self.close()
            raise
        self._sound = True

    def next(self, seconds: float) -> Sequence[Mapping[str, Any]] | None:
        """Return the events of the next message: none of one that holds none; None if none came in time.

        Raises:
            DeafError: the broker is gone, or what it sends is not understood.
        """
        try:
            with _deaf(entered=True):
                self._connection.heartbeat_tick()
                if not self._messages:
                    with suppress(TimeoutError):
                        self._connection.drain_events(timeout=seconds)
        except DeafError:
            self._sound = False
            raise
        return events_in(self._messages.popleft()) if self._messages else None

    def close(self) -> None:
        """End the connection: with a word where it is sound, so that the broker logs no failure."""
        with suppress(DeafError), _deaf(entered=True):
            if self._sound:
                self._connection.close()
        with suppress(DeafError), _deaf(entered=True):
            self._connection.collect()

    def _consume(self, exchange: str) -> None:
        channel = self._connection.channel()
        # A sender's own choice of encoding, and so of the work that it takes, is none.
        channel.auto_decode = False
        queue = f"{QUEUE_PREFIX}{uuid.uuid4()}"
        channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=BOUNDS)
        channel.queue_bind(queue, exchange, routing_key="#")
        channel.basic_consume(queue, no_ack=True, exclusive=True, callback=self._take)

    def _take(self, message: Any) -> None:
        self._messages.append(message.body)


class _Guarding:
    """A transport that receives within an allowance."""

    allowance: Allowance

    def _setup_transport(self) -> None:
        super()._setup_transport()  # type: ignore[misc]  # the transport's, which has no types
        self.sock: Any
        self.connect_timeout: float
        # Else an answer is waited for without an end.
        self.sock.settimeout(self.connect_timeout)
        self._quick_recv = GuardedSocket(self.sock, self.allowance).recv


class _Plain(_Guarding, TCPTransport):  # type: ignore[misc]  # it has no types
    pass


class _Secured(_Guarding, SSLTransport):  # type: ignore[misc]  # it has no types
    pass


class _Connection(amqp.Connection):  # type: ignore[misc]  # it has no types
    """A connection of the client's that receives within an allowance.

    Raises:
        SpecterError: the password cannot be read.
    """

    def __init__(self, allowance: Allowance, broker: CeleryBroker) -> None:
        self._allowance = allowance
        parts = urlsplit(broker.url)
        host = parts.hostname or ""
        secured = {
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": host,
            "ca_certs": None if broker.ca_file is None else str(broker.ca_file),
        }
        super().__init__(
            f"{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}",
            userid=unquote(parts.username or ""),
            password=read_secret_file(broker.password_file, what="password_file"),
            login_method="PLAIN",
            virtual_host=broker.vhost,
            ssl=secured if parts.scheme == "amqps" else False,
            connect_timeout=broker.timeout,
            write_timeout=broker.timeout,
            heartbeat=HEARTBEAT,
            client_properties={"connection_name": "specter exporter queues"},
        )

    def Transport(  # noqa: N802
        self,
        host: str,
        connect_timeout: float,
        ssl: Any,
        read_timeout: float | None,
        write_timeout: float | None,
        **options: Any,
    ) -> Any:
        """Return the transport, as the client asks for it."""
        kind = _Secured if ssl else _Plain
        times = {"read_timeout": read_timeout, "write_timeout": write_timeout}
        transport = kind(host, connect_timeout, ssl=ssl, **times, **options)
        transport.allowance = self._allowance
        return transport


@contextmanager
def _deaf(*, entered: bool) -> Iterator[None]:
    """Tell why nothing is heard; a refusal before it was entered is of the password, then of a right.

    Raises:
        DeafError: something was raised that a broker can be the cause of.
    """
    try:
        yield
    except (OSError, SpecterError, *_NOT_UNDERSTOOD) as error:
        line = " ".join(str(error).split())
        raise DeafError(Problem(_reason(error, entered=entered), line)) from error


def _reason(error: Exception, *, entered: bool) -> str:
    if isinstance(error, OverdrawnError):
        return error.reason
    if isinstance(error, AccessRefused) and not entered:
        return "auth"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "other")
