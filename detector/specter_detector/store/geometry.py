"""Where what lies in a history file: blocks of series, in each a cell a column.

Block 0 and 1 hold 8 series each, every further one as many as all before it, up to 512. So growth never
moves anything, a query of five series does not pay for five hundred, and the 512 series of a batch lie
together: a fit reads one stretch of the file, and a tick writes one page a block.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from specter_detector.store.medium import ALIGNMENT

SMALLEST, LARGEST = 8, 512
PAGE = 4096
HEADER = ALIGNMENT
"""Bytes before the first block."""

ENTRY = np.dtype(
    [
        ("column", "<i8"),
        ("crc", "<u4"),
        ("before", "<u4"),
        ("flags", "<u4"),
        ("records", "<u4"),
        ("check", "<u8"),
    ]
)
"""What the table of a block says of a cell; all zeros for a cell that was never written.

column: number of the column, that is Unix time over step, whose values the cell holds.
crc, before: CRC-32 of column and cell, as they are and as they were before the last change.
flags: see `FILLED`, `LOOKED`.
records: in block 0, how many records of labels there were.
check: of the rest of the entry.
"""

FILLED = 1
"""The cell has values; without it there is nothing, whatever the bytes are."""

LOOKED = 2
"""In block 0: the source was asked for this column, and everything it had is here."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes that follow from the number of columns."""

    capacity: int

    @property
    def table(self) -> int:
        """Bytes of the table of a block."""
        return self.capacity * ENTRY.itemsize

    def cells(self) -> int:
        """Return the offset of the cells in a block."""
        return _up(PAGE + self.table, PAGE)

    def block_bytes(self, number: int) -> int:
        """Return the bytes of block `number`."""
        return _up(self.cells() + self.capacity * width(number) * 8, ALIGNMENT)

    def file_bytes(self, blocks: int) -> int:
        """Return the bytes of a file with `blocks` blocks."""
        return HEADER + sum(self.block_bytes(number) for number in range(blocks))

    def blocks_in(self, size: int) -> int | None:
        """Return how many blocks a file of `size` bytes has; None where it ends inside one."""
        blocks, end = 0, HEADER
        while end < size:
            end += self.block_bytes(blocks)
            blocks += 1
        return blocks if end == size else None


def width(number: int) -> int:
    """Return the number of series of block `number`."""
    return SMALLEST if number == 0 else min(LARGEST, SMALLEST << min(number - 1, 16))


def first_row(number: int) -> int:
    """Return the row at which block `number` begins."""
    doubling = (LARGEST // SMALLEST).bit_length()
    if number <= doubling:
        return 0 if number == 0 else width(number)
    return LARGEST * (number - doubling + 1)


def blocks_for(rows: int) -> int:
    """Return how many blocks hold `rows` series."""
    number = 0
    while first_row(number) < rows:
        number += 1
    return number


def ring_bytes(series: int, capacity: int) -> int:
    """Return the largest size (bytes) of the history of `series` series and `capacity` columns."""
    return Geometry(capacity).file_bytes(blocks_for(series))


def runs(first: int, last: int, capacity: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Yield column, place and length of stretches that lie together, from column `first` to `last`.

    Args:
        first: column.
        last: column, included; at most `capacity` columns in all.
        capacity: places.
        most: columns of a stretch.
    """
    column = first
    while column <= last:
        place = column % capacity
        length = min(last - column + 1, capacity - place, most)
        yield column, place, length
        column += length


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
