"""Frequent items of a stream, in fixed memory.

Misra and Gries, "Finding repeated elements", Science of Computer Programming 2 (1982), in the form of
Anderson et al., "A High-Performance Algorithm for Identifying Frequent Items in Data Streams", IMC 2017
(the one behind DataSketches): counters are added freely up to a capacity, then the smaller ones are
purged at once. Counting is a dictionary's, in C, and so faster than a sketch that is called once an item.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)

SLACK = 3  # capacity in multiples of the counters kept: more makes purges rarer and memory larger


class FrequentItems(Generic[K]):
    """Count the items of a stream of which only the frequent ones need to be known.

    Guarantee: with N items counted, `count(item)` is at most the true count, and at least the true
    count minus `error`; and `error` <= N / (keep + 1). So every item with a share above
    1 / (keep + 1) is present. Each purge takes `cut` from at least `keep + 1` counters, which is why
    the sum of all cuts is bounded. While there were at most `SLACK * keep` items, counts are exact.

    Args:
        keep: counters that survive a purge.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._counts: Counter[K] = Counter()
        self.total = 0
        self.error = 0

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, items: list[K]) -> None:
        """Count every one of `items`; purges if there are too many counters then."""
        self._counts.update(items)
        self.total += len(items)
        if len(self._counts) > SLACK * self._keep:
            self.compact()

    def compact(self) -> None:
        """Purge down to `keep` counters."""
        if len(self._counts) <= self._keep:
            return
        cut = self.rank(self._keep + 1)
        kept = {item: count - cut for item, count in self._counts.items() if count > cut}
        self._counts = Counter(kept)
        self.error += cut

    def count(self, item: K) -> int:
        """Return the lower bound of the count of `item`; 0 where it is unknown."""
        return self._counts.get(item, 0)

    def known(self, items: set[K]) -> set[K]:
        """Return those of `items` that have a counter."""
        return self._counts.keys() & items

    def rank(self, place: int) -> int:
        """Return the count that is `place`-th from the top (1 is the largest); 0 if there are fewer."""
        size = len(self._counts)
        if size < place:
            return 0
        values = np.fromiter(self._counts.values(), np.int64, size)
        # Not np.partition: most counts are equal, with which it takes ten times as long.
        values.sort()
        return int(values[size - place])

    def items(self) -> Iterable[tuple[K, int]]:
        """Return the items and the lower bounds of their counts."""
        return self._counts.items()


def merged(parts: Iterable[FrequentItems[K]]) -> Counter[K]:
    """Return the summed lower bounds; their error is the sum of the parts' errors.

    Summaries of this kind merge (Agarwal et al., "Mergeable Summaries", PODS 2012): the bound stays
    N / (keep + 1) for all N items together.
    """
    result: Counter[K] = Counter()
    for part in parts:
        result.update(dict(part.items()))
    return result
