"""Run a detector over many series, and say on stderr how far it is."""

import time
from collections.abc import Sequence
from typing import TextIO

from benchmarks.evaluation.series import Detector, LabelledSeries, Scores

BATCH = 16
QUIET_SECONDS = 2.0


def run(detector: Detector, series: Sequence[LabelledSeries], what: str, stderr: TextIO) -> list[Scores]:
    """Score `series`, in batches.

    A terminal is shown a running count once two seconds are over; anything else gets one line at the end.

    Args:
        detector: gets 16 series at a time.
        series: of one set.
        what: the set, for messages.
        stderr: where messages go.
    """
    started = time.monotonic()
    live = stderr.isatty()
    scores: list[Scores] = []
    shown = False
    for first in range(0, len(series), BATCH):
        scores.extend(detector.scores(series[first : first + BATCH]))
        if live and time.monotonic() - started > QUIET_SECONDS:
            shown = True
            print(f"\r{what}: {len(scores)} of {len(series)} series", end="", file=stderr, flush=True)
    if shown:
        print(file=stderr)
    elif not live:
        seconds = time.monotonic() - started
        print(f"{what}: {len(series)} series by {detector.name} in {seconds:.1f} s", file=stderr, flush=True)
    return scores
