"""Folders of labelled series.

A series lies on a regular grid (see `grid`); what is finer than five minutes is averaged to five minutes, a
slot being anomalous where any of its samples is. Its warm-up is not scored:

- where the first samples have no label, up to the first label;
- elsewhere 14 days and one period of a day for a series of an hour's step or coarser, 3.5 days and one
  period for a finer one, but (in `--labelled`) half of the series at most.

A sample without a label is never scored, nor is a slot of the grid on which no row fell.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.evaluation.grid import Grid, coarsen, lay
from benchmarks.evaluation.rows import DataError, MissingDataError, Rows, parse_time, read_rows
from benchmarks.evaluation.series import Floats, LabelledSeries

DAY = 86_400.0
HOUR = 3_600.0
PERIOD = DAY
WARMUP_HOURLY = 14 * DAY + PERIOD
WARMUP_FINER = 3.5 * DAY + PERIOD

# The README of the data counts 47 and 79, 11 and 18 series and events: rows as they stand in a file make 700,
# and only without a 12th day (one series by the minute has 14) are there 18 events.
HOURLY_ROWS = 700
HOURLY_SAMPLES = 720
MINUTE_DAYS = 11

PROBATION = 0.15
PROBATION_OF = 5_000


@dataclass(frozen=True, slots=True)
class Folder:
    """What was read of a folder: the series, and a message on each file that holds none."""

    series: tuple[LabelledSeries, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cloud:
    """The cloud-monitoring set: series by the hour, and series by the minute at five minutes."""

    hourly: tuple[LabelledSeries, ...]
    minute: tuple[LabelledSeries, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NabSeries:
    """One file of the Numenta Anomaly Benchmark, which is scored by row.

    Attributes:
        name: its path under `data`.
        rows: as they stand in the file.
        windows: Unix seconds of the first and the last row of each labelled window, ascending.
        grid: the same on a regular grid, for a detector that needs one.
    """

    name: str
    rows: Rows
    windows: tuple[tuple[float, float], ...]
    grid: Grid

    def labelled_series(self) -> LabelledSeries:
        """Return the series on its grid: anomalous within windows, the probation as warm-up."""
        times = self.grid.times
        anomalous = np.zeros(len(times), dtype=np.bool_)
        for start, end in self.windows:
            anomalous |= (times >= start) & (times <= end)
        # The first slot that was filled by a row after the probation.
        probation = probation_rows(len(self.rows.times))
        scored_from = int(np.argmax(self.grid.rows >= probation))
        return LabelledSeries(
            self.name,
            times,
            self.grid.values,
            anomalous,
            self.grid.step,
            scored_from,
            labelled=self.grid.rows >= 0,
        )

    def by_row(self, scores: Floats) -> Floats:
        """Return (rows,) scores from scores on the grid: NaN for a row whose slot a later one took."""
        rows = np.full(len(self.rows.times), np.nan)
        filled = self.grid.rows >= 0
        rows[self.grid.rows[filled]] = scores[filled]
        return rows


def probation_rows(length: int) -> int:
    """Return how many first rows NAB does not score: 15 %, of 5000 at most."""
    return min(math.floor(PROBATION * length), math.floor(PROBATION * PROBATION_OF))


def warmup_samples(step: float) -> int:
    """Return how many first samples of a wholly labelled series are not scored: see the module."""
    return math.ceil((WARMUP_HOURLY if step >= HOUR else WARMUP_FINER) / step)


def read_labelled(folder: Path) -> Folder:
    """Read every CSV file under `folder`.

    Raises:
        DataError: there is none, or some cannot be read: one line a file.
    """
    series: list[LabelledSeries] = []
    left_out: list[str] = []
    for name, rows in _read_all(folder):
        missing = "value" if np.isnan(rows.values).all() else "label" if not rows.labelled.any() else ""
        if missing:
            left_out.append(f"{folder / name}: left out, no row of it has a {missing}")
        else:
            grid = coarsen(lay(rows, str(folder / name)))
            series.append(_labelled_series(name, grid, min(warmup_samples(grid.step), len(grid.times) // 2)))
    return Folder(tuple(series), tuple(left_out))


def read_cloud(folder: Path) -> Cloud:
    """Read the cloud-monitoring set.

    Of files by the hour those with 700 rows count, their first 720 samples; of the others the first 11 days.

    Raises:
        DataError: as `read_labelled`.
    """
    hourly: list[LabelledSeries] = []
    minute: list[LabelledSeries] = []
    for name, rows in _read_all(folder):
        grid = coarsen(lay(rows, str(folder / name)))
        warmup = warmup_samples(grid.step)
        if grid.step < HOUR:
            minute.append(_labelled_series(name, grid, warmup, round(MINUTE_DAYS * DAY / grid.step)))
        elif len(rows.times) >= HOURLY_ROWS:
            hourly.append(_labelled_series(name, grid, warmup, HOURLY_SAMPLES))
    return Cloud(tuple(hourly), tuple(minute))


def read_nab(folder: Path) -> tuple[NabSeries, ...]:
    """Read the Numenta Anomaly Benchmark: every series that `labels/combined_windows.json` names.

    Raises:
        DataError: that file, or one that it names, is missing or cannot be read.
    """
    labels = folder / "labels" / "combined_windows.json"
    windows = _nab_windows(labels)
    return tuple(_nab_series(folder / "data" / name, name, windows[name]) for name in sorted(windows))


def _read_all(folder: Path) -> list[tuple[str, Rows]]:
    """Return every CSV file under `folder` by its path in it, or raise what is wrong with all of them."""
    files: list[tuple[str, Rows]] = []
    errors: list[str] = []
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".csv" and path.is_file())
    if not paths:
        raise MissingDataError(f"{folder}: no CSV file in it")
    for path in paths:
        try:
            files.append((path.relative_to(folder).as_posix(), _read_file(path)))
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError("\n".join(errors))
    return files


def _read_file(path: Path, *, with_labels: bool = True) -> Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return read_rows(lines, str(path), with_labels=with_labels)
    except OSError as error:
        raise MissingDataError(f"{path}: {error.strerror}") from error


def _labelled_series(name: str, grid: Grid, warmup: int, most: int | None = None) -> LabelledSeries:
    """Return the first `most` samples of `grid`; `warmup` stands where the first sample has a label."""
    times, labels = grid.times[:most], grid.labels[:most]
    labelled = ~np.isnan(labels)
    scored_from = int(np.argmax(labelled)) or warmup
    return LabelledSeries(
        name, times, grid.values[:most], labels == 1, grid.step, scored_from, labelled=labelled
    )


def _nab_windows(path: Path) -> dict[str, list[tuple[float, float]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: sorted((parse_time(start), parse_time(end)) for start, end in windows)
            for name, windows in content.items()
        }
    except OSError as error:
        raise MissingDataError(f"{path}: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path}: not series with their windows: {error}") from error


def _nab_series(path: Path, name: str, windows: Sequence[tuple[float, float]]) -> NabSeries:
    rows = _read_file(path, with_labels=False)
    return NabSeries(name, rows, tuple(windows), lay(rows, str(path)))
