"""Keep the series that are watched when a query returns more than may be."""

from collections.abc import Collection, Set
from typing import Generic, TypeVar

from specter_detector.series import Labels

T = TypeVar("T")
SLACK = 1.25
"""Series are counted out once there are this many times the limit, not one by one."""
MOST_REJECTED = 1_000_000
"""Up to here rejected series are counted, at 8 bytes and a place in a set each."""


class Selection(Generic[T]):
    """At most `limit` series: those in `first`, then the first by their labels, the same each time.

    Four weeks of history hold every pod there was; by label alone the dead could take all places.
    Never holds more than a quarter above `limit`, however many are offered.
    """

    def __init__(self, first: Collection[Labels], limit: int) -> None:
        self._first: Set[Labels] = first if isinstance(first, Set) else frozenset(first)
        self._limit = limit
        self._rows: dict[Labels, T] = {}
        self._worst: tuple[bool, Labels] | None = None
        self._rejected: set[int] = set()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def cut(self) -> int:
        """How many different series have been offered and not kept."""
        return len(self._rejected)

    def get(self, labels: Labels) -> T | None:
        """Return what was put for `labels`, None for nothing."""
        return self._rows.get(labels)

    def wants(self, labels: Labels) -> bool:
        """Whether `labels` is among the first, as far as is known; counts it if not."""
        if labels in self._rows or self._worst is None or self.order(labels) < self._worst:
            return True
        self._reject(labels)
        return False

    def put(self, labels: Labels, row: T) -> None:
        """Keep `row`, perhaps for a while only."""
        self._rows[labels] = row
        if len(self._rows) > self._limit * SLACK:
            self._prune()

    def rows(self) -> dict[Labels, T]:
        """Return what is kept; in order, if something had to be left out."""
        if len(self._rows) > self._limit:
            self._prune()
        return self._rows

    def _prune(self) -> None:
        ordered = sorted(self._rows, key=self.order)
        for labels in ordered[self._limit :]:
            self._reject(labels)
        self._rows = {labels: self._rows[labels] for labels in ordered[: self._limit]}
        self._worst = self.order(ordered[self._limit - 1])

    def _reject(self, labels: Labels) -> None:
        if len(self._rejected) < MOST_REJECTED:
            self._rejected.add(hash(labels))

    def order(self, labels: Labels) -> tuple[bool, Labels]:
        """Return what series are sorted by, those that are kept first at the front."""
        return (labels not in self._first, labels)
