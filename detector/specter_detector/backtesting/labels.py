"""Read when something was wrong: `start,end[,series]`, a window a row."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specter_core.errors import SpecterError
from specter_detector.backtesting.chunk import Row
from specter_detector.backtesting.times import parse_time
from specter_detector.models.arrays import Floats

COLUMNS = ("start", "end", "series")


class LabelsError(SpecterError):
    """A file of windows that is not what it should be."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows (Unix s, both ends inclusive) by series; those of the empty name are for every series."""

    path: Path
    by_series: Mapping[str, tuple[tuple[float, float], ...]]

    def truth(self, row: Row) -> Floats:
        """Return (n,) 1 within a window of the series and 0 elsewhere."""
        truth = np.zeros(row.times.size)
        for name in ("", row.series, Path(row.file).stem):
            for start, end in self.by_series.get(name, ()):
                truth[(row.times >= start) & (row.times <= end)] = 1.0
        return truth

    def unused(self, rows: Iterable[tuple[str, str]]) -> list[str]:
        """Return the names of series that are none of `rows` (series, file)."""
        known = {name for series, file in rows for name in (series, Path(file).stem)}
        return sorted(name for name in self.by_series if name and name not in known)


def read_windows(path: Path) -> Windows:
    """Read a file.

    Raises:
        LabelsError: it cannot be read, or a row is no window.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return Windows(path, _parse(csv.DictReader(lines, strict=True), path))
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise LabelsError(f"{path}: not CSV: {error}") from error


def _parse(reader: "csv.DictReader[str]", path: Path) -> dict[str, tuple[tuple[float, float], ...]]:
    header = tuple(name.strip().lower() for name in reader.fieldnames or ())
    if header not in {COLUMNS[:2], COLUMNS}:
        raise LabelsError(
            f"{path}:1: the header must be start,end or start,end,series, not {','.join(header)}"
        )
    reader.fieldnames = header
    windows: dict[str, list[tuple[float, float]]] = {}
    for row in reader:
        where = f"{path}:{reader.line_num}"
        try:
            start, end = (parse_time((row[name] or "").strip()) for name in COLUMNS[:2])
        except ValueError as error:
            raise LabelsError(f"{where}: {row['start']},{row['end']}: {error}") from None
        if end < start:
            raise LabelsError(f"{where}: the end is before the start")
        windows.setdefault((row.get("series") or "").strip(), []).append((start, end))
    return {name: tuple(each) for name, each in windows.items()}
