"""The OpenAPI 3.1 document of the beacon."""

from specter_exporters.browser.measurements import MAX_ID, MAX_PATH, REASONS
from specter_exporters.openapi import (
    Json,
    one_or_many,
    openapi,
    problem_responses,
    problem_schema,
    refused_items,
)
from specter_exporters.vitals import DEVICES, OTHER_DEVICE, VITALS

BEACON = "/beacon"
DOCUMENT = "/openapi.json"
MAX_MEASUREMENTS = 20
PROBLEMS = {
    400: "The body cannot be read.",
    403: "The Origin is missing or not allowed.",
    413: "The body is too large, or has too many measurements.",
    415: "The body is not JSON by its headers.",
    421: "The Host header names another machine.",
    422: "Some measurements are refused; the others are taken. It says which and why.",
    429: "Too many requests; Retry-After says for how long to wait.",
    500: "The request failed by a defect.",
}


def document() -> Json:
    """Return the document."""
    post = {
        "operationId": "send",
        "summary": "Count one measurement, or a list of them.",
        "parameters": [{"name": "Origin", "in": "header", "required": True, "schema": {"type": "string"}}],
        "requestBody": {
            "required": True,
            "description": "The header may say text/plain, which needs no preflight.",
            "content": {"application/json": {"schema": one_or_many("Measurement", MAX_MEASUREMENTS)}},
        },
        "responses": {"204": {"description": "All are taken."}, **problem_responses(PROBLEMS)},
    }
    problem = problem_schema(refused_items("Measurements", REASONS))
    return openapi(
        "Specter browser beacon",
        "Takes what the web-vitals package measures. Browsers of allowed origins only.",
        {BEACON: {"post": post}},
        {"schemas": {"Measurement": _measurement(), "Problem": problem}},
    )


def _measurement() -> Json:
    values = [
        {"properties": {"name": {"const": name}, "value": {"maximum": vital.largest / vital.scale}}}
        for name, vital in VITALS.items()
    ]
    return {
        "type": "object",
        "description": "A Metric of the web-vitals package, and of which view of a page it is.",
        "properties": {
            "name": {"enum": list(VITALS)},
            "value": {
                "type": "number",
                "minimum": 0,
                "description": "Milliseconds; of CLS, the shift.",
            },
            "id": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
            "page": {
                "type": "string",
                "pattern": "^/",
                "maxLength": MAX_PATH,
                "description": "The view's path; which template it is of is found here.",
            },
            "device": {
                "type": "string",
                "description": f"{', '.join(sorted(DEVICES))}; everything else counts as `{OTHER_DEVICE}`.",
            },
        },
        "required": ["name", "value", "id", "page"],
        "anyOf": values,
    }
