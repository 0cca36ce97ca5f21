"""Bytes that are read as memory and written by calls: a file, or memory of this process.

A file is read through a map and never written through one: a store to a page for which a full disk has no
room ends the process (SIGBUS), while `pwrite` returns an error. Linux keeps both views of a file the same.
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

    def write(self, offset: int, data: Writable) -> None:
        """Write `data` at `offset`, inside one window."""

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
        """Return `length` bytes at `offset`, mapped."""
        with explained("map", self.path):
            mapped = mmap.mmap(self._file, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
        return np.frombuffer(mapped, np.uint8)

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
        self._size = 0
        self._offsets: list[int] = []
        self._windows: list[Bytes] = []

    def size(self) -> int:
        """Return the number of bytes."""
        return self._size

    def extend(self, size: int) -> None:
        """Grow to `size` bytes."""
        self._size = size

    def window(self, offset: int, length: int) -> Bytes:
        """Return `length` bytes at `offset`; each window is asked for once, in ascending order."""
        memory = np.frombuffer(mmap.mmap(-1, length), np.uint8)
        self._offsets.append(offset)
        self._windows.append(memory)
        return memory

    def write(self, offset: int, data: Writable) -> None:
        """Write `data` at `offset`."""
        index = bisect.bisect_right(self._offsets, offset) - 1
        if index < 0:
            raise StoreError(f"{self.path}: nothing is mapped at {offset}")
        begin = offset - self._offsets[index]
        content = np.frombuffer(data, np.uint8)
        self._windows[index][begin : begin + content.size] = content

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Let go of the memory."""
        self._offsets.clear()
        self._windows.clear()
