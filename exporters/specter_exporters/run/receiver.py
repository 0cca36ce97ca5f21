"""Hand pings over to a receiver: Specter's exporter of jobs, healthchecks.io, or one that works alike."""

from collections.abc import Callable
from urllib.parse import urlsplit

from specter_core.errors import SpecterError, UsageError
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
        key: returns the ping key, is asked once a connection; may raise `SpecterError`.
        seconds: how long connecting and each answer may take.

    Raises:
        UsageError: the URL is none.
    """

    def __init__(self, url: str, key: Callable[[], str], *, seconds: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UsageError(f"ping URL: {error}") from error
        wrong = parts.scheme not in {"http", "https"} or not host or parts.query or parts.username
        if wrong or not (url.isascii() and url.isprintable()) or " " in url:
            # Without the URL: what is wrong with it may be a password in it.
            raise UsageError("ping URL: expected such as http://127.0.0.1:9855/ping, without user and query")
        secure = parts.scheme == "https"
        # Without the path, which may hold a ping key that belongs elsewhere.
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._connection = Connection(host, port or (443 if secure else 80), secure=secure, seconds=seconds)
        self._path = parts.path.rstrip("/")
        self._ask_key = key
        self._key = ""

    def send(self, ping: Ping) -> None:
        """Hand `ping` over.

        Raises:
            NoAnswerError: there is no receiver, or no key.
            LaterError: it is there, and does not take this one now.
            RefusedError: it takes it neither now nor later.
        """
        kept = self._connection.kept
        try:
            answer = self._post(ping)
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
        self._connection.close()

    def _said(self, what: str) -> str:
        return f"{self._shown}: {what}"

    def _post(self, ping: Ping) -> Answer:
        if not self._connection.kept:
            self._key = self._ask_key()
        if self._key in self._path.split("/"):
            raise NoAnswerError(
                "the ping URL has the ping key in it; leave the key off: the URL ends before it"
            )
        target = self._path + ping.path(self._key)
        return self._connection.post(target, ping.all_headers(), ping.body.encode())


def _line(text: bytes) -> str:
    """Return an answer, if it is a line for people and no page."""
    line = text[:200].decode("utf-8", "replace").strip()
    return line if line.isprintable() and not line.startswith("<") else ""


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
