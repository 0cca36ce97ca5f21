"""Count by event what alarms are worth against labels: the definitions of the accuracy suite (`benchmarks`).

Labels with fewer than six samples between them are one event, found when any sample in it is an alarm. The
rest of the scored time, without a margin of two samples around each event, is cut into blocks of six samples
counted from the first scored one; a block with an alarm is one false alarm, so staying in alarm costs.
Samples of the warm-up, and those without a label, count for nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.models.replay import DAY

JOINED_WITHIN, MARGIN, BLOCK = 6, 2, 6
ALARM_ABOVE = 1.0
HOUR = 3600.0
WARM_UP_HOURLY, WARM_UP_FINER = 15 * DAY, 4.5 * DAY
"""At most: half of a series, where it is shorter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one series, or several, came to.

    Attributes:
        events: how many there are.
        found: of them with an alarm.
        false_alarms: blocks with an alarm.
        delays: seconds from the start of each found event to its first alarm.
    """

    events: int = 0
    found: int = 0
    false_alarms: int = 0
    delays: tuple[float, ...] = ()

    @property
    def precision(self) -> float:
        """Return found events among all alarms, NaN without an alarm."""
        return _share(self.found, self.found + self.false_alarms)

    @property
    def recall(self) -> float:
        """Return found events among all events, NaN without an event."""
        return _share(self.found, self.events)

    @property
    def f1(self) -> float:
        """Return 2 found / (found + false alarms + events), NaN where there was nothing and nothing said."""
        return _share(2 * self.found, self.found + self.false_alarms + self.events)

    @property
    def median_delay(self) -> float:
        """Return the median of the delays (s), NaN without one."""
        return float(np.median(self.delays)) if self.delays else math.nan

    @property
    def mean_delay(self) -> float:
        """Return the mean of the delays (s), NaN without one."""
        return float(np.mean(self.delays)) if self.delays else math.nan


def events_in(marked: Bools) -> Ints:
    """Return (k, 2) the first and last index of each event among (n,) marks."""
    at = np.flatnonzero(marked)
    if not at.size:
        return np.empty((0, 2), np.int64)
    ends = np.flatnonzero(np.diff(at) > JOINED_WITHIN)
    first = at[np.concatenate(([0], ends + 1))]
    last = at[np.concatenate((ends, [at.size - 1]))]
    return np.stack((first, last), axis=1).astype(np.int64)


def warm_up_samples(times: Floats, step: float, warm_up: float | None) -> int:
    """Return how many first samples are not counted: `warm_up` seconds of them, or the suite's rule."""
    if warm_up is not None:
        return min(len(times), math.ceil(warm_up / step))
    longest = WARM_UP_HOURLY if step >= HOUR else WARM_UP_FINER
    return min(math.ceil(longest / step), len(times) // 2)


def judge(alarm: Bools, truth: Floats, step: float, first: int) -> Outcome:
    """Count what the alarms on one series are worth.

    Args:
        alarm: (n,) whether each sample is one.
        truth: (n,) 1 anomalous, 0 normal, NaN unlabelled.
        step: seconds between two samples.
        first: index of the first sample that counts.
    """
    scored = np.isfinite(truth) & (np.arange(truth.size) >= first)
    events = events_in((truth == 1) & scored)
    alarm = alarm & scored
    quiet = scored.copy()
    delays = []
    for begin, end in events.tolist():
        quiet[max(begin - MARGIN, 0) : end + MARGIN + 1] = False
        within = np.flatnonzero(alarm[begin : end + 1])
        if within.size:
            delays.append(float(within[0]) * step)
    blocks = (np.arange(truth.size) - first) // BLOCK
    false_alarms = np.unique(blocks[quiet & alarm]).size
    return Outcome(len(events), len(delays), int(false_alarms), tuple(delays))


def total(outcomes: Iterable[Outcome]) -> Outcome:
    """Pool the outcomes of several series."""
    every = list(outcomes)
    return Outcome(
        sum(one.events for one in every),
        sum(one.found for one in every),
        sum(one.false_alarms for one in every),
        tuple(delay for one in every for delay in one.delays),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
