"""What a server's response says about how many requests are left.

Understood: `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-08 and later),
`RateLimit` of draft 7, `RateLimit-Remaining`, `-Limit` and `-Reset` of the drafts before, the same with `X-`,
the variant for requests of AI vendors (`x-ratelimit-remaining-requests`), and `Retry-After` (RFC 9110).
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

TOO_MANY_REQUESTS = 429
# A value without the end of its window is believed for so long.
FRESH = 300.0
LONGEST = 1000  # characters of a header that are looked at
_PREFIXES = ("ratelimit-{}", "x-ratelimit-{}", "x-rate-limit-{}", "x-ratelimit-{}-requests")
_PARAMETER = re.compile(r"([a-z]+) *= *([0-9]{1,15})")
_NUMBER = re.compile(r" *([0-9]{1,15}(?:\.[0-9]{1,9})?) *(?:[,;].*)?")
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|[dhms]))+")
_PART = re.compile(r"([0-9.]+)(ms|[dhms])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Numbers above are Unix times, in seconds or in milliseconds, and no waiting times.
_UNIX_SECONDS = 1e9 * 0.9
_UNIX_MILLISECONDS = 1e12 * 0.9


class RateLimit(NamedTuple):
    """What is left; None where the response does not say."""

    remaining: float | None = None
    limit: float | None = None
    reset: float | None = None  # Unix time

    def until(self, now: float) -> float:
        """Return when this is out of date, in Unix time."""
        return now + FRESH if self.reset is None else self.reset


def rate_limit(headers: Mapping[str, str], status: int, now: float) -> RateLimit | None:
    """Return what a response says, the tightest of several limits; None when it says nothing usable.

    Args:
        headers: the response's, found whatever their case.
        status: the response's; 429 with `Retry-After` means that nothing is left.
        now: Unix time.
    """
    found = _structured(headers, now) or _plain(headers, now)
    retry = _time(headers.get("retry-after"), now)
    if retry is not None:
        remaining, limit, reset = found or RateLimit()
        if status == TOO_MANY_REQUESTS:
            remaining = 0.0
        found = RateLimit(remaining, limit, max(retry, reset or 0.0))
    if found is None or (found.reset is not None and found.reset <= now):
        return None
    return found


def _plain(headers: Mapping[str, str], now: float) -> RateLimit | None:
    for prefix in _PREFIXES:
        remaining = _number(headers.get(prefix.format("remaining")))
        limit = _number(headers.get(prefix.format("limit")))
        if remaining is not None or limit is not None:
            return RateLimit(remaining, limit, _time(headers.get(prefix.format("reset")), now))
    return None


def _structured(headers: Mapping[str, str], now: float) -> RateLimit | None:
    header = headers.get("ratelimit")
    if header is None:
        return None
    header = header[:LONGEST].lower()
    whole = _parameters(header)
    if "remaining" in whole:  # draft 7
        return RateLimit(whole["remaining"], whole.get("limit"), _later(now, whole.get("reset")))
    quotas = {
        _name(item): _parameters(item).get("q")
        for item in headers.get("ratelimit-policy", "")[:LONGEST].lower().split(",")
    }
    limits = [
        RateLimit(parameters["r"], quotas.get(_name(item)), _later(now, parameters.get("t")))
        for item in header.split(",")
        if "r" in (parameters := _parameters(item))
    ]
    return min(limits, key=lambda limit: limit.remaining or 0.0, default=None)


def _name(item: str) -> str:
    return item.split(";", 1)[0].strip()


def _parameters(text: str) -> dict[str, float]:
    return {name: float(number) for name, number in _PARAMETER.findall(text)}


def _later(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else now + seconds


def _number(header: str | None) -> float | None:
    match = _NUMBER.fullmatch(header[:LONGEST]) if header else None
    return None if match is None else float(match[1])


def _time(header: str | None, now: float) -> float | None:
    """Return the Unix time that a header means: a date, a Unix time, seconds from now, or `1m30s`."""
    if not header:
        return None
    header = header[:LONGEST].strip()
    number = _number(header)
    if number is not None:
        if number > _UNIX_MILLISECONDS:
            return number / 1000
        return number if number > _UNIX_SECONDS else now + number
    if _DURATION.fullmatch(header):
        return now + sum(float(value) * _UNITS[unit] for value, unit in _PART.findall(header))
    return http_date(header)


def http_date(text: str) -> float | None:
    """Return the Unix time of a date in an HTTP header; None for what is none, which any server may send."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a day or an offset of thirty digits is too long for a clock
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
