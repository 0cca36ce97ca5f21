"""What a fit finds that is no anomaly of one value: for the log, beside the score."""

from collections.abc import Sequence

from specter_detector.models.arrays import Singles
from specter_detector.rationed import Rationed
from specter_detector.series import Labels, text_of

MOST_A_FIT = 10
QUIET_FOR = 86400.0
"""Seconds in which the same finding of a series is not told again."""

WHAT = ("its noise has changed", "its day has another shape")
"""The columns of `models.shape.Shape.changes`."""


class Findings:
    """Tells of changes in noise and shape, each once a day a series and a few at a time."""

    def __init__(self) -> None:
        self._told = Rationed[tuple[Labels, int]](QUIET_FOR, MOST_A_FIT)

    def new(self, at: float, labels: Sequence[Labels], changes: Singles) -> list[str]:
        """Return what to tell at Unix time `at` (s) of series `labels` with scores `changes` (series, 2)."""
        found = {
            (each, kind): score
            for each, scores in zip(labels, changes.tolist(), strict=True)
            for kind, score in enumerate(scores)
            if score > 1
        }
        return [
            f"{text_of(each)}: {WHAT[kind]} (score {found[each, kind]:.3g})"
            for each, kind in self._told.choose(at, found.items())
        ]
