"""What is replayed at once: the rows of some series on one clock, and what comes of them. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specter_detector.backtesting.learning import steady_learner
from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.fit import FitOptions
from specter_detector.models.replay import DAY, replay
from specter_detector.series import Labels

MOST_SERIES, MOST_POINTS = 128, 2_000_000
"""Of a chunk: a tick costs little more for a hundred series than for one; a point takes 60 bytes."""

LONGER = 1.5
"""How much longer than the shortest of a chunk the longest may be: what is shorter is padded."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How series are replayed.

    Attributes:
        alias: of the query, the value of the output's label `for`.
        model, scheduler: their aliases.
        options: of the fits.
        fit_every, fit_window: seconds between two refits, and how far back one looks.
    """

    alias: str
    model: str
    scheduler: str
    options: FitOptions
    fit_every: float
    fit_window: float


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One series to replay.

    Attributes:
        file: of the output, without a folder.
        series: what it is called there.
        labels: of the series.
        times: (n,) Unix seconds, the step apart, multiples of it.
        values: (n,) NaN where nothing is known.
        truth: (n,) 1 where it is labelled anomalous, 0 where normal, NaN where unlabelled; None without
            labels. The model never sees it.
        setting: how it is replayed.
    """

    file: str
    series: str
    labels: Labels
    times: Floats
    values: Floats
    truth: Floats | None
    setting: Setting


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a worker gets: (n,) times, (series, n) values and the setting."""

    times: Floats
    values: Floats
    setting: Setting


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What was said of each sample of one or more series, see `online.Judged`."""

    score: Floats
    confidence: Floats
    reason: Ints
    direction: NDArray[np.int8]
    yhat: Floats
    lower: Floats
    upper: Floats

    def row(self, index: int, length: int) -> "Scored":
        """Return the first `length` samples of one series."""
        return Scored(*(getattr(self, name)[index, :length] for name in Scored.__slots__))


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Put together consecutive rows on the same clock; memory is bounded by `MOST_POINTS` a chunk."""
    together: list[Row] = []
    for row in rows:
        if together and not _fits(together, row):
            yield together
            together = []
        together.append(row)
    if together:
        yield together


def _fits(together: list[Row], row: Row) -> bool:
    first = together[0]
    lengths = [len(each.times) for each in (*together, row)]
    return (
        row.setting == first.setting
        and row.times[0] == first.times[0]
        and len(lengths) <= min(MOST_SERIES, max(1, MOST_POINTS // max(lengths)))
        and max(lengths) <= LONGER * min(lengths)
    )


def task_of(rows: list[Row]) -> Task:
    """Return the rows of a chunk as one batch, the shorter ones padded at their end."""
    longest = max(rows, key=lambda row: len(row.times))
    values = np.full((len(rows), len(longest.times)), np.nan)
    for number, row in enumerate(rows):
        values[number, : len(row.values)] = row.values
    return Task(longest.times, values, rows[0].setting)


def score(task: Task) -> Scored:
    """Replay a batch; every series comes out as if it were alone."""
    # Here, so that a remote worker does it too. One thread: workers are there for the others, and sums
    # that are split among threads may differ in their last digit.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # noqa: PLC0415

    setting, options = task.setting, task.setting.options
    with threadpool_limits(limits=1):
        replayed = replay(
            task.times,
            task.values,
            options.step,
            tz=options.tz,
            holidays=options.holidays,
            policy=options.policy,
            learn=steady_learner(options.kind),
            refits_a_day=DAY / setting.fit_every,
            window_days=setting.fit_window / DAY,
        )
    return Scored(*(getattr(replayed, name) for name in Scored.__slots__))
