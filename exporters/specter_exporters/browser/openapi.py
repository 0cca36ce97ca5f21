"""The OpenAPI 3.1 document of the beacon."""

from typing import Any

from specter_exporters.browser.measurements import MAX_ID, MAX_PATH, OTHER_DEVICE, REASONS
from specter_exporters.vitals import DEVICES, VITALS

Json = dict[str, Any]
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
    one = {"$ref": "#/components/schemas/Measurement"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_MEASUREMENTS}
    content = {"schema": {"oneOf": [one, many]}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Specter browser beacon",
            "version": "1",
            "description": "Takes what the web-vitals package measures. Browsers of allowed origins only.",
        },
        "paths": {
            BEACON: {
                "post": {
                    "operationId": "send",
                    "summary": "Count one measurement, or a list of them.",
                    "parameters": [
                        {"name": "Origin", "in": "header", "required": True, "schema": {"type": "string"}}
                    ],
                    "requestBody": {
                        "required": True,
                        "description": "The header may say text/plain, which needs no preflight.",
                        "content": {"application/json": content},
                    },
                    "responses": {
                        "204": {"description": "All are taken."},
                        **{str(status): _problem(status, text) for status, text in PROBLEMS.items()},
                    },
                }
            }
        },
        "components": {"schemas": {"Measurement": _measurement(), "Problem": _problem_schema()}},
    }


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


def _problem(status: int, text: str) -> Json:
    said: Json = {"description": text}
    if status != 421:
        said["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if status == 429:
        said["headers"] = {
            "Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
        }
    return said


def _problem_schema() -> Json:
    text = {"type": "string"}
    refused = {
        "type": "object",
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "reason": {"enum": list(REASONS)},
            "detail": text,
        },
        "required": ["index", "reason", "detail"],
    }
    return {
        "type": "object",
        "properties": {
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "action": text,
            "accepted": {"type": "integer", "description": "Measurements that are taken all the same."},
            "refused": {"type": "array", "items": refused},
        },
        "required": ["title", "status", "detail", "action"],
    }
