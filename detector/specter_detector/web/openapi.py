"""The OpenAPI 3.1 document of the JSON API; its schemas are those that check requests and make answers."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from specter_detector.web.schemas import (
    ExplainModel,
    FeedbackRequest,
    HistoryRequest,
    OneRequest,
    ProblemModel,
    QueriesModel,
    SeriesModel,
    SeriesRequest,
    StatusModel,
    StretchModel,
    TriedModel,
    TryRequest,
    WindowModel,
    WindowsModel,
    WindowsRequest,
)

Json = dict[str, Any]
REF = "#/components/schemas/{model}"
PROBLEMS = {
    400: "The request cannot be read.",
    401: "Credentials are missing or wrong.",
    403: "It comes from another site, or a change from another machine while no credentials are set.",
    404: "There is no such query, series or window.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The Host header names another machine.",
    422: "A value is out of its range, or the stretch is too long or too costly.",
    429: "As many replays as allowed are waiting.",
    500: "The request failed by a defect.",
    502: "The data source does not answer.",
    507: "Feedback cannot be stored.",
}
ALWAYS = (401, 403, 421, 500)
_GIVEN: tuple[type[BaseModel], ...] = (
    ExplainModel, ProblemModel, QueriesModel, SeriesModel, StatusModel, StretchModel, TriedModel,
    WindowModel, WindowsModel,
)  # fmt: skip
_TAKEN: tuple[type[BaseModel], ...] = (TryRequest, FeedbackRequest)


def document() -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Specter detector",
            "version": "1",
            "description": "What the detector watches, what it says of each series and why; "
            "what other settings would have said; what people said of it.",
        },
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        # The second: a server without credentials answers without.
        "security": [{"basic": []}, {}],
    }


def _paths() -> Json:
    history, one = _parameters(HistoryRequest), _parameters(OneRequest)
    listing, windows = _parameters(SeriesRequest), _parameters(WindowsRequest)
    try_request, mark_request = _body(TryRequest), _body(FeedbackRequest)
    ids = {"name": "window_id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "/api/v1/queries": {
            "get": _operation(
                "queries", "List the queries with the number of series in each state.", QueriesModel
            )
        },
        "/api/v1/series": {
            "get": _operation(
                "series", "List series at the last tick, the most anomalous first.", SeriesModel, (404, 422),
                parameters=listing,
            )
        },
        "/api/v1/explain": {
            "get": _operation(
                "explain", "Say in words what is going on with one series.", ExplainModel, (404, 422),
                parameters=one,
            )
        },
        "/api/v1/history": {
            "get": _operation(
                "history", "Replay a stretch of one series with the settings in use.", StretchModel,
                (404, 422, 429, 502), parameters=history,
            )
        },
        "/api/v1/try": {
            "post": _operation(
                "try", "Replay a stretch of one series with other settings; changes nothing.", TriedModel,
                (400, 404, 413, 415, 422, 429, 502), body=try_request,
            )
        },
        "/api/v1/feedback": {
            "get": _operation(
                "windows", "List the stretches that people marked.", WindowsModel, (422,), parameters=windows
            ),
            "post": _operation(
                "mark", "Mark a stretch as normal or as an incident.", WindowModel,
                (400, 404, 413, 415, 422, 507), body=mark_request, status=201,
            ),
        },
        "/api/v1/feedback/{window_id}": {
            "delete": _operation(
                "withdraw", "Take a mark back.", WindowModel, (404, 422, 507), parameters=[ids]
            )
        },
        "/-/reload": {
            "post": _operation("reload", "Read the configuration file again.", StatusModel, (404, 422))
        },
    }  # fmt: skip


def _operation(
    name: str,
    summary: str,
    gives: type[BaseModel],
    problems: tuple[int, ...] = (422,),
    *,
    parameters: list[Json] | None = None,
    body: Json | None = None,
    status: int = 200,
) -> Json:
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "responses": {
            str(status): {
                "description": "The answer.",
                "content": {"application/json": {"schema": _ref(gives)}},
            },
            **{str(code): _problem(code) for code in sorted({*ALWAYS, *problems})},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = body
    return operation


def _problem(code: int) -> Json:
    if code in {401, 421}:  # the server's, which stands before the API
        return {"description": PROBLEMS[code], "content": {"text/plain": {"schema": {"type": "string"}}}}
    content = {"application/problem+json": {"schema": _ref(ProblemModel)}}
    return {"description": PROBLEMS[code], "content": content}


def _parameters(schema: type[BaseModel]) -> list[Json]:
    """Return the fields of `schema` as parameters of a query string; `labels` is JSON in it."""
    fields = schema.model_json_schema(ref_template=REF)
    required = fields.get("required", [])
    parameters: list[Json] = []
    for name, field in fields["properties"].items():
        parameter: Json = {"name": name, "in": "query", "required": name in required}
        if name == "labels":
            parameter["content"] = {"application/json": {"schema": field}}
        else:
            parameter["schema"] = _without_null(field)
        parameters.append(parameter)
    return parameters


def _without_null(field: Json) -> Json:
    """Return the schema of a parameter that may be left out: a query string knows no null."""
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    return kinds[0] if kinds else {name: value for name, value in field.items() if name != "default"}


def _body(schema: type[BaseModel]) -> Json:
    return {"required": True, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(schema: type[BaseModel]) -> Json:
    return {"$ref": REF.format(model=schema.__name__)}


def _schemas() -> Json:
    _, given = models_json_schema([(model, "serialization") for model in _GIVEN], ref_template=REF)
    _, taken = models_json_schema([(model, "validation") for model in _TAKEN], ref_template=REF)
    return {**given["$defs"], **taken["$defs"]}
