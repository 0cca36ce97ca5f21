"""The words of a PromQL or MetricsQL expression, with every bracket and string closed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from specter_core.errors import SpecterError
from specter_detector.promql import STRING

TOKEN = re.compile(
    rf"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<string>{STRING})
  | (?P<duration>\d+(?:ms|[smhdwyi])(?:\d+(?:ms|[smhdwyi]))*)
  | (?P<number>(?:0x[0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))
  | (?P<name>[a-zA-Z_:][\w:.]*)
  | (?P<matcher>=~|!~|!=|==|>=|<=)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
PAIRS = {")": "(", "]": "[", "}": "{"}


class ScanError(SpecterError):
    """A bracket or a string has no end."""


@dataclass(slots=True)
class Token:
    """A word, what kind of word, and where it is."""

    kind: str
    text: str
    start: int
    end: int


def tokens(expr: str) -> Iterator[Token]:
    """Yield the tokens of `expr`, with every bracket matched."""
    opened: list[str] = []
    for match in TOKEN.finditer(expr):
        kind, text = str(match.lastgroup), match[0]
        if kind == "space":
            continue
        if kind == "other" and text in "\"'`":
            raise ScanError(
                f"a string that begins at {expr[match.start() : match.start() + 20]!r} has no end"
            )
        if kind == "other" and text in PAIRS.values():
            opened.append(text)
        elif kind == "other" and text in PAIRS and (not opened or opened.pop() != PAIRS[text]):
            raise ScanError(f"{text} has no {PAIRS[text]}")
        yield Token(kind, text, match.start(), match.end())
    if opened:
        raise ScanError(f"{opened[-1]} is not closed")


def unquoted(text: str) -> str:
    """Return what the string literal `text` holds; other text as it is."""
    if text[:1] == "`":
        return text[1:-1]
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] in {'"', "'"} else text
