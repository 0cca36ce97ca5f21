"""Bodies of HTTP requests: read up to a limit whatever a client sends, and as JSON and nothing beyond it."""

import json
from collections.abc import Container
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from cheroot.errors import MaxSizeExceeded

from specter_exporters.answers import JSON

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, WSGIEnvironment

PIECE = 4096
UNREADABLE = (OSError, ValueError, MaxSizeExceeded)


class BodyTypeError(Exception):
    """The body is of another type by its headers, or compressed."""


class BodyTooLargeError(Exception):
    """The body is larger than the limit."""


class BodyBrokenError(Exception):
    """The body ends too early, or its chunks are none."""


class NoJsonError(Exception):
    """The body is no JSON; the message says why and quotes nothing of it."""


def read_body(
    environ: "WSGIEnvironment", limit: int, types: Container[str] | None = frozenset({JSON})
) -> bytes:
    """Return the body of a request, of one of `types` (None: of any) and at most `limit` bytes.

    Raises:
        BodyTypeError: it is of another type, or compressed.
        BodyTooLargeError: it is larger.
        BodyBrokenError: it cannot be read to its end.
    """
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    other = types is not None and kind not in types
    if other or environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise BodyTypeError
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length[:20]) > limit:
        raise BodyTooLargeError
    try:
        body = _read(environ["wsgi.input"], int(length) if length.isdecimal() else None, limit)
    except UNREADABLE as error:
        if _is_size(error):
            raise BodyTooLargeError from error
        raise BodyBrokenError from error
    if len(body) > limit:
        raise BodyTooLargeError
    return body


def _read(stream: "InputStream", length: int | None, limit: int) -> bytes:
    """Return a body: without a length it comes in chunks, and ends by itself."""
    if length is not None:
        body = stream.read(length)
        if len(body) < length:
            raise ValueError("the body ends too early")
        return body
    pieces, size = [], 0
    # A little at once: the server puts chunks together by copying what it has, however small they are.
    while size <= limit and (piece := stream.read(PIECE)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _is_size(error: Exception) -> bool:
    """Return whether the server stopped at a body in chunks for its size: in two ways, one has no number."""
    plain = isinstance(error, OSError) and error.errno is None and not isinstance(error, TimeoutError)
    return plain or isinstance(error, MaxSizeExceeded)


def drain(environ: "WSGIEnvironment") -> None:
    """Read what is left of a body in chunks: the server would take it for the next request.

    What has a length, the server reads to its end itself.
    """
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return
    # A transfer that breaks has its answer already, and what follows is no request.
    with suppress(*UNREADABLE):
        while environ["wsgi.input"].read(PIECE):
            pass


def load_json(body: bytes) -> Any:
    """Return what `body` says.

    Raises:
        NoJsonError: it is no JSON; NaN and Infinity are none.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NoJsonError(_reason(error)) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it nests too deep"
    return "a number is none of JSON's, or too long"
