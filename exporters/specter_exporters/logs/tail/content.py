"""Know a file again by what is in it: its first bytes, and the last ones that were read."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol, Self

HEAD = 1024
TAIL = 256
_STEP = 1024 * 1024
GZIP = b"\x1f\x8b"


class Content(Protocol):
    """An open file that is read forwards."""

    def read_from(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`; fewer at the end."""

    def size(self) -> int | None:
        """Return how long it is now; None where only reading tells."""

    def modified(self) -> float:
        """Return when it was last written to (Unix s)."""

    def close(self) -> None:
        """Close it."""


class PlainContent:
    """A file as it is."""

    def __init__(self, path: Path) -> None:
        # O_NONBLOCK: a pipe with the name of a log must not hold everything up.
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self._file)
        self.identity = (status.st_dev, status.st_ino)

    def read_from(self, offset: int, size: int) -> bytes:
        """See `Content`."""
        return os.pread(self._file, size, offset)

    def size(self) -> int:
        """See `Content`."""
        return os.fstat(self._file).st_size

    def modified(self) -> float:
        """See `Content`."""
        return os.fstat(self._file).st_mtime

    def close(self) -> None:
        """See `Content`."""
        os.close(self._file)


class GzipContent:
    """What is in a compressed file. Going back means decompressing from the beginning."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "rb")  # noqa: SIM115  (closed by `close`)
        status = path.stat()
        self.identity = (status.st_dev, status.st_ino)
        self._modified = status.st_mtime

    def read_from(self, offset: int, size: int) -> bytes:
        """See `Content`.

        Raises:
            OSError: it is damaged.
            EOFError: it is cut short, or is being written.
        """
        try:
            return self._read_from(offset, size)
        except zlib.error as error:
            raise gzip.BadGzipFile(str(error)) from error

    def _read_from(self, offset: int, size: int) -> bytes:
        position = self._file.tell()
        if offset < position:
            self._file.rewind()
            position = 0
        while position < offset:
            skipped = len(self._file.read(min(_STEP, offset - position)))
            if not skipped:
                return b""
            position += skipped
        parts, missing = [], size
        while missing:
            part = self._file.read(min(_STEP, missing))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def size(self) -> None:
        """See `Content`."""

    def modified(self) -> float:
        """See `Content`."""
        return self._modified

    def close(self) -> None:
        """See `Content`."""
        self._file.close()


def open_content(path: Path) -> PlainContent | GzipContent:
    """Open `path`, compressed or not.

    Raises:
        OSError: it cannot be opened.
    """
    plain = PlainContent(path)
    try:
        compressed = path.suffix == ".gz" and plain.read_from(0, 2) == GZIP
    except OSError:
        plain.close()
        raise
    if not compressed:
        return plain
    plain.close()
    return GzipContent(path)


@contextmanager
def opened(path: Path) -> Iterator[PlainContent | GzipContent]:
    """Open `path` for as long as the block runs."""
    content = open_content(path)
    try:
        yield content
    finally:
        content.close()


def digest(data: bytes) -> str:
    """Return a short hash: what is saved must not repeat what is in a log."""
    return blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file has been read, and how to know it again.

    Attributes:
        log: its log's name.
        path: where it was, or where it was before it was rotated away.
        device: with `inode`, the file's identity in the file system; a hint only.
        offset: up to where its entries are counted.
        seen: up to where it has been read; the rest waits for the end of its line or entry.
        head: hash of the first `head_size` bytes.
        tail: hash of the `tail_size` bytes before `seen`.
        rotated: whether it was rotated away from `path`.
        skipping: whether the rest of a line beyond the limit is being skipped.
        last_read: Unix time (s).
        modified: when it had been written to at the last look (Unix s).
        done: whether nothing is expected of it any more; known only in case that it comes back.
    """

    log: str
    path: str
    device: int
    inode: int
    offset: int
    seen: int
    head_size: int
    head: str
    tail_size: int
    tail: str
    rotated: bool
    skipping: bool
    last_read: float
    modified: float
    done: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return what `as_json` gave."""
        return cls(**fields)

    def is_in(self, content: PlainContent | GzipContent) -> bool:
        """Whether `content` is this file, or a copy of it that has all that was read.

        Raises:
            OSError, EOFError: it cannot be read.
        """
        size = content.size()
        if size is not None and size < max(self.seen, self.head_size):
            return False
        if not self.head_size:
            return content.identity == (self.device, self.inode)
        if digest(content.read_from(0, self.head_size)) != self.head:
            return False
        return digest(content.read_from(self.seen - self.tail_size, self.tail_size)) == self.tail
