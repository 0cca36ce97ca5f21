"""What a sender of business events should do about each status."""

from collections.abc import Mapping
from typing import Any

from specter_exporters.answers import Headers, ProblemError

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


def problem(
    status: int, detail: str, headers: Headers = (), more: Mapping[str, Any] | None = None
) -> ProblemError:
    """Return the problem that tells what is wrong, with what to do about it."""
    return ProblemError(status, detail, ACTIONS[status], headers, more or {})
