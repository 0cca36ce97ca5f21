"""Read rows of `timestamp,value,label` from the text of a CSV file."""

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from benchmarks.evaluation.series import Bools, Floats
from specter_core.errors import SpecterError

MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138, as milliseconds 1973
LATEST = 1e14
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


class DataError(SpecterError):
    """A file that is not what it should be: says which, where and what was found."""


class MissingDataError(DataError):
    """A file that is not there, or cannot be opened."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of one file as they stand in it, all (n,).

    `times`: Unix seconds, in any order. `values`: NaN where empty. `labels`: 1 anomalous, 0 not, NaN unknown.
    """

    times: Floats
    values: Floats
    labels: Floats

    @property
    def labelled(self) -> Bools:
        """Return (n,) whether each row has a label."""
        return ~np.isnan(self.labels)


def read_rows(lines: Iterable[str], name: str, *, with_labels: bool = True) -> Rows:
    """Parse a CSV file's lines.

    Args:
        lines: the header, then the rows. Names of columns are not case-sensitive, other columns and empty
            lines are passed over.
        name: the file, for messages.
        with_labels: whether there has to be a column `label`; without, all labels are NaN.

    Raises:
        DataError: a column is missing, or a field cannot be read.
    """
    reader = csv.reader(lines, strict=True)
    wanted = ("timestamp", "value", "label") if with_labels else ("timestamp", "value")
    parsers = (parse_time, parse_value, parse_label)
    parsed: list[list[float]] = []
    try:
        columns = _columns(next(reader, []), wanted, name)
        parsed.extend(
            _row(row, columns, wanted, parsers, f"{name}:{reader.line_num}") for row in reader if row
        )
    except csv.Error as error:
        raise DataError(f"{name}:{reader.line_num}: not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 after line {reader.line_num}: {error.reason}") from error
    table = np.array(parsed, dtype=np.float64).reshape(-1, len(wanted))
    labels = table[:, 2] if with_labels else np.full(len(table), math.nan)
    return Rows(table[:, 0], table[:, 1], labels)


def _columns(header: Sequence[str], wanted: Sequence[str], name: str) -> list[int]:
    names = [column.strip().lower() for column in header]
    missing = [column for column in wanted if column not in names]
    if missing:
        found = ",".join(header) or "nothing"
        raise DataError(f"{name}:1: no column {', '.join(missing)} in the header, which is: {found}")
    return [names.index(column) for column in wanted]


def _row(
    row: Sequence[str],
    columns: Sequence[int],
    wanted: Sequence[str],
    parsers: Sequence[Callable[[str], float]],
    where: str,
) -> list[float]:
    if len(row) <= max(columns):
        raise DataError(f"{where}: {len(row)} fields, too few for the header: {','.join(row)}")
    fields: list[float] = []
    for column, name, parse in zip(columns, wanted, parsers, strict=False):
        try:
            fields.append(parse(row[column].strip()))
        except ValueError as error:
            raise DataError(f"{where}: {name} {row[column]!r} {error}") from error
    return fields


def parse_time(text: str) -> float:
    """Return Unix seconds from Unix seconds, Unix milliseconds or ISO 8601, in UTC where that names no zone.

    Raises:
        ValueError: it is none of them; completes the sentence `timestamp '…' `.
    """
    try:
        number = float(text)
    except ValueError:
        return _parse_iso(text)
    if not 0 <= number < LATEST:
        raise ValueError("is no Unix time in seconds or milliseconds")
    return number / 1000 if number >= MILLISECONDS_FROM else number


def _parse_iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is neither Unix time nor ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_value(text: str) -> float:
    """Return the number, NaN where `text` is empty.

    Raises:
        ValueError: it is no finite number.
    """
    try:
        number = float(text) if text else math.nan
    except ValueError:
        raise ValueError("is not a number") from None
    if math.isinf(number):
        raise ValueError("is not finite")
    return number


def parse_label(text: str) -> float:
    """Return 1 for an anomaly, 0 for none, NaN where `text` is empty.

    Raises:
        ValueError: it is none of 0, 1, true, false and empty.
    """
    try:
        return LABELS[text.lower()]
    except KeyError:
        raise ValueError("is not 0, 1, true, false or empty") from None
