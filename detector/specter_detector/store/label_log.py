"""Whose row is which: a log of lines beside a history file.

A line is the CRC-32 of its rest, a space, and a JSON array. The first says the format, the file that the log
belongs to, and how many records were ever written; each record has its number. So a log that lost lines at
its end is told from one that the process was just writing when it died: the latter ends inside a line.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from specter_detector.series import Labels
from specter_detector.store.atomic import replace_file
from specter_detector.store.errors import CorruptError, StoreError, explained

FORMAT = 1
SPARE_RECORDS = 1000
"""Records that were overtaken by later ones before the log is written anew."""


class Owner(NamedTuple):
    """Whose a row is, and the column from which on its values are this series'."""

    labels: Labels
    since: int


class Owners(Protocol):
    """Remembers owners; `records` is how many changes there ever were."""

    records: int

    def record(self, changes: Mapping[int, Owner | None]) -> None:
        """Remember the owner of each row in `changes`, None for no owner any more."""

    def sync(self) -> None:
        """Wait until everything is on the disk."""

    def close(self) -> None:
        """Give back what is held."""


class NoLog:
    """Remembers nothing, for a history in memory."""

    records = 0

    def record(self, changes: Mapping[int, Owner | None]) -> None:
        """Do nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class LabelLog:
    """The log at `path`, of the history file that has `token`.

    Attributes:
        rows: owners, by row.
        records: how many were ever written.
    """

    path: Path
    token: str
    rows: dict[int, Owner]
    records: int = 0
    _file: int = -1
    _size: int = 0
    _lines: int = 0

    @classmethod
    def create(cls, path: Path, token: str) -> "LabelLog":
        """Write an empty log to `path`, whatever was there."""
        log = cls(path, token, {})
        log._rewrite()
        return log

    @classmethod
    def load(cls, path: Path, token: str) -> "LabelLog":
        """Read the log at `path`.

        Raises:
            CorruptError: it is damaged, or belongs to another file.
            StoreError: it cannot be read.
        """
        if not path.exists():
            raise CorruptError(f"{path.name} is missing")
        with explained("read", path):
            content = path.read_bytes()
        lines = _lines(content, path.name)
        head = next(lines, None)
        if not isinstance(head, list) or len(head) != 4 or head[0] != FORMAT:
            raise CorruptError(f"{path.name} has no header of format {FORMAT}")
        _, of, records, snapshot = head
        if of != token:
            raise CorruptError(f"{path.name} belongs to another file")
        log = cls(path, token, {}, records - snapshot)
        for line in lines:
            log.records += 1
            if line[0] != log.records:
                raise CorruptError(f"{path.name}: record {log.records} is missing")
            log._lines += 1
            log._take(line)
        if log.records < records:
            raise CorruptError(f"{path.name} is cut short")
        log._open(content.rfind(b"\n") + 1)
        return log

    def record(self, changes: Mapping[int, Owner | None]) -> None:
        """Append the owner of each row in `changes`, None for no owner any more.

        Raises:
            StoreError: it cannot be written; the log is as it was before.
        """
        if not changes:
            return
        lines = [_line([n, *_told(*each)]) for n, each in enumerate(changes.items(), self.records + 1)]
        self._append(b"".join(lines))
        self.records += len(lines)
        self._lines += len(lines)
        _apply(self.rows, changes)
        if self._lines > 2 * len(self.rows) + SPARE_RECORDS:
            self._rewrite()

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with explained("write", self.path):
            os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take(self, line: list[Any]) -> None:
        _, row, since, labels = line
        owner = None if labels is None else Owner(tuple((name, value) for name, value in labels), since)
        _apply(self.rows, {row: owner})

    def _append(self, data: bytes) -> None:
        try:
            with explained("write", self.path):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
        except StoreError:
            # Half a line in the middle would look like damage.
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def _rewrite(self) -> None:
        """Replace the file by one that holds just what is current, the numbers going on."""
        begin = self.records
        self.records += len(self.rows)
        head = _line([FORMAT, self.token, self.records, len(self.rows)])
        rows = (_line([n, *_told(*each)]) for n, each in enumerate(sorted(self.rows.items()), begin + 1))
        content = [head, *rows]
        try:
            replace_file(self.path, content)
        except StoreError:
            self.records = begin
            raise
        self._lines = len(self.rows)
        self._open(sum(map(len, content)))

    def _open(self, size: int) -> None:
        """Open the file to append at `size`: what follows is a line that was being written."""
        self.close()
        with explained("open", self.path):
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._file, size)
        self._size = size


def _told(row: int, owner: Owner | None) -> list[Any]:
    return [row, 0, None] if owner is None else [row, owner.since, owner.labels]


def _apply(rows: dict[int, Owner], changes: Mapping[int, Owner | None]) -> None:
    for row, owner in changes.items():
        if owner is None:
            rows.pop(row, None)
        else:
            rows[row] = owner


def _line(record: list[Any]) -> bytes:
    # ASCII with escapes: any text that Python can hold fits, and no line break does.
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _lines(content: bytes, name: str) -> Iterator[Any]:
    whole: Iterable[bytes] = content.split(b"\n")[:-1]
    for number, line in enumerate(whole, 1):
        text = line[9:]
        if line[:9] != b"%08x " % zlib.crc32(text):
            raise CorruptError(f"{name}: line {number} is damaged")
        yield json.loads(text)
