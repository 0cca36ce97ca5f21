"""Where a request ends in the bytes of a connection: message framing, RFC 9112, section 6."""

import re
from collections.abc import Callable

# A chunk's size and its extensions, which nobody uses.
MAX_CHUNK_LINE_BYTES = 256
# A body in more chunks than this has at least so many bytes a chunk: to look at each takes time from others.
MANY_CHUNKS, LEAST_OF_MANY = 1024, 64
_HEAD_END = re.compile(rb"\n\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class Framing:
    """Finds the end of one request in bytes that arrive by and by.

    It says nothing about what is wrong with a request: where the end cannot be found, the request counts as
    complete, and whoever reads it finds what is wrong.

    Attributes:
        end: how many bytes the request has, once it is complete.
        sound: False where what follows the request might be a part of it: the connection has to end.
        expects_continue: whether the client waits for "100 Continue" before it sends the body.

    Args:
        max_head: bytes of request line and headers.
        max_body: bytes of the body.
    """

    def __init__(self, max_head: int, max_body: int) -> None:
        self.end = 0
        self.sound = True
        self.expects_continue = False
        self._max_head = max_head
        self._max_body = max_body
        self._at = 0
        self._needed = 0
        self._chunks = 0
        self._chunked = 0
        self._searched = 0
        self._step: Callable[[bytearray], bool] | None = self._head

    def complete(self, received: bytearray) -> bool:
        """Return whether the request is in `received`, which only grows at its end from call to call."""
        while self._step is not None:
            if not self._step(received):
                return False
        return True

    def give_up(self, received: bytearray) -> bool:
        """Take all that was received for the request."""
        self.sound = False
        return self._ends_at(len(received))

    def _ends_at(self, end: int) -> bool:
        self.end = end
        self._step = None
        return True

    def _head(self, received: bytearray) -> bool:
        found = _HEAD_END.search(received, max(self._at - 2, 0))
        self._at = len(received) if found is None else found.end()
        if self._at > self._max_head:
            return self.give_up(received)
        if found is None:
            return False
        lengths, codings = self._headers(bytes(received[: self._at]))
        if codings:
            self.sound = self.sound and not lengths
            self._step = self._chunk_line
            return codings == {b"chunked"} or self.give_up(received)
        if not lengths:
            return self._ends_at(self._at)
        length = lengths.pop()
        if lengths or not _LENGTH.fullmatch(length) or int(length) > self._max_body:
            return self.give_up(received)
        self._needed = self._at + int(length)
        self._step = self._body
        return True

    def _headers(self, head: bytes) -> tuple[set[bytes], set[bytes]]:
        """Return what the headers say of the body's length, and of its transfer codings."""
        lengths, codings = set(), set()
        request, *lines = head.lstrip(b"\r\n").split(b"\n")
        for line in lines:
            name, _, value = (part.strip().lower() for part in line.partition(b":"))
            if line.startswith((b" ", b"\t")):  # goes on with the line before, which may be any of these
                self.sound = False
            if name == b"content-length":
                lengths.add(value)
            elif name == b"transfer-encoding":
                codings.add(value)
            elif name == b"expect":
                self.expects_continue = value == b"100-continue" and b"HTTP/1.1" in request
        if codings and b"HTTP/1.1" not in request:  # where they have no meaning
            self.sound = False
        return lengths, codings

    def _body(self, received: bytearray) -> bool:
        return len(received) >= self._needed and self._ends_at(self._needed)

    def _chunk_line(self, received: bytearray) -> bool:
        stop = received.find(b"\n", self._at, self._at + MAX_CHUNK_LINE_BYTES) + 1
        if not stop:
            return len(received) - self._at >= MAX_CHUNK_LINE_BYTES and self.give_up(received)
        line = _CHUNK_LINE.fullmatch(received, self._at, stop)
        if line is None:
            return self.give_up(received)
        size = int(line[1], 16)
        self._chunks += 1
        # As the reader of the body counts, which then finds it too large where it is given up for that.
        self._chunked += stop - self._at + size
        tiny = self._chunks > MANY_CHUNKS and self._chunked < self._chunks * LEAST_OF_MANY
        if tiny or self._chunked > self._max_body:
            return self.give_up(received)
        self._at = stop
        self._needed = stop + size + 2
        self._step = self._chunk if size else self._trailers
        return True

    def _chunk(self, received: bytearray) -> bool:
        if len(received) < self._needed:
            return False
        if received[self._needed - 2 : self._needed] != b"\r\n":
            return self.give_up(received)
        self._at = self._needed
        self._step = self._chunk_line
        return True

    def _trailers(self, received: bytearray) -> bool:
        # The line end before them belongs to the last chunk: without trailers, an empty line follows it.
        found = _HEAD_END.search(received, max(self._at - 1, self._searched - 2))
        self._searched = len(received)
        if found is not None:
            return self._ends_at(found.end())
        return len(received) - self._at > self._max_head and self.give_up(received)
