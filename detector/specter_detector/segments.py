"""The files of a spool: entries are appended to the newest, read from the oldest, and never changed."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from specter_detector.batch import MAGIC, Batch, CorruptEntryError, read_entry

LOGGER = logging.getLogger(__name__)
_NAME = re.compile(r"(\d{8,})\.segment")


@dataclass(slots=True)
class Segment:
    """One file: its number, how many bytes of it are whole ticks, how many of their samples still wait."""

    path: Path
    number: int
    size: int = 0
    samples: int = 0


def path_of(folder: Path, number: int) -> Path:
    """Return where segment `number` is kept."""
    return folder / f"{number:08d}.segment"


def found_in(folder: Path) -> list[Segment]:
    """Return the segments in `folder`, oldest first, not yet looked into."""
    matches = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    segments = [Segment(path, int(match[1])) for path, match in matches if match]
    return sorted(segments, key=lambda segment: segment.number)


def entries(path: Path, start: int = 0) -> Iterator[tuple[Batch, int, int]]:
    """Yield the whole entries of a file from byte `start` on, each with where it begins and ends.

    Entries behind a damaged one are found by how they begin; their checksum says whether they are any.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        at: int | None = start
        while at is not None:
            file.seek(at)
            try:
                found = read_entry(file.read)
            except CorruptEntryError:
                at = _next_magic(file, at + 1)
                continue
            if found is None:
                return
            batch, length = found
            yield batch, at, at + length
            at += length


def _next_magic(file: BinaryIO, start: int) -> int | None:
    """Return the byte from `start` on at which an entry may begin, None if there is none."""
    file.seek(start)
    where = file.read().find(MAGIC)
    return None if where < 0 else start + where


def recover(segment: Segment, delivered: int) -> tuple[dict[str, float], int]:
    """Look through a segment of which `delivered` bytes are done with.

    Sets its size and samples, and cuts off what is no whole tick at its end. That was never sent: sending
    begins when the whole tick is there.

    Returns:
        The newest tick of each scheduler, and how many bytes before the end are damaged.
    """
    ticks: dict[str, float] = {}
    samples, damaged, reached = 0, 0, 0
    try:
        for batch, start, end in entries(segment.path):
            samples += batch.samples if end > delivered else 0
            damaged += start - reached
            reached = end
            if batch.last:
                segment.size, segment.samples = end, samples
                ticks[batch.scheduler] = batch.at
    except OSError as error:
        # It may be readable another time: nothing is cut off.
        LOGGER.warning("spool %s: cannot be read beyond byte %d: %s", segment.path, segment.size, error)
        return ticks, damaged
    if damaged:
        LOGGER.warning("spool %s: %d bytes are damaged, what was in them is lost", segment.path, damaged)
    try:
        surplus = segment.path.stat().st_size - segment.size
        if surplus > 0:
            LOGGER.warning("spool %s: %d bytes cut off at its end: no whole tick", segment.path, surplus)
            os.truncate(segment.path, segment.size)
    except OSError as error:
        LOGGER.warning("spool %s: cannot be mended: %s", segment.path, error)
    return ticks, damaged


class SegmentFile:
    """The segment that is being written."""

    def __init__(self, segment: Segment) -> None:
        """Create its file.

        Raises:
            OSError: it cannot be.
        """
        self.segment = segment
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(segment.path, flags, 0o600)

    def append(self, entries: bytes, samples: int) -> None:
        """Write `entries` to the disk itself, all or none of them.

        Raises:
            OSError: they could not be written; none of them counts.
        """
        try:
            view = memoryview(entries)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError:
            # If even this fails the next start cuts it off, and until then nobody reads beyond `size`.
            with suppress(OSError):
                os.ftruncate(self._fd, self.segment.size)
            raise
        self.segment.size += len(entries)
        self.segment.samples += samples

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
