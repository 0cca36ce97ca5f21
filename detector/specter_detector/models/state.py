"""What the default model remembers of each series between two samples."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Floats, Ints, Singles
from specter_detector.models.tail import Tails, no_tails

FORECASTERS = 6  # (level, day, day and week) x (slow, fast level), slow and fast beside each other


@dataclass(slots=True, eq=False)
class State:
    """Arrays end with (series,); times are in steps.

    Attributes:
        level: (forecasters, series) what is added to each season; NaN where the week is not known.
        quick, slow: (forecasters, series) scale of the errors, by a quick and a slow EWMA.
        loss: (forecasters, series) mean |error| of late, clipped.
        believed: forecaster with the least `loss`.
        scale: the larger of `quick` and `slow` of the one that is believed.
        usual: `scale` at its largest in the past days.
        count_scale: scale of the counts' z.
        fresh: (2, series) up to what size an error is no news, in scales, above and below (`news`).
        fresh_before: the same when the last alarm began.
        quiet: (2, series) time since the error on a side was last beyond the edge of its tail, while what an
            alarm told there is no news; infinite when it is again, and before the first.
        outside: time for which |z| has been large on one side, signed.
        alarmed: time since the last alarm began, infinite before the first.
        least: z nearest to 0 in this step, 0 once its side changed; least_before: in the step before.
        samples: how many values there were, up to 3.
        seen, age: time of which there are samples, and time since the first.
        gap, longest_gap: time since the last sample, and the longest such time before.
        first, last: values.
        still, longest_still: for how long the last value has been that, and the longest before.
        moves: samples that differed from the one before.
        leak: score of a slow leak towards a limit, 0 without one (`leak.leak_scores`).
        tails: see `tail`.
        step: of the last tick, NaN before the first.
    """

    SERIES_AXIS: ClassVar[int] = -1

    level: Floats
    quick: Singles
    slow: Singles
    loss: Singles
    believed: Ints
    scale: Singles
    usual: Singles
    count_scale: Singles
    fresh: Singles
    fresh_before: Singles
    quiet: Singles
    outside: Singles
    alarmed: Singles
    least: Singles
    least_before: Singles
    samples: NDArray[np.int8]
    seen: Floats
    age: Floats
    gap: Singles
    longest_gap: Singles
    first: Floats
    last: Floats
    still: Singles
    longest_still: Singles
    moves: Singles
    leak: Singles
    tails: Tails
    step: float = np.nan


def no_state(series: int) -> State:
    """Return the state of series that have not been seen."""

    def single(*leading: int) -> Singles:
        return np.zeros((*leading, series), np.float32)

    def double(*leading: int) -> Floats:
        return np.zeros((*leading, series))

    level = double(FORECASTERS)
    level[4:] = np.nan
    return State(
        level=level, quick=single(FORECASTERS), slow=single(FORECASTERS),
        loss=single(FORECASTERS),
        believed=np.zeros(series, np.int64), scale=single(), usual=single(),
        count_scale=single() + np.float32(1), fresh=single(2), fresh_before=single(2),
        quiet=single(2) + np.float32(np.inf), outside=single(), alarmed=single() + np.float32(np.inf),
        least=single(), least_before=single(),
        samples=np.zeros(series, np.int8), seen=double(), age=double(), gap=single(), longest_gap=single(),
        first=double(), last=double(), still=single(), longest_still=single(), moves=single(), leak=single(),
        tails=no_tails(series),
    )  # fmt: skip
