"""The users' counts as a file, so that a restart at noon still knows the morning.

The first line is the digest of the second, which is JSON. Hashes are packed into
base64; there is no identity in the file, and without the key none can be found.
"""

import json
from array import array
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from specter_core.catalogue import Catalogue
from specter_core.errors import SpecterError
from specter_core.files import replace_file
from specter_exporters.business.days import Period
from specter_exporters.business.retention import Cohort, Retention, Returned
from specter_exporters.business.users import Users

FORMAT = 1
MAX_BYTES = 64 * 1024 * 1024

Json = dict[str, Any]


class SnapshotError(SpecterError):
    """A file of users' counts cannot be used or written."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes in an order that matters, packed when they are written: not while events wait for the lock."""

    values: tuple[int, ...]


def take(users: Users, fingerprint: str, time_zone: str) -> Json:
    """Return what `users` knows, as values that further events do not change.

    `fingerprint` is that of the key, `time_zone` that of the days.
    """
    return {
        "format": FORMAT,
        "key": fingerprint,
        "time_zone": time_zone,
        "day": users.day,
        "periods": {period.value: distinct.dump() for period, distinct in users.periods.items()},
        "features": [
            (feature, period.value, *distinct.dump())
            for (feature, period), distinct in users.features.items()
        ],
        "retention": _retention(users.retention) if users.retention else None,
    }


def _retention(retention: Retention) -> Json:
    return {
        "days": retention.days,
        "cohorts": [
            (day, cohort.threshold, Hashes(tuple(cohort.returned)), bytes(cohort.returned.values()))
            for day, cohort in retention.cohorts.items()
        ],
        "known": [(ago, one.registered, one.ratio) for ago, one in retention.known.items()],
    }


def restored(state: Json, fingerprint: str, catalogue: Catalogue, exact_up_to: int) -> Users:
    """Return the users of a state that `read` returned, as far as `catalogue` still asks for them.

    Raises:
        SnapshotError: it was written under another key or for another time zone, or is no snapshot.
    """
    users = Users(catalogue, exact_up_to)
    try:
        if state["format"] != FORMAT:
            raise SnapshotError(f"it has the format {state['format']}, expected {FORMAT}")
        if state["key"] != fingerprint:
            raise SnapshotError("it was written under another user key")
        if state["time_zone"] != catalogue.time_zone:
            raise SnapshotError(
                f"it is for the time zone {state['time_zone']}, the catalogue says {catalogue.time_zone}"
            )
        users.day = int(state["day"])
        for name, (form, text) in state["periods"].items():
            users.periods[Period(name)].load(form, b64decode(text))
        for feature, period, form, text in state["features"]:
            known = users.features.get((feature, Period(period)))
            if known is not None:
                known.load(form, b64decode(text))
        if users.retention is not None and state["retention"] is not None:
            _load_retention(users.retention, state["retention"])
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SnapshotError(f"it is not a snapshot of users: {error!r}") from error
    return users


def _load_retention(retention: Retention, state: Json) -> None:
    same = tuple(state["days"]) == retention.days
    for day, threshold, hashes, bits in state["cohorts"]:
        users = array("Q", b64decode(hashes))
        # What the bits mean changes with the days that the catalogue asks for.
        noted = b64decode(bits) if same else bytes(len(users))
        retention.cohorts[int(day)] = Cohort(int(threshold), dict(zip(users, noted, strict=True)))
    if same:
        retention.known = {int(ago): Returned(float(n), float(ratio)) for ago, n, ratio in state["known"]}


def _packed(content: object) -> str:
    """Return what is no JSON as base64."""
    if isinstance(content, bytes):
        return b64encode(content).decode()
    if isinstance(content, Hashes):
        return b64encode(array("Q", content.values)).decode()
    if isinstance(content, frozenset):
        return b64encode(array("Q", content)).decode()
    raise TypeError(f"{type(content).__name__} is not part of a snapshot")


def write(path: Path, state: Json) -> None:
    """Write what `take` returned; whoever reads `path`, at whatever moment, finds the old state or this one.

    Raises:
        SnapshotError: it cannot be written; the old file is as it was.
    """
    body = json.dumps(state, default=_packed, separators=(",", ":"))
    content = body.encode()
    try:
        replace_file(path, [_digest(content) + b"\n", content])
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be written: {error.strerror}") from error


def read(path: Path) -> Json | None:
    """Return the state in `path`; None when there is no such file.

    Raises:
        SnapshotError: it cannot be read, or is not as it was written.
    """
    try:
        with path.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SnapshotError(f"it cannot be read: {error.strerror}") from error
    digest, _, body = content.partition(b"\n")
    if len(content) > MAX_BYTES or digest != _digest(body):
        raise SnapshotError("it is damaged: its digest is another one")
    state = json.loads(body)
    if not isinstance(state, dict):
        raise SnapshotError("it is not a snapshot of users")
    return state


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).hexdigest().encode()
