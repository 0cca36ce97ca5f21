"""What waits for the remote-write server, oldest first; here in memory, `disk_spool` keeps it in a folder."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from specter_detector.batch import Batch

Dropped = Callable[[str, int], None]
"""Told the reason and the number of samples given up."""


DISK_BYTES = 1 << 30
MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SpoolOptions:
    """Where what waits is kept, and how much of it.

    Attributes:
        folder: None for memory.
        max_bytes: None for 1 GiB in a folder, 64 MiB in memory.
        max_age: in seconds.
    """

    folder: Path | None = None
    max_bytes: int | None = None
    max_age: float = 86400.0


class Spool(Protocol):
    """Batches between being made and being taken by the server; used by one thread."""

    @property
    def samples(self) -> int:
        """Samples that wait."""

    @property
    def nbytes(self) -> int:
        """Size of what is kept."""

    @property
    def persistent(self) -> bool:
        """Whether what waits would survive this process."""

    def append(self, tick: Sequence[Batch]) -> None:
        """Add the batches of one tick, all or none; the oldest make room."""

    def peek(self, now: float) -> Batch | None:
        """Return the oldest batch that is not too old at `now`; the same object until it is done with."""

    def ack(self, batch: Batch) -> None:
        """Drop what `peek` returned: it is done with. Nothing happens if it was dropped meanwhile."""

    def last_tick(self, scheduler: str) -> float | None:
        """Return the newest tick that was added, None for none known."""

    def close(self) -> None:
        """Give back what is held open."""


class MemorySpool:
    """Keeps batches in memory.

    Args:
        max_bytes: of bodies at most; the oldest are dropped beyond.
        max_age: seconds after its tick at which a batch is dropped.
        dropped: is told what was.
    """

    persistent = False

    def __init__(self, max_bytes: int, max_age: float, dropped: Dropped) -> None:
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._dropped = dropped
        self._batches: deque[Batch] = deque()
        self._ticks: dict[str, float] = {}
        self.samples = 0
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._batches)

    def append(self, tick: Sequence[Batch]) -> None:
        """Add the batches of one tick; the oldest make room."""
        for batch in tick:
            self._batches.append(batch)
            self.samples += batch.samples
            self.nbytes += len(batch.body)
            self._ticks[batch.scheduler] = batch.at
        while self.nbytes > self._max_bytes and len(self._batches) > len(tick):
            self._dropped("spool_full", self._pop().samples)

    def peek(self, now: float) -> Batch | None:
        """Return the oldest batch that is not too old at `now`."""
        while self._batches and now - self._batches[0].at > self._max_age:
            self._dropped("expired", self._pop().samples)
        return self._batches[0] if self._batches else None

    def ack(self, batch: Batch) -> None:
        """Drop the oldest batch if it is this one: it is done with."""
        if self._batches and self._batches[0] is batch:
            self._pop()

    def ticks(self) -> list[list[Batch]]:
        """Return what waits, tick by tick."""
        found: list[list[Batch]] = [[]]
        for batch in self._batches:
            found[-1].append(batch)
            if batch.last:
                found.append([])
        return [tick for tick in found if tick]

    def last_tick(self, scheduler: str) -> float | None:
        """Return the newest tick that was added in this process."""
        return self._ticks.get(scheduler)

    def close(self) -> None:
        """Do nothing: what is in memory ends with the process."""

    def _pop(self) -> Batch:
        batch = self._batches.popleft()
        self.samples -= batch.samples
        self.nbytes -= len(batch.body)
        return batch
