"""Frequent items and how many different partners each has: accounts of a source, sources of an account.

Distinct values are estimated by HyperLogLog (Flajolet et al., 2007) as Apache DataSketches implements it.
It is fed Python's own hashes, keyed at random in each process, so that nobody can choose names that
escape it.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from itertools import islice
from typing import Generic, TypeVar

from datasketches import hll_sketch, hll_union

from specter_exporters.signin.frequent import FrequentItems

K = TypeVar("K", bytes, str)

LG_DISTINCT = 10  # 1024 registers: 1 kB, a standard error of 3 %; exact for a few
LG_DISTINCT_ALL = 12  # 4096 registers: 4 kB, 1.6 %


def distinct(sketches: Iterable[hll_sketch | None], lg: int = LG_DISTINCT) -> int:
    """Return how many different values `sketches` have seen together."""
    union = hll_union(lg)
    for sketch in sketches:
        if sketch is not None:
            union.update(sketch)
    estimate: float = union.get_estimate()
    return round(estimate)


def see(sketch: hll_sketch, values: Iterable[Hashable]) -> None:
    """Show `values` to `sketch`."""
    deque(map(sketch.update, map(hash, set(values))), maxlen=0)  # a loop that runs in C


class Tracked:
    """The partners of one item: of its failures and of its successes."""

    __slots__ = ("failed", "succeeded")

    def __init__(self) -> None:
        self.failed = hll_sketch(LG_DISTINCT)
        self.succeeded: hll_sketch | None = None  # most never succeed, and a sketch takes time to make

    def succeed(self, partner: int) -> None:
        """Note a partner of a success."""
        if self.succeeded is None:
            self.succeeded = hll_sketch(LG_DISTINCT)
        self.succeeded.update(partner)


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
        for item, partner in [pair for pair in zip(items, partners, strict=True) if pair[0] in tracked]:
            if partner is not None:
                tracked[item].failed.update(partner)

    def add_successes(self, items: list[K], partners: list[int | None]) -> None:
        """Note whom the items that are tracked had success with."""
        tracked = self.tracked
        for item, partner in [pair for pair in zip(items, partners, strict=True) if pair[0] in tracked]:
            if partner is not None:
                tracked[item].succeed(partner)

    def _choose(self) -> None:
        """Track the most frequent; of equals, those that are tracked already."""
        old, counts = self.tracked, self.counts
        if len(counts) <= self._track:
            chosen = [item for item, _ in counts.items()]
        else:
            floor = counts.rank(self._track)
            chosen = [item for item, count in counts.items() if count > floor]
            room = self._track - len(chosen)
            equal = [item for item in old if counts.count(item) == floor][:room]
            room -= len(equal)
            if room and floor > 1:  # what came once has one partner, which is not worth a sketch
                known = old.keys()
                new = (item for item, count in counts.items() if count == floor and item not in known)
                equal += islice(new, room)
            chosen += equal
        self.tracked = {item: old[item] if item in old else Tracked() for item in chosen}
