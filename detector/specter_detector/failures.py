"""Turn what a server, a proxy or the network did into one of the data source's errors."""

from collections.abc import Iterator
from http.client import HTTPException

import orjson
import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from specter_core.errors import SpecterError
from specter_detector.datasource import (
    BrokenError,
    DatasourceError,
    RefusedError,
    SlowError,
    TooLargeError,
    UnreachableError,
)

ANSWERED = (requests.exceptions.JSONDecodeError, KeyError, IndexError, TypeError)
"""What prometheus-api-client raises when an answer is none of the API's."""
EXPECTED = (SpecterError, OSError, HTTPError, HTTPException)
"""What a request or reading its answer may raise; the exceptions of requests are OSErrors."""
TIMEOUTS = (requests.ReadTimeout, ReadTimeoutError, TimeoutError)
MESSAGE_LENGTH = 500
_TOO_MUCH = (
    "too many samples",  # Prometheus, Thanos: --query.max-samples
    "exceeded sample limit",  # Prometheus: --storage.remote.read-sample-limit
    "maximum resolution of 11,000 points",
    "maxpointspertimeseries",  # VictoriaMetrics
    "maxsamplesperquery",
    "max number of samples",  # Mimir
    "limit of chunks",
)
_TOOK_LONG = ("timed out", "timeout", "deadline exceeded", "took too long")
# Who answers so is not the API but what stands before it, or a server that is starting.
_ABSENT = {429, 502, 503}
_LATE = {408, 504}


def error_of(status: int, reason: str, body: bytes, retry_after: str | None = None) -> DatasourceError:
    """Return the error that an answer of `status` other than 2xx means.

    The API says in JSON what was wrong with a query; anything else comes from elsewhere.
    """
    answer = _message(body) or f"HTTP {status} {reason}{_plain(body)}".strip()
    text = answer.lower()
    if any(word in text for word in _TOO_MUCH) and status != 429:
        return TooLargeError(answer)
    if status in _LATE or (status >= 500 and any(word in text for word in _TOOK_LONG)):
        return SlowError(answer)
    if status in _ABSENT:
        return UnreachableError(answer, _seconds(retry_after))
    if status in {401, 403}:
        answer += "; check the login (password_file, bearer_token_file, headers)"
    elif 300 <= status < 400:
        answer += ": redirects are not followed; set datasource_url to where it points"
    # What no server means to say: 501 and 505 are about the request, and will be said again.
    return BrokenError(answer) if status >= 500 and status not in {501, 505} else RefusedError(answer)


def mapped(error: Exception, url: str, seconds: float) -> DatasourceError:
    """Return the error that an exception of a request to `url`, or of reading its answer, means."""
    if isinstance(error, DatasourceError):
        return error
    if isinstance(error, SpecterError):  # a password file that cannot be read
        return RefusedError(str(error))
    if isinstance(error, ANSWERED):
        return RefusedError(f"{url} did not answer as the API does: {type(error).__name__}: {error}")
    chain = list(causes(error))
    if any(isinstance(each, TIMEOUTS) for each in chain) and not any(
        isinstance(each, requests.ConnectTimeout) for each in chain
    ):
        return SlowError(f"{url}: no answer within {rounded(seconds)} s")
    return UnreachableError(f"{url}: {reason_of(error)}")


def rounded(seconds: float) -> str:
    """Return what is left of a time-out as text: the same at every tick, so that it is said once."""
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what is below it, down to the innermost cause."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def reason_of(error: BaseException) -> str:
    """Return the innermost cause: `Connection refused`, not the tower of exceptions above it."""
    *_, innermost = causes(error)
    if len(innermost.args) == 2 and isinstance(innermost.args[1], Exception):
        innermost = innermost.args[1]  # how urllib3 says that a connection was aborted
    return str(getattr(innermost, "strerror", None) or innermost)


def _message(body: bytes) -> str | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or not document.get("error"):
        return None
    kind = document.get("errorType")
    text = " ".join(str(document["error"]).split())[:MESSAGE_LENGTH]
    return f"{kind}: {text}" if kind else text


def _plain(body: bytes) -> str:
    """Return what remote read and simple proxies say in plain text; a page of HTML is not worth reading."""
    text = " ".join(body.decode("utf-8", "replace").split())[:MESSAGE_LENGTH]
    return f": {text}" if text and text.isprintable() and not text.startswith(("<", "{", "[")) else ""


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
