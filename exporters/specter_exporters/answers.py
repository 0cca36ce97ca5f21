"""Answers of HTTP endpoints: content, or problem JSON (RFC 9457) that says what is wrong and what to do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Headers = ()

    def send(
        self, environ: "WSGIEnvironment", start_response: "StartResponse", headers: Headers = ()
    ) -> list[bytes]:
        """Begin the response, with `headers` besides its own, and return its body for the server to send."""
        sent = [*self.headers, *headers]
        if self.status != HTTPStatus.NO_CONTENT:
            sent += [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", sent)
        # Whoever asked with HEAD would take a body for the next answer.
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.body]


@dataclass
class ProblemError(Exception):
    """Ends a request that is not served.

    Attributes:
        status: of the answer.
        detail: what is wrong.
        action: what to do.
        headers: of the answer.
        more: further members of the problem.
        reason: what the request is counted under; empty where it is not counted.
    """

    status: int
    detail: str
    action: str
    headers: Headers = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def answer(self) -> Answer:
        """Return the answer that tells it."""
        said = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "action": self.action,
            **self.more,
        }
        return Answer(self.status, as_json(said), PROBLEM_JSON, self.headers)


def as_json(value: object) -> bytes:
    """Return `value` as JSON in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
