"""PostgreSQL's log: stderr with any `log_line_prefix`, csvlog, jsonlog.

Slow statements are the lines `duration: 12.3 ms  statement: …` (log_min_duration_statement).
"""

import csv
import re
from collections.abc import Sequence

from specter_exporters.logs.formats.json_lines import parse_json
from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text

_SEVERITY = re.compile(
    r"(?:^|[\s\]:)>])(DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC):  ?", re.ASCII
)
_MORE = re.compile(
    rb"(?:^|[\s\]:)>])(?:DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|BACKTRACE):  ?", re.ASCII
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: ?[A-Z]{3,4}|[+-]\d\d)?", re.ASCII)
_DURATION = re.compile(
    r"duration: (\d+(?:\.\d+)?) ms(?:  (?:statement|execute [^:]*|bind [^:]*|parse [^:]*): )?"
)
_LOOKED_AT = 400
# Positions in PostgreSQL 14's csvlog; older ones have fewer at the end.
_COLUMNS = {0: "time", 1: "user", 2: "database", 4: "source", 11: "level", 12: "sql_state", 13: "message"}
_COLUMNS |= {14: "detail", 15: "hint", 19: "statement", 22: "application"}
_FEWEST_COLUMNS = 14
_CSV_BEGINS = re.compile(rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,"]{1,10},', re.ASCII)


def _with_duration(fields: Parsed) -> Parsed:
    message = fields.get("message")
    if type(message) is str and message.startswith("duration: "):
        found = _DURATION.match(message)
        if found is not None:
            fields["duration_ms"] = found[1]
            fields["statement"] = message[found.end() :]
    return fields


def _parse_stderr(raw: bytes) -> Parsed | Reason:
    text = raw.decode("utf-8", "replace")
    found = _SEVERITY.search(text, 0, _LOOKED_AT)
    if found is None:
        return bad_text(raw) or "no_match"
    message = text[found.end() :]
    cut = _MORE.search(message.encode())
    time = _TIME.search(text, 0, found.start() + 1)
    fields: Parsed = {"level": found[1], "message": message.partition("\n")[0] if cut else message}
    if time is not None:
        fields["time"] = time[0]
    return _with_duration(fields)


def _continues_stderr(_pending: Sequence[bytes], line: bytes) -> bool:
    """A line of the same message begins with a tab; DETAIL, HINT and STATEMENT belong to the line before."""
    if line[:1] in {b"\t", b" ", b""}:
        return True
    head = line[:_LOOKED_AT]
    return _SEVERITY.search(head.decode("utf-8", "replace")) is None and _MORE.search(head) is not None


def _parse_csv(raw: bytes) -> Parsed | Reason:
    text = raw.decode("utf-8", "replace")
    try:
        row = next(csv.reader(text.splitlines(keepends=True), strict=True), [])
    except csv.Error:
        return bad_text(raw) or "no_match"
    if len(row) < _FEWEST_COLUMNS:
        return bad_text(raw) or "no_match"
    return _with_duration({name: row[index] for index, name in _COLUMNS.items() if index < len(row)})


def _continues_csv(pending: Sequence[bytes], _line: bytes) -> bool:
    """A field may hold line breaks: within quotes, of which there are an odd number so far."""
    return sum(line.count(b'"') for line in pending) % 2 == 1


def _parse_json(raw: bytes) -> Parsed | Reason:
    fields = parse_json(raw)
    return fields if isinstance(fields, str) else _with_duration(fields)


POSTGRES = Format(
    parse=_parse_stderr,
    continues=_continues_stderr,
    defaults={"slow_duration": ("duration_ms",), "statement": ("statement",)},
)


def _begins_csv(line: bytes) -> bool:
    """Whether a line begins with `log_time`. Within quotes anybody may write that, so quotes count first."""
    return _CSV_BEGINS.match(line) is not None


POSTGRES_CSV = Format(
    parse=_parse_csv,
    continues=_continues_csv,
    begins=_begins_csv,
    defaults={"slow_duration": ("duration_ms",), "statement": ("statement",), "account": ("user",)},
)
POSTGRES_JSON = Format(
    parse=_parse_json,
    entry_start=ord("{"),
    level=("error_severity",),
    time=("timestamp",),
    defaults={
        "slow_duration": ("duration_ms",),
        "statement": ("statement",),
        "account": ("user",),
        "source": ("remote_host",),
    },
)
