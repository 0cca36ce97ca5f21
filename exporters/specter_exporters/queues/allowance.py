"""What a broker may send to a listener between two whole messages, and for how long it may take.

Clients read a message to its end however long it is, and wait anew for each byte. So a listener reads through
a socket that counts.
"""

from typing import Any

from specter_core.clock import Clock

MOST_BYTES = 2**20
"""Of one message; Celery sends some tens of events of a few kilobytes at once."""
CHUNK = 2**16
MOST_SECONDS = 10.0
"""For one question to the client, such as the next message, after which it is cut."""
MOST_SILENCE = 20.0
"""Seconds without a byte after which a connection counts as dead; brokers are made to send some earlier."""


class OverdrawnError(ConnectionError):
    """The broker sends too much at once, too slowly, or nothing.

    Attributes:
        reason: a word, one of those of `metrics.QUEUE_COLLECTOR_FAILURE`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Allowance:
    """Counts what one connection receives.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bytes = 0
        self._began = self.heard = clock.monotonic()

    def begin(self) -> None:
        """Take it that a question to the client begins."""
        self._began = self._clock.monotonic()

    def restore(self) -> None:
        """Take it that a message has come to its end."""
        self._bytes = 0

    def check(self) -> None:
        """Look whether the question has gone on for too long, or nothing has come for too long.

        Raises:
            OverdrawnError: so it is.
        """
        now = self._clock.monotonic()
        if now - self._began > MOST_SECONDS:
            raise OverdrawnError("timeout", f"what the broker sends has no end within {MOST_SECONDS:g} s")
        if now - self.heard > MOST_SILENCE:
            raise OverdrawnError("timeout", f"the broker has said nothing for {MOST_SILENCE:g} s")

    def spend(self, size: int) -> None:
        """Count received bytes.

        Raises:
            OverdrawnError: they are too many for a message.
        """
        if size:
            self.heard = self._clock.monotonic()
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise OverdrawnError("other", f"a message has more than {MOST_BYTES} bytes")


class GuardedSocket:
    """A socket that receives within an allowance, and is the real one else.

    Args:
        real: the socket.
        allowance: of its connection.
    """

    def __init__(self, real: Any, allowance: Allowance) -> None:
        self._real = real
        self._allowance = allowance

    def recv(self, size: int, *flags: int) -> bytes:
        """Receive at most `size` bytes.

        Raises:
            OverdrawnError: the allowance is used up.
            OSError: as the real one.
        """
        self._allowance.check()
        data: bytes = self._real.recv(min(size, CHUNK), *flags)
        self._allowance.spend(len(data))
        return data

    def recv_into(self, buffer: bytearray, *more: int) -> int:
        """Receive into a buffer, whose size is the client's own choice.

        Raises:
            OverdrawnError: the allowance is used up.
            OSError: as the real one.
        """
        self._allowance.check()
        size: int = self._real.recv_into(buffer, *more)
        self._allowance.spend(size)
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
