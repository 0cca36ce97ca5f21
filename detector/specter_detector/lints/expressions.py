"""Lints of one PromQL expression."""

import re
from collections.abc import Iterator

from specter_core.durations import format_duration
from specter_core.metrics import ANOMALY_SCORE, DETECTOR_SERIES
from specter_detector.crosschecks import OUTPUTS
from specter_detector.lints.model import NOTHING_KNOWN, Facts, Lint
from specter_detector.promql_scan import AGGREGATIONS, Selector, scan

RATES = frozenset(
    {
        "rate", "irate", "increase", "resets", "changes",
        # MetricsQL
        "increase_pure", "increase_prometheus", "rollup_rate", "rollup_increase", "rate_over_sum",
    }
)  # fmt: skip
LEVEL_FREE = frozenset(
    {"absent", "absent_over_time", "present_over_time", "count_over_time", "timestamp", "count", "group"}
)
"""Functions to which a counter's level does not matter."""

CHOOSING = frozenset({"topk", "bottomk", "limitk", "limit_ratio", "outliersk"})
PARTS = ("_bucket", "_count", "_sum")
SAMPLES_A_WINDOW = 4
"""Two make a rate; with four one failed scrape and a shifted window do no harm."""

TOLERANCE = 0.95
"""Intervals are measured, not read from a configuration."""

OWN = (*OUTPUTS, DETECTOR_SERIES.name, f"anomaly:{ANOMALY_SCORE}")


def lint_expression(expr: str, *, step: float, facts: Facts = NOTHING_KNOWN) -> list[Lint]:
    """Return what is hardly ever meant in `expr`, whose history is read every `step` seconds.

    Raises:
        ScanError: it is no expression; a configuration has none of these.
    """
    found = [
        lint
        for selector in scan(expr)
        for lint in (
            *_raw_counter(selector, facts),
            *_short_window(selector, facts),
            *_without_le(selector),
            *_own_output(selector),
            *_not_now(selector),
            *_choosing(selector),
            *_short_step(selector, step, facts),
        )
    ]
    return list(dict.fromkeys(found))


def _raw_counter(selector: Selector, facts: Facts) -> Iterator[Lint]:
    used = {around.name.lower() for around in selector.inside}
    if used & RATES or used & LEVEL_FREE or not is_counter(selector.name, facts):
        return
    yield Lint(
        "raw-counter",
        f"{selector.name} is a counter, and its level says nothing",
        f"use rate({selector.text}[5m]) or increase()",
    )


def is_counter(name: str, facts: Facts) -> bool:
    """Whether `name` only grows: as the server says, else by its name."""
    kind = facts.types.get(name)
    if kind is not None:
        return kind == "counter"
    for part in PARTS:
        if name.endswith(part) and facts.types.get(name.removesuffix(part)) in {"histogram", "summary"}:
            return True
    # A colon: recorded, and what the rule recorded is its own business.
    return ":" not in name and name.endswith(("_total", "_bucket"))


def _short_window(selector: Selector, facts: Facts) -> Iterator[Lint]:
    interval = facts.intervals.get(selector.text)
    rates = [around.name for around in selector.inside if around.name.lower() in RATES]
    if interval is None or selector.window is None or not rates:
        return
    least = SAMPLES_A_WINDOW * interval
    if selector.window < least * TOLERANCE:
        yield Lint(
            "short-window",
            f"{rates[-1]}() of {selector.text} looks at {format_duration(selector.window)}, and samples come "
            f"every {_rounded(interval)}: one failed scrape leaves a gap",
            f"use a window of at least {_rounded(least)}",
        )


def _without_le(selector: Selector) -> Iterator[Lint]:
    names = [around.name.lower() for around in selector.inside]
    if "histogram_quantile" not in names or not selector.name.endswith("_bucket"):
        return
    for around in selector.inside[names.index("histogram_quantile") :]:
        if around.name.lower() not in AGGREGATIONS - CHOOSING:
            continue
        kept = "le" in around.by if around.by is not None else around.without is not None
        if not kept or "le" in (around.without or ()):
            yield Lint(
                "no-le",
                f"{around.name}() of {selector.name} drops the label le, without which there is no quantile",
                f"write {around.name} by (le, …)",
            )


def _own_output(selector: Selector) -> Iterator[Lint]:
    if selector.name:
        return
    names = [(operator, value) for label, operator, value in selector.matchers if label == "__name__"]
    if any(all(_matches(name, *matcher) for matcher in names) for name in OWN):
        yield Lint(
            "own-output",
            f"{selector.text} selects the detector's own output too",
            "name the metrics; series of its own are left out when they are read, "
            "but an aggregation has mixed them in by then",
        )


def _matches(name: str, operator: str, value: str) -> bool:
    if operator in {"=", "!="}:
        return (name == value) == (operator == "=")
    try:
        found = re.fullmatch(value, name) is not None
    except re.error:  # RE2 knows more; what it selects is not known here
        return True
    return found == (operator == "=~")


def _not_now(selector: Selector) -> Iterator[Lint]:
    if selector.offset < 0:
        ahead = format_duration(-selector.offset)
        yield Lint(
            "negative-offset",
            f"{selector.text} is read {ahead} ahead of the tick, where nothing is yet",
            "leave the negative offset out: history shows what live ticks cannot see",
        )
    if selector.at:
        yield Lint(
            "fixed-time",
            f"{selector.text} is read at a fixed time (@), so it never changes",
            "leave @ out",
        )


def _choosing(selector: Selector) -> Iterator[Lint]:
    for around in selector.inside:
        if around.name.lower() in CHOOSING:
            yield Lint(
                "changing-set",
                f"{around.name}() returns other series at each tick: those that leave look absent",
                f"watch all series, or aggregate them, without {around.name}()",
            )


def _short_step(selector: Selector, step: float, facts: Facts) -> Iterator[Lint]:
    interval = facts.intervals.get(selector.text)
    if interval is not None and step < interval * TOLERANCE:
        yield Lint(
            "short-step",
            f"the step is {format_duration(step)}, and samples of {selector.text} come every "
            f"{_rounded(interval)}: values repeat or are missing",
            f"use a step of {_rounded(interval)} or more",
        )


def _rounded(seconds: float) -> str:
    return format_duration(float(round(seconds)) or 1.0)
