"""When an entry was written, out of the notations that logs use."""

import re
from datetime import UTC, datetime, timedelta, timezone

FUTURE = 300.0
"""Seconds that an entry's time may be ahead of ours."""

OLDEST = 946_684_800.0  # 2000: what is said to be older is no time, or that of a machine without a clock

_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)  # noqa: SIM905
}
_ACCESS = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)([.,]\d{1,9})?\s?(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?", re.ASCII
)


def parse_time(value: object) -> float | None:
    """Return the Unix time (s) that `value` says; None where it says none, or one before 2000.

    Args:
        value: seconds, milliseconds, microseconds or nanoseconds since 1970, by magnitude; text in ISO 8601
            or as in an access log. What names no time zone is taken as UTC.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(float(value))
    if isinstance(value, str) and len(value) <= 64:
        try:
            return _of_text(value)
        except (ValueError, OverflowError):
            return None
    return None


def _of_number(number: float) -> float | None:
    for scale in (1.0, 1e3, 1e6, 1e9):
        if OLDEST <= number / scale < 1e11:
            return number / scale
    return None


def _of_text(text: str) -> float | None:
    found = _ISO.match(text)
    if found is not None:
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
        fraction = float(f"0.{found[2][1:]}") if found[2] else 0.0
        return _plausible(moment + fraction - _offset(found[3]))
    found = _ACCESS.search(text)
    if found is not None:
        day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
        zone = timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1))
        month_number = _MONTHS.get(month)
        if month_number is None:
            return None
        moment_of = datetime(int(year), month_number, int(day), int(hour), int(minute), int(second), 0, zone)
        return _plausible(moment_of.timestamp())
    try:
        return _of_number(float(text))
    except ValueError:
        return None


def _offset(text: str | None) -> float:
    if not text or text[0] not in "+-":
        return 0.0
    digits = text[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0
    return seconds if text[0] == "+" else -seconds


def _plausible(moment: float) -> float | None:
    return moment if moment >= OLDEST else None
