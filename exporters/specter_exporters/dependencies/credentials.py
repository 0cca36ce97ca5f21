"""Credentials: does one still work, and when does it end."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from specter_exporters.dependencies.asking import ask, at, json_of
from specter_exporters.dependencies.calling import Answer, Caller
from specter_exporters.dependencies.config import SECRET
from specter_exporters.dependencies.model import CallError, Credential, Expiry, Reason
from specter_exporters.dependencies.results import CredentialResult
from specter_exporters.dependencies.steps import read_secrets

# A number above it counts milliseconds: in seconds it would be the year 5138.
MILLISECONDS_FROM = 1e11
LATEST = 253_402_300_800.0  # the year 10000


def run_credential(credential: Credential, caller: Caller) -> CredentialResult:
    """Make the call of `credential`."""
    values = read_secrets({SECRET: credential.secret})
    if values is None:
        return CredentialResult("invalid")
    reason: Reason | None = None
    answer: Answer | None = None
    in_answer = credential.expiry is not None and bool(credential.expiry.json)
    try:
        answer = _ask(credential, values, caller, read=in_answer)
    except CallError as error:
        reason = error.reason
    return CredentialResult(reason, _expiry(credential.expiry, values[SECRET], answer))


def _ask(credential: Credential, values: Mapping[str, str], caller: Caller, *, read: bool) -> Answer:
    """Make the call; a status that refuses the credential is `auth`.

    Redirects are not followed: many lead to a page for signing in, which answers 200 to anybody.
    """
    try:
        return ask(credential.call, values, caller, read=read, follow=False)
    except CallError as error:
        if error.status in credential.refused:
            raise CallError("auth") from None
        raise


def _expiry(expiry: Expiry | None, secret: str, answer: Answer | None) -> float | None:
    """Return Unix time, None where nothing tells it."""
    if expiry is None:
        return None
    if expiry.jwt:
        return jwt_expiry(secret)
    if answer is None:
        return None
    if expiry.header is not None:
        return moment(answer.headers.get(expiry.header))
    try:
        return moment(at(json_of(answer), expiry.json))
    except CallError:
        return None


def jwt_expiry(token: str) -> float | None:
    """Return `exp` of a JSON Web Token (RFC 7519), decoded and not verified; None where there is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return moment(claims.get("exp")) if isinstance(claims, dict) else None


def moment(value: object) -> float | None:
    """Return Unix time of a number (seconds or milliseconds), ISO 8601 text or HTTP date; None of others."""
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is divided: a whole number may be too long for a floating-point one.
    if MILLISECONDS_FROM < value < LATEST * 1000:
        return value / 1000
    return float(value) if 0 < value <= MILLISECONDS_FROM else None


def _of_text(text: str) -> float | None:
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        return moment(int(text))
    for read in (_iso, parsedate_to_datetime):
        try:
            found = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        return seconds if 0 < seconds < LATEST else None  # many write the year 1 for no end
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix(" UTC"))
