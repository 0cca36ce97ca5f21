"""Statements as they may be shown: without constants, comments and line breaks, and short."""

import re

LONGEST = 200
# What can hold a constant, or a quote that would be taken for the beginning of one.
_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<name>    "(?:[^"]|"")*(?:"|\Z) )
  | (?P<string>  \b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) | '(?:[^']|'')*(?:'|\Z)
               | \$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z) )
  | (?P<number>  (?<![\w$.])\d[\d.]*(?:[eE][+-]?\d+)? )
    """,
    re.VERBOSE | re.DOTALL,
)


def masked(statement: str) -> str:
    """Return `statement` with `?` for each constant, in one line of at most `LONGEST` characters.

    pg_stat_statements replaces constants itself, but not all of those of utility statements:
    ALTER ROLE … PASSWORD '…' would be shown as it was typed.
    """
    text = " ".join(_TOKEN.sub(_replaced, statement).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _replaced(match: "re.Match[str]") -> str:
    if match["comment"] is not None:
        return " "
    return match[0] if match["name"] is not None else "?"
