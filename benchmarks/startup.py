"""How long `specter --help` takes as a whole process."""

import statistics
import subprocess
import sys
import time

import click

from benchmarks import report


@click.command()
@click.option("--runs", default=15, show_default=True, help="Processes of each kind, in turn.")
def suite(runs: int) -> None:
    """Time `specter --help` beside a Python interpreter that does nothing."""
    commands = {"help": ["-m", "specter_core", "--help"], "bare": ["-c", "pass"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    shown, bare = (1000 * statistics.median(seconds[name]) for name in ("help", "bare"))
    report("specter_help_ms", shown, "ms", baseline=bare, baseline_name="python -c pass")
