"""Cells: numbers of series in memory that other processes can read while they change.

An area grows by segments of 64 KiB, in a file or in the memory of one process. A
segment is a run of records of 8-byte words; its unused end is zero:

    u32 length of the record in bytes | u32 length of the key | key, padded | float64 cells

The length is written last, so a reader sees whole records only. A cell is one
aligned 8-byte store: a reader sees the old number or the new one, and what was
stored outlives a process that is killed, because the pages belong to the system.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from specter_core.errors import SpecterError

SEGMENT = 64 * 1024
WORD = 8
HEAD = struct.Struct("=II")


class CellsError(SpecterError):
    """A series does not fit, or its file cannot grow."""


class Cells(NamedTuple):
    """Where a series' numbers are: words of a segment, from `at` on."""

    words: "memoryview[float]"
    at: int


class Record(NamedTuple):
    """A series as read: its key and its words (8 bytes each) as floats."""

    key: bytes
    values: list[float]


class Area:
    """A growing run of segments: in the file `descriptor`, or without one in this process' memory.

    Not thread-safe: the caller holds a lock around `add`.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._segments: list[memoryview] = []
        self._used = SEGMENT  # of the newest segment

    def add(self, key: bytes, cells: int) -> Cells:
        """Append a record of `cells` zeros.

        Raises:
            CellsError: the record is larger than a segment, or the disk is full.
        """
        start = _padded(HEAD.size + len(key))
        length = start + cells * WORD
        if length > SEGMENT:
            raise CellsError(f"a series of {length} bytes ({key[:80]!r}…) does not fit in {SEGMENT} bytes")
        if self._used + length > SEGMENT:
            self._grow()
        segment, offset = self._segments[-1], self._used
        segment[offset + HEAD.size : offset + HEAD.size + len(key)] = key
        segment[offset : offset + HEAD.size] = HEAD.pack(length, len(key))
        self._used += length
        return Cells(segment.cast("d"), (offset + start) // WORD)

    def records(self) -> Iterator[Record]:
        """Yield what the area holds."""
        for segment in tuple(self._segments):
            yield from read_records(segment)

    def content(self) -> bytes:
        """Return the area as the bytes of a file."""
        return b"".join(self._segments)

    def _grow(self) -> None:
        if self._descriptor is None:
            self._segments.append(memoryview(bytearray(SEGMENT)))
        else:
            self._segments.append(_mapped(self._descriptor, len(self._segments) * SEGMENT))
        self._used = 0


def _mapped(descriptor: int, offset: int) -> memoryview:
    """Return a new segment of the file.

    The zeros are written, not left as a hole: a full disk is an error here, and would
    be a deadly signal (SIGBUS) at the first write to a mapped hole.
    """
    try:
        if os.pwrite(descriptor, bytes(SEGMENT), offset) == SEGMENT:
            return memoryview(mmap.mmap(descriptor, SEGMENT, offset=offset))
    except OSError as error:
        raise CellsError(f"the file of this worker's metrics cannot grow: {error}") from error
    raise CellsError("the file of this worker's metrics cannot grow: the disk is full")


def packed(records: Iterator[Record]) -> bytes:
    """Return `records` as the bytes of a file.

    Raises:
        CellsError: a record is larger than a segment.
    """
    area = Area()
    for key, values in records:
        words, at = area.add(key, len(values))
        words[at : at + len(values)] = memoryview(struct.pack(f"={len(values)}d", *values)).cast("d")
    return area.content()


def read_file(path: Path) -> list[Record]:
    """Return the records of a file that its process may still be writing.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size // SEGMENT * SEGMENT
        if not size:
            return []
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            return [
                record
                for start in range(0, size, SEGMENT)
                for record in read_records(view[start : start + SEGMENT])
            ]


def read_records(segment: memoryview) -> Iterator[Record]:
    """Yield the records of one segment; its first impossible one ends it."""
    words: memoryview[float] = segment.cast("d")  # of floats, not ints
    with words:
        offset = 0
        while offset + HEAD.size <= SEGMENT:
            length, key_length = HEAD.unpack_from(segment, offset)
            start = _padded(HEAD.size + key_length)
            if length < start or offset + length > SEGMENT or length % WORD:
                return
            key = bytes(segment[offset + HEAD.size : offset + HEAD.size + key_length])
            # Word by word, each as one load.
            values = list(words[(offset + start) // WORD : (offset + length) // WORD])
            yield Record(key, values)
            offset += length


def _padded(length: int) -> int:
    return -(-length // WORD) * WORD
