"""Errors as the API tells them: problem JSON (RFC 9457), with what was wrong and what to do."""

import logging
from http import HTTPStatus

from flask import Flask, Response, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from specter_core.errors import SpecterError
from specter_detector.web.feedback import FeedbackError, UnknownWindowError
from specter_detector.web.schemas import ProblemModel
from specter_detector.web.views import NoAnswerError, TooLongError, UnknownSeriesError
from specter_detector.web.worker import BusyError, CostlyError

LOGGER = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"
RETRY = "Try again in a few seconds."
STATUS_AND_ACTION: tuple[tuple[type[SpecterError], int, str], ...] = (
    (UnknownSeriesError, 404, "List what is there with /api/v1/queries and /api/v1/series."),
    (UnknownWindowError, 404, "List what is there with /api/v1/feedback."),
    (TooLongError, 422, "Ask for a shorter stretch."),
    (CostlyError, 422, "Ask for a shorter stretch, or for the class seasonal."),
    (BusyError, 429, RETRY),
    (NoAnswerError, 502, "See /-/ready and the detector's log; the data source may be away."),
    (FeedbackError, 507, "Make room in the data folder, or withdraw windows."),
)
WHAT_TO_DO = {
    404: "See /api/v1/openapi.json for what is there.",
    405: "See /api/v1/openapi.json for the methods.",
    413: "Send less.",
    415: "Send the header Content-Type: application/json.",
}


class RequestError(SpecterError):
    """Something is wrong with a request; `status` is the answer's."""

    def __init__(self, status: int, detail: str, action: str) -> None:
        super().__init__(detail)
        self.status = status
        self.action = action


def add_error_handlers(app: Flask) -> None:
    """Answer every error of `app`: as a page on pages, as problem JSON elsewhere."""
    app.register_error_handler(RequestError, lambda error: answer(error.status, str(error), error.action))
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SpecterError, _known_error)
    app.register_error_handler(Exception, _defect)


def answer(status: int, detail: str, action: str) -> Response:
    """Return the answer that tells of an error."""
    title = HTTPStatus(status).phrase
    if request.path.startswith(("/api/", "/-/")):
        body = ProblemModel(title=title, status=status, detail=detail, action=action).model_dump_json()
        response = Response(body, status, content_type=PROBLEM_JSON)
    else:
        page = render_template("problem.html", title=title, detail=detail, action=action)
        response = Response(page, status, content_type="text/html; charset=utf-8")
    if status == 429:
        response.headers["Retry-After"] = str(BusyError.retry_after)
    return response


def _invalid(error: ValidationError) -> Response:
    details = error.errors(include_url=False, include_input=False, include_context=False)
    found = "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'request'}: {each['msg'].removeprefix('Value error, ')}"
        for each in details[:10]
    )
    return answer(422, found, "Correct what is named; /api/v1/openapi.json says what is expected.")


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = answer(status, error.description or "", WHAT_TO_DO.get(status, "Correct the request."))
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _known_error(error: SpecterError) -> Response:
    for kind, status, action in STATUS_AND_ACTION:
        if isinstance(error, kind):
            return answer(status, str(error), action)
    LOGGER.error("%s %s: %s", request.method, request.path, error)
    return answer(500, str(error), RETRY)


def _defect(error: Exception) -> Response:
    LOGGER.error("%s %s failed", request.method, request.path, exc_info=error)
    return answer(500, "the request failed by a defect; the log says where", "Report it with the log.")
