"""Which alarms have begun: for the log, which says why; a reason as a label would churn series."""

import numpy as np

from specter_detector.rationed import Rationed
from specter_detector.series import Labels
from specter_detector.verdict import Verdict, Verdicts

MOST_A_TICK = 10
QUIET_FOR = 3600.0
"""Seconds in which an alarm of the same series is not told again."""


class Alarms:
    """Tells those that begin, a series once an hour and a few at a time."""

    def __init__(self) -> None:
        self._open: frozenset[Labels] = frozenset()
        self._told = Rationed[Labels](QUIET_FOR, MOST_A_TICK)

    def begun(self, at: float, verdicts: Verdicts) -> list[Verdict]:
        """Return what to tell of the `verdicts` at Unix time `at` (s): `MOST_A_TICK`, the highest first."""
        rows = {verdicts.labels[row]: row for row in np.flatnonzero(verdicts.anomalous).tolist()}
        begun = [
            (labels, float(verdicts.score[row])) for labels, row in rows.items() if labels not in self._open
        ]
        self._open = frozenset(rows)
        return [verdicts[rows[labels]] for labels in self._told.choose(at, begun)]
