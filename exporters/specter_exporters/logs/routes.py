"""Turn raw paths into route templates: by rules, else by collapsing what looks like an identifier."""

import re
from collections.abc import Sequence

PLACE = "{id}"
MAX_PARTS = 12
MAX_ROUTE = 150
_NUMBER = re.compile(r"[+-]?\d[\d.,:_-]*", re.ASCII)
_HEX = re.compile(r"(?=[0-9a-f-]*\d)[0-9a-f]{6,}(?:-[0-9a-f]+)*", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_=~-]{16,}", re.ASCII)
_NAMED_NUMBER = re.compile(r"[A-Za-z]{1,12}[-_]?\d{2,}", re.ASCII)
_VERSION = re.compile(r"v\d{1,3}", re.ASCII)
_LONG = 40


class Router:
    """Finds the route of a path.

    Args:
        rules: templates such as `/products/{id}/reviews` or `/static/{file...}`, the first that fits counts.
    """

    def __init__(self, rules: Sequence[str] = ()) -> None:
        self._rules = [(rule, rule.strip("/").split("/")) for rule in rules]

    def route(self, path: str) -> tuple[str, bool]:
        """Return the template of a path, and whether a rule says so.

        Args:
            path: raw: with a query, or a whole URL. What is not a path has an empty route.
        """
        path = path.partition("?")[0].partition("#")[0]
        if "://" in path[:12]:
            path = "/" + path.partition("://")[2].partition("/")[2]
        if path[:1] != "/":
            return "", False
        parts = path.strip("/").split("/", 64)
        for rule, wanted in self._rules:
            if _fits(wanted, parts):
                return rule, True
        return _collapsed(parts), False


def _fits(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    if wanted[-1].endswith("...}"):
        if len(parts) < len(wanted):
            return False
    elif len(parts) != len(wanted):
        return False
    return all(
        want == part or (want[:1] == "{" and part != "") for want, part in zip(wanted, parts, strict=False)
    )


def _collapsed(parts: Sequence[str]) -> str:
    kept = [_part(part) for part in parts[:MAX_PARTS]]
    if len(parts) > MAX_PARTS:
        kept.append("{...}")
    route = "/" + "/".join(kept)
    return route if len(route) <= MAX_ROUTE else route[: MAX_ROUTE - 5] + "{...}"


def _part(part: str) -> str:
    """Return a part of a path, or what stands for it when it looks like an identifier."""
    if (part.isalpha() and len(part) <= _LONG and part.isascii()) or _VERSION.fullmatch(part):
        return part
    if len(part) > _LONG or not part.isprintable() or not part.isascii() or set(part) & {"%", "@"}:
        return PLACE
    stem, dot, extension = part.rpartition(".")
    if dot and extension.isalnum() and len(extension) <= 5 and not extension.isdigit():
        return f"{_part(stem)}.{extension}" if stem else part
    if any(pattern.fullmatch(part) for pattern in (_NUMBER, _HEX, _KEY, _NAMED_NUMBER)):
        return PLACE
    # A built file's name with a hash in it: main-8f3b2c1a.
    for separator in (".", "-", "_"):
        head, found, tail = part.rpartition(separator)
        if found and head and _HEX.fullmatch(tail):
            return f"{head}{separator}{{hash}}"
    return part
