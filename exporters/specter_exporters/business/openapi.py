"""The OpenAPI 3.1 document of the endpoint, with the names of its catalogue."""

from collections.abc import Iterable

from specter_core.catalogue import Catalogue, Unit
from specter_exporters.business.validation import FIELDS, MAX_QUANTITY, MAX_TEXT, QUANTITIES
from specter_exporters.openapi import (
    BEARER,
    TEXT,
    Json,
    one_or_many,
    openapi,
    problem_responses,
    problem_schema,
    ref,
    refused_items,
)

MAX_EVENTS = 1000
PROBLEMS = {
    400: "The body or the Idempotency-Key cannot be read.",
    401: "There is no token, or a wrong one.",
    409: "A request with the same Idempotency-Key is under way.",
    413: "The body is too large, or has too many events.",
    415: "The body is not JSON by its headers.",
    422: "Some events are refused; the others are counted. It says which, why, and which names are known.",
    429: "The sender sends more than it may; Retry-After says for how long to wait.",
    500: "The request failed by a defect.",
}


def document(catalogue: Catalogue) -> Json:
    """Return the document."""
    known = {
        "type": "object",
        "description": "By field: the names that are known there.",
        "additionalProperties": {"type": "array", "items": TEXT},
    }
    problem = problem_schema({**refused_items("Events", fields=("field",)), "known": known})
    described = openapi(
        "Business events",
        "Send business events to be counted. Each valid event is counted once, at the time at which it "
        "arrives.",
        {"/api/v1/events": {"post": _post()}},
        {
            "schemas": {"Event": _event(catalogue), "Counted": _counted(), "Problem": problem},
            "securitySchemes": {"token": BEARER},
        },
    )
    return {**described, "security": [{"token": []}]}


def _post() -> Json:
    return {
        "operationId": "send",
        "summary": "Count one event, or a batch of them.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Chosen by the sender; a request with the same key and body within a day is "
                "answered as the first, and not counted again.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": one_or_many("Event", MAX_EVENTS)}},
        },
        "responses": {
            "200": {
                "description": "All are counted.",
                "headers": {"Idempotency-Replayed": {"schema": {"type": "string", "const": "true"}}},
                "content": {"application/json": {"schema": ref("Counted")}},
            },
            **problem_responses(PROBLEMS),
        },
    }


def _event(catalogue: Catalogue) -> Json:
    events = catalogue.events.values()
    currencies = {
        currency
        for event in events
        if Unit.MONEY in event.measures
        for currency in event.measures[Unit.MONEY].currencies
    }
    identifier = {"type": ["string", "integer", "null"], "minLength": 1, "maxLength": MAX_TEXT}
    quantity = {"type": ["number", "null"], "minimum": 0, "maximum": MAX_QUANTITY}
    properties: Json = {
        "event": {"enum": list(catalogue.events), "description": "Its name in the catalogue."},
        "outcome": _one_of({name for event in events for name in event.outcomes}, "success by default."),
        "reason": {
            "type": ["string", "null"], "minLength": 1, "maxLength": MAX_TEXT,
            "description": "Why it failed; one that the catalogue does not list counts as `other`.",
        },
        **{name: quantity | {"description": _quantity(unit)} for name, unit in QUANTITIES.items()},
        "currency": _one_of(currencies, "Of the amount."),
        "feature": _one_of(catalogue.features, "That was used, for events that take one."),
        "user": identifier | {"description": "Hashed at once, never kept or shown."},
        "session": identifier | {"description": "Of the user; the user by default."},
    }  # fmt: skip
    return {
        "type": "object",
        "description": "What an event may carry depends on its name: see the catalogue.",
        "properties": {name: properties[name] for name in FIELDS},
        "required": ["event"],
        "additionalProperties": False,
    }


def _one_of(names: Iterable[str], description: str) -> Json:
    """Return the schema of a name; null is as if it were left out."""
    return {"enum": [*sorted(names), None], "description": description}


def _quantity(unit: Unit) -> str:
    return {
        Unit.MONEY: "Money, in the currency's main unit (euros, not cents).",
        Unit.SECONDS: "How long it took, in seconds.",
        Unit.TOKENS: "Tokens of a language model.",
        Unit.COUNT: "Items that it is about.",
    }[unit]


def _counted() -> Json:
    return {
        "type": "object",
        "properties": {"accepted": {"type": "integer", "minimum": 1}},
        "required": ["accepted"],
        "additionalProperties": False,
    }
