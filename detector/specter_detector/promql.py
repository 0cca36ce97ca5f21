"""What has to be known of PromQL's grammar, without parsing it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
SELECTOR = rf"(?:[a-zA-Z_:][\w:]*\s*(?:\{{(?:[^{{}}\"'`]|{STRING})*\}})?|\{{(?:[^{{}}\"'`]|{STRING})*\}})"
BARE_SELECTOR = re.compile(rf"\s*{SELECTOR}\s*")
NAME_MATCHER = re.compile(rf"\b__name__\s*=~?\s*({STRING})")
_STRINGS = re.compile(STRING)
_PARTS = re.compile(r"\s*(?P<name>[a-zA-Z_:][\w:]*)?\s*(?:\{(?P<inside>.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(rf"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*({STRING})\s*(?:,|$)")
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t", "r": "\r"}
_NUMBERS = {"nan", "inf"}

Operator = Literal["=", "!=", "=~", "!~"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a selector: the label `name` compared with `value`."""

    name: str
    operator: Operator
    value: str


def metric_names(expr: str) -> str:
    """Return the text of `expr` in which names of metrics can stand.

    Strings are left out, because a label's value may be any word, except those
    that `__name__` is compared with.
    """
    named = [match[1:-1] for match in NAME_MATCHER.findall(expr)]
    return " ".join([_STRINGS.sub('""', expr), *named])


def matchers_of(expr: str) -> tuple[Matcher, ...] | None:
    """Return the conditions of `expr` if it is a bare selector in its common form, else None.

    None as well for what only a parser could take apart (comments, quoted names, rare escapes):
    the caller then leaves the expression to the server.
    """
    parts = _PARTS.fullmatch(expr) if BARE_SELECTOR.fullmatch(expr) else None
    if parts is None or (parts["name"] or "").lower() in _NUMBERS:
        return None
    found = [Matcher("__name__", "=", parts["name"])] if parts["name"] else []
    inside, position = (parts["inside"] or "").strip(), 0
    while position < len(inside):
        match = _MATCHER.match(inside, position)
        value = unquoted(match[3]) if match else None
        if match is None or value is None:
            return None
        operator: Operator = match[2]  # type: ignore[assignment]
        found.append(Matcher(match[1], operator, value))
        position = match.end()
    return tuple(found) or None


def unquoted(text: str) -> str | None:
    """Return what the string literal `text` stands for; None for escapes that name a byte or a code point."""
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    read = re.findall(r"\\(.)|([^\\]+)", body, re.DOTALL)
    if any(escape and escape not in _ESCAPES for escape, _ in read):
        return None
    return "".join(_ESCAPES[escape] if escape else plain for escape, plain in read)


def selector(matchers: Iterable[Matcher]) -> str:
    """Write `matchers` as a selector."""
    # Strings of PromQL know the escapes of JSON.
    conditions = (f"{m.name}{m.operator}{json.dumps(m.value, ensure_ascii=False)}" for m in matchers)
    return "{" + ",".join(conditions) + "}"
