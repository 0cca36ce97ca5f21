"""Hand pings over to a receiver: Specter's exporter of jobs, healthchecks.io, or one that works alike."""

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

from specter_core.errors import SpecterError, UsageError
from specter_exporters.run.pings import Ping

BUSY = frozenset({401, 403, 408, 425, 429})  # and 5xx: what is refused now may be taken later


class NoAnswerError(SpecterError):
    """Nothing was handed over, and nothing else would be now."""


class LaterError(SpecterError):
    """The receiver does not take this ping now; it may after `after` seconds, where it says so."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        self.after = after
        super().__init__(message)


class RefusedError(SpecterError):
    """The receiver does not take this ping, and never will."""


class Receiver:
    """A receiver of pings; its connection is kept.

    Args:
        url: what comes before the ping key, such as `http://127.0.0.1:9855/ping` or `https://hc-ping.com`.
        key: returns the ping key, is asked once a connection; may raise `SpecterError`.
        seconds: how long connecting and each answer may take.

    Raises:
        UsageError: the URL is none.
    """

    def __init__(self, url: str, key: Callable[[], str], *, seconds: float) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"ping URL: {error}") from error
        if parts.scheme not in {"http", "https"} or not self._host or parts.query or parts.username:
            # Without the URL: what is wrong with it may be a password in it.
            raise UsageError("ping URL: expected such as http://127.0.0.1:9855/ping, without user and query")
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/")
        self._ask_key = key
        self._key = ""
        self._seconds = seconds
        self._connection: http.client.HTTPConnection | None = None

    def send(self, ping: Ping) -> None:
        """Hand `ping` over.

        Raises:
            NoAnswerError: there is no receiver, or no key.
            LaterError: it is there, and does not take this one now.
            RefusedError: it takes it neither now nor later.
        """
        again = self._connection is not None  # one that was kept may have been closed at its other end
        try:
            status, reason, after, text = self._request(ping)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self.close()
            if not again:
                raise NoAnswerError(_why(error)) from error
            self.send(ping)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswerError(_why(error)) from error
        if status < 300:
            return
        if 400 <= status < 500 and status not in BUSY:
            raise RefusedError(f"{status} {_said(text) or reason}")
        raise LaterError(f"{status} {_said(text) or reason}", float(after) if after.isdecimal() else 0.0)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, ping: Ping) -> tuple[int, str, str, bytes]:
        if self._connection is None:
            self._key = self._ask_key()
            make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = make(self._host, self._port, timeout=self._seconds)
        path = self._path + ping.path(self._key)
        self._connection.request("POST", path, ping.body.encode(), ping.all_headers())
        answer = self._connection.getresponse()
        text = answer.read(65536)
        if not answer.isclosed():  # it says more than anyone needs
            self.close()
        return answer.status, answer.reason, answer.headers.get("Retry-After", ""), text


def _said(text: bytes) -> str:
    """Return the answer, if it is a line for people and no page."""
    line = text[:200].decode("utf-8", "replace").strip()
    return line if line.isprintable() and not line.startswith("<") else ""


def _why(error: Exception) -> str:
    """The key stands in the path, which http.client quotes in some of its errors."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
