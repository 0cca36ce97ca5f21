"""What a container runtime puts around each line: Docker's json-file, and the CRI format of containerd."""

from collections.abc import Iterable
from typing import Literal

import orjson

from specter_exporters.logs.tail.lines import OddLine

WrapperName = Literal["docker", "cri"]
Item = tuple[bytes, int]
"""A line, and how many bytes of the file it took."""


class Unwrapper:
    """Takes lines out of a runtime's wrapper, and puts together those that it took apart.

    Docker cuts a line each 16 KiB. While the parts of one stream's line are waited for, lines of the other
    stream wait behind it, so that what has been given out is always one stretch of the file.
    """

    def __init__(self, wrapper: WrapperName, limit: int) -> None:
        self._read = _docker if wrapper == "docker" else _cri
        self._limit = limit
        self._stream: str | None = None
        self._parts: list[bytes] = []
        self._length = 0
        self._size = 0
        self._held: list[tuple[str, bytes, bool, int]] = []
        self._held_size = 0
        self._skipping: str | None = None

    @property
    def held(self) -> int:
        """The bytes of the file that wait for the rest of a line."""
        return self._size + self._held_size

    def feed(self, lines: Iterable[bytes]) -> list[Item]:
        """Take wrapped lines; return what was in them."""
        found: list[Item] = []
        for line in lines:
            size = len(line) + 1
            if not line:
                continue
            inner = None if type(line) is not bytes else self._read(line)
            if inner is None:
                found += self.flush()
                reason = line.reason if isinstance(line, OddLine) else "not_json"
                found.append((OddLine(line, reason, usable=False), size))
            else:
                self._take(*inner, size, found)
        return found

    def _take(self, stream: str, data: bytes, ends: bool, size: int, found: list[Item]) -> None:
        if self._stream is not None and stream != self._stream:
            self._held.append((stream, data, ends, size))
            self._held_size += size
            if self.held > self._limit:
                found += self.flush()
            return
        if self._skipping == stream:
            # The rest of a line that was given out already.
            found.append((b"", size))
            self._skipping = None if ends else stream
            return
        if ends and self._stream is None:
            found.append((data, size))
            return
        self._stream = stream
        self._parts.append(data)
        self._length += len(data)
        self._size += size
        if ends or self._length > self._limit:
            self._skipping = None if ends else stream
            found += self.flush()

    def flush(self) -> list[Item]:
        """Return what waits, as it is."""
        if self._stream is None:
            return []
        joined = b"".join(self._parts)
        line = (
            OddLine(joined[: self._limit], "too_long", usable=True) if len(joined) > self._limit else joined
        )
        found: list[Item] = [(line, self._size)]
        held, self._held, self._held_size = self._held, [], 0
        self._stream, self._parts, self._length, self._size = None, [], 0, 0
        for item in held:
            self._take(*item, found)
        return found


def _docker(line: bytes) -> tuple[str, bytes, bool] | None:
    try:
        outer = orjson.loads(line)
        text, stream = outer["log"], outer.get("stream", "")
        data = text.encode("utf-8", "surrogatepass")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return str(stream), data.removesuffix(b"\n").removesuffix(b"\r"), data.endswith(b"\n")


def _cri(line: bytes) -> tuple[str, bytes, bool] | None:
    """`2025-10-06T00:17:09.669794202Z stdout F message`; P for a part that is not the last."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in {b"stdout", b"stderr"}:
        return None
    return parts[1].decode(), parts[3] if len(parts) == 4 else b"", not parts[2].startswith(b"P")
