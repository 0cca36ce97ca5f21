"""What a fit finds that is no anomaly of one value: for the log, beside the score."""

from collections.abc import Iterator, Sequence

from specter_detector.models.arrays import Singles
from specter_detector.series import Labels, text_of

MOST_A_FIT = 10
QUIET_FOR = 86400.0
"""Seconds in which the same finding of a series is not told again."""

WHAT = ("its noise has changed", "its day has another shape")
"""The columns of `models.shape.Shape.changes`."""


class Findings:
    """Tells of changes in noise and shape, each once a day a series and a few at a time."""

    def __init__(self) -> None:
        self._told: dict[tuple[Labels, int], float] = {}

    def new(self, at: float, labels: Sequence[Labels], changes: Singles) -> list[str]:
        """Return what to tell at Unix time `at` (s) of series `labels` with scores `changes` (series, 2)."""
        self._told = {key: told for key, told in self._told.items() if at - told < QUIET_FOR}
        found = [each for each in self._above(labels, changes) if each[1:] not in self._told]
        chosen = sorted(found, key=lambda each: -each[0])[:MOST_A_FIT]
        self._told |= {(each, kind): at for _, each, kind in chosen}
        return [f"{text_of(each)}: {WHAT[kind]} (score {score:.3g})" for score, each, kind in chosen]

    def _above(self, labels: Sequence[Labels], changes: Singles) -> Iterator[tuple[float, Labels, int]]:
        for each, scores in zip(labels, changes.tolist(), strict=True):
            yield from ((score, each, kind) for kind, score in enumerate(scores) if score > 1)
