"""Which limit is whose: a disk's size, a pool's largest number of connections."""

from collections.abc import Mapping, Sequence

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.output import NAME
from specter_detector.series import Labels

Index = dict[tuple[str, ...], set[float]]


def limits_of(series: Sequence[Labels], limits: Mapping[Labels, float]) -> Floats:
    """Return (series,) the limit of each, NaN for none.

    A limit is a series' if all labels that both have, the name apart, have equal values; of several the one
    with the most such labels. Two different ones with equally many are none: nobody can tell which is meant.
    """
    kinds: dict[frozenset[str], list[tuple[dict[str, str], float]]] = {}
    for labels, value in limits.items():
        named = {name: text for name, text in labels if name != NAME}
        kinds.setdefault(frozenset(named), []).append((named, value))
    indexes: dict[tuple[frozenset[str], tuple[str, ...]], Index] = {}
    found = np.full(len(series), np.nan)
    for row, labels in enumerate(series):
        own = dict(labels)
        best, values = -1, set[float]()
        for names, members in kinds.items():
            common = tuple(sorted(names & own.keys()))
            if len(common) < best:
                continue
            if (names, common) not in indexes:
                indexes[names, common] = _index(members, common)
            matching = indexes[names, common].get(tuple(own[name] for name in common), set())
            if matching:
                values = matching if len(common) > best else values | matching
                best = len(common)
        if len(values) == 1:
            found[row] = next(iter(values))
    return found


def _index(members: Sequence[tuple[Mapping[str, str], float]], names: tuple[str, ...]) -> Index:
    """Return the values of `members` by what they have for `names`."""
    index: Index = {}
    for labels, value in members:
        index.setdefault(tuple(labels[name] for name in names), set()).add(value)
    return index
