"""Connections of one run: one deadline for all addresses of a name, none from the internet to our network."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from specter_exporters.dependencies.model import CallError


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the internet, and not of a private network or this machine."""
    ip = ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_global


class Connector:
    """Connects within a deadline, and breaks off connections at its end.

    A time-out of a socket starts anew with each byte, and with each address of a name.

    Args:
        timer: seconds that never step back.
        public: whether an address is one of the internet.

    Attributes:
        public_only: connect to addresses of the internet only: it was one of those who named the host.
        over: whether the time is over.
    """

    def __init__(self, timer: Callable[[], float], public: Callable[[str], bool] = is_public) -> None:
        self._timer = timer
        self._public = public
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._reached: dict[tuple[str, int], bool] = {}
        self._end = 0.0
        self.public_only = False
        self.over = False

    @property
    def left(self) -> float:
        """Seconds until the end, never 0, which sockets take for something else."""
        return max(0.001, self._end - self._timer())

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """Let a call take `seconds`."""
        self._end, self.over, self.public_only = self._timer() + seconds, False, False
        alarm = threading.Timer(seconds, self._break_off)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()
            alarm.join()

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of `host` that answers.

        Raises:
            OSError: the name does not resolve, or no address answers.
            CallError: it may not be connected to (`redirect`).
        """
        failure = OSError("the name has no address")
        for *_, found in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM):
            address = str(found[0])
            public = self._public(address)
            if self.public_only and not public:
                raise CallError("redirect")
            try:
                connected = socket.create_connection((address, port), self.left)
            except OSError as error:
                failure = error
                if self.over:
                    break
                continue
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.settimeout(self.left)  # of the handshake of TLS, as a whole
            self._reached[host, port] = public
            return connected
        raise failure

    def is_in_the_internet(self, host: str, port: int) -> bool:
        """Return whether `host` was connected to, directly, at an address of the internet."""
        return self._reached.get((host, port), False)

    def watch(self, connected: socket.socket) -> None:
        """Break off this one too. A connection lets go of its socket, maybe before the body is read.

        Raises:
            TimeoutError: it is too late already.
        """
        with self._lock:
            self._sockets.append(connected)
            if self.over:
                raise TimeoutError

    def _break_off(self) -> None:
        with self._lock:
            self.over = True
            for connected in self._sockets:
                # Of the plain socket: TLS would take the reader's session away while it reads.
                with suppress(OSError):
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)
