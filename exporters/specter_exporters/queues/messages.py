"""What a message that waits tells of itself: who it is, since when it waits, and when it is due."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

STAMP = "specter_published"
"""Where the time of publishing stands in a message: unix seconds."""
EARLIEST = 1e9
"""Numbers below are no unix seconds of our time, those over a thousand times as large are none either."""


def identity(message: bytes) -> int:
    """Return a number of 52 bits that tells a message from another one."""
    return int.from_bytes(hashlib.blake2b(message, digest_size=8).digest()[:7], "big") >> 4


def document(message: bytes) -> dict[str, Any]:
    """Return a message that is a JSON object; an empty one for any other."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def published(fields: object) -> float | None:
    """Return the stamp among a message's fields, or its headers; None without one, or where it is no time."""
    return unix_seconds(fields.get(STAMP)) if isinstance(fields, dict) else None


def unix_seconds(value: object) -> float | None:
    """Return a time that is given as unix seconds, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if EARLIEST <= value < EARLIEST * 1000 else None


def iso_time(text: object) -> float | None:
    """Return an ISO 8601 time as unix seconds, in UTC where it says no zone; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
