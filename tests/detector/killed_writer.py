"""A process that writes ticks until it is killed, or has written the last: `url folder first last`.

Its values are its own: a tick that two of them write shows as a conflict.
"""

import logging
import sys
from pathlib import Path
from random import SystemRandom

import numpy as np

from specter_detector.packing import Limits
from tests.detector.writing import realistic, writing_to

SERIES = [realistic(number) for number in range(50)]
STEP = 1.0


def main(url: str, folder: str, first: float, last: float) -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    own = float(SystemRandom().randrange(10**6)) * 1000
    # Several requests a tick, so that most kills come between two of one tick.
    with writing_to(url, Path(folder), limits=Limits(samples=37)) as writing:
        writing.writer.flush(10.0)
        print("ready", flush=True)
        newest = writing.writer.last_tick("s")
        at = first if newest is None else newest + STEP
        while at <= last:
            writing.tick(at, SERIES, own + np.arange(50.0))
            writing.writer.flush(10.0)
            at += STEP
        print("done" if writing.writer.pending == 0 else "left", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
