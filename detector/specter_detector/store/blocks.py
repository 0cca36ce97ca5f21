"""All blocks of a history as one: rows by columns."""

from collections.abc import Iterator

import numpy as np

from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.store.block import STRETCH, Block
from specter_detector.store.geometry import Geometry
from specter_detector.store.medium import Medium


class Blocks:
    """The blocks in `medium`, more of them as there are more rows.

    The first block is written last: what it says of a column holds for all.
    """

    def __init__(self, medium: Medium, capacity: int, blocks: list[Block]) -> None:
        self._medium = medium
        self._geometry = Geometry(capacity)
        self._blocks = blocks

    @property
    def rows(self) -> int:
        """The number of rows there is room for."""
        return self._blocks[-1].first + self._blocks[-1].width if self._blocks else 0

    def newest(self) -> int:
        """Return the newest column there is, 0 for none."""
        return max((block.newest() for block in self._blocks), default=0)

    def grow(self, rows: int, born: int) -> None:
        """Add blocks until there are `rows` rows; nothing lacks of the new ones before column `born`."""
        while self.rows < rows:
            number = len(self._blocks)
            self._medium.extend(self._geometry.file_bytes(number + 1))
            block = Block(self._medium, self._geometry, number)
            block.begin(born)
            self._blocks.append(block)

    def put(self, column: int, cells: Floats, records: int) -> None:
        """Write (rows,) `cells` as a column behind the newest, all that the source has of it."""
        for block in reversed(self._blocks):
            part = cells[block.first : block.first + block.width]
            block.put(column, part, looked=block.number == 0, records=records)

    def merge(
        self, first: int, last: int, rows: Ints, values: Floats, since: Ints, *, records: int, complete: bool
    ) -> None:
        """Fill what is not known of the columns from `first` to `last`.

        Args:
            first: column.
            last: column, included.
            rows: of `values`.
            values: (rows, columns), NaN where there is nothing to add; columns that lack have nothing.
            since: by row, the column before which values are another series', to be removed.
            records: number of label records.
            complete: whether all columns get an entry, wherever `rows` are.
        """
        for block, mine in reversed([*self._having(rows)]):
            whose = since[block.first : block.first + block.width]
            for start in range(first, last + 1, STRETCH):
                end = min(last, start + STRETCH - 1)
                if mine.size:
                    part = np.full((end - start + 1, block.width), np.nan)
                    some = values[mine, start - first : end - first + 1].T
                    part[: len(some), rows[mine] - block.first] = some
                    block.merge(start, part, whose, records)
                elif complete:
                    block.mark_known(start, end, records)

    def mark_looked(self, first: int, last: int) -> None:
        """Note that everything the source has of these columns is here."""
        self._blocks[0].mark_looked(first, last)

    def missing(self, first: int, last: int) -> Ints:
        """Return the columns, ascending, of which that cannot be said."""
        columns = np.arange(first, last + 1)
        if not self._blocks:
            return columns
        filled = self._blocks[0].looked(first, last)
        for block in self._blocks[1:]:
            filled &= block.known(first, last) | (columns < block.born)
        return columns[~filled]

    def check(self, first: int, last: int, number: int | None = None) -> None:
        """Compare the cells of at most `STRETCH` columns, of one block or of all, with their checksums."""
        for block in self._blocks if number is None else (self._blocks[number],):
            block.check(first, last)

    def numbers(self, rows: Ints) -> list[int]:
        """Return the numbers of the blocks that `rows` lie in."""
        return [block.number for block, mine in self._having(rows) if mine.size]

    def read(self, number: int, first: int, last: int, rows: Ints, since: Ints) -> tuple[Ints, Floats]:
        """Return which of `rows` lie in block `number`, and (those, columns) their values, once checked.

        Args:
            number: of the block.
            first: column.
            last: column, included.
            rows: -1 for none.
            since: by row, the column before which values are another series'.
        """
        block = self._blocks[number]
        mine = np.flatnonzero((rows >= block.first) & (rows < block.first + block.width))
        chosen = rows[mine]
        return mine, block.read(first, last, chosen - block.first, since[chosen])

    def last_columns(self, first: int, last: int, rows: Ints, since: Ints) -> Ints:
        """Return the last column of `first` to `last`, at most `STRETCH`, with a value of each row, or -1."""
        found = np.full(rows.size, -1)
        for number in self.numbers(rows):
            self.check(first, last, number)
            mine, values = self.read(number, first, last, rows, since)
            found[mine] = last_known(~np.isnan(values), first)
        return found

    def drop_after(self, column: int) -> None:
        """Forget every column behind `column`."""
        for block in self._blocks:
            block.drop_after(column)

    def take_damage(self) -> int:
        """Let the columns that were found damaged be missing, and return how many that are."""
        places = set[int]().union(*(block.damaged for block in self._blocks))
        for block in self._blocks:
            block.damaged.clear()
        for place in places:
            self._blocks[0].unmark(place)
        return len(places)

    def _having(self, rows: Ints) -> Iterator[tuple[Block, Ints]]:
        """Yield each block, and the indexes of those of `rows` that lie in it."""
        for block in self._blocks:
            yield block, np.flatnonzero((rows >= block.first) & (rows < block.first + block.width))


def last_known(known: Bools, first: int) -> Ints:
    """Return the last column where (rows, columns) `known` is true, -1 for none; `first` is the first."""
    last = first + known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), last, -1)
