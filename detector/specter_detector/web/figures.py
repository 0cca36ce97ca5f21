"""Numbers and times as a person reads them."""

import math

from specter_core.durations import format_duration

_SMALL_SECONDS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"))
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def value(number: float, unit: str) -> str:
    """Return `number` as a person reads it: `120 ms`, `3.4 %`, `1.5 GiB`; `no value` for NaN."""
    if math.isnan(number):
        return "no value"
    if math.isinf(number):
        return "-∞" if number < 0 else "∞"
    if unit == "ratio":
        return f"{100 * number:.3g} %"
    if unit == "1/s":
        return f"{number:.4g}/s"
    scaled, name = _scaled(number, unit)
    return f"{scaled:.4g} {name}".rstrip()


def _scaled(number: float, unit: str) -> tuple[float, str]:
    if unit == "seconds":
        for below, factor, name in _SMALL_SECONDS:
            if 0 < abs(number) < below:
                return number * factor, name
        return number, "s"
    if unit.startswith("bytes"):
        power = min(int(math.log(abs(number), 1024)) if abs(number) >= 1 else 0, len(_BYTES) - 1)
        return number / 1024**power, f"{_BYTES[power]}{unit.removeprefix('bytes')}"
    return number, unit


def band(lower: float, upper: float, unit: str) -> str:
    """Return the edges of a band, the unit once where both have the same: `97.6 to 193 ms`."""
    low, high = value(lower, unit), value(upper, unit)
    (low_number, low_unit), (_, high_unit) = (_split(text) for text in (low, high))
    return f"{low_number if low_unit == high_unit else low} to {high}"


def ago(seconds: float) -> str:
    """Return how long ago: `just now`, `45s ago`."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def _split(text: str) -> tuple[str, str]:
    """Split a number from its unit."""
    number = text.rstrip("/s") if text.endswith("/s") and " " not in text else text.partition(" ")[0]
    return number, text.removeprefix(number)


def duration(seconds: float) -> str:
    """Return `seconds` in its two largest units: `2d3h`, `45s`."""
    for unit in (86400.0, 3600.0, 60.0):
        if seconds >= unit:
            part = {86400.0: 3600.0, 3600.0: 60.0, 60.0: 1.0}[unit]
            return format_duration(seconds // part * part)
    return format_duration(float(round(seconds)))
