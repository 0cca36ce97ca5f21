"""A spool in a folder: what waits survives the process, and what is sent was on disk before."""

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from specter_core.errors import SpecterError
from specter_core.files import HeldError, hold, sync_folder
from specter_detector.batch import Batch
from specter_detector.cursor import Cursor, CursorFile
from specter_detector.segments import Segment, SegmentFile, entries, found_in, path_of, recover
from specter_detector.spool import DISK_BYTES, MEMORY_BYTES, Dropped, MemorySpool, Spool, SpoolOptions

LOGGER = logging.getLogger(__name__)
SEGMENT_BYTES = 16 << 20
UNKNOWN = "does not know after a restart what was delivered"
_SEGMENTS_AT_LEAST = 8
"""Segments that a full spool consists of: a whole one is dropped to make room."""

Failed = Callable[[], None]


def _unheard() -> None:
    """Nobody counts."""


class SpoolError(SpecterError):
    """The folder cannot be used."""


class DiskSpool:
    """Keeps batches in `folder`, which one process at a time may use.

    Args:
        folder: made if missing.
        max_bytes: of its segments at most; the oldest are dropped beyond.
        max_age: seconds after its tick at which a batch is dropped.
        dropped: is told what was.
        failed: is told each time that the disk refuses.

    Raises:
        SpoolError: another process uses it, or it cannot be made or read.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int, max_age: float, dropped: Dropped, failed: Failed = _unheard
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._dropped = dropped
        self._failed = failed
        self._memory = MemorySpool(min(max_bytes, MEMORY_BYTES), max_age, dropped)
        self._file: SegmentFile | None = None
        self._head: tuple[Batch, int] | None = None
        self._failing: dict[str, str] = {}
        self._segments: deque[Segment] = deque()
        self._offset = 0
        self._number = 0
        self._ticks: dict[str, float] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _held(folder)
            try:
                self._cursor = CursorFile(folder)
                self._recover(self._cursor.cursor)
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise SpoolError(
                f"the spool {folder} cannot be used: {error.strerror}; check the folder's owner and disk"
            ) from error

    @property
    def samples(self) -> int:
        """Samples that wait."""
        return sum(segment.samples for segment in self._segments) + self._memory.samples

    @property
    def nbytes(self) -> int:
        """Size of the segments, and of what is in memory."""
        return sum(segment.size for segment in self._segments) + self._memory.nbytes

    @property
    def persistent(self) -> bool:
        """Whether what waits, and what comes next as far as is known, is on disk."""
        return not self._failing

    def append(self, tick: Sequence[Batch]) -> None:
        """Add the batches of one tick, all or none; in memory only while the disk does not take them."""
        if not tick:
            return
        try:
            for waiting in self._memory.ticks():
                self._write(waiting)
                for batch in waiting:
                    self._memory.ack(batch)
            self._write(tick)
        except OSError as error:
            self._fails("keeps samples in memory only", error)
            self._memory.append(tick)
        else:
            self._works("keeps samples in memory only")
            if UNKNOWN in self._failing:
                self._save()

    def peek(self, now: float) -> Batch | None:
        """Return the oldest batch that is not too old at `now`; the same object until it is done with."""
        try:
            while (batch := self._oldest()) is not None and now - batch.at > self._max_age:
                self._advance()
                self._dropped("expired", batch.samples)
        except OSError as error:
            # No damage: it may be readable another time, and what is in memory comes after it.
            self._fails("cannot be read", error)
            return None
        self._works("cannot be read")
        return batch or self._memory.peek(now)

    def ack(self, batch: Batch) -> None:
        """Drop what `peek` returned: it is done with. Nothing happens if it was dropped meanwhile."""
        if self._head is not None and self._head[0] is batch:
            self._advance()
        else:
            self._memory.ack(batch)
            self._note(batch)
        self._save()

    def last_tick(self, scheduler: str) -> float | None:
        """Return the newest tick that was added, by an earlier process too as far as it reached the disk."""
        known = [self._ticks.get(scheduler), self._memory.last_tick(scheduler)]
        return max((at for at in known if at is not None), default=None)

    def close(self) -> None:
        """Close the files and let other processes use the folder."""
        self._seal()
        self._cursor.close()
        os.close(self._lock)

    # --- reading ---

    def _oldest(self) -> Batch | None:
        """Return the oldest batch on disk; segments that are done with are deleted on the way."""
        while self._head is None and self._segments:
            segment = self._segments[0]
            if self._offset < segment.size:
                self._head = self._read(segment)
            elif self._file is not None and self._file.segment is segment:
                return None
            else:
                self._remove_oldest()
        return None if self._head is None else self._head[0]

    def _read(self, segment: Segment) -> tuple[Batch, int] | None:
        """Return the next entry, None when there is none any more; what is damaged before it is given up.

        Raises:
            OSError: it cannot be read now.
        """
        try:
            rest = entries(segment.path, self._offset)
            batch, start, end = next(rest, (None, segment.size, segment.size))
            if start != self._offset:
                waiting = 0 if batch is None else batch.samples + sum(each.samples for each, _, _ in rest)
                self._give_up(segment, segment.samples - waiting, "damaged")
        except FileNotFoundError:
            self._give_up(segment, segment.samples, "the file is gone")
            batch, end = None, segment.size
        if batch is None:
            self._offset = segment.size
            return None
        return batch, end

    def _give_up(self, segment: Segment, samples: int, why: str) -> None:
        LOGGER.warning("spool %s: %d samples cannot be read: %s", segment.path, samples, why)
        self._dropped("corrupt", samples)
        segment.samples -= samples

    def _advance(self) -> None:
        if self._head is not None:
            batch, self._offset = self._head
            self._segments[0].samples -= batch.samples
            self._head = None

    def _remove_oldest(self) -> None:
        segment = self._segments.popleft()
        if self._file is not None and self._file.segment is segment:
            self._seal()
        self._head, self._offset = None, 0
        # Before the file goes: the ticks in it must stay known.
        self._save(durable=True)
        with suppress(OSError):
            segment.path.unlink()

    # --- writing ---

    def _write(self, tick: Sequence[Batch]) -> None:
        data = b"".join([batch.entry() for batch in tick])
        largest = min(SEGMENT_BYTES, self._max_bytes // _SEGMENTS_AT_LEAST)
        if self._file is not None and self._file.segment.size + len(data) > largest:
            self._seal()
        kept = self._max_bytes - len(data)
        while self._segments and sum(segment.size for segment in self._segments) > kept:
            if self._segments[0].samples:
                self._dropped("spool_full", self._segments[0].samples)
            self._remove_oldest()
        try:
            if self._file is None:
                self._begin()
            if self._file is not None:
                self._file.append(data, sum(batch.samples for batch in tick))
        except OSError:
            self._abandon()
            raise
        self._note(tick[-1])

    def _begin(self) -> None:
        self._number += 1
        segment = Segment(path_of(self._folder, self._number), self._number)
        self._file = SegmentFile(segment)
        self._segments.append(segment)
        sync_folder(self._folder)

    def _abandon(self) -> None:
        """Write no more to a file that may end anywhere; leave no empty ones on a full disk."""
        if self._file is None:
            return
        segment = self._file.segment
        self._seal()
        if not segment.size:
            self._segments.remove(segment)
            with suppress(OSError):
                segment.path.unlink()

    def _seal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _note(self, batch: Batch) -> None:
        if batch.last:
            self._ticks[batch.scheduler] = batch.at

    def _save(self, *, durable: bool = False) -> None:
        number = self._segments[0].number if self._segments else self._number
        offset = self._offset if self._segments else 0
        try:
            self._cursor.save(Cursor(number, offset, dict(self._ticks)), durable=durable)
        except OSError as error:
            self._fails(UNKNOWN, error)
        else:
            self._works(UNKNOWN)

    # --- start ---

    def _recover(self, cursor: Cursor) -> None:
        self._ticks = dict(cursor.ticks)
        self._number = cursor.segment
        for segment in found_in(self._folder):
            self._number = max(self._number, segment.number)
            if segment.number < cursor.segment:
                segment.path.unlink()
                continue
            delivered = cursor.offset if segment.number == cursor.segment else 0
            ticks, damaged = recover(segment, delivered)
            if damaged:
                self._failed()
            for key, at in ticks.items():
                self._ticks[key] = max(at, self._ticks.get(key, at))
            if not self._segments:
                self._offset = min(delivered, segment.size)
            self._segments.append(segment)
        if self.samples:
            LOGGER.info("spool %s: %d samples of an earlier run wait", self._folder, self.samples)

    # --- what is wrong ---

    def _fails(self, what: str, error: OSError) -> None:
        self._failed()
        message = error.strerror or str(error)
        if self._failing.get(what) != message:
            LOGGER.error("spool %s %s: %s", self._folder, what, message)
        self._failing[what] = message

    def _works(self, what: str) -> None:
        if self._failing.pop(what, None) is not None and not self._failing:
            LOGGER.info("spool %s can be written to again", self._folder)


def open_spool(options: SpoolOptions, dropped: Dropped, failed: Failed = _unheard) -> Spool:
    """Open what waits for the server, in a folder or in memory.

    Raises:
        SpoolError: see `DiskSpool`.
    """
    if options.folder is None:
        return MemorySpool(options.max_bytes or MEMORY_BYTES, options.max_age, dropped)
    return DiskSpool(
        options.folder,
        max_bytes=options.max_bytes or DISK_BYTES,
        max_age=options.max_age,
        dropped=dropped,
        failed=failed,
    )


def _held(folder: Path) -> int:
    """Return what holds the folder until it is closed."""
    try:
        return hold(folder)
    except HeldError:
        raise SpoolError(
            f"the spool {folder} is in use by another process: give each detector a folder of its own"
        ) from None
