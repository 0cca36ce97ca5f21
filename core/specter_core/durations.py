"""Durations as Prometheus writes them: `15s`, `5m`, `1h30m`, `28d`; where people write them, numbers too."""

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
EXPECTED = "expected a duration such as 15s, 5m or 28d"
EXPECTED_SECONDS = "expected seconds, or a duration such as 500ms, 15s, 1h30m or 28d"
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdwy])")
_WHOLE = re.compile(r"([0-9]+(ms|[smhdwy]))+")
_DECIMAL = re.compile(r"([0-9]+(\.[0-9]+)?(ms|[smhdwy]))+")


def parse_duration(text: object) -> float:
    """Return the seconds in `text`; 0 needs no unit.

    Raises:
        ValueError: it is not a duration; a bare number has no unit and is refused.
    """
    if text in {"0", 0}:
        return 0.0
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError(EXPECTED)
    return _sum(text)


def parse_seconds(value: object) -> float:
    """Return the seconds in `value`: a number, also as text, or a duration, whose numbers may be decimal.

    What options and configurations of exporters and of `specter run` take.

    Raises:
        ValueError: it is neither.
    """
    text = "" if isinstance(value, bool) else str(value)
    if _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DECIMAL.fullmatch(text):
        seconds = _sum(text)
    else:
        seconds = math.nan
    if not seconds < math.inf:
        raise ValueError(EXPECTED_SECONDS)
    return seconds


def _sum(text: str) -> float:
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))


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
