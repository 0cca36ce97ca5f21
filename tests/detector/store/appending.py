"""A process that appends to a history as fast as it can and says so: `python -m … FOLDER`, to be killed."""

import sys
from pathlib import Path

from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, series

CAPACITY, SERIES, FIRST = 64, 600, 1000


def value(number: int, column: int) -> float:
    """Return a value that tells whose it is, and of when."""
    return column + number / 2**20


def present(column: int) -> range:
    """Return the series of a column: one comes and one goes at each."""
    return range(column, column + SERIES)


def main() -> None:
    """Go on behind the newest column, for ever."""
    ring = Ring.open(Path(sys.argv[1]), "history", step=STEP, capacity=CAPACITY, identity="load")
    column = FIRST if ring.newest is None else round(ring.newest / STEP)
    while True:
        ring.append(column * STEP, {series(number): value(number, column) for number in present(column)})
        print(column, flush=True)
        if column % 50 == 0:
            ring.forget(ring.vanished((column - CAPACITY // 2) * STEP))
        column += 1


if __name__ == "__main__":
    main()
