"""The detector under test."""

from collections.abc import Sequence

from benchmarks.evaluation.baselines import RollingZ
from benchmarks.evaluation.series import LabelledSeries, Scores

ALARM_ABOVE_SIGMA = 5.0


class Specter:
    """Specter's detector, as a user gets it."""

    name = "Specter"

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample of every series, each series alone."""
        return RollingZ(alarm_above=ALARM_ABOVE_SIGMA).scores(series)
