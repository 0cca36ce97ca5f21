"""The JSON API under /api/v1/: what the pages show, for scripts, and what they change."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from specter_detector.models.fit import FitOptions
from specter_detector.series import Labels
from specter_detector.web import answers
from specter_detector.web.feedback import FeedbackStore, Window
from specter_detector.web.openapi import document
from specter_detector.web.problems import RequestError
from specter_detector.web.schemas import (
    FeedbackRequest,
    HistoryRequest,
    OneRequest,
    QueriesModel,
    SeriesModel,
    SeriesRequest,
    TriedModel,
    TryRequest,
    WindowsModel,
    WindowsRequest,
)
from specter_detector.web.settings import options_with, yaml_of
from specter_detector.web.stretch import Stretch
from specter_detector.web.views import QueryView, Watch

M = TypeVar("M", bound=BaseModel)
DAY = 86400.0
LONGEST_WINDOW = 28 * DAY


def api(watch: Watch, feedback: FeedbackStore) -> Blueprint:
    """Return the endpoints."""
    blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
    text = json.dumps(document(), separators=(",", ":"))

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return Response(text, content_type="application/json")

    @blueprint.get("/queries")
    def queries() -> Response:
        _no_arguments()
        now = watch.now()
        found = tuple(answers.query_model(query, now) for query in watch.queries())
        return _answer(QueriesModel(queries=found))

    @blueprint.get("/series")
    def series() -> Response:
        asked = arguments(SeriesRequest)
        page = watch.series(
            asked.query, text=asked.text, order=asked.order, offset=asked.offset, limit=asked.limit
        )
        rows = tuple(answers.row_model(row) for row in page.rows)
        return _answer(SeriesModel(total=page.total, offset=asked.offset, series=rows))

    @blueprint.get("/explain")
    def explain() -> Response:
        asked = arguments(OneRequest)
        query, options = watch.query(asked.query), watch.options(asked.query, asked.model)
        key = watch.meant(asked.query, asked.key)
        row = watch.one(asked.query, key, asked.model)
        return _answer(answers.explain_model(query, key, row, options, watch.now()))

    @blueprint.get("/history")
    def history() -> Response:
        asked = arguments(HistoryRequest)
        query, options = watch.query(asked.query), watch.options(asked.query, asked.model)
        key = watch.meant(asked.query, asked.key)
        stretch = _up_to_now(watch, asked, key, _replayed(watch, asked, key, options), options.step)
        first, last = float(stretch.times[0]), float(stretch.times[-1])
        windows = [
            window
            for window in feedback.windows()
            if (window.query, window.labels) == (asked.query, key)
            and window.end >= first
            and window.start <= last
        ]
        events = watch.events(asked.query, key, first, last)
        return _answer(answers.stretch_model(query, key, options, stretch, events=events, windows=windows))

    @blueprint.post("/try")
    def tried() -> Response:
        asked = _body(TryRequest)
        query = watch.query(asked.query)
        options = options_with(watch.options(asked.query, asked.model), asked.settings)
        key = watch.meant(asked.query, asked.key)
        stretch = _replayed(watch, asked, key, options)
        return _answer(
            TriedModel(
                stretch=answers.stretch_model(query, key, options, stretch),
                samples_in_alarm=int(np.sum(stretch.score > 1)),
                yaml=yaml_of(asked.query, asked.settings, replaces=asked.model or query.models[0]),
            )
        )

    @blueprint.get("/feedback")
    def windows() -> Response:
        asked = arguments(WindowsRequest)
        found = (each for each in feedback.windows() if asked.query in {None, each.query})
        return _answer(WindowsModel(windows=tuple(answers.window_model(each) for each in found)))

    @blueprint.post("/feedback")
    def mark() -> Response:
        return _answer(answers.window_model(_marked(watch, feedback, _body(FeedbackRequest))), 201)

    @blueprint.delete("/feedback/<window_id>")
    def withdraw(window_id: str) -> Response:
        _no_arguments()
        return _answer(answers.window_model(feedback.withdraw(window_id)))

    return blueprint


def _marked(watch: Watch, feedback: FeedbackStore, asked: FeedbackRequest) -> Window:
    known: QueryView = watch.query(asked.query)
    if asked.start > watch.now():
        raise RequestError(422, "start is in the future", "Mark what has been.")
    if asked.end - asked.start > LONGEST_WINDOW:
        raise RequestError(422, "a window is at most 28 days long", "Mark the part that matters.")
    author = request.authorization.username if request.authorization is not None else None
    key = watch.meant(known.alias, asked.key)
    watch.expect(known.alias, key, asked.start, min(asked.end, watch.now()))
    return feedback.add(known.alias, key, asked.start, asked.end, asked.kind, author=author or "")


def _replayed(watch: Watch, asked: HistoryRequest, key: Labels, options: FitOptions) -> Stretch:
    end = watch.now() if asked.end is None else asked.end
    start = end - DAY if asked.start is None else asked.start
    return watch.replay(asked.query, key, start, end, options)


def _up_to_now(watch: Watch, asked: HistoryRequest, key: Labels, stretch: Stretch, step: float) -> Stretch:
    """Return `stretch` with the last tick, where that came after the last step and before the end."""
    row = watch.one(asked.query, key, asked.model)
    last, end = float(stretch.times[-1]), watch.now() if asked.end is None else asked.end
    if row is None or not last < row.last_tick < last + step or row.last_tick > end:
        return stretch
    return stretch.followed_by(row.verdict, row.last_tick)


def _answer(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(by_alias=True), status, content_type="application/json")


def _no_arguments() -> None:
    for name in request.args:
        raise RequestError(422, f"{name}: is not a known parameter", "Leave it out.")


def arguments(schema: type[M]) -> M:
    """Return the query string as `schema`; `labels` is a JSON object in it.

    Raises:
        RequestError, ValidationError: it is not of that form.
    """
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise RequestError(422, f"{name}: is given {len(values)} times", "Give it once.")
        given[name] = values[0]
    if "labels" in given:
        given["labels"] = _labels(given["labels"])
    return schema.model_validate_strings(given)


def _labels(text: str) -> Mapping[str, str]:
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise RequestError(
            422,
            "labels: expected a JSON object of texts",
            'For example labels={"service":"shop"}, URL-encoded.',
        )
    return labels


def _body(schema: type[M]) -> M:
    _no_arguments()
    if request.mimetype != "application/json":
        raise RequestError(415, "the body must be JSON", "Send the header Content-Type: application/json.")
    try:
        return schema.model_validate_json(request.get_data(), strict=True)
    except ValidationError:
        raise
    except ValueError as error:
        raise RequestError(422, f"the body cannot be read: {error}", "Send UTF-8 encoded JSON.") from error
