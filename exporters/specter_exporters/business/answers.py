"""Answers of the endpoint: JSON, and problem JSON (RFC 9457) with what was wrong and what to do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

ACTIONS = {
    400: "Send the body as one JSON object, or an array of them.",
    401: "Send the header Authorization: Bearer TOKEN with a token that the exporter was given.",
    404: "Send events to POST /api/v1/events; /api/v1/openapi.json describes it.",
    405: "Use one of the methods in the header Allow.",
    409: "Wait for the answer to the first request, or send this one again later.",
    413: "Send fewer events at once.",
    415: "Send the header Content-Type: application/json and no Content-Encoding.",
    422: "Correct what is refused. Do not send again what was accepted: it is counted.",
    429: "Wait for the seconds in the header Retry-After; send events in batches.",
    500: "Report it with the exporter's log; the request can be sent again.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """The status line's end, for example `200 OK`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


@dataclass
class ProblemError(Exception):
    """Ends a request with a problem."""

    status: int
    detail: str
    headers: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Return the answer."""
        return problem(self.status, self.detail, self.headers, self.more)


def problem(
    status: int,
    detail: str,
    headers: tuple[tuple[str, str], ...] = (),
    more: Mapping[str, Any] | None = None,
) -> Answer:
    """Return the answer that tells what is wrong."""
    said = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "action": ACTIONS[status],
        **(more or {}),
    }
    return Answer(status, as_json(said), PROBLEM_JSON, headers)


def as_json(value: object) -> bytes:
    """Return `value` as JSON in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
