"""Detector as a service: ticks, first fill, encoding and writing, store, memory over a week.

With real servers on the same machine and baselines measured in the same run. `tick_*_kept_s` is a tick whose
values are kept as history, `tick_*_first_s` the slowest of those in which all series are new to something.
"""

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.servicing.reading import report_first_fill
from benchmarks.servicing.soak import report_soak
from benchmarks.servicing.store import report_store
from benchmarks.servicing.ticks import report_ticks
from benchmarks.servicing.writing import report_writing

PARTS = ("reading", "writing", "store", "tick_10k", "tick_100k", "soak")


@click.command()
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, help="Measure this alone; may be repeated."
)
@click.option("--rounds", type=click.IntRange(1), help="Times things are measured; each part has its own.")
@click.option("--series", default=10_000, show_default=True, help="Series of the store.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where the store writes.")
@click.option(
    "--soak-days", default=7.0, show_default=True, help="Days of accelerated time, after the warm-up."
)
def suite(
    parts: tuple[str, ...], rounds: int | None, series: int, folder: Path | None, soak_days: float
) -> None:
    """Measure the detector as a service.

    \b
    Examples:
      python -m benchmarks service
      python -m benchmarks service --part tick_10k --part writing
      python -m benchmarks service --part soak --soak-days 60
    """
    measures: dict[str, Callable[[], None]] = {
        "reading": lambda: report_first_fill(rounds or 3),
        "writing": lambda: report_writing(rounds or 15),
        "store": lambda: report_store(series, rounds or 9, folder),
        "tick_10k": lambda: report_ticks(10_000, "10k", ticks=rounds or 10, peer_ticks=3, memory=False),
        "tick_100k": lambda: report_ticks(100_000, "100k", ticks=rounds or 4, peer_ticks=1, memory=True),
        "soak": lambda: report_soak(soak_days),
    }
    for name, measure in measures.items():
        if not parts or name in parts:
            measure()
