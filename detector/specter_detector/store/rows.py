"""Which series has which row of a history, since when, and when it was last seen."""

import heapq
import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from specter_detector.models.arrays import Ints
from specter_detector.series import Labels
from specter_detector.store.label_log import Owner

NOBODY = np.iinfo(np.int64).max


class Rows:
    """Rows of series, those that came free first.

    Args:
        owners: by row.
        most: rows there may be.

    Attributes:
        since: by row, the column before which values are another series'.
        seen: by row, the last column with a value, -1 for none.
    """

    def __init__(self, owners: Mapping[int, Owner], most: int) -> None:
        self._most = most
        self._row: dict[Labels, int] = {}
        self.since: Ints = np.zeros(0, np.int64)
        self.seen: Ints = np.zeros(0, np.int64)
        self._next = max(owners, default=-1) + 1
        self._free = sorted(set(range(self._next)) - owners.keys())
        self.assign(owners)

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, labels: object) -> bool:
        return labels in self._row

    def labels(self) -> list[Labels]:
        """Return the series, in the order of their rows."""
        return sorted(self._row, key=self._row.__getitem__)

    def of(self, labels: Iterable[Labels]) -> Ints:
        """Return the row of each series, -1 for one that has none."""
        get = self._row.get
        return np.array([get(each, -1) for each in labels], np.int64)

    def row(self, labels: Labels) -> int:
        """Return the row of a series, -1 where it has none."""
        return self._row.get(labels, -1)

    def vacant(self, count: int) -> list[int]:
        """Return up to `count` rows that nobody has, lowest first; they stay vacant."""
        free = heapq.nsmallest(count, self._free)
        beyond = range(self._next, min(self._most, self._next + count - len(free)))
        return [*(row for row in free if row < self._most), *beyond]

    def assign(self, owners: Mapping[int, Owner]) -> None:
        """Give rows to their owners; for one that has it already, the column since when changes."""
        if not owners:
            return
        self._grow(max(owners) + 1)
        self._next = max(self._next, max(owners) + 1)
        taken = owners.keys() & set(self._free)
        if taken:
            self._free = [row for row in self._free if row not in taken]
            heapq.heapify(self._free)
        for row, owner in owners.items():
            if self._row.get(owner.labels) != row:
                self._row[owner.labels] = row
                self.seen[row] = -1
            self.since[row] = owner.since

    def release(self, labels: Iterable[Labels]) -> None:
        """Take the rows of `labels` away."""
        for each in labels:
            heapq.heappush(self._free, self._row.pop(each))

    def saw(self, rows: Ints, column: Ints | int) -> None:
        """Note that `rows` have values at `column`, or at as many columns."""
        self.seen[rows] = np.maximum(self.seen[rows], column)

    def owners(self) -> dict[int, Owner]:
        """Return the owners, by row."""
        return {row: Owner(labels, int(self.since[row])) for labels, row in self._row.items()}

    def unseen(self) -> Ints:
        """Return the rows that have an owner and no value."""
        rows = np.array(sorted(self._row.values()), np.int64)
        return rows[self.seen[rows] < 0]

    def _grow(self, rows: int) -> None:
        more = rows - self.since.size
        if more > 0:
            more = max(more, self.since.size)
            self.since = np.concatenate([self.since, np.full(more, NOBODY)])
            self.seen = np.concatenate([self.seen, np.full(more, -1)])


def stretches(columns: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of neighbours in ascending `columns`."""
    found = []
    for _, group in itertools.groupby(enumerate(columns), lambda each: each[1] - each[0]):
        run = [column for _, column in group]
        found.append((run[0], run[-1]))
    return found
