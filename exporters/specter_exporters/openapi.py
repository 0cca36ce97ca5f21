"""Pieces that the OpenAPI 3.1 documents of the exporters share."""

from collections.abc import Iterable, Mapping
from typing import Any

from specter_exporters.answers import PROBLEM_JSON

Json = dict[str, Any]
BEARER: Json = {"type": "http", "scheme": "bearer"}
TEXT: Json = {"type": "string"}
HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"required": True, "schema": TEXT}},
    409: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
# Answered before the application, by the server's check of the Host header: a text.
WRONG_HOST = 421


def openapi(title: str, description: str, paths: Json, components: Json) -> Json:
    """Return a document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": description},
        "paths": paths,
        "components": components,
    }


def ref(name: str) -> Json:
    """Return the reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_or_many(name: str, most: int) -> Json:
    """Return the schema of one `name`, or of a list of at most `most` of them."""
    many = {"type": "array", "items": ref(name), "minItems": 1, "maxItems": most}
    return {"oneOf": [ref(name), many]}


def problem_responses(problems: Mapping[int, str]) -> Json:
    """Return the responses with these statuses, which mean what their texts say; the schema is `Problem`."""
    return {str(status): _problem(status, text) for status, text in problems.items()}


def _problem(status: int, text: str) -> Json:
    said: Json = {"description": text}
    if status != WRONG_HOST:
        said["content"] = {PROBLEM_JSON: {"schema": ref("Problem")}}
    if status in HEADERS:
        said["headers"] = HEADERS[status]
    return said


def problem_schema(more: Mapping[str, Json] | None = None) -> Json:
    """Return the schema of a problem (RFC 9457) with the members `more`, which not every problem has."""
    return {
        "type": "object",
        "description": "An error, as problem JSON (RFC 9457).",
        "properties": {
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "action": {"type": "string", "description": "What to do."},
            **(more or {}),
        },
        "required": ["title", "status", "detail", "action"],
    }


def refused_items(what: str, reasons: Iterable[str] | None = None, fields: Iterable[str] = ()) -> Json:
    """Return the members of a problem that name each refused item of a batch by its index.

    Args:
        what: the items.
        reasons: why one is refused; any text by default.
        fields: further texts that are said of each.
    """
    items = {
        "type": "object",
        "properties": {
            "index": {"type": "integer", "minimum": 0},
            "reason": TEXT if reasons is None else {"enum": list(reasons)},
            **dict.fromkeys(fields, TEXT),
            "detail": TEXT,
        },
        "required": ["index", "reason", *fields, "detail"],
    }
    return {
        "accepted": {"type": "integer", "description": f"{what} that are taken all the same."},
        "refused": {"type": "array", "items": items},
    }
