"""POST over HTTP/1.1, and no more of HTTP than a ping needs (RFC 9112).

`http.client` would do it too, but to import it, with `email` and `ssl`, takes a fifth of all the time that a
run costs a job. TLS is loaded where it is used.
"""

import re
import socket
import time
from collections.abc import Mapping
from typing import NamedTuple

LONGEST = 65_536
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})[^\r\n]*\r?\n")


class BadAnswerError(OSError):
    """What answers does not speak HTTP/1."""


class Answer(NamedTuple):
    """What was answered; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    text: bytes


class Connection:
    """A connection that is made when it is needed, and kept while both sides want it.

    Args:
        host: name or address.
        port: of the server.
        secure: whether to speak TLS, and to check the server's certificate.
        seconds: that connecting and each answer may take.
    """

    def __init__(self, host: str, port: int, *, secure: bool, seconds: float) -> None:
        self._host = host
        self._port = port
        self._secure = secure
        self._seconds = seconds
        self._socket: socket.socket | None = None

    @property
    def kept(self) -> bool:
        """Whether there is one from before, which the other side may have ended since."""
        return self._socket is not None

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send `body` to `target` (path and query), and return the answer; an error ends the connection.

        Raises:
            OSError: it is not answered in time, or not in HTTP.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = {"Host": f"{host}:{self._port}", **headers, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        try:
            if self._socket is None:
                self._socket = self._connect()
            self._socket.settimeout(self._seconds)
            self._socket.sendall(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
            answer, more = self._read(self._socket)
        except OSError:
            self.close()
            raise
        if not more:
            self.close()
        return answer

    def close(self) -> None:
        """End it, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), self._seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._secure:
            return plain
        import ssl  # noqa: PLC0415  (see above)

        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)
        except OSError:
            plain.close()
            raise

    def _read(self, connection: socket.socket) -> tuple[Answer, bool]:
        """Return the answer, and whether another request may follow on the connection."""
        until = time.monotonic() + self._seconds
        head, rest = _head(connection, until)
        while head.status < 200:  # "go on", before the answer itself
            head, rest = _head(connection, until, rest)
        length = head.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST:
            # In chunks, or to the end of the connection: what there is so far will do.
            return head._replace(text=rest), False
        while len(rest) < int(length):
            rest += _received(connection, until)
        more = head.headers.get("connection", "").lower() != "close"
        return head._replace(text=rest[: int(length)]), more


def _head(connection: socket.socket, until: float, received: bytes = b"") -> tuple[Answer, bytes]:
    while b"\r\n\r\n" not in received:
        if len(received) > LONGEST:
            raise BadAnswerError("the answer has too many headers")
        received += _received(connection, until)
    head, _, rest = received.partition(b"\r\n\r\n")
    status = _STATUS.match(head + b"\r\n")
    if status is None:
        raise BadAnswerError("the answer is not HTTP/1.1")
    headers = {"connection": "close"} if status[1] == b"0" else {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Answer(int(status[2]), headers, b""), rest


def _received(connection: socket.socket, until: float) -> bytes:
    # Until all of the answer is there, and not for so long after each of its bytes.
    connection.settimeout(max(0.001, until - time.monotonic()))
    received = connection.recv(LONGEST)
    if not received:
        raise ConnectionResetError("the connection was ended")
    return received
