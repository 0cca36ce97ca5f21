"""The detector under test: Specter's default model, replayed."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.series import LabelledSeries, Scores
from specter_detector.models.calendar import Holidays
from specter_detector.models.replay import replay


class Specter:
    """Specter's detector, as a user gets it."""

    name = "Specter"

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample of every series, each series alone; those on one grid are computed together."""
        together: dict[object, list[int]] = defaultdict(list)
        for number, one in enumerate(series):
            key = (len(one.times), float(one.times[0]), one.step, one.tz, one.holidays)
            together[key].append(number)
        scores: dict[int, Scores] = {}
        for numbers in together.values():
            one = series[numbers[0]]
            values = np.stack([series[number].values for number in numbers])
            replayed = replay(
                one.times, values, one.step, tz=one.tz, holidays=Holidays(dates=tuple(sorted(one.holidays)))
            )
            for row, number in enumerate(numbers):
                scores[number] = Scores(replayed.score[row], replayed.confidence[row])
        return [scores[number] for number in range(len(series))]
