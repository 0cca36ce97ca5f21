"""Score alarms on labelled samples by event.

Labels with fewer than six samples between them are one event, which is found when any sample in it is an
alarm. The rest of the scored time, a margin of two samples around each event left out, is cut into blocks of
six samples that are counted from the first scored one; a block with an alarm is one false alarm, so that
staying in alarm costs. A block that an event or its margin cuts short is a block still.

Events and blocks are made of scored samples only: an event that begins in the warm-up begins where that ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.series import Bools, Floats, Ints, LabelledSeries, Scores
from specter_detector.backtesting.outcome import ALARM_ABOVE, BLOCK, MARGIN, events_in

DAY = 86_400.0

DRAWS = 1000
INTERVAL_PERCENT = (2.5, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where a series' events and blocks lie.

    Attributes:
        events: (k, 2) index of the first and the last sample of each event.
        blocks: (n,) number of the block each sample is in, ascending from 0, -1 where in none.
        scored: (n,) whether each sample counts.
    """

    events: Ints
    blocks: Ints
    scored: Bools


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one series, or several, came to at one threshold.

    Attributes:
        events: how many there are.
        found: of them with an alarm.
        false_alarms: blocks with an alarm.
        quiet_days: scored time outside events and margins.
        delays: seconds from the start of each found event to its first alarm.
        confidence: the sum over scored samples that hold a value, 0 where the detector gave no score or none.
        samples: how many those are.
    """

    events: int = 0
    found: int = 0
    false_alarms: int = 0
    quiet_days: float = 0.0
    delays: tuple[float, ...] = ()
    confidence: float = 0.0
    samples: int = 0

    @property
    def f1(self) -> float:
        """Return F1 over found, missed and false alarms; NaN where there was nothing to find and no alarm."""
        return float(f1(self.found, self.false_alarms, self.events))

    @property
    def precision(self) -> float:
        """Return found events among all alarms, NaN without an alarm."""
        return _share(self.found, self.found + self.false_alarms)

    @property
    def recall(self) -> float:
        """Return found events among all events, NaN without an event."""
        return _share(self.found, self.events)

    @property
    def false_alarms_per_day(self) -> float:
        """Return false alarms a series a day, over the time in which there can be any."""
        return _share(self.false_alarms, self.quiet_days)

    @property
    def coverage(self) -> float:
        """Return the mean confidence over scored samples that hold a value, 0 where there was no score."""
        return _share(self.confidence, self.samples)


def lay_out(series: LabelledSeries) -> Layout:
    """Find the events and blocks of a series."""
    scored = series.scored
    events = events_in(series.anomalous & scored)
    quiet = scored.copy()
    for first, last in events:
        quiet[max(first - MARGIN, 0) : last + MARGIN + 1] = False
    number = (np.arange(len(scored)) - series.scored_from) // BLOCK
    blocks = np.full(len(scored), -1, dtype=np.int64)
    blocks[quiet] = np.unique(number[quiet], return_inverse=True)[1]
    return Layout(events, blocks, scored)


def judge(series: LabelledSeries, scores: Scores, threshold: float = ALARM_ABOVE) -> Outcome:
    """Count what the scores of one series are worth where an alarm is a score above `threshold`."""
    layout = lay_out(series)
    alarm = (scores.score > threshold) & layout.scored
    delays = []
    for first, last in layout.events:
        within = np.flatnonzero(alarm[first : last + 1])
        if len(within):
            delays.append(float(within[0] * series.step))
    quiet = layout.blocks >= 0
    held = layout.scored & ~np.isnan(series.values)
    said = held & ~np.isnan(scores.score) & ~np.isnan(scores.confidence)
    return Outcome(
        events=len(layout.events),
        found=len(delays),
        false_alarms=len(np.unique(layout.blocks[quiet & alarm])),
        quiet_days=float(quiet.sum() * series.step / DAY),
        delays=tuple(delays),
        confidence=float(scores.confidence[said].sum()),
        samples=int(held.sum()),
    )


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """Pool the outcomes of several series."""
    return Outcome(
        events=sum(one.events for one in outcomes),
        found=sum(one.found for one in outcomes),
        false_alarms=sum(one.false_alarms for one in outcomes),
        quiet_days=sum(one.quiet_days for one in outcomes),
        delays=tuple(delay for one in outcomes for delay in one.delays),
        confidence=sum(one.confidence for one in outcomes),
        samples=sum(one.samples for one in outcomes),
    )


def f1(found: Floats | int, false_alarms: Floats | int, events: Floats | int) -> Floats:
    """Return 2 found / (found + false alarms + events), NaN where nothing was to be found and nothing was."""
    below = np.asarray(found + false_alarms + events, dtype=np.float64)
    out = np.full(below.shape, np.nan)
    np.divide(np.multiply(found, 2.0), below, out=out, where=below > 0)
    return out


def best_threshold(series: Sequence[LabelledSeries], scores: Sequence[Scores]) -> float:
    """Return the threshold with the greatest F1 over all series, the highest of several.

    It is inf where nothing has a score. Optimistic, as it is chosen on what it is then measured on.
    """
    in_events: list[Floats] = []
    in_blocks: list[Floats] = []
    for one, its in zip(series, scores, strict=True):
        layout = lay_out(one)
        score = np.where(layout.scored & ~np.isnan(its.score), its.score, -np.inf)
        in_events.extend(score[first : last + 1].max(keepdims=True) for first, last in layout.events)
        peaks = np.full(int(layout.blocks.max(initial=-1)) + 1, -np.inf)
        np.maximum.at(peaks, layout.blocks[layout.blocks >= 0], score[layout.blocks >= 0])
        in_blocks.append(peaks)
    events = np.sort(np.concatenate(in_events)) if in_events else np.empty(0)
    blocks = np.sort(np.concatenate(in_blocks)) if in_blocks else np.empty(0)
    values = np.unique(np.concatenate((events, blocks)))
    values = values[values > -np.inf]
    if not len(values):
        return np.inf
    found = len(events) - np.searchsorted(events, values, side="left")
    false_alarms = len(blocks) - np.searchsorted(blocks, values, side="left")
    scored = np.nan_to_num(f1(found.astype(np.float64), false_alarms.astype(np.float64), len(events)))
    best = values[len(values) - 1 - int(np.argmax(scored[::-1]))]
    return float(np.nextafter(best, -np.inf))  # an alarm is above the threshold


def f1_interval(outcomes: Sequence[Outcome], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of F1: 1000 draws of as many series, with replacement."""
    counts = np.array([(one.found, one.false_alarms, one.events) for one in outcomes], dtype=np.float64)
    if not len(counts):
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(len(counts), size=(DRAWS, len(counts)))
    found, false_alarms, events = counts[drawn].sum(axis=1).T
    values = f1(found, false_alarms, events)
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.percentile(values, INTERVAL_PERCENT)
    return float(low), float(high)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan
