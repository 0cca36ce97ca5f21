"""Times that must not be learnt from: deployments, maintenance, and what an operator has judged.

A window says from when to when, why, and by labels of which series. Where the windows come from is
`exclusion_reader`'s business; here they are put together and laid over the samples of series.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import numpy as np

from specter_core.metrics import FOR, MATCH_PREFIX
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.series import Labels, labels_of

Kind = Literal["deployment", "maintenance", "normal", "incident"]

REACH = 300.0
"""Seconds before a sample that it may speak of: the window of a rate."""

MOST_WINDOWS = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """A time not to learn from.

    Attributes:
        kind: why; `normal` and `incident` are an operator's judgement.
        match: labels that a series must have; `for` is the alias of its query; empty for every series.
        start: Unix time (s) of the first sample.
        end: Unix time (s) from which on samples count again.
    """

    kind: Kind
    match: Labels
    start: float
    end: float


def matching(labels: Mapping[str, str]) -> Labels:
    """Return which series a metric's labels speak of: those that begin with `match_`, without that."""
    return labels_of(
        {
            name.removeprefix(MATCH_PREFIX): value
            for name, value in labels.items()
            if name.startswith(MATCH_PREFIX) and name != MATCH_PREFIX
        }
    )


def merged(windows: Iterable[Window], since: float) -> tuple[Window, ...]:
    """Return `windows` that end after Unix time `since` (s), those of one kind and match that overlap as one.

    Of more than 10,000 the newest are kept.
    """
    ordered = sorted(windows, key=lambda window: (window.kind, window.match, window.start))
    joined: list[Window] = []
    for _, group in groupby(ordered, key=lambda window: (window.kind, window.match)):
        joined += _joined(group)
    kept = [window for window in joined if window.end > since]
    return tuple(sorted(kept, key=lambda window: (window.start, window.end, window.match))[-MOST_WINDOWS:])


def _joined(ordered: Iterable[Window]) -> Iterator[Window]:
    """Join the windows of one kind and match, by start."""
    open_: Window | None = None
    for window in ordered:
        if open_ is not None and window.start <= open_.end:
            open_ = replace(open_, end=max(open_.end, window.end))
            continue
        if open_ is not None:
            yield open_
        open_ = window
    if open_ is not None:
        yield open_


def excluded(
    times: Floats,
    labels: Sequence[Labels],
    windows: Iterable[Window],
    *,
    alias: str = "",
    reach: float = REACH,
) -> Bools:
    """Return (series, n) which samples must not be learnt from.

    Args:
        times: (n,) ascending Unix times (s); one for a tick, those of a history for a fit.
        labels: of the series.
        windows: as read.
        alias: of the query, which a window may name by `for`.
        reach: seconds before a sample that it may speak of; a window holds for so long after its end.
    """
    result = np.zeros((len(labels), times.size), np.bool_)
    by_match: dict[Labels, list[Window]] = {}
    for window in windows:
        if times.size and window.start <= times[-1] and window.end + reach > times[0]:
            by_match.setdefault(window.match, []).append(window)
    index = _Index(labels, {name for match in by_match for name, _ in match}, alias)
    for match, group in by_match.items():
        rows = index.rows(match)
        if not rows.size:
            continue
        columns = np.zeros(times.size, np.bool_)
        for window in group:
            first, last = np.searchsorted(times, [window.start, window.end + reach], side="left")
            columns[first:last] = True
        result[rows] |= columns
    return result


class _Index:
    """Finds series by labels without looking at each of them for each window."""

    def __init__(self, labels: Sequence[Labels], names: set[str], alias: str) -> None:
        self._alias = alias
        self._all = frozenset(range(len(labels)))
        self._rows: dict[tuple[str, str], set[int]] = {}
        for row, each in enumerate(labels):
            for pair in each:
                if pair[0] in names:
                    self._rows.setdefault(pair, set()).add(row)

    def rows(self, match: Labels) -> Ints:
        """Return the series that have all labels of `match`."""
        found: frozenset[int] | set[int] = self._all
        for name, value in match:
            if name == FOR and value == self._alias:
                continue
            found = found & self._rows.get((name, value), set())
        return np.array(sorted(found), np.int64)
