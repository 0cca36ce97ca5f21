"""Benchmarks: one suite a module, found by its name.

A suite is a module of this package with

- a docstring whose first line `python -m benchmarks --help` shows,
- `suite`, a click command that prints one JSON object a line (see `report`), and
- where it has to be told what to measure, `WITHOUT_DATA`: the arguments with which `all` runs it, a tuple of
  strings, for a machine that has no folder of data sets.

Packages beside the suites are what they are made of.
"""

import json
import math


def report(
    name: str, value: float, unit: str, *, baseline: float | None = None, baseline_name: str = ""
) -> None:
    """Print one result as a line of JSON.

    Args:
        name: what was measured.
        value: the figure, in `unit`; four significant digits are printed, null for what is not finite.
        unit: for example `us`.
        baseline: the peer's figure, measured in the same run.
        baseline_name: the peer.
    """
    line: dict[str, object] = {"name": name, "value": _rounded(value), "unit": unit}
    if baseline is not None:
        line |= {"baseline": _rounded(baseline), "baseline_name": baseline_name}
        line["ratio"] = _rounded(value / baseline) if baseline else None
    print(json.dumps(line, allow_nan=False), flush=True)


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
