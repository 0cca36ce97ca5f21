"""Which alarms have begun: for the log, which says why; a reason as a label would churn series."""

from collections.abc import Iterable

from specter_detector.rationed import Rationed
from specter_detector.series import Labels
from specter_detector.verdict import Verdict

MOST_A_TICK = 10
QUIET_FOR = 3600.0
"""Seconds in which an alarm of the same series is not told again."""


class Alarms:
    """Tells those that begin, a series once an hour and a few at a time."""

    def __init__(self) -> None:
        self._open: frozenset[Labels] = frozenset()
        self._told = Rationed[Labels](QUIET_FOR, MOST_A_TICK)

    def begun(self, at: float, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Return what to tell of the `verdicts` at Unix time `at` (s): `MOST_A_TICK`, the highest first."""
        alarms = {verdict.labels: verdict for verdict in verdicts if verdict.anomalous}
        begun = [(labels, alarm.score) for labels, alarm in alarms.items() if labels not in self._open]
        self._open = frozenset(alarms)
        return [alarms[labels] for labels in self._told.choose(at, begun)]
