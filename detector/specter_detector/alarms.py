"""Which alarms have begun: for the log, which says why; a reason as a label would churn series."""

from collections.abc import Iterable

from specter_detector.series import Labels
from specter_detector.verdict import Verdict

MOST_A_TICK = 10
QUIET_FOR = 3600.0
"""Seconds in which an alarm of the same series is not told again."""


class Alarms:
    """Tells those that begin, a series once an hour and a few at a time: a log is no place for storms."""

    def __init__(self) -> None:
        self._open: frozenset[Labels] = frozenset()
        self._told: dict[Labels, float] = {}

    def begun(self, at: float, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """Return what to tell of the `verdicts` at Unix time `at` (s): `MOST_A_TICK`, the highest first."""
        alarms = {verdict.labels: verdict for verdict in verdicts if verdict.anomalous}
        self._told = {labels: told for labels, told in self._told.items() if at - told < QUIET_FOR}
        known = self._open | self._told.keys()
        begun = [alarm for labels, alarm in alarms.items() if labels not in known]
        self._open = frozenset(alarms)
        chosen = sorted(begun, key=lambda alarm: -alarm.score)[:MOST_A_TICK]
        self._told |= {alarm.labels: at for alarm in chosen}
        return chosen
