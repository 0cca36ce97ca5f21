"""One block of a history file: up to 512 series, one cell a column, one entry of a table a cell.

The entry is written before the cell and knows the checksum of both, the old content and the new. So
whenever the process dies, each cell is as it was, as it should be, or known to be neither.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.store.errors import CorruptError
from specter_detector.store.geometry import ENTRY, FILLED, LOOKED, PAGE, Geometry, first_row, runs, width
from specter_detector.store.medium import Medium, raw

MAGIC = b"SPBLOCK1"
HEAD = struct.Struct("<8sIIqI")
STRETCH = 256
"""Columns worked on at a time: up to a megabyte."""

TILE = 32
"""Columns turned at a time, so that both sides of the copy stay in the cache."""

Entries = NDArray[np.void]


class Block:
    """Block `number` of `medium`.

    Attributes:
        width: number of series.
        first: row of the first.
        born: column from which on every column that was looked at has an entry here.
        damaged: columns that were found damaged and forgotten, until someone takes them.
    """

    def __init__(self, medium: Medium, geometry: Geometry, number: int) -> None:
        self.number = number
        self.width = width(number)
        self.first = first_row(number)
        self.born = 0
        self.damaged: set[int] = set()
        self._medium = medium
        self._capacity = geometry.capacity
        self._offset = geometry.file_bytes(number)
        self._cells_at = geometry.cells()
        memory = medium.window(self._offset, geometry.block_bytes(number))
        self._head = memory[: HEAD.size]
        self._table: Entries = memory[PAGE : PAGE + geometry.table].view(ENTRY)
        end = self._cells_at + geometry.capacity * self.width * 8
        self._cells = memory[self._cells_at : end].view("<f8").reshape(geometry.capacity, self.width)
        self._sound = np.zeros(geometry.capacity, np.bool_)

    def begin(self, born: int) -> None:
        """Write the header of a new block."""
        self.born = born
        head = HEAD.pack(MAGIC, self.number, self.width, born, 0)[:-4]
        self._medium.write(self._offset, head + struct.pack("<I", zlib.crc32(head)))

    def load(self) -> bool:
        """Read the header and check the table, forgetting entries that are damaged.

        Returns:
            False for a block whose header was never written: the process died while it was made.

        Raises:
            CorruptError: the header is damaged.
        """
        head = self._head.tobytes()
        if not any(head):
            return False
        magic, number, size, born, crc = HEAD.unpack(head)
        if (magic, number, size, crc) != (MAGIC, self.number, self.width, zlib.crc32(head[:-4])):
            raise CorruptError(f"the header of block {self.number} is damaged")
        self.born = born
        for place in np.flatnonzero(_checks(self._table) != self._table["check"]).tolist():
            self._drop(place)
        return True

    # --- what is there ---

    def known(self, first: int, last: int) -> Bools:
        """Tell for each column from `first` to `last` whether there is an entry of it."""
        known: Bools = self._entries(first, last)["column"] == np.arange(first, last + 1)
        return known

    def looked(self, first: int, last: int) -> Bools:
        """Tell for each column whether the source was asked for it; of block 0 only."""
        entries = self._entries(first, last)
        mine: Bools = entries["column"] == np.arange(first, last + 1)
        return mine & (entries["flags"] & LOOKED > 0)

    def newest(self) -> int:
        """Return the newest column there is an entry of, 0 for none."""
        return int(self._table["column"].max())

    def records(self) -> int:
        """Return the largest number of label records that an entry knows of."""
        return int(self._table["records"].max())

    def check(self, first: int, last: int) -> None:
        """Compare the cells of these columns, at most `STRETCH`, with their checksums: once a process."""
        for column, place, length in runs(first, last, self._capacity, STRETCH):
            stretch = slice(place, place + length)
            entries = self._table[stretch]
            mine = (entries["column"] == np.arange(column, column + length)) & (entries["flags"] & FILLED > 0)
            crcs, befores = entries["crc"].tolist(), entries["before"].tolist()
            for index in np.flatnonzero(mine & ~self._sound[stretch]).tolist():
                if _crc(column + index, self._cells[place + index]) in (crcs[index], befores[index]):
                    self._sound[place + index] = True
                else:
                    self._drop(place + index)

    def read(self, first: int, last: int, rows: Ints, since: Ints) -> Floats:
        """Return (rows, columns) copies of what has been checked.

        Args:
            first: column.
            last: column, included.
            rows: of this block, counted from its first.
            since: (rows,) column before which there is another series' past.
        """
        out = np.empty((len(rows), last - first + 1))
        contiguous = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        chosen = slice(int(rows[0]), int(rows[-1]) + 1) if contiguous else rows
        for column, place, length in runs(first, last, self._capacity, TILE):
            begin = column - first
            out[:, begin : begin + length] = self._cells[place : place + length, chosen].T
        out[:, ~self._readable(first, last)] = np.nan
        if since.size and int(since.max()) > first:
            out[np.arange(first, last + 1) < since[:, None]] = np.nan
        return out

    # --- changes ---

    def put(self, column: int, values: Floats, *, looked: bool, records: int) -> None:
        """Write (width,) `values` as the cell of `column`, of which there is no entry."""
        self._write(column, values[None], looked=looked, records=records)

    def merge(self, first: int, values: Floats, since: Ints, records: int) -> None:
        """Fill what is not known of the columns from `first` on with (columns, width) `values`.

        Args:
            first: column.
            values: at most `STRETCH` columns; NaN where there is nothing to add.
            since: (width,) column before which values belong to another series, and are removed.
            records: number of label records.
        """
        self.check(first, first + len(values) - 1)
        for column, place, length in runs(first, first + len(values) - 1, self._capacity, STRETCH):
            readable = self._readable(column, column + length - 1)
            there = np.where(readable[:, None], self._cells[place : place + length], np.nan)
            there[np.arange(column, column + length)[:, None] < since] = np.nan
            new = values[column - first : column - first + length]
            self._write(column, np.where(np.isnan(there), new, there), looked=None, records=records)

    def mark_known(self, first: int, last: int, records: int) -> None:
        """Note that there is nothing of these columns where there is no entry, at most `STRETCH`."""
        for column in (first + np.flatnonzero(~self.known(first, last))).tolist():
            self._write(column, np.full((1, self.width), np.nan), looked=None, records=records)

    def mark_looked(self, first: int, last: int) -> None:
        """Note that the source was asked for these columns; of block 0 only, and all have entries."""
        for _, place, length in runs(first, last, self._capacity, STRETCH):
            entries = self._table[place : place + length].copy()
            entries["flags"] |= LOOKED
            self._write_entries(place, entries)

    def unmark(self, column: int) -> None:
        """Note that the source has to be asked again for what lies in the place of `column`; of block 0."""
        place = column % self._capacity
        entries = self._table[place : place + 1].copy()
        entries["flags"] &= ~np.uint32(LOOKED)
        self._write_entries(place, entries)

    def drop_after(self, column: int) -> None:
        """Forget every column behind `column`."""
        for place in np.flatnonzero(self._table["column"] > column).tolist():
            self._medium.write(self._place(place), bytes(ENTRY.itemsize))
            self._sound[place] = False

    # --- inside ---

    def _entries(self, first: int, last: int) -> Entries:
        places = np.arange(first, last + 1) % self._capacity
        return self._table[places]

    def _readable(self, first: int, last: int) -> Bools:
        entries = self._entries(first, last)
        mine: Bools = entries["column"] == np.arange(first, last + 1)
        return mine & (entries["flags"] & FILLED > 0)

    def _write(self, column: int, values: Floats, *, looked: bool | None, records: int) -> None:
        """Write the cells of columns that lie together, their entries first.

        Args:
            column: the first.
            values: (columns, width); no cell is written for one of NaN only.
            looked: whether the source was asked; None for as it was.
            records: number of label records.
        """
        place, length = column % self._capacity, len(values)
        stretch = slice(place, place + length)
        numbers = np.arange(column, column + length)
        mine = self._table["column"][stretch] == numbers
        flags = np.where(mine, self._table["flags"][stretch], 0)
        # What was filled stays so: its cell may hold what has to be removed.
        filled = ~np.isnan(values).all(axis=1) | (flags & FILLED > 0)
        values = np.ascontiguousarray(values, "<f8")
        entries = np.zeros(length, ENTRY)
        entries["column"], entries["records"] = numbers, records
        entries["crc"] = [
            _crc(column + index, cell) if some else 0
            for index, (cell, some) in enumerate(zip(values, filled.tolist(), strict=True))
        ]
        entries["before"] = np.where(flags & FILLED > 0, self._table["crc"][stretch], entries["crc"])
        entries["flags"] = np.where(filled, FILLED, 0)
        entries["flags"] |= (flags & LOOKED) if looked is None else np.uint32(LOOKED * looked)
        self._sound[stretch] = False
        self._write_entries(place, entries)
        some = np.flatnonzero(filled)
        if some.size:
            # Cells of nothing in between are written too: one call instead of many.
            begin, end = int(some[0]), int(some[-1]) + 1
            at = self._offset + self._cells_at + (place + begin) * self.width * 8
            self._medium.write(at, raw(values[begin:end]))
        self._sound[stretch] = True

    def _write_entries(self, place: int, entries: Entries) -> None:
        entries["check"] = _checks(entries)
        self._medium.write(self._place(place), raw(entries))

    def _place(self, place: int) -> int:
        return self._offset + PAGE + place * ENTRY.itemsize

    def _drop(self, place: int) -> None:
        self.damaged.add(place)
        self._medium.write(self._place(place), bytes(ENTRY.itemsize))
        self._sound[place] = False


def _crc(column: int, cell: Floats) -> int:
    return zlib.crc32(cell.data, column & 0xFFFFFFFF)


def _checks(entries: Entries) -> NDArray[np.uint64]:
    """Return a hash of each entry that differs whenever one of its three words does; 0 for zeros.

    Multiplications by odd numbers and shifted xors, both of which can be undone, so none of them loses a bit.
    """
    words = [
        entries["column"].astype(np.uint64),
        entries["crc"].astype(np.uint64) << np.uint64(32) | entries["before"],
        entries["flags"].astype(np.uint64) << np.uint64(32) | entries["records"],
    ]
    mixed = np.zeros(len(entries), np.uint64)
    for word in words:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed
