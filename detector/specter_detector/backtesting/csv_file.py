"""Read series from a CSV file, onto a grid.

`timestamp,value`, or `timestamp` and a column a series; a column `label` is the truth. What is not as it
should be has one outcome each:

- off the grid: a sample goes to the nearest multiple of the step, half-way to the later one;
- several in one slot: the nearest stays, of equally near ones the later, of one timestamp the last row;
- rows in any order, empty lines: as if sorted, passed over;
- a gap, an empty cell, `NaN`, an infinite value: nothing is known there;
- a slot is labelled anomalous where any row in it is, and unlabelled where none has a label;
- anything else is an error that names file, line and column.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specter_core.errors import SpecterError
from specter_detector.backtesting.times import nearest_step, parse_time
from specter_detector.models.arrays import Floats
from specter_detector.models.grid import regular

TIMESTAMP, LABEL = "timestamp", "label"
LABELS = {
    "0": 0.0,
    "0.0": 0.0,
    "false": 0.0,
    "1": 1.0,
    "1.0": 1.0,
    "true": 1.0,
    "": math.nan,
    "nan": math.nan,
}
SLOTS_A_ROW, FEW_SLOTS = 1_000, 100_000
"""A grid with more slots than both means timestamps in mixed units, not gaps."""


class CsvError(SpecterError):
    """A file that is not what it should be."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What a file holds, on its grid.

    Attributes:
        path: of the file.
        names: of the columns with values.
        step: seconds.
        times: (n,) Unix seconds, multiples of the step.
        values: (columns, n) NaN where nothing is known.
        truth: (n,) 1 anomalous, 0 normal, NaN unlabelled; None without such a column.
    """

    path: Path
    names: tuple[str, ...]
    step: float
    times: Floats
    values: Floats
    truth: Floats | None


def read_csv(path: Path, step: float | None = None) -> Table:
    """Read a file; `step` (s) is the median distance of its timestamps by default, to a divisor of a day.

    Raises:
        CsvError: it cannot be read, or is not such a file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            names, rows = _parse(lines, str(path))
    except OSError as error:
        raise CsvError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CsvError(f"{path}: not UTF-8 at byte {error.start}: {error.reason}") from error
    except csv.Error as error:
        raise CsvError(f"{path}: not CSV: {error}") from error
    return _on_grid(path, names, rows, step)


def _parse(lines: Iterable[str], name: str) -> tuple[list[str], Floats]:
    """Return the names of the columns after the first, and the rows as numbers."""
    reader = csv.reader(lines, strict=True)
    header = [column.strip() for column in next(reader, [])]
    if not header or header[0].lower() != TIMESTAMP:
        found = ",".join(header) or "nothing"
        raise CsvError(f"{name}:1: the first column must be `timestamp`; the header is: {found}")
    names = header[1:]
    doubled = sorted({column for column in names if names.count(column) > 1 or not column})
    if doubled or not [column for column in names if column.lower() != LABEL]:
        what = f"a column twice or without a name: {', '.join(doubled) or '-'}" if doubled else "no values"
        raise CsvError(f"{name}:1: {what}; expected `timestamp,value` or `timestamp,<series>...`")
    parsers = [_value if column.lower() != LABEL else _label for column in names]
    rows: list[list[float]] = []
    for fields in reader:
        if not any(field.strip() for field in fields):
            continue
        where = f"{name}:{reader.line_num}"
        if len(fields) != len(header):
            raise CsvError(f"{where}: {len(fields)} fields, the header has {len(header)}")
        rows.append(_row(fields, header, parsers, where))
    return names, np.array(rows, np.float64).reshape(len(rows), len(header))


def _row(fields: Sequence[str], header: Sequence[str], parsers: Sequence[object], where: str) -> list[float]:
    numbers: list[float] = []
    for column, text, parse in zip(header, fields, (parse_time, *parsers), strict=True):
        try:
            numbers.append(parse(text.strip()))  # type: ignore[operator]
        except ValueError as error:
            raise CsvError(f"{where}: {column} {text!r}: {error}") from None
    return numbers


def _value(text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise ValueError("expected a number, or nothing where none is known") from None


def _label(text: str) -> float:
    try:
        return LABELS[text.lower()]
    except KeyError:
        raise ValueError("expected 0, 1, true, false, or nothing where it is unknown") from None


def _on_grid(path: Path, names: list[str], rows: Floats, step: float | None) -> Table:
    stamps = rows[:, 0]
    distinct = np.unique(stamps)
    if step is None:
        if distinct.size < 2:
            message = f"{distinct.size} distinct timestamps: two at least tell a step, or give --step"
            raise CsvError(f"{path}: {message}")
        # One that occurs, not a mean of two.
        step = nearest_step(float(np.quantile(np.diff(distinct), 0.5, method="lower")))
    if not distinct.size:
        raise CsvError(f"{path}: no rows")
    slots = (distinct[-1] - distinct[0]) / step
    if slots > max(SLOTS_A_ROW * distinct.size, FEW_SLOTS):
        raise CsvError(
            f"{path}: {distinct.size} timestamps from {distinct[0]:.0f} to {distinct[-1]:.0f} make "
            f"{slots:.0f} steps of {step:g} s; is every timestamp in the same unit?"
        )
    grids = [regular(stamps, rows[:, 1 + index], step) for index, name in _columns(names, label=False)]
    truth = None
    for index, _ in _columns(names, label=True):
        truth = _truth(stamps, rows[:, 1 + index], step, grids[0].times)
    kept = tuple(name for _, name in _columns(names, label=False))
    return Table(path, kept, step, grids[0].times, np.stack([grid.values for grid in grids]), truth)


def _columns(names: Sequence[str], *, label: bool) -> list[tuple[int, str]]:
    return [(index, name) for index, name in enumerate(names) if (name.lower() == LABEL) == label]


def _truth(stamps: Floats, labels: Floats, step: float, times: Floats) -> Floats:
    truth = np.full(times.size, np.nan)
    slots = np.floor(stamps / step + 0.5).astype(np.int64) - round(float(times[0]) / step)
    np.fmax.at(truth, slots, labels)
    return truth
