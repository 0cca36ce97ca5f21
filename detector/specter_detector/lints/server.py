"""What lints want to know of the server, and lints of what a query answers."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from specter_detector.config import Query
from specter_detector.datasource import DatasourceError, UnreachableError
from specter_detector.limits import limits_of
from specter_detector.lints.expressions import PARTS
from specter_detector.lints.model import Facts, Lint
from specter_detector.prometheus_api import PrometheusApi
from specter_detector.promql_scan import Selector, scan
from specter_detector.promql_tokens import ScanError
from specter_detector.series import Labels, Vector, text_of

MEASURED = 600.0
"""Seconds over which samples are looked at to learn how often they come."""

FEWEST_SAMPLES = 3

MOST_SELECTORS = 500


def gather(expressions: Iterable[str], api: PrometheusApi, at: float, timeout: float) -> Facts:
    """Ask the server about every metric and selector of `expressions`.

    What it does not answer stays unknown.

    Raises:
        UnreachableError: the server does not answer at all.
    """
    selectors = [selector for expr in expressions for selector in _selectors(expr)][:MOST_SELECTORS]
    names = dict.fromkeys(name for selector in selectors for name in _families(selector.name))
    intervals: dict[str, float] = {}
    for text in dict.fromkeys(selector.text for selector in selectors):
        try:
            interval = _interval(text, api, at, timeout)
        except UnreachableError:
            raise
        except DatasourceError:
            continue
        if interval is not None:
            intervals[text] = interval
    return Facts(_types(names, api), intervals)


def _selectors(expr: str) -> list[Selector]:
    try:
        return scan(expr)
    except ScanError:  # a preset's may be new to the scanner; the server answers for it
        return []


def _families(name: str) -> Iterator[str]:
    """Yield what metadata may call the family of `name`; recorded series have none."""
    if name and ":" not in name:
        yield name
        yield from (name.removesuffix(part) for part in PARTS if name.endswith(part))


def _types(names: Iterable[str], api: PrometheusApi) -> dict[str, str]:
    try:
        return api.types(names)
    except UnreachableError:
        raise
    except DatasourceError:
        return {}


def _interval(text: str, api: PrometheusApi, at: float, timeout: float) -> float | None:
    """Return the seconds between samples of one series of a selector; None for hardly any samples.

    Its samples themselves are read: counting them in a window would take a young series for a slow one.
    """
    some = api.query(f"topk(1, {text})", at, timeout)
    if not some:
        return None
    rows = api.query(f"{_selector(some[0]['metric'])}[{MEASURED:g}s]", at, timeout)
    stamps = [float(stamp) for stamp, _ in rows[0]["values"]] if rows else []
    return float(np.median(np.diff(stamps))) if len(stamps) >= FEWEST_SAMPLES else None


def _selector(labels: Mapping[str, str]) -> str:
    """Return what selects the series with these labels."""
    quoted = (
        (name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels.items()
    )
    return "{" + ", ".join(f'{name}="{value}"' for name, value in quoted) + "}"


def lint_answer(query: Query, vector: Vector) -> Iterator[Lint]:
    """Yield lints of what `query` answers now."""
    series = len(vector.samples) + vector.cut
    if series == 0:
        yield Lint("no-series", "returns no series now", "check names and labels, or wait until it has some")
    if vector.cut:
        yield Lint(
            "many-series",
            f"returns {series} series; {vector.cut} beyond max_series ({query.max_series}) are ignored",
            "aggregate by fewer labels, or raise max_series",
        )
    lowest, highest = query.data_range
    outside = [labels for labels, value in vector.samples.items() if not lowest <= value <= highest]
    outside = [labels for labels in outside if not np.isnan(vector.samples[labels])]
    if outside:
        example = min(outside)
        yield Lint(
            "outside-data-range",
            f"{len(outside)} of {series} series are outside data_range [{lowest:g}, {highest:g}] now: "
            f"{text_of(example)} is {vector.samples[example]:g}",
            "widen data_range, or leave it out",
        )


def lint_limit(series: Iterable[Labels], limits: Mapping[Labels, float]) -> Iterator[Lint]:
    """Yield a lint if `limits` belong to few of `series`, see `limits.limits_of`."""
    watched = list(series)
    without = int(np.isnan(limits_of(watched, limits)).sum())
    if without:
        yield Lint(
            "limit-unmatched",
            f"{without} of {len(watched)} series have no limit: no labels of it fit, or several do",
            "give the limit the labels by which series differ",
        )
