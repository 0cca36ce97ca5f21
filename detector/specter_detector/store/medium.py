"""Bytes in a file, or in memory of this process.

What is looked at often is mapped, all else is read and written by calls. A store to a mapped page for which a
full disk has no room ends the process (SIGBUS), and on tmpfs so does a look at one that was never written;
calls return an error. So nothing is written through a map, and what is mapped has its room beforehand. Linux
keeps both views of a file the same.
"""

import bisect
import mmap
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from specter_detector.store.errors import StoreError, explained

Bytes = NDArray[np.uint8]
Writable = bytes | memoryview

ALIGNMENT = 65536
"""Windows begin at multiples of this: the largest page size in use."""


def raw(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array that lies in memory without holes."""
    return array.reshape(-1).view(np.uint8).data


class Medium(Protocol):
    """Bytes, grown at the end."""

    path: Path

    def size(self) -> int:
        """Return the number of bytes."""

    def extend(self, size: int) -> None:
        """Grow to `size` bytes; the new ones are 0 and take no room yet."""

    def window(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`, a multiple of `ALIGNMENT`, to read; later writes show in it."""

    def read(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`, to look at before the next write."""

    def write(self, offset: int, data: Writable) -> None:
        """Write `data` at `offset`."""

    def sync(self) -> None:
        """Wait until everything is on the disk."""

    def close(self) -> None:
        """Give back what is held; windows stay readable for whoever still has one."""


class FileMedium:
    """A file that exists.

    Raises:
        StoreError: from every method, when the file system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained("open", path):
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def size(self) -> int:
        """Return the number of bytes."""
        with explained("read", self.path):
            return os.fstat(self._file).st_size

    def extend(self, size: int) -> None:
        """Grow to `size` bytes, as a hole."""
        with explained("grow", self.path):
            os.ftruncate(self._file, size)

    def window(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`, mapped, with room on the disk for all of them."""
        with explained("grow", self.path):
            os.posix_fallocate(self._file, offset, length)
            mapped = mmap.mmap(self._file, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
        return np.frombuffer(mapped, np.uint8)

    def read(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`."""
        content = np.empty(length, np.uint8)
        position = 0
        with explained("read", self.path):
            while position < length:
                got = os.preadv(self._file, [content[position:].data], offset + position)
                if not got:
                    raise StoreError(f"{self.path}: something has cut it short; restart the detector")
                position += got
        return content

    def write(self, offset: int, data: Writable) -> None:
        """Write `data` at `offset`."""
        rest = memoryview(data)
        with explained("write", self.path):
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with explained("write", self.path):
            os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class MemoryMedium:
    """The same without a file. Pages that were never written take no memory."""

    def __init__(self, name: str) -> None:
        self.path = Path(name)
        self._ends = [0]
        self._pieces: list[Bytes] = []

    def size(self) -> int:
        """Return the number of bytes."""
        return self._ends[-1]

    def extend(self, size: int) -> None:
        """Grow to `size` bytes, by a piece that nothing reaches out of."""
        self._pieces.append(np.frombuffer(mmap.mmap(-1, size - self._ends[-1]), np.uint8))
        self._ends.append(size)

    def window(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`."""
        return self.read(offset, length)

    def read(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`."""
        index = bisect.bisect_right(self._ends, offset) - 1
        begin = offset - self._ends[index]
        return self._pieces[index][begin : begin + length]

    def write(self, offset: int, data: Writable) -> None:
        """Write `data` at `offset`."""
        content = np.frombuffer(data, np.uint8)
        self.read(offset, content.size)[:] = content

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Let go of the memory."""
        self._pieces.clear()
