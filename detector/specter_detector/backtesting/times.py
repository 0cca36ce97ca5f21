"""Moments as people and files write them."""

import datetime as dt
import math
import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from specter_core.durations import format_duration, parse_duration
from specter_core.errors import UsageError
from specter_detector.crosschecks import LEAST_STEPS_A_DAY
from specter_detector.models.replay import DAY

MILLISECONDS_FROM = 1e11
"""Of a Unix time: as seconds that is the year 5138, as milliseconds 1973."""

LATEST = 1e14
EXPECTED = "expected Unix seconds, Unix milliseconds or RFC 3339 such as 2026-11-26T10:00:00Z"
STEPS = tuple(step for step in range(1, int(DAY / LEAST_STEPS_A_DAY) + 1) if DAY % step == 0)
"""Seconds that divide a day."""


def parse_time(text: str) -> float:
    """Return Unix seconds; a time without a zone is UTC.

    Raises:
        ValueError: it is no time.
    """
    try:
        number = float(text)
    except ValueError:
        return _rfc3339(text)
    if not 0 <= number < LATEST:
        raise ValueError(EXPECTED)
    return number / 1000 if number >= MILLISECONDS_FROM else number


def _rfc3339(text: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(EXPECTED) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def parse_moment(text: str, now: float, option: str) -> float:
    """Return Unix seconds of what `option` was given: a time, `now`, or `now-7d`.

    Raises:
        UsageError: it is none of them.
    """
    try:
        if relative := re.fullmatch(r"now(?:-(\w+))?", text):
            return now - (parse_duration(relative[1]) if relative[1] else 0.0)
        return parse_time(text)
    except ValueError:
        raise UsageError(f"{option} {text!r}: {EXPECTED}, now, or now-7d") from None


def parse_step(text: str) -> float:
    """Return the seconds of `--step`.

    Raises:
        UsageError: it is no duration, or no whole number of it makes a day.
    """
    try:
        step = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--step {text!r}: {error}") from None
    if step not in STEPS:
        raise UsageError(
            f"--step {text!r}: a day must be a whole number of steps, at least {LEAST_STEPS_A_DAY}; "
            f"near it: {format_duration(nearest_step(step))}"
        )
    return step


def parse_span(text: str, option: str, *, zero: bool = False) -> float:
    """Return the seconds of what `option` was given.

    Raises:
        UsageError: it is no duration, or 0 unless `zero` allows that.
    """
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {error}") from None
    if not seconds and not zero:
        raise UsageError(f"{option} {text!r}: must be longer than 0s")
    return seconds


def check_zones(names: Sequence[str]) -> None:
    """Raise UsageError where one of `names` is no time zone."""
    for name in names:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(f"--try-tz {name!r}: expected a time zone such as Europe/Berlin") from None


def nearest_step(seconds: float) -> float:
    """Return the divisor of a day that is nearest to `seconds` by ratio."""
    return float(min(STEPS, key=lambda step: abs(math.log(step / max(seconds, 1e-3)))))


def format_time(at: float) -> str:
    """Return `at` as RFC 3339 in UTC."""
    text = dt.datetime.fromtimestamp(at, tz=dt.UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")
