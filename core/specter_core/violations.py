"""What pydantic finds wrong in a document, in the words of who wrote it.

A value that may be of several kinds is told of once: by the kind that it seems to be meant as, else by all
that it may be. Paths are those of the document; pydantic's have the names of its own branches in them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from specter_core.durations import UNITS, format_duration

Loc = tuple[int | str, ...]
MISSING = object()
"""What is found where nothing is."""
KEY = "[key]"
"""What pydantic calls the place of a key, not of what the key holds."""
_DURATION = re.compile(rf"([\d.]+({'|'.join(UNITS)}))+")
_KINDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong in a document.

    Attributes:
        loc: where: keys and indices.
        kind: pydantic's word for what it is.
        message: what was expected.
    """

    loc: Loc
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class _Finding:
    """An error of pydantic's; `branches` are its names for kinds, each with the path that it stands after."""

    loc: Loc
    branches: tuple[tuple[Loc, str], ...]
    detail: ErrorDetails


def violations(error: ValidationError, document: object) -> list[Violation]:
    """Return what is wrong in `document`."""
    findings = [_finding(detail, document) for detail in error.errors(include_url=False)]
    return _told([each for each in findings if not _only_parts(each, document)], 0, document)


def _only_parts(finding: _Finding, document: object) -> bool:
    """Return whether a list is too short only without its elements that are wrong, which are told of."""
    found = lookup(document, finding.loc)
    context = finding.detail.get("ctx", {})
    short = finding.detail["type"] == "too_short"
    return short and isinstance(found, dict | list) and len(found) >= context["min_length"]


def lookup(document: object, loc: Loc) -> object:
    """Return what is at `loc` in `document`, `MISSING` where nothing is."""
    for part in loc:
        match document, part:
            case dict(), _ if part in document:
                document = document[part]
            case list(), int() if part < len(document):
                document = document[part]
            case _:
                return MISSING
    return document


def _finding(detail: ErrorDetails, document: object) -> _Finding:
    """Return an error with its path in the document: what is not found there is a name of pydantic's."""
    loc: Loc = ()
    branches: list[tuple[Loc, str]] = []
    for index, part in enumerate(detail["loc"]):
        last = index == len(detail["loc"]) - 1
        if lookup(document, (*loc, part)) is not MISSING or (last and detail["type"] == "missing"):
            loc = (*loc, part)
        elif isinstance(part, str) and part != KEY:
            branches.append((loc, part))
        else:
            loc = (*loc, part)
    return _Finding(loc, tuple(branches), detail)


def _told(findings: Iterable[_Finding], depth: int, document: object) -> list[Violation]:
    """Return findings as violations, each kind of a value weighed against the others."""
    told: list[Violation] = []
    unions: dict[Loc, dict[str, list[_Finding]]] = {}
    for finding in findings:
        if len(finding.branches) <= depth:
            told.append(Violation(finding.loc, finding.detail["type"], _message(finding, document)))
        else:
            place, branch = finding.branches[depth]
            unions.setdefault(place, {}).setdefault(branch, []).append(finding)
    for place, branches in unions.items():
        meant = [each for each in branches.values() if not any(_of_another_kind(one, place) for one in each)]
        if meant:
            told += _told(meant[0], depth + 1, document)
        else:
            said = [_message(one, document) for each in branches.values() for one in each if one.loc == place]
            kinds = list(dict.fromkeys(each.removeprefix("expected ") for each in said))
            if "a number" in kinds and "a whole number" in kinds:
                kinds.remove("a whole number")
            told.append(Violation(place, "union", f"expected {_listed(kinds)}"))
    return told


def _of_another_kind(finding: _Finding, place: Loc) -> bool:
    """Return whether the value at `place` is not even of the kind that it was taken for."""
    return finding.loc == place and finding.detail["type"] in _KINDS


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _message(finding: _Finding, document: object) -> str:
    detail = finding.detail
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        found = lookup(document, finding.loc)
        # In the unit that it is written in.
        lasts = isinstance(found, str) and _DURATION.fullmatch(found)
        bound = format_duration(context[key]) if lasts else f"{context[key]:.15g}"
        return f"expected {words} {bound}"
    if kind == "literal_error":
        return f"expected {context['expected']}"
    if kind == "too_short":
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"expected at least {least}"
    return detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
