"""The detector under test: Specter's default model, replayed."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.evaluation.series import LabelledSeries, Scores
from specter_detector.models.calendar import Holidays
from specter_detector.models.replay import replay

WEEK = 604_800.0
LONGER = 1.5
"""How much longer than the shortest of a batch the longest may be: what is shorter is padded."""


class Specter:
    """Specter's detector, as a user gets it."""

    name = "Specter"

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        """Score every sample of every series, each series alone; what can be is computed together.

        A tick costs the same for one series and for a hundred, so series with one step are moved by whole
        weeks to one beginning, which no clock in UTC can tell.
        """
        scores: dict[int, Scores] = {}
        for numbers in _batches(series):
            one = series[numbers[0]]
            leads = [0 if _fixed(series[n]) else round(series[n].times[0] % WEEK / one.step) for n in numbers]
            length = max(lead + len(series[n].times) for lead, n in zip(leads, numbers, strict=True))
            values = np.full((len(numbers), length), np.nan)
            for row, (lead, n) in enumerate(zip(leads, numbers, strict=True)):
                values[row, lead : lead + len(series[n].times)] = series[n].values
            first = one.times[0] if _fixed(one) else one.times[0] - leads[0] * one.step
            times = first + np.arange(length) * one.step
            holidays = Holidays(dates=tuple(sorted(one.holidays)))
            replayed = replay(times, values, one.step, tz=one.tz, holidays=holidays)
            for row, (lead, n) in enumerate(zip(leads, numbers, strict=True)):
                kept = slice(lead, lead + len(series[n].times))
                scores[n] = Scores(replayed.score[row, kept], replayed.confidence[row, kept])
        return [scores[number] for number in range(len(series))]


def _fixed(one: LabelledSeries) -> bool:
    """Tell whether its clock makes it matter which week it is."""
    return one.tz != "UTC" or bool(one.holidays)


def _batches(series: Sequence[LabelledSeries]) -> list[list[int]]:
    """Return the numbers of the series that are replayed together."""
    together: dict[object, list[int]] = defaultdict(list)
    for number, one in enumerate(series):
        where = (len(one.times), float(one.times[0]), one.tz, one.holidays) if _fixed(one) else ()
        together[one.step, where].append(number)
    batches: list[list[int]] = []
    for numbers in together.values():
        numbers.sort(key=lambda number: len(series[number].times))
        shortest = 0
        for number in numbers:
            length = len(series[number].times)
            if not shortest or length > LONGER * shortest:
                batches.append([])
                shortest = length
            batches[-1].append(number)
    return batches
