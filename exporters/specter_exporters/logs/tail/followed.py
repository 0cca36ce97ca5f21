"""One file that is followed: how far it has been read, and what has been read and not yet counted."""

from dataclasses import dataclass
from pathlib import Path

from specter_exporters.logs.tail.content import (
    HEAD,
    TAIL,
    GzipContent,
    Place,
    PlainContent,
    digest,
    open_content,
)
from specter_exporters.logs.tail.joining import Joiner
from specter_exporters.logs.tail.lines import LineSplitter


class TruncatedError(Exception):
    """What was read before is no longer there: the file was truncated or written anew."""


@dataclass(slots=True)
class Buffers:
    """What turns a file's bytes into entries."""

    lines: LineSplitter
    joiner: Joiner

    @property
    def held(self) -> int:
        """The bytes read that are in no entry given out."""
        return self.lines.held + self.joiner.held

    def feed(self, data: bytes) -> list[bytes]:
        """Take more; return the complete entries."""
        return self.joiner.feed(self.lines.feed(data))

    def finish(self) -> list[bytes]:
        """Return what is left; the file has ended."""
        last = self.lines.flush()
        return (self.joiner.feed(last) if last else []) + self.joiner.flush()


class Followed:
    """A file that is read as it grows.

    Args:
        path: where it is, or was before it was rotated.
        where: where it is now.
        buffers: for its entries.
        start: where to begin.
    """

    def __init__(self, path: Path, where: Path, buffers: Buffers, *, start: int = 0) -> None:
        self.path = path
        self.where = where
        self.buffers = buffers
        self.position = start
        self.identity = (-1, -1)
        self.rotated = False
        self.last_read = 0.0
        self.grown = 0.0
        self.size = start
        self.content: PlainContent | GzipContent | None = None
        self.modified = self.modified_before = 0.0
        self._head = b""
        self._head_of = ""
        self._head_size = 0
        self._tail = b""

    def open(self) -> None:
        """Open the file, or leave it open.

        Raises:
            OSError: it cannot be opened.
            TruncatedError: another file is there now.
        """
        if self.content is not None:
            return
        content = open_content(self.where)
        if self.identity not in {(-1, -1), content.identity}:
            content.close()
            raise TruncatedError
        self.content = content
        self.identity = content.identity
        self.modified = self.modified or content.modified()
        if not self._head_size:
            self._remember_beginning(content)

    def begin_at_end(self) -> None:
        """Leave out what is there already, and the rest of a line that is being written.

        Raises:
            OSError: it cannot be opened.
        """
        self.open()
        content = self.content
        size = None if content is None else content.size()
        if content is None or not size:
            return
        self.position = self.size = size
        self.buffers.lines.skipping = content.read_from(size - 1, 1) != b"\n"
        self._remember_beginning(content)

    @property
    def ends(self) -> bool:
        """Whether nothing can come behind its end: a compressed file is not written to."""
        return isinstance(self.content, GzipContent)

    def _remember_beginning(self, content: PlainContent | GzipContent) -> None:
        # Also of what has not been read: it may be truncated, and its copy be looked for, before it is.
        self._set_head(content.read_from(0, HEAD))
        back = min(TAIL, self.position)
        self._tail = content.read_from(self.position - back, back)

    def _set_head(self, data: bytes) -> None:
        self._head, self._head_size, self._head_of = data, len(data), digest(data)

    def resume(self, place: Place) -> None:
        """Go on at `place`, which is in the file: what was read and not counted is read again.

        Raises:
            OSError: it cannot be opened.
        """
        self.open()
        content = self.content
        if content is None:
            return
        self.position = place.offset
        self.rotated = place.rotated
        self.last_read = place.last_read
        self.modified = place.modified
        self.buffers.lines.skipping = place.skipping
        self._remember_beginning(content)

    def close(self) -> None:
        """Close the file; it can be opened again."""
        if self.content is not None:
            self.content.close()
            self.content = None

    def backlog(self) -> int:
        """Return the bytes not read yet, as far as is known."""
        return max(0, self.size - self.position)

    def look(self) -> bool:
        """Return whether there may be something new.

        Raises:
            OSError: it cannot be opened or looked at.
            TruncatedError: it is shorter than what has been read.
        """
        size: int | None
        if self.content is not None:
            size, modified = self.content.size(), self.content.modified()
        else:
            status = self.where.stat()
            size, modified = status.st_size if self.where.suffix != ".gz" else None, status.st_mtime
        if size is None:
            return True
        self.size = size
        if size < max(self.position, self._head_size):
            raise TruncatedError
        # Truncated and written to as far as before: only the time of it shows, and what is in it.
        touched = modified != self.modified
        self.modified_before, self.modified = self.modified if touched else 0.0, modified
        return size > self.position or touched

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`.

        What was read last is read once more, in the same call: if it is no longer there, the rest is not what
        follows it, however long the file has become meanwhile.

        Raises:
            OSError, EOFError: it cannot be read.
            TruncatedError: what was read last is no longer there.
        """
        self.open()
        content = self.content
        if content is None:
            return b""
        back = len(self._tail)
        # A compressed file does not change, and cannot be read backwards cheaply.
        if self.ends:
            back = 0
        data = content.read_from(self.position - back, back + size)
        if back and data[:back] != self._tail:
            raise TruncatedError
        new = data[back:]
        if new:
            self._extend_head(new)
            self.position += len(new)
            self._tail = (self._tail + new)[-TAIL:]
        return new

    def _extend_head(self, new: bytes) -> None:
        start, known = self.position, len(self._head)
        if start < known and new[: known - start] != self._head[start : start + len(new)]:
            raise TruncatedError
        if start <= known < HEAD and start + len(new) > known:
            self._set_head((self._head[:start] + new)[:HEAD])

    def place(self, log: str) -> Place:
        """Return where a restart goes on."""
        return Place(
            log=log,
            path=str(self.path),
            device=self.identity[0],
            inode=self.identity[1],
            offset=self.position - self.buffers.held,
            seen=self.position,
            head_size=self._head_size,
            head=self._head_of,
            tail_size=len(self._tail),
            tail=digest(self._tail),
            rotated=self.rotated,
            skipping=self.buffers.lines.skipping,
            last_read=self.last_read,
            modified=self.modified,
        )
