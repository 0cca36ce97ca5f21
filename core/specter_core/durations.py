"""Durations as Prometheus writes them: `15s`, `5m`, `1h30m`, `28d`."""

import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
EXPECTED = "expected a duration such as 15s, 5m or 28d"
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_WHOLE = re.compile(r"(\d+(ms|[smhdwy]))+")


def parse_duration(text: object) -> float:
    """Return the seconds in `text`; 0 needs no unit.

    Raises:
        ValueError: it is not a duration; a bare number has no unit and is refused.
    """
    if text in {"0", 0}:
        return 0.0
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError(EXPECTED)
    return sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Return `seconds` in the largest units that leave no rest, to the millisecond."""
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, round(UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
