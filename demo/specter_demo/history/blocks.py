"""Import series into Prometheus' database before the server starts.

`promtool tsdb create-blocks-from openmetrics` reads its whole input once for
every block it writes. So the history is cut at the blocks' own borders, and
each piece is written and imported by itself, two at a time.
"""

import math
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from specter_core.errors import SpecterError
from specter_demo.history.simulate import Array, Series

# The longest block promtool accepts; with its default of 2 h the import takes 20 times longer.
BLOCK_HOURS = 192
WORKERS = 2


def import_blocks(promtool: Path, database: Path, times: Array, series: Sequence[Series]) -> None:
    """Write `series` (values at `times`, epoch seconds) as blocks of the database folder.

    Raises:
        SpecterError: promtool refused; the message quotes it.
    """
    block = BLOCK_HOURS * 3600
    borders = np.searchsorted(times, np.arange(times[0] // block + 1, times[-1] // block + 1) * block)
    pieces = np.split(np.arange(len(times)), borders)
    with (
        TemporaryDirectory(dir=database.parent, prefix="history-") as scratch,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool,
    ):
        pending = [
            pool.submit(
                _import_piece,
                promtool,
                database,
                Path(scratch) / f"{number}.om",
                times[rows],
                [Series(one.name, dict(one.labels), one.values[rows]) for one in series],
            )
            for number, rows in enumerate(pieces)
        ]
        for piece in pending:
            piece.result()


def _import_piece(promtool: Path, database: Path, file: Path, times: Array, series: Sequence[Series]) -> None:
    write_openmetrics(file, times, series)
    command = [
        *(str(promtool), "tsdb", "create-blocks-from", "openmetrics"),
        *(f"--max-block-duration={BLOCK_HOURS}h", "--quiet", str(file), str(database)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SpecterError(
            f"promtool cannot import the history: {(done.stderr or done.stdout).strip()[-500:]}"
        )
    file.unlink()


def write_openmetrics(file: Path, times: Array, series: Sequence[Series]) -> None:
    """Write `series` in OpenMetrics text with timestamps; NaN values are left out."""
    stamps = [f"{stamp:.3f}".rstrip("0").rstrip(".") for stamp in times.tolist()]
    with file.open("w", encoding="utf-8") as out:
        # A metric family must be written in one piece.
        for name in sorted({one.name for one in series}):
            out.write(f"# TYPE {name} gauge\n")
            for one in series:
                if one.name == name:
                    _write_series(out.write, one, stamps)
        out.write("# EOF\n")


def _write_series(write: Callable[[str], object], one: Series, stamps: list[str]) -> None:
    labels = ",".join(f'{key}="{_escape(value)}"' for key, value in sorted(one.labels.items()))
    prefix = f"{one.name}{{{labels}}} "
    values = one.values.tolist()
    # One join a series: 5 million lines in about 4 s, a third of the time of single writes.
    write("".join(f"{prefix}{v:.6g} {t}\n" for v, t in zip(values, stamps, strict=True) if not math.isnan(v)))


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
