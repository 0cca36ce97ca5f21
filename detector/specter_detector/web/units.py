"""The unit of a query's values, where its expression tells, by Prometheus' rules for names."""

import re

from specter_detector.promql import metric_names

_RATE = re.compile(r"\b(i?rate|deriv)\s*\(|:i?rate\d*")
_QUOTIENT = re.compile(r"\)\s*/")
_UNITS = (
    (re.compile(r"(?:_|\b)ratio(?:_|:|\b)"), "ratio"),
    (re.compile(r"_percent(?:_|:|\b)"), "%"),
    (re.compile(r"_(?:timestamp_)?seconds(?:_|:|\b)"), "seconds"),
    (re.compile(r"_bytes(?:_|:|\b)"), "bytes"),
    (re.compile(r"_celsius(?:_|:|\b)"), "°C"),
)
_COUNTS = re.compile(r"_(?:count|total)\b")


def unit_of(expr: str) -> str:
    """Return `seconds`, `bytes`, `bytes/s`, `ratio`, `1/s`…, or "" where `expr` does not tell.

    A rate of seconds is a ratio; a quotient of rates, a mean or a quantile keeps the unit of what is divided.
    """
    names = metric_names(expr)
    found = next((unit for pattern, unit in _UNITS if pattern.search(names)), "")
    rate = bool(_RATE.search(names))
    quantile = "histogram_quantile" in names or re.search(r":p\d+", names) is not None
    if quantile or found in {"ratio", "%"} or not rate:
        return found
    if _QUOTIENT.search(names):
        return found if not _COUNTS.search(names.partition("/")[0]) else ""
    if not found:
        return "1/s"
    return "ratio" if found == "seconds" else f"{found}/s"
