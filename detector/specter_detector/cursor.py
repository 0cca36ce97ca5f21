"""How far a spool has been delivered, and the newest tick of each scheduler.

A file of two places of equal size, written in turns. It takes all its room when it is made, so that a disk
that is full later on can still be told what was delivered; what a crash leaves of one place, the other one
survives.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specter_core.files import replace_file

LOGGER = logging.getLogger(__name__)
NAME = "cursor"
VERSION = 2
PAGE = 4096
"""Bytes; a place is a multiple of it, and at least twice what is in it when it is made."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """All before byte `offset` of segment number `segment` has been delivered."""

    segment: int = 0
    offset: int = 0
    ticks: Mapping[str, float] = field(default_factory=dict)


class CursorFile:
    """The cursor of a spool's folder, which its owner alone may read.

    Attributes:
        cursor: what is known; the beginning of everything if there is no file that can be used.
    """

    def __init__(self, folder: Path) -> None:
        """Read the file, and make it where there is none.

        Raises:
            OSError: it cannot be made.
        """
        self._path = folder / NAME
        self._number, self.cursor = _newest(self._path)
        self._fd = -1
        try:
            self._open()
        except FileNotFoundError:
            self._make(self._entry(self.cursor))
            self._number += 1

    def save(self, cursor: Cursor, *, durable: bool = False) -> None:
        """Write `cursor` to the place that has the older one.

        Args:
            cursor: what is to be known.
            durable: wait until it is on the disk: before a segment goes whose ticks are known from nowhere
                else.

        Raises:
            OSError: it could not be written; what was known before still is.
        """
        entry = self._entry(cursor)
        if len(entry) > self._place:
            self._make(entry)
        else:
            place = (self._number + 1) % 2 * self._place
            rest = memoryview(entry.ljust(self._place))
            while rest:
                done = os.pwrite(self._fd, rest, place)
                rest, place = rest[done:], place + done
            if durable:
                os.fdatasync(self._fd)
        self._number += 1
        self.cursor = cursor

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _open(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._place = os.fstat(fd).st_size // 2

    def _make(self, entry: bytes) -> None:
        place = -(-2 * len(entry) // PAGE) * PAGE
        replace_file(self._path, [entry.ljust(place), entry.ljust(place)])
        self._open()

    def _entry(self, cursor: Cursor) -> bytes:
        document = {
            "version": VERSION,
            "number": self._number + 1,
            "segment": cursor.segment,
            "offset": cursor.offset,
            "ticks": dict(cursor.ticks),
        }
        text = json.dumps(document).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)


def _newest(path: Path) -> tuple[int, Cursor]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0, Cursor()
    except OSError as error:
        LOGGER.warning("%s cannot be read, all that is spooled is sent again: %s", path, error.strerror)
        return 0, Cursor()
    found = dict(_places(content))
    if not found:
        LOGGER.warning("%s cannot be used, all that is spooled is sent again", path)
        return 0, Cursor()
    return max(found.items())


def _places(content: bytes) -> Iterator[tuple[int, Cursor]]:
    """Yield the number and the cursor of each place that is whole."""
    half = len(content) // 2
    for place in (content[:half], content[half:]):
        checksum, _, text = place.rstrip().partition(b" ")
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a place that is not whole
            if int(checksum, 16) == zlib.crc32(text):
                yield _parsed(json.loads(text))


def _parsed(document: Mapping[str, Any]) -> tuple[int, Cursor]:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}, expected {VERSION}")
    ticks = {str(name): float(at) for name, at in document["ticks"].items()}
    return int(document["number"]), Cursor(int(document["segment"]), int(document["offset"]), ticks)
