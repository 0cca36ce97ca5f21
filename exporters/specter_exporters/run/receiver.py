"""Hand pings over to a receiver: Specter's exporter of jobs, healthchecks.io, or one that works alike."""

from collections.abc import Callable
from urllib.parse import urlsplit

from specter_core.errors import SpecterError
from specter_exporters.run.http_post import Answer, Connection
from specter_exporters.run.pings import Ping

NOT_FOUND = 404
BUSY = frozenset({401, 403, 408, 425, 429})  # and 3xx and 5xx: what is refused now may be taken later


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
    """A receiver of pings.

    Args:
        url: what comes before the ping key, such as `http://127.0.0.1:9855/ping` or `https://hc-ping.com`.
            What is none is said when it is sent to, and not before: no job may stand still for it.
        key: returns the ping key, is asked once a connection; may raise `SpecterError`.
        seconds: how long connecting and each answer may take.
    """

    def __init__(self, url: str, key: Callable[[], str], *, seconds: float) -> None:
        self._url = url
        self._ask_key = key
        self._seconds = seconds
        self._key = ""
        self._shown = ""
        self._path = ""
        self._connection: Connection | None = None

    def send(self, ping: Ping) -> None:
        """Hand `ping` over.

        Raises:
            NoAnswerError: there is no receiver, no key, or the URL is none.
            LaterError: it is there, and does not take this one now.
            RefusedError: it takes it neither now nor later.
        """
        connection = self._connection = self._connection or self._opened()
        kept = connection.kept
        try:
            answer = self._post(connection, ping)
        except ConnectionError as error:
            if not kept:
                raise NoAnswerError(self._said(_why(error))) from error
            self.send(ping)  # on a connection of its own: the other side had ended the one that was kept
            return
        except (OSError, UnicodeError) as error:  # the latter of a name that no host can have
            raise NoAnswerError(self._said(_why(error))) from error
        if 200 <= answer.status < 300:
            return
        said = self._said(f"{answer.status} {_line(answer.text)}".rstrip())
        if 400 <= answer.status < 500 and answer.status not in BUSY:
            hint = "; is it the ping URL, the ping key of that place, and a job that it has?"
            raise RefusedError(said + (hint if answer.status == NOT_FOUND else ""))
        after = answer.headers.get("retry-after", "")
        raise LaterError(said, float(after) if after.isdecimal() else 0.0)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()

    def _said(self, what: str) -> str:
        return f"{self._shown}: {what}"

    def _opened(self) -> Connection:
        # Without the URL, and what Python says of it: what is wrong with it may be a password in it.
        wrong = NoAnswerError("ping URL: expected such as http://127.0.0.1:9855/ping, without user and query")
        url = self._url
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"http", "https"} or not host or parts.query or parts.username:
            raise wrong
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise wrong
        secure = parts.scheme == "https"
        # Without the path, which may hold a ping key that belongs elsewhere.
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._path = parts.path.rstrip("/")
        return Connection(host, port or (443 if secure else 80), secure=secure, seconds=self._seconds)

    def _post(self, connection: Connection, ping: Ping) -> Answer:
        if not connection.kept:
            self._key = self._ask_key()
        if self._key in self._path.split("/"):
            raise NoAnswerError(
                "the ping URL has the ping key in it; leave the key off: the URL ends before it"
            )
        target = self._path + ping.path(self._key)
        return connection.post(target, ping.all_headers(), ping.body.encode())


def _line(text: bytes) -> str:
    """Return an answer, if it is a line for people and no page."""
    line = text[:200].decode("utf-8", "replace").strip()
    return line if line.isprintable() and not line.startswith("<") else ""


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
