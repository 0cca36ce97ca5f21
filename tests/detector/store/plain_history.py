"""What a ring should hold, kept in dictionaries: the reference of the tests."""

from collections.abc import Mapping

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.series import History, Labels, labels_of
from specter_detector.store.ring import Ring

STEP = 300.0


def series(number: int) -> Labels:
    """Return the labels of one of many series."""
    return labels_of({"__name__": "load", "pod": f"pod-{number}"})


class PlainHistory:
    """The same calls as a ring's, with columns instead of times."""

    def __init__(self, capacity: int, max_series: int) -> None:
        self.capacity = capacity
        self.max_series = max_series
        self.newest = 0
        self.values: dict[Labels, dict[int, float]] = {}
        self.filled: set[int] = set()

    def append(self, column: int, samples: Mapping[Labels, float]) -> int:
        columns = {labels: {column: value} for labels, value in samples.items()}
        return self._take(columns, {column}, max(self.newest, column))

    def write(self, history: History, *, complete: bool) -> int:
        numbers = np.rint(history.times / STEP).astype(int).tolist()
        columns = {
            labels: dict(zip(numbers, row.tolist(), strict=True))
            for labels, row in zip(history.labels, history.values, strict=True)
        }
        anything = bool((~np.isnan(history.values)).any())
        newest = max(self.newest, numbers[-1]) if complete or anything else self.newest
        return self._take(columns, set(numbers) if complete else set(), newest)

    def forget(self, labels: Labels) -> None:
        self.values.pop(labels, None)

    def _take(self, columns: Mapping[Labels, Mapping[int, float]], filled: set[int], newest: int) -> int:
        left_out = 0
        for labels, row in columns.items():
            known = {
                column: value
                for column, value in row.items()
                if not np.isnan(value) and column > newest - self.capacity
            }
            if not known:
                continue
            if labels not in self.values and len(self.values) == self.max_series:
                left_out += 1
                continue
            mine = self.values.setdefault(labels, {})
            self.values[labels] = known | mine
        self.filled |= filled
        self.newest = newest
        oldest = newest - self.capacity + 1
        self.filled = {column for column in self.filled if column >= oldest}
        for labels, mine in self.values.items():
            self.values[labels] = {column: value for column, value in mine.items() if column >= oldest}
        return left_out

    def window(self, first: int, last: int, labels: tuple[Labels, ...]) -> Floats:
        none: dict[int, float] = {}
        rows = [
            [self.values.get(each, none).get(column, np.nan) for column in range(first, last + 1)]
            for each in labels
        ]
        return np.array(rows).reshape(len(labels), last - first + 1)

    def gaps(self, first: int, last: int) -> list[int]:
        return [column for column in range(first, last + 1) if column not in self.filled]


def gap_columns(ring: Ring, first: int, last: int) -> list[int]:
    """Return the columns in the gaps of `ring`."""
    found: list[int] = []
    for begin, end in ring.gaps(first * STEP, last * STEP):
        found.extend(range(round(begin / STEP), round(end / STEP) + 1))
    return found


def assert_holds(ring: Ring, plain: PlainHistory) -> None:
    """Compare everything that can be asked of a ring with the reference."""
    assert set(ring.labels) == set(plain.values)
    assert ring.newest == (plain.newest * STEP if plain.newest else None)
    first, last = max(1, plain.newest - plain.capacity - 2), plain.newest + 3
    history = ring.history(first * STEP, last * STEP)
    np.testing.assert_array_equal(history.times, np.arange(first, last + 1) * STEP)
    assert history.labels == ring.labels
    np.testing.assert_array_equal(history.values, plain.window(first, last, history.labels))
    first = max(1, plain.newest - plain.capacity + 1)
    assert gap_columns(ring, first, plain.newest) == plain.gaps(first, plain.newest)
    for labels in history.labels:
        seen = max(plain.values[labels], default=None)
        # Values that the ring has moved past count as seen until a restart forgets them.
        if seen is not None:
            assert ring.last_seen(labels) == seen * STEP
