"""The history of one query: its series on a grid of time, the last so many columns of it.

Values live in blocks (`geometry`, `block`), owners of rows in a log (`label_log`). Any thread may call; a
lock is held for one stretch of one block at a time, so that a fit that reads does not make a tick late.
"""

import logging
import math
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import numpy as np

from specter_detector.models.arrays import Floats, Ints
from specter_detector.series import History, Labels
from specter_detector.store.block import STRETCH, Block
from specter_detector.store.blocks import Blocks, last_known
from specter_detector.store.label_log import NoLog, Owner, Owners
from specter_detector.store.medium import Medium, MemoryMedium
from specter_detector.store.ring_file import open_ring_file
from specter_detector.store.rows import NOBODY, Rows, stretches

LOGGER = logging.getLogger(__name__)
MAX_SERIES = 100_000


class Ring:
    """See the module; made by `open` or `in_memory`."""

    def __init__(
        self,
        medium: Medium,
        owners: Owners,
        *,
        step: float,
        capacity: int,
        max_series: int = MAX_SERIES,
        blocks: Iterable[Block] = (),
        known: Mapping[int, Owner] | None = None,
    ) -> None:
        self.step = step
        self.capacity = capacity
        self._medium = medium
        self._owners = owners
        self._blocks = Blocks(medium, capacity, list(blocks))
        self._rows = Rows(known or {}, max_series)
        self._lock = threading.RLock()
        self._newest = self._blocks.newest()
        if self._newest:
            self._recover()

    @classmethod
    def open(
        cls,
        folder: Path,
        name: str,
        *,
        step: float,
        capacity: int,
        identity: str,
        max_series: int = MAX_SERIES,
    ) -> Self:
        """Open `folder/NAME.ring`, making it where it is not there.

        A file that is damaged, of another version, or of another query is set aside, with a line in the log.

        Args:
            folder: exists.
            name: of the files.
            step: seconds between two columns.
            capacity: columns, at least 1.
            identity: whatever makes values belong together: expression, offset, step, time zone.
            max_series: rows there may be.

        Raises:
            StoreError: the file system refuses; `in_memory` is a way to go on.
        """
        file = open_ring_file(folder / f"{name}.ring", step=step, capacity=capacity, identity=identity)
        return cls(
            file.medium,
            file.log,
            step=step,
            capacity=capacity,
            max_series=max_series,
            blocks=file.blocks,
            known=file.log.rows,
        )

    @classmethod
    def in_memory(cls, name: str, *, step: float, capacity: int, max_series: int = MAX_SERIES) -> Self:
        """Return an empty one that has no file and is gone with the process."""
        return cls(MemoryMedium(name), NoLog(), step=step, capacity=capacity, max_series=max_series)

    # --- what is there ---

    @property
    def newest(self) -> float | None:
        """The Unix time (s) of the newest column, None while there is none."""
        return self._newest * self.step if self._newest else None

    @property
    def labels(self) -> tuple[Labels, ...]:
        """The series, in the order in which they lie: neighbours are read together fastest."""
        with self._lock:
            return tuple(self._rows.labels())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, labels: object) -> bool:
        return labels in self._rows

    def last_seen(self, labels: Labels) -> float | None:
        """Return the Unix time (s) of the last value of a series, None where it has none."""
        with self._lock:
            row = self._rows.row(labels)
            seen = -1 if row < 0 else int(self._rows.seen[row])
        return None if seen < 0 else seen * self.step

    def vanished(self, before: float) -> list[Labels]:
        """Return the series without a value at or after Unix time `before` (s)."""
        with self._lock:
            labels = self._rows.labels()
            seen = self._rows.seen[self._rows.of(labels)] * self.step
        return [each for each, last in zip(labels, seen.tolist(), strict=True) if last < before]

    def gaps(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return the stretches of `start` to `end` (Unix s, inclusive) that were never filled.

        Each has its first and last time on the grid. Times that no column is left for are not counted.
        """
        first, last = self._columns(start, end)
        first = max(first, last - self.capacity + 1)
        if first > last:
            return []
        with self._lock:
            missing = self._blocks.missing(first, last).tolist()
        return [(begin * self.step, until * self.step) for begin, until in stretches(missing)]

    def history(self, start: float, end: float, labels: Iterable[Labels] | None = None) -> History:
        """Return copies of the values from `start` to `end` (Unix s, inclusive), NaN where there is nothing.

        Args:
            start: of the grid's times at or behind it.
            end: of the grid's times at or before it.
            labels: which series, in which order; None for all, in the order of `labels`.
        """
        chosen = self.labels if labels is None else tuple(labels)
        first, last = self._columns(start, end)
        columns = np.arange(first, last + 1)
        values = np.full((len(chosen), columns.size), np.nan)
        low, high = max(first, self._newest - self.capacity + 1), min(last, self._newest)
        if chosen and low <= high:
            self._read(chosen, low, high, values[:, low - first : high - first + 1])
        return History(np.asarray(columns * self.step, np.float64), chosen, values)

    # --- changes ---

    def append(self, at: float, samples: Mapping[Labels, float]) -> int:
        """Take all that the source has at Unix time `at` (s), so that what lacks is known to be absent.

        Columns between the newest and `at` stay unfilled. In one that is there, only NaN is overwritten. One
        that is older than the whole history means that the clock had been ahead: what it wrote is dropped.

        Returns:
            The number of series that found no place.

        Raises:
            ValueError: `at` is no multiple of the step.
            StoreError: the file system refuses; the column counts as unfilled.
        """
        column = self._column(at)
        known = {labels: value for labels, value in samples.items() if not math.isnan(value)}
        values = np.fromiter(known.values(), np.float64, len(known))
        with self._lock:
            if column <= self._newest - self.capacity:
                self._drop_after(column)
            if column <= self._newest:
                return self._merge(column, tuple(known), values[:, None], complete=True)
            return self._append(column, tuple(known), values)

    def write(self, history: History, *, complete: bool = True) -> int:
        """Fill what is not known with `history`, whose times follow each other on the grid.

        Times that no column is left for are passed over.

        Args:
            history: as a reader returns it.
            complete: whether it has all series that the source has, so that its times count as filled.

        Returns:
            The number of series that found no place.

        Raises:
            ValueError: the times are no stretch of the grid.
            StoreError: the file system refuses; its times count as unfilled.
        """
        if not history.times.size:
            return 0
        first, last = self._column(float(history.times[0])), self._column(float(history.times[-1]))
        if last - first + 1 != history.times.size:
            raise ValueError(f"the times of a history follow each other on multiples of {self.step:g} s")
        with self._lock:
            skipped = max(0, max(self._newest, last) - self.capacity + 1 - first)
            values = history.values[:, skipped:]
            if not values.shape[1]:
                return 0
            return self._merge(first + skipped, history.labels, values, complete=complete)

    def forget(self, labels: Iterable[Labels]) -> None:
        """Drop series; their rows are given to others.

        Raises:
            StoreError: the file system refuses; nothing was dropped.
        """
        with self._lock:
            gone = [each for each in dict.fromkeys(labels) if each in self._rows]
            self._owners.record(dict.fromkeys(self._rows.of(gone).tolist()))
            self._rows.release(gone)

    def flush(self) -> None:
        """Wait until everything is on the disk: a power cut costs what came after."""
        self._owners.sync()
        self._medium.sync()

    def close(self) -> None:
        """Give back the files."""
        with self._lock:
            self._owners.close()
            self._medium.close()

    # --- inside; the lock is held, but for `_read` ---

    def _append(self, column: int, labels: tuple[Labels, ...], values: Floats) -> int:
        rows = self._rows.of(labels)
        new = self._admit(rows, np.flatnonzero(rows < 0), labels, column)
        self._owners.record(new)
        self._rows.assign(new)
        placed = rows >= 0
        if (self._rows.since[rows[placed]] > column).any():
            self._limit_since()  # one joined at a later column that could not be written
        cells = np.full(self._blocks.rows, np.nan)
        cells[rows[placed]] = values[placed]
        self._blocks.put(column, cells, self._owners.records)
        self._newest = column
        self._rows.saw(rows[placed], column)
        return int((~placed).sum())

    def _merge(self, first: int, labels: tuple[Labels, ...], values: Floats, *, complete: bool) -> int:
        end = first + values.shape[1] - 1
        rows, known = self._rows.of(labels), ~np.isnan(values)
        something = known.any(axis=1)
        self._admit(rows, np.flatnonzero((rows < 0) & something), labels, first)
        lost = int(((rows < 0) & something).sum())
        chosen = np.where(something, rows, -1)
        since, changes, last = self._claims(first, end, labels, chosen)
        records = self._owners.records
        self._blocks.merge(first, last, chosen, values, since, records=records, complete=complete)
        # Only now: a crash before leaves values that nobody owns in columns that count as unfilled.
        self._owners.record(changes)
        self._rows.assign(changes)
        if complete:
            self._blocks.mark_looked(first, end)
        if complete or something.any():
            self._newest = max(self._newest, end)
        placed = chosen >= 0
        self._rows.saw(chosen[placed], last_known(known[placed], first))
        self._tell_damage()
        return lost

    def _admit(self, rows: Ints, strangers: Ints, labels: tuple[Labels, ...], since: int) -> dict[int, Owner]:
        """Put vacant rows into the places `strangers` of `rows`, as far as there are any, and make room."""
        vacant = self._rows.vacant(strangers.size)
        rows[strangers[: len(vacant)]] = vacant
        self._blocks.grow(max(1, int(rows.max(initial=0)) + 1), self._newest + 1)
        return {
            row: Owner(labels[index], since) for row, index in zip(vacant, strangers.tolist(), strict=False)
        }

    def _claims(
        self, first: int, last: int, labels: tuple[Labels, ...], rows: Ints
    ) -> tuple[Ints, dict[int, Owner], int]:
        """Return what a merge of `first` to `last` has to remove.

        Returns:
            By row, the column before which values are another series'; the owners whose values begin at
            `first` afterwards; and the last column in which there may be something to remove.
        """
        since = np.zeros(self._blocks.rows, np.int64)
        known = self._rows.since[: since.size]
        since[: known.size] = known
        changes: dict[int, Owner] = {}
        for index in np.flatnonzero(rows >= 0).tolist():
            row = int(rows[index])
            if labels[index] not in self._rows:
                since[row], last = NOBODY, max(last, self._newest)
            elif since[row] > first:
                last = max(last, int(since[row]) - 1)
            else:
                continue
            changes[row] = Owner(labels[index], first)
        return since, changes, last

    def _drop_after(self, column: int) -> None:
        LOGGER.warning(
            "%s: the clock was ahead: the newest column is %.0f s in the future, and is dropped",
            self._medium.path, (self._newest - column) * self.step,
        )  # fmt: skip
        self._blocks.drop_after(column)
        self._newest = self._blocks.newest()
        self._rows.seen[:] = np.minimum(self._rows.seen, self._newest)
        self._limit_since()

    def _limit_since(self) -> None:
        """Nothing is behind the newest column, so no row's values can begin later than there."""
        limit = self._newest + 1
        late = {
            row: Owner(owner.labels, limit)
            for row, owner in self._rows.owners().items()
            if owner.since > limit
        }
        self._owners.record(late)
        self._rows.assign(late)

    def _read(self, labels: tuple[Labels, ...], first: int, last: int, out: Floats) -> None:
        with self._lock:
            rows = self._rows.of(labels)
            numbers = self._blocks.numbers(rows)
        for number in numbers:
            for start in range(first, last + 1, STRETCH):
                with self._lock:
                    self._blocks.check(start, min(last, start + STRETCH - 1), number)
            with self._lock:
                # A row may have been given away meanwhile.
                still = np.where(self._rows.of(labels) == rows, rows, -1)
                mine, values = self._blocks.read(number, first, last, still, self._rows.since)
                out[mine] = values
        with self._lock:
            self._tell_damage()

    def _recover(self) -> None:
        """Find out what a crash left: check the newest column, and see when each series was last there."""
        self._blocks.check(self._newest, self._newest)
        self._limit_since()
        oldest = max(1, self._newest - self.capacity + 1)
        last, length = self._newest, 1
        rows = self._rows.unseen()
        while rows.size and last >= oldest:
            first = max(oldest, last - length + 1)
            self._rows.saw(rows, self._blocks.last_columns(first, last, rows, self._rows.since))
            rows = self._rows.unseen()
            last, length = first - 1, min(STRETCH, length * 4)
        self._tell_damage()

    def _tell_damage(self) -> None:
        damaged = self._blocks.take_damage()
        if damaged:
            LOGGER.warning(
                "%s: %d of %d columns are damaged; they count as gaps, to be read from the source again",
                self._medium.path, damaged, self.capacity,
            )  # fmt: skip

    def _columns(self, start: float, end: float) -> tuple[int, int]:
        return math.ceil(round(start / self.step, 6)), math.floor(round(end / self.step, 6))

    def _column(self, at: float) -> int:
        column = round(at / self.step)
        if abs(at / self.step - column) > 1e-6 or column < 1:
            raise ValueError(f"{at:.3f} is no time of the grid of {self.step:g} s")
        return column
