"""The series of one job: the row of each, their shapes, and their state between ticks."""

import copy
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from specter_detector.models.arrays import Bools, Floats, Singles
from specter_detector.models.batch import joined, put, take
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.models.online import Judged, adopt, tick
from specter_detector.models.shape import Shape
from specter_detector.models.state import State
from specter_detector.series import Labels
from specter_detector.store.checkpoint import Part
from specter_detector.verdict import Verdicts, joined_verdicts

LARGEST_BLOCK = 8192
"""Series whose arrays are moved together when some join or leave: few enough to be moved in milliseconds,
enough that a tick's cost is that of the series."""


class Block:
    """Series that joined about together, as arrays.

    Attributes:
        labels: of the series, by row.
        shape, state: of the same series.
    """

    def __init__(self, labels: Sequence[Labels], shape: Shape, state: State, *, lent: bool = False) -> None:
        self.labels = tuple(labels)
        self.shape = shape
        self.state = state
        # Whether somebody else has this shape, too, which ticks leave as it is: nine tenths of all memory.
        self._lent = lent

    def snapshot(self) -> Part:
        """Return the series as they are now."""
        self._lent = True
        return Part(self.labels, self.shape, copy.deepcopy(self.state))

    def renew(self, rows: Sequence[int], shape: Shape, step: float, phase: float) -> None:
        """Give the series `rows` new shapes; their state goes on."""
        state = take(self.state, rows)
        adopt(state, take(self.shape, rows), shape, step, phase)
        if self._lent:
            self.shape, self._lent = take(self.shape, range(len(self.labels))), False
        self.shape = put(self.shape, rows, shape)
        self.state = put(self.state, rows, state)

    def join(self, parts: Sequence[Part]) -> None:
        """Put series behind the others."""
        # The first of those put together gives the clock: of the batch that has been ticking.
        self.labels += tuple(labels for part in parts for labels in part.labels)
        self.shape = joined([self.shape, *(part.shape for part in parts)])
        self.state = joined([self.state, *(part.state for part in parts)])
        self._lent = False

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all but `rows`."""
        self.labels = tuple(self.labels[row] for row in rows)
        self.shape, self.state = take(self.shape, rows), take(self.state, rows)
        self._lent = False


class Watched:
    """Series that join and leave.

    Args:
        options: of its fits; step, time zone and policy hold for its ticks too.
        infer_every: seconds between two ticks.
    """

    def __init__(self, options: FitOptions, infer_every: float) -> None:
        self._options = options
        self._longest = max(1.0, infer_every / options.step)
        self._blocks: list[Block] = []
        self._places: dict[Labels, tuple[Block, int]] = {}

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._places

    def snapshot(self) -> tuple[Part, ...]:
        """Return all series as they are now, whatever comes; in the order of their verdicts."""
        return tuple(block.snapshot() for block in self._blocks)

    def restore(self, parts: Sequence[Part]) -> None:
        """Go on with series as they were when saved, without changing `parts`; none is watched yet."""
        for part in parts:
            self._blocks.append(Block(part.labels, part.shape, copy.deepcopy(part.state), lent=True))
            self._place(self._blocks[-1], 0)

    def learn(self, labels: Sequence[Labels], fitted: Fitted, at: float) -> None:
        """Take over what a fit learnt of the series `labels`, at Unix time `at` (s); see `learn_all`."""
        self.learn_all([(labels, fitted)], at)

    def learn_all(self, learnt: Sequence[tuple[Sequence[Labels], Fitted]], at: float) -> None:
        """Take over what fits learnt of some series each, at Unix time `at` (s).

        Series that are watched get a new shape and keep their state; others join if they come with a state.
        """
        joining: list[Part] = []
        names: set[Labels] = set()
        for labels, fitted in learnt:
            if not names.isdisjoint(labels):  # fitted twice since the last tick
                self._join(joining)
                joining, names = [], set()
            new = self._renew(labels, fitted, at)
            if new is not None:
                joining.append(new)
                names.update(new.labels)
        self._join(joining)
        for labels, fitted in learnt:
            if fitted.leaks is not None:
                self._leak(labels, fitted.leaks)

    def _renew(self, labels: Sequence[Labels], fitted: Fitted, at: float) -> Part | None:
        """Give series that are watched their new shapes; return the others, None for none."""
        known: dict[Block, list[int]] = {}
        new: list[int] = []
        for index, each in enumerate(labels):
            place = self._places.get(each)
            if place is None:
                new.append(index)
            else:
                known.setdefault(place[0], []).append(index)
        for block, indices in known.items():
            rows = [self._places[labels[index]][1] for index in indices]
            block.renew(rows, take(fitted.shape, indices), at / self._options.step, self._phase(at))
        if fitted.state is None or not new:
            return None
        part = Part(tuple(labels), fitted.shape, fitted.state)
        if len(new) == len(labels):
            return part
        chosen = tuple(labels[index] for index in new)
        return Part(chosen, take(part.shape, new), take(part.state, new))

    def _join(self, parts: Sequence[Part]) -> None:
        """Put new series into blocks, as many at once as fit: each time, all of a block is copied."""
        waiting = list(parts)
        while waiting:
            block = self._blocks[-1] if self._blocks else None
            if block is None or len(block.labels) + len(waiting[0].labels) > LARGEST_BLOCK:
                block = Block((), take(waiting[0].shape, ()), take(waiting[0].state, ()))
                self._blocks.append(block)
            first = size = len(block.labels)
            fitting: list[Part] = []
            while waiting and (not fitting or size + len(waiting[0].labels) <= LARGEST_BLOCK):
                size += len(waiting[0].labels)
                fitting.append(waiting.pop(0))
            block.join(fitting)
            self._place(block, first)

    def _place(self, block: Block, first: int) -> None:
        """Note where the series of `block` are, from row `first` on."""
        for row in range(first, len(block.labels)):
            self._places[block.labels[row]] = block, row

    def _leak(self, labels: Sequence[Labels], leaks: Singles) -> None:
        for each, leak in zip(labels, leaks.tolist(), strict=True):
            if each in self._places:
                block, row = self._places[each]
                block.state.leak[row] = leak

    def leave(self, labels: Iterable[Labels]) -> None:
        """Forget the series `labels`."""
        gone: dict[Block, set[Labels]] = {}
        for each in labels:
            place = self._places.pop(each, None)
            if place is not None:
                gone.setdefault(place[0], set()).add(each)
        for block, leaving in gone.items():
            block.keep([row for row, each in enumerate(block.labels) if each not in leaving])
            for row, each in enumerate(block.labels):
                self._places[each] = block, row
        self._blocks = [block for block in self._blocks if block.labels]

    def judge(
        self, at: float, samples: Mapping[Labels, float], learn: Mapping[Labels, bool] | None = None
    ) -> Verdicts:
        """Judge one tick at Unix time `at` (s): every series, those too that `samples` lacks.

        What `learn` has as False is judged and not learnt from.
        """
        return joined_verdicts([self._judge(block, at, samples, learn or {}) for block in self._blocks])

    def _judge(
        self, block: Block, at: float, samples: Mapping[Labels, float], learn: Mapping[Labels, bool]
    ) -> Verdicts:
        step = at / self._options.step
        state = block.state
        # Neither a clock that was set back nor time without ticks may look like samples or like an absence.
        elapsed = 1.0 if np.isnan(state.step) else float(np.clip(step - state.step, 0.0, self._longest))
        found = [samples.get(labels) for labels in block.labels]
        present = np.array([value is not None for value in found], np.bool_)
        values = np.array([np.nan if value is None else value for value in found])
        taught: Bools | None = None
        if learn:
            taught = np.array([learn.get(labels, True) for labels in block.labels])
        judged = tick(
            block.shape, state, step, self._phase(at), values,
            policy=self._options.policy, learn=taught, elapsed=elapsed,
        )  # fmt: skip
        return _verdicts(block.labels, present, values, judged)

    def _phase(self, at: float) -> float:
        return float(self._options.phases(np.array([at]))[0])


def _verdicts(labels: tuple[Labels, ...], present: Bools, values: Floats, judged: Judged) -> Verdicts:
    # A value that is no number is there: it is no absence, and nothing can be said of it.
    odd = present & ~np.isfinite(values)
    score = np.where(odd, np.nan, judged.score)
    return Verdicts(
        labels, present, values, score, judged.direction, judged.reason,
        judged.yhat, judged.lower, judged.upper, judged.confidence,
    )  # fmt: skip
