"""Answers of the beacon: nothing for what was taken, problem JSON (RFC 9457) for what was not."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

PROBLEM_JSON = "application/problem+json"
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Headers = ()

    @property
    def line(self) -> str:
        """The status line's end, for example `204 No Content`."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


@dataclass
class ProblemError(Exception):
    """Ends a request; `reason` is the one it is counted under, empty where it is not counted."""

    status: int
    reason: str
    detail: str
    action: str
    headers: Headers = ()
    more: dict[str, Any] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Return the answer that tells what is wrong and what to do."""
        said = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "action": self.action,
            **self.more,
        }
        return Answer(self.status, json.dumps(said).encode("ascii"), PROBLEM_JSON, self.headers)
