"""How the web server reads requests, where cheroot is too trusting of who sends them."""

from io import BufferedReader

from cheroot.server import ChunkedRFile, HTTPRequest
from cheroot.server import HeaderReader as CherootHeaderReader

from specter_core.http_framing import MAX_CHUNK_LINE_BYTES


class ChunkLineError(ValueError):
    """The line with a chunk's size has no end."""


class HeaderReader(CherootHeaderReader):
    """Joins repeated `X-Forwarded-For`, drops `Expect` and names with underscores, takes one body length.

    `X_Forwarded_For` would be the same variable for an application, and no proxy writes it. cheroot has a
    reader that drops them too, but it compares text with the bytes of a name. What `Expect` asks for was done
    before the body came.
    """

    def __call__(self, rfile: BufferedReader, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Read headers from `rfile` into `hdict`.

        Raises:
            ValueError: they are none, or do not say one length of the body.
        """
        found: dict[bytes, bytes] = super().__call__(rfile, _Joining() if hdict is None else _Joining(hdict))
        if not found.get(b"Content-Length", b"0").isdigit():
            raise ValueError("Content-Length is no number")
        if hdict is None:
            return found
        hdict.update(found)
        return hdict

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name and key_name != b"Expect"


class _Joining(dict[bytes, bytes]):
    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name == b"X-Forwarded-For" and name in self:
            value = self[name] + b", " + value
        elif name == b"Content-Length" and self.get(name, value) != value:
            raise ValueError("Content-Length has two values")
        super().__setitem__(name, value)


class _ShortLines:
    """A stream whose lines are bounded.

    Args:
        stream: the connection's.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.read = stream.read
        self.close = stream.close

    def readline(self) -> bytes:
        """Return the next line.

        Raises:
            ChunkLineError: it is longer than `MAX_CHUNK_LINE_BYTES`.
        """
        line = self._stream.readline(MAX_CHUNK_LINE_BYTES)
        if len(line) == MAX_CHUNK_LINE_BYTES and not line.endswith(b"\n"):
            raise ChunkLineError("the line with a chunk's size has no end")
        return line


class Request(HTTPRequest):
    """A request whose body in chunks takes bounded memory, and is never taken for the next request."""

    header_reader = HeaderReader()

    def respond(self) -> None:
        """Answer; see `HTTPRequest.respond`."""
        if not self.chunked_read:
            super().respond()
            return
        self.rfile = ChunkedRFile(_ShortLines(self.conn.rfile), self.server.max_request_body_size)
        try:
            self.server.gateway(self).respond()
        except ChunkLineError as error:
            self.close_connection = True
            if not self.sent_headers:
                self.simple_response("400 Bad Request", str(error))
            return
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")

    def send_headers(self) -> None:
        """Send them, and end the connection where a body was not read to its end."""
        if self.chunked_read and not self.rfile.closed:
            self.close_connection = True
        super().send_headers()
