"""Ask a dependency: put secrets into a call, judge the answer, take values out of it."""

import json
from collections.abc import Mapping
from typing import Any

from specter_exporters.dependencies.calling import Answer, Caller, Request
from specter_exporters.dependencies.model import PLACE, Call, CallError, Extract

MAX_VALUE = 8192
"""Characters of what is extracted: it goes into headers."""


def filled(call: Call, values: Mapping[str, str]) -> Request:
    """Return the request of `call` with `values` in the places of their names."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return PLACE.sub(lambda match: values[match[1]], value)
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        return [fill(item) for item in value] if isinstance(value, list) else value

    return Request(call.method, call.url, fill(dict(call.headers)), fill(call.json), fill(call.form))


def ask(
    call: Call, values: Mapping[str, str], caller: Caller, *, read: bool = False, follow: bool = True
) -> Answer:
    """Make `call` and return its answer, which is as expected.

    Args:
        call: what to ask, and what is expected.
        values: secrets and what was extracted, by name.
        caller: makes the call.
        read: read the body even if nothing is expected of it.
        follow: follow redirects; else one is an answer like any other.

    Raises:
        CallError: the call failed (see `Caller.call`), or the answer has another status or body.
    """
    request = filled(call, values)
    body = read or call.reads_body
    wanted = call.expect.takes if follow else _anything
    answer = caller.call(request, call.timeout, wanted=wanted, body=body)
    if not call.expect.takes(answer.status):
        raise CallError("status", answer.status)
    if call.expect.body is not None and caller.search(call.expect.body, text_of(answer)) is None:
        raise CallError("body")
    return answer


def _anything(status: int) -> bool:  # noqa: ARG001
    return True


def text_of(answer: Answer) -> str:
    """Return the body as text; what is not UTF-8 is replaced."""
    return answer.body.decode("utf-8", "replace")


def json_of(answer: Answer) -> object:
    """Return the body as a JSON document.

    Raises:
        CallError: it is none (`invalid`).
    """
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise CallError("invalid") from None


def at(document: object, path: tuple[str, ...]) -> object:
    """Return what is at `path` in `document`, None where there is nothing."""
    for part in path:
        match document:
            case dict() if part in document:
                document = document[part]
            case list() if part.isdecimal() and int(part) < len(document):
                document = document[int(part)]
            case _:
                return None
    return document


def extracted(extract: Extract, answer: Answer, caller: Caller) -> str:
    """Return what `extract` takes out of `answer`.

    Raises:
        CallError: it is not there or not found in time (`body`), or the body is not JSON (`invalid`).
    """
    found: object
    if extract.pattern is not None:
        match = caller.search(extract.pattern, text_of(answer))
        found = match[1] if match else None
    else:
        found = at(json_of(answer), extract.json)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise CallError("body")
    value = str(found)
    if not value or len(value) > MAX_VALUE or not value.isprintable():
        raise CallError("body")
    return value
