"""Import series into Prometheus' database before the server starts.

`promtool tsdb create-blocks-from openmetrics` reads its whole input once for
every block it writes. So the history is cut at the blocks' own borders, and
each piece is written and imported by itself, two at a time.
"""

import math
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from specter_core.errors import SpecterError
from specter_demo.history.simulate import Array, Series

# One of Prometheus' own block lengths, 2 h times powers of three: promtool rounds any other down to one.
# The next would leave one of the workers idle at the end; with 2 h the import takes 20 times longer.
BLOCK_HOURS = 162
WORKERS = 2
QUOTED = 500


def import_blocks(promtool: Path, database: Path, times: Array, series: Sequence[Series]) -> None:
    """Write `series` (values at `times`, epoch seconds, ascending) as blocks of the database folder.

    Values are kept to six significant digits, NaN not at all.

    Raises:
        SpecterError: promtool refused; the message quotes it. Or there was no room.
    """
    with (
        _scratch(database.parent / "history-import") as scratch,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=_ignore_ctrl_c) as pool,
    ):
        pending = [
            pool.submit(
                _import_piece,
                promtool,
                database,
                scratch / f"{number}.om",
                times[rows],
                [Series(one.name, dict(one.labels), one.values[rows]) for one in series],
            )
            for number, rows in enumerate(pieces(times))
        ]
        try:
            for piece in pending:
                piece.result()
        except OSError as error:
            raise SpecterError(f"the history cannot be written to {scratch}: {error}") from error
        finally:
            # After a failure or Ctrl-C the pieces that have not begun are in vain.
            pool.shutdown(wait=True, cancel_futures=True)


def pieces(times: Array) -> list[slice]:
    """Return the rows of `times` (epoch seconds, ascending) that belong to each block."""
    block = BLOCK_HOURS * 3600
    cuts = np.flatnonzero(np.diff(times // block)) + 1
    edges = [0, *cuts.tolist(), len(times)]
    return [slice(start, end) for start, end in pairwise(edges)]


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield `folder`, empty; what a killed run has left there goes too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _ignore_ctrl_c() -> None:
    """Leave the end of a worker to the launcher: a terminal's Ctrl-C reaches every process of the group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _import_piece(promtool: Path, database: Path, file: Path, times: Array, series: Sequence[Series]) -> None:
    write_openmetrics(file, times, series)
    command = [
        *(str(promtool), "tsdb", "create-blocks-from", "openmetrics"),
        *(f"--max-block-duration={BLOCK_HOURS}h", "--quiet", str(file), str(database)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise SpecterError(f"promtool cannot import the history: {said[-QUOTED:]}")
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
