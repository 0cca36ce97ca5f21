"""Write what was said of each sample: a CSV file an input, series by series."""

import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from specter_core.errors import SpecterError
from specter_detector.backtesting.chunk import Row, Scored
from specter_detector.models.online import REASONS

HEADER = "timestamp,series,y,yhat,yhat_lower,yhat_upper,anomaly_score,direction,reason,confidence"


class ScoreFiles:
    """Opens the files of a folder one after the other, as rows come.

    Raises:
        SpecterError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None
        self._name = ""
        self.written: list[Path] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SpecterError(f"--out {folder}: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the open file."""
        if self._file is not None:
            self._file.close()

    def take(self, row: Row, scored: Scored) -> None:
        """Append one series; the series of a file come behind each other."""
        try:
            if row.file != self._name or self._file is None:
                self._open(row.file)
            if self._file is not None:
                self._file.writelines(lines(row, scored))
        except OSError as error:
            raise SpecterError(f"{self._folder / row.file}: {error.strerror}") from error

    def _open(self, name: str) -> None:
        if self._file is not None:
            self._file.close()
        path = self._folder / name
        again = path in self.written
        self._file = path.open("a" if again else "w", encoding="utf-8", newline="")
        self._name = name
        if not again:
            self._file.write(f"{HEADER}\n")
            self.written.append(path)


def lines(row: Row, scored: Scored) -> Iterator[str]:
    """Yield a line a sample: numbers to the last digit that the model has, nothing where nothing is known."""
    series = _quoted(row.series)
    columns = (
        row.times, row.values, scored.yhat, scored.lower, scored.upper, scored.score,
        scored.direction, scored.reason, scored.confidence,
    )  # fmt: skip
    for at, y, yhat, lower, upper, score, direction, reason, confidence in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        said = not math.isnan(score)
        yield (
            f"{at:.0f},{series},{_number(y)},"
            f"{_band(yhat, lower, upper) if said else ',,'},"
            f"{f'{score:.7g}' if said else ''},{direction if said else ''},"
            f"{REASONS[reason]},{confidence:.7g}\n"
        )


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _band(yhat: float, lower: float, upper: float) -> str:
    return f"{yhat:.10g},{lower:.10g},{upper:.10g}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(each in text for each in ',"\n\r') else text
