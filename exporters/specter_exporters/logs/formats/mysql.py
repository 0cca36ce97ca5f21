"""MySQL's and MariaDB's slow-query log: several lines a query."""

import re
from collections.abc import Sequence

from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text

_FIGURES = re.compile(r"(Query_time|Lock_time|Rows_sent|Rows_examined): +(\d+(?:\.\d+)?)", re.ASCII)
_USER = re.compile(r"# User@Host: ([^\[\s]*)\[[^\]]*\] +@ +(\S*) +\[([^\]]*)\]", re.ASCII)
_TIME = re.compile(r"# Time: (\S+(?: +\d\d?:\d\d:\d\d)?)", re.ASCII)
_NAMES = {
    "Query_time": "query_time",
    "Lock_time": "lock_time",
    "Rows_sent": "rows_sent",
    "Rows_examined": "rows_examined",
}


def _continues(pending: Sequence[bytes], line: bytes) -> bool:
    """Two queries of the same second share a `# Time` line: the second begins with `# User@Host`."""
    if line.startswith(b"# Time: "):
        return False
    if line.startswith(b"# User@Host: "):
        return pending[-1].startswith(b"# Time: ")
    # A server that starts writes three lines about itself.
    return b", Version: " not in line


def _parse(raw: bytes) -> Parsed | Reason:
    text = raw.decode("utf-8", "replace")
    if b", Version: " in raw[:300] and not text.startswith("#"):
        return {"level": "info", "message": text.partition("\n")[0]}
    figures = {_NAMES[name]: value for name, value in _FIGURES.findall(text[:2000])}
    if "query_time" not in figures:
        return bad_text(raw) or "no_match"
    fields: Parsed = dict(figures)
    fields["statement"] = _statement(text)
    for pattern, names in ((_USER, ("user", "host", "source")), (_TIME, ("time",))):
        found = pattern.search(text)
        if found is not None:
            fields |= zip(names, found.groups(), strict=True)
    return fields


def _statement(text: str) -> str:
    return "\n".join(
        line
        for line in text.splitlines()
        if not line.startswith("#") and not line.lower().startswith(("use ", "set timestamp="))
    )


MYSQL_SLOW = Format(
    parse=_parse,
    continues=_continues,
    default_level="info",
    message=("statement", "message"),
    defaults={"slow_duration": ("query_time",), "statement": ("statement",), "rows": ("rows_examined",)},
)
