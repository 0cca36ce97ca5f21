"""The series of one job as one batch: the row of each, their shapes, and their state between ticks."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from specter_detector.models.batch import joined, replaced, take
from specter_detector.models.fit import FitOptions, Fitted
from specter_detector.models.online import REASONS, adopt, tick
from specter_detector.models.shape import Shape
from specter_detector.models.state import State
from specter_detector.series import Labels
from specter_detector.verdict import Verdict


class Watched:
    """A batch that series join and leave.

    Args:
        options: of its fits; step, time zone and policy hold for its ticks too.
        infer_every: seconds between two ticks.
    """

    def __init__(self, options: FitOptions, infer_every: float) -> None:
        self._options = options
        self._longest = max(1.0, infer_every / options.step)
        self._rows: dict[Labels, int] = {}
        self._learnt: tuple[Shape, State] | None = None

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._rows

    def learn(self, labels: Sequence[Labels], fitted: Fitted, at: float) -> None:
        """Take over what a fit learnt of the series `labels`, at Unix time `at` (s).

        Series that are watched get a new shape and keep their state; others join if `fitted` has a state.
        """
        self._learn(labels, fitted, at)
        if self._learnt is not None and fitted.leaks is not None:
            state = self._learnt[1]
            for each, leak in zip(labels, fitted.leaks.tolist(), strict=True):
                if each in self._rows:
                    state.leak[self._rows[each]] = leak

    def _learn(self, labels: Sequence[Labels], fitted: Fitted, at: float) -> None:
        known = [index for index, each in enumerate(labels) if each in self._rows]
        if self._learnt is not None and known:
            shape, state = self._learnt
            rows = [self._rows[labels[index]] for index in known]
            renewed = replaced(shape, rows, take(fitted.shape, known))
            adopt(state, shape, renewed, at / self._options.step, self._phase(at))
            self._learnt = renewed, state
        new = [index for index, each in enumerate(labels) if each not in self._rows]
        if fitted.state is None or not new:
            return
        shape, state = take(fitted.shape, new), take(fitted.state, new)
        if self._learnt is not None:
            # The first of those put together gives the clock: of the batch that has been ticking.
            shape, state = joined([self._learnt[0], shape]), joined([self._learnt[1], state])
        self._learnt = shape, state
        for index in new:
            self._rows[labels[index]] = len(self._rows)

    def leave(self, labels: Iterable[Labels]) -> None:
        """Forget the series `labels`."""
        gone = set(labels)
        if self._learnt is None or not gone:
            return
        kept = [each for each in self._rows if each not in gone]
        rows = [self._rows[each] for each in kept]
        shape, state = self._learnt
        self._learnt = (take(shape, rows), take(state, rows)) if rows else None
        self._rows = {each: row for row, each in enumerate(kept)}

    def judge(self, at: float, samples: Mapping[Labels, float]) -> list[Verdict]:
        """Judge one tick at Unix time `at` (s): every series, those too that `samples` lacks."""
        if self._learnt is None:
            return []
        shape, state = self._learnt
        step = at / self._options.step
        # Neither a clock that was set back nor time without ticks may look like samples or like an absence.
        elapsed = 1.0 if np.isnan(state.step) else float(np.clip(step - state.step, 0.0, self._longest))
        values = np.array([samples.get(labels, np.nan) for labels in self._rows])
        odd = np.array([labels in samples for labels in self._rows]) & ~np.isfinite(values)
        judged = tick(
            shape, state, step, self._phase(at), values, policy=self._options.policy, elapsed=elapsed
        )
        # A value that is no number is there: it is no absence, and nothing can be said of it.
        columns = (
            values, np.where(odd, np.nan, judged.score), judged.direction, judged.reason,
            judged.yhat, judged.lower, judged.upper, judged.confidence,
        )  # fmt: skip
        return [
            Verdict(labels, value, score, direction, REASONS[reason], *rest)
            for labels, value, score, direction, reason, *rest in zip(
                self._rows, *(column.tolist() for column in columns), strict=True
            )
        ]

    def _phase(self, at: float) -> float:
        return float(self._options.phases(np.array([at]))[0])
