"""Templates of pages: the label of a browser's path, chosen here, so that no request makes a label."""

import re
from collections.abc import Sequence
from unicodedata import normalize
from urllib.parse import unquote

OTHER = "other"
VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)(:path)?\}")
SEGMENT = re.compile(r"[^/{}?#\s]+")
ENCODED_SLASH = re.compile("(%2f)", re.IGNORECASE)


def template_error(template: str) -> str | None:
    """Return what is wrong with a template, None if it is one.

    A template is a path whose segments are text or variables: `/product/{id}`; the last one may stand
    for all that follows: `/docs/{rest:path}`.
    """
    if template == "/":
        return None
    if not template.startswith("/") or template.endswith("/"):
        return "is no template: it begins with / and does not end with it, as /product/{id}"
    segments = template[1:].split("/")
    for number, segment in enumerate(segments, 1):
        variable = VARIABLE.fullmatch(segment)
        if variable is None and SEGMENT.fullmatch(segment) is None:
            return f"is no template: {segment!r} is neither text nor a variable such as {{id}}"
        if variable is not None and variable[2] and number < len(segments):
            return f"is no template: {segment} takes all that follows, so it has to be the last"
    return None


class Pages:
    """Find the template of a path.

    A template without variables goes before those with some; of these the first that fits is taken.
    Browsers percent-encode a path, and Unicode composes a letter in more than one way: templates and
    paths are compared decoded from UTF-8, in normal form C. A slash that is encoded ends no segment.

    Args:
        templates: valid ones, see `template_error`.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        self.templates = tuple(templates)
        self._exact = {_decoded(template): template for template in templates if "{" not in template}
        self._patterns = [template for template in templates if "{" in template]
        # One group a template, in their order. Where a segment ends is certain, so nothing backtracks.
        self._match = re.compile("|".join(f"({_regex(one)})" for one in self._patterns)).fullmatch

    def find(self, path: str) -> str:
        """Return the template that `path` is of, `OTHER` if it is of none; a query in it does not count."""
        path = path.partition("?")[0].partition("#")[0]
        path = _decoded(path.rstrip("/") or "/")
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        found = self._match(path) if self._patterns else None
        return OTHER if found is None or found.lastindex is None else self._patterns[found.lastindex - 1]


def _decoded(path: str) -> str:
    if path.isascii() and "%" not in path:
        return path
    parts = ENCODED_SLASH.split(path)
    return normalize("NFC", "".join("%2F" if ENCODED_SLASH.match(part) else unquote(part) for part in parts))


def _regex(template: str) -> str:
    parts = []
    for segment in template[1:].split("/"):
        variable = VARIABLE.fullmatch(segment)
        if variable is None:
            parts.append(re.escape(_decoded(segment)))
        else:
            parts.append("(?s:.+)" if variable[2] else "[^/]+")
    return "/" + "/".join(parts)
