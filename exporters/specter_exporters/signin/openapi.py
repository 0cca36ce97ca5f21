"""The OpenAPI 3.1 document of the API, and its pieces for a server that mounts it beside others."""

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from specter_exporters.openapi import BEARER, Json, openapi, problem_responses, problem_schema, ref
from specter_exporters.signin.events import EVENTS
from specter_exporters.signin.schemas import AcceptedModel, BreachesModel, BreachesRequest

SIGNINS = "/api/v1/signins"
BREACHES = "/api/v1/suspected-breaches"
DOCUMENT = "/api/v1/openapi.json"
REF = "#/components/schemas/{model}"
PROBLEMS = {
    400: "The body cannot be read to its end.",
    401: "The token is missing or wrong.",
    403: "No such token is configured.",
    405: "The path takes another method.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The Host header names another machine.",
    422: "An event or a parameter is invalid; nothing was recorded.",
    429: "Too many requests; Retry-After says when there is room.",
    500: "The request failed by a defect.",
}
ALWAYS = (405, 421, 500)


def document() -> Json:
    """Return the document of the API when it is served alone."""
    return openapi(
        "Specter sign-in exporter",
        "Takes sign-ins as events, and lists accounts that may be in wrong hands.",
        paths(),
        components(),
    )


def paths() -> Json:
    """Return the paths."""
    events = {"required": True, "content": {"application/json": {"schema": ref("SignInEvents")}}}
    return {
        SIGNINS: {
            "post": {
                "operationId": "record_signins",
                "summary": "Record a batch of events: all of them, or none if one is invalid.",
                "requestBody": events,
                "security": [{"write_token": []}],
                "responses": _responses(202, AcceptedModel, 400, 401, 403, 413, 415, 422, 429),
            }
        },
        BREACHES: {
            "get": {
                "operationId": "suspected_breaches",
                "summary": "List the accounts signed in to after a run of failures, the newest first.",
                "parameters": _parameters(BreachesRequest),
                "security": [{"read_token": []}],
                "responses": _responses(200, BreachesModel, 401, 403, 422),
            }
        },
    }


def components() -> Json:
    """Return the schemas and security schemes that the paths refer to."""
    _, answers = models_json_schema(
        [(model, "serialization") for model in (AcceptedModel, BreachesModel)],
        ref_template=REF,
    )
    events = EVENTS.json_schema(ref_template=REF)
    return {
        "schemas": {
            **answers["$defs"],
            **events.pop("$defs"),
            "SignInEvents": events,
            "Problem": problem_schema(),
        },
        "securitySchemes": {"write_token": BEARER, "read_token": BEARER},
    }


def _responses(status: int, model: type[BaseModel], *problems: int) -> Json:
    content = {"application/json": {"schema": ref(model.__name__)}}
    return {
        str(status): {"description": (model.__doc__ or "").strip(), "content": content},
        **problem_responses({problem: PROBLEMS[problem] for problem in sorted({*problems, *ALWAYS})}),
    }


def _parameters(model: type[BaseModel]) -> list[Json]:
    schema = model.model_json_schema(ref_template=REF)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]
