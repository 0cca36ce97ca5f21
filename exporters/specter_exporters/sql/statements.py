"""What may be a check's query: one statement that reads.

It is a look before the database has its own: the session is read only, whatever it says here.
"""

import re

READING = frozenset({"select", "with", "values", "table"})
# A SELECT that writes a file or a table, or that holds locks.
_MORE = re.compile(
    r"\binto\b|\bfor\s+(?:no\s+key\s+)?update\b|\bfor\s+(?:key\s+)?share\b|\block\s+in\s+share\b",
    re.IGNORECASE,
)
# What only some databases take for a comment.
_RUN = re.compile(r"/\*M?!")
# What may hold a semicolon or a word that is none: literals, quoted names and comments.
_QUOTED = r"""
    --[^\r\n]* | /\*.*?(?:\*/|\Z)
  | {literal} | "(?:[^"]|"")*(?:"|\Z) | `[^`]*(?:`|\Z)
  | (?<![\w$])\$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)
"""
_LITERALS = (r"'(?:[^']|'')*(?:'|\Z)", r"'(?:[^'\\]|\\.|'')*(?:'|\Z)")
# Databases disagree on a backslash before a quote: a query must be one statement either way.
_READINGS = tuple(
    re.compile(_QUOTED.format(literal=literal), re.VERBOSE | re.DOTALL) for literal in _LITERALS
)


def problem(query: str) -> str:
    """Return what is wrong with a query, empty if nothing is."""
    if _RUN.search(query):
        return "expected no comment that MySQL runs (/*! … */)"
    return next(filter(None, (_problem(quoted.sub(" ' ", query)) for quoted in _READINGS)), "")


def _problem(unquoted: str) -> str:
    bare = unquoted.replace("'", " ").strip().rstrip(";").strip()
    if ";" in bare:
        return "expected one statement"
    word = re.match(r"[(\s]*([A-Za-z]*)", bare)
    if word is None or word[1].lower() not in READING:
        return "expected a query that reads: SELECT, WITH, VALUES or TABLE"
    if _MORE.search(bare):
        return "expected a query that reads and no more: no INTO, no FOR UPDATE or SHARE"
    return ""


def stripped(query: str) -> str:
    """Return the query without the semicolon at its end."""
    return query.strip().rstrip(";").strip()
