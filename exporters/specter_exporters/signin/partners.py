"""Frequent items and how many different partners each has: accounts of a source, sources of an account.

Distinct values are estimated by HyperLogLog (Flajolet et al., 2007) as Apache DataSketches implements it.
It is fed Python's own hashes, keyed at random in each process, so that nobody can choose names that
escape it.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from datasketches import hll_sketch, hll_union

from specter_exporters.signin.frequent import FrequentItems

K = TypeVar("K", bytes, str)

LG_DISTINCT = 10  # 1024 registers: 1 kB, a standard error of 3 %; exact for a few
LG_DISTINCT_ALL = 12  # 4096 registers: 4 kB, 1.6 %


def distinct(sketches: Iterable[hll_sketch], lg: int = LG_DISTINCT) -> int:
    """Return how many different values `sketches` have seen together."""
    union = hll_union(lg)
    for sketch in sketches:
        union.update(sketch)
    return round(union.get_estimate())


class Tracked:
    """The partners of one item: of its failures and of its successes."""

    __slots__ = ("failed", "succeeded")

    def __init__(self) -> None:
        self.failed = hll_sketch(LG_DISTINCT)
        self.succeeded = hll_sketch(LG_DISTINCT)


class PartneredItems(Generic[K]):
    """Count failures by item, and different partners for the most frequent ones.

    Partners of an item are counted from the batch on in which it came among the `track` most
    frequent: the number is a lower bound, which falls short only for items that were rare before.

    Args:
        keep: counters that are kept, see `FrequentItems`.
        track: items whose partners are counted.
    """

    def __init__(self, keep: int, track: int) -> None:
        self.counts: FrequentItems[K] = FrequentItems(keep)
        self.tracked: dict[K, Tracked] = {}
        self._track = track

    def add(self, items: list[K], partners: list[int | None]) -> None:
        """Count failures of `items`; `partners` are hashes, None where a partner is unknown."""
        self.counts.add(items)
        self._choose()
        tracked = self.tracked
        for item, partner in zip(items, partners, strict=True):
            if item in tracked and partner is not None:
                tracked[item].failed.update(partner)

    def add_successes(self, items: list[K], partners: list[int | None]) -> None:
        """Note whom the items that are tracked had success with."""
        tracked = self.tracked
        for item, partner in zip(items, partners, strict=True):
            if item in tracked and partner is not None:
                tracked[item].succeeded.update(partner)

    def _choose(self) -> None:
        """Track the most frequent; of equals, those that are tracked already."""
        floor = self.counts.rank(self._track)
        old = self.tracked
        chosen = [item for item, count in self.counts.items() if count > floor or not floor]
        room = self._track - len(chosen)
        if room > 0:
            equal = [item for item, count in self.counts.items() if count == floor]
            equal.sort(key=old.__contains__, reverse=True)
            chosen += equal[:room]
        self.tracked = {item: old[item] if item in old else Tracked() for item in chosen}
