"""Lay rows on a regular grid."""

from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.rows import DataError, Rows
from benchmarks.evaluation.series import Floats, Ints

FINEST_SECONDS = 300.0
SLOTS_A_ROW = 100


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Rows on a regular grid of n slots.

    Attributes:
        times: (n,) Unix seconds, `step` apart.
        values: (n,) NaN where no row fell.
        labels: (n,) 1, 0, or NaN where no row fell or it had no label.
        step: seconds between two slots.
        rows: (n,) index of the row that a slot was filled from, -1 where none was.
    """

    times: Floats
    values: Floats
    labels: Floats
    step: float
    rows: Ints


def lay(rows: Rows, name: str) -> Grid:
    """Put every row into the nearest slot of a grid whose step is the median difference of the times.

    Of rows with the same time, and of rows that fall into the same slot, the last stands. The grid lies where
    most rows are: the median of what they are off is taken out.

    Raises:
        DataError: fewer than two times, or a grid of an absurd size.
    """
    order = np.argsort(rows.times, kind="stable")
    times = rows.times[order]
    last = np.append(times[1:] != times[:-1], True)[: len(times)]
    order, times = order[last], times[last]
    if len(times) < 2:
        raise DataError(f"{name}: {len(times)} distinct timestamps; two at least make a series")
    step = float(np.quantile(np.diff(times), 0.5, method="lower"))  # one that occurs, not a mean of two
    if (times[-1] - times[0]) / step > SLOTS_A_ROW * len(times):
        raise DataError(
            f"{name}: {len(times)} rows {step:g} s apart, from {times[0]:.0f} to {times[-1]:.0f}; "
            "is every timestamp in the same unit?"
        )
    since = times - times[0]
    phase = float(np.median((since + step / 2) % step - step / 2))
    slots = np.maximum(np.rint((since - phase) / step), 0).astype(np.int64)
    filled = np.full(slots[-1] + 1, -1, dtype=np.int64)
    filled[slots] = order
    grid_times = times[0] + phase + np.arange(len(filled)) * step
    here = filled >= 0
    values, labels = np.full(len(filled), np.nan), np.full(len(filled), np.nan)
    values[here], labels[here] = rows.values[filled[here]], rows.labels[filled[here]]
    return Grid(grid_times, values, labels, step, filled)


def coarsen(grid: Grid, step: float = FINEST_SECONDS) -> Grid:
    """Return a grid of `step` seconds at whole multiples of it, or `grid` where that is not finer.

    A slot's value is the mean of those that begin in it, its label the greatest; `rows` is that of the last.
    """
    if grid.step >= step:
        return grid
    slots = np.floor(grid.times / step).astype(np.int64)
    first = slots[0]
    slots -= first
    length = int(slots[-1]) + 1
    known = ~np.isnan(grid.values)
    count = np.bincount(slots[known], minlength=length)
    total = np.bincount(slots[known], weights=grid.values[known], minlength=length)
    values = np.divide(total, count, out=np.full(length, np.nan), where=count > 0)
    labels = np.full(length, np.nan)
    np.fmax.at(labels, slots, grid.labels)
    rows = np.full(length, -1, dtype=np.int64)
    np.maximum.at(rows, slots, grid.rows)
    return Grid((first + np.arange(length)) * step, values, labels, step, rows)
