"""The scoring of the Numenta Anomaly Benchmark.

Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms, 2015, and the protocol of its repository's
version 1.1. With S(y) = 2 / (1 + exp(5 y)) - 1 and a window of w rows,

- the earliest alarm in a window earns S(y) / S(-1), y running from -1 at the first row to -1/w at the last;
- every alarm outside of windows costs: a_fp S(y), y being the rows since the last window's end over w - 1, or
  a_fp where y is above 3 or there was no window yet;
- every window without an alarm costs a_fn.

The first rows (15 %, 750 at most) are not scored. The sum over the corpus is normalised: 0 is no alarm at
all, 100 is an alarm on the first row of every window and none elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.datasets import NabSeries, probation_rows
from benchmarks.evaluation.series import Floats, Ints

STEEPNESS = 5.0
FAR_PAST = 3.0
ALARM_ABOVE = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What a found window earns, and what a false alarm and a missed window cost."""

    name: str
    found: float
    false_alarm: float
    missed: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("low_fp", 1.0, 0.22, 1.0),
    Profile("low_fn", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """The scored rows of all series that have a score, by score, the highest first; all (n,).

    Attributes:
        score: what the detector said.
        window: number of the window a row is in, -1 where in none.
        worth: what an alarm on the row is worth before weights: 0…1 in a window, -1…0 outside.
        reachable: how many windows have a scored row, with a score or without.
        windows: how many there are.
    """

    score: Floats
    window: Ints
    worth: Floats
    reachable: int
    windows: int


@dataclass(frozen=True, slots=True)
class Result:
    """A normalised score, and the lowest score that was an alarm for it; inf where none was."""

    score: float
    alarm_from: float


def sigmoid(position: Floats) -> Floats:
    """Return the published scaled sigmoid: near 1 at -1, 0 at 0, near -1 at 1, and -1 above 3."""
    near = np.minimum(position, FAR_PAST)
    return np.where(position > FAR_PAST, -1.0, 2 / (1 + np.exp(STEEPNESS * near)) - 1)


def worth_of_rows(times: Floats, windows: Sequence[tuple[float, float]]) -> tuple[Ints, Floats]:
    """Return (n,) the number of each row's window, -1 in none, and (n,) what an alarm on it is worth.

    Args:
        times: (n,) Unix seconds of the rows.
        windows: times of the first and the last row of each, ascending.
    """
    within = np.full(len(times), -1, dtype=np.int64)
    worth = np.full(len(times), -1.0)
    best = sigmoid(np.array(-1.0))
    for number, (start, end) in enumerate(windows):
        rows = np.flatnonzero((times >= start) & (times <= end))
        if not len(rows):
            continue
        first, last = int(rows[0]), int(rows[-1])
        width = last - first + 1
        inside = np.arange(first, last + 1)
        within[inside] = number
        worth[inside] = sigmoid((inside - last - 1) / width) / best
        after = np.arange(last + 1, len(times))
        worth[after] = sigmoid((after - last) / max(width - 1, 1))
    return within, worth


def gather(series: Sequence[NabSeries], scores: Sequence[Floats]) -> Corpus:
    """Put the rows of all series together.

    Args:
        series: of the benchmark.
        scores: a score for each row of each of them, NaN where there is none; as far as a threshold is
            optimised, they have to be comparable between series.
    """
    parts: list[tuple[Floats, Ints, Floats]] = []
    windows = reachable = 0
    for one, score in zip(series, scores, strict=True):
        within, worth = worth_of_rows(one.rows.times, one.windows)
        past = np.arange(len(within)) >= probation_rows(len(within))
        reachable += len(np.unique(within[past & (within >= 0)]))
        counts = past & ~np.isnan(score)
        parts.append((score[counts], np.where(within >= 0, within + windows, -1)[counts], worth[counts]))
        windows += len(one.windows)
    score, window, worth = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(-score, kind="stable")
    return Corpus(score[order], window[order], worth[order], reachable, windows)


def optimised(corpus: Corpus, profile: Profile) -> Result:
    """Return the best score over all thresholds, one for the whole corpus."""
    sums = _running_sums(corpus, profile)
    ends = (
        np.flatnonzero(np.append(corpus.score[1:] != corpus.score[:-1], True))
        if len(sums)
        else np.empty(0, int)
    )
    best = int(np.argmax(sums[ends])) if len(ends) else -1
    if best < 0 or sums[ends[best]] <= 0:
        return Result(0.0, np.inf)
    return Result(_normalised(float(sums[ends[best]]), corpus, profile), float(corpus.score[ends[best]]))


def at_threshold(corpus: Corpus, profile: Profile, threshold: float = ALARM_ABOVE) -> Result:
    """Return the score where an alarm is a score above `threshold`."""
    alarms = int(np.count_nonzero(corpus.score > threshold))
    if not alarms:
        return Result(0.0, np.inf)
    gained = float(_running_sums(corpus, profile)[alarms - 1])
    return Result(_normalised(gained, corpus, profile), float(corpus.score[alarms - 1]))


def _running_sums(corpus: Corpus, profile: Profile) -> Floats:
    """Return (n,) what is gained on no alarm at all where each row and all before it are alarms."""
    gains = np.where(corpus.window < 0, corpus.worth * profile.false_alarm, 0.0)
    for number in np.unique(corpus.window[corpus.window >= 0]):
        rows = np.flatnonzero(corpus.window == number)
        earned = np.maximum.accumulate(corpus.worth[rows]) * profile.found
        gains[rows] = np.diff(earned, prepend=-profile.missed)
    return np.cumsum(gains)


def _normalised(gained: float, corpus: Corpus, profile: Profile) -> float:
    perfect = corpus.windows * profile.found + corpus.reachable * profile.missed
    return 100 * gained / perfect if perfect else np.nan
