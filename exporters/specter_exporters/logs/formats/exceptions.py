"""Find the lines of an exception, and the one line that says what it was."""

import re
from collections.abc import Sequence

TRACEBACK = b"Traceback (most recent call last):"
_BETWEEN = (
    b"During handling of the above exception",
    b"The above exception was the direct cause",
    b"Caused by: ",
    b"    at ",
    b"\tat ",
    b"... ",
    b"Node.js v",
    b"  + Exception Group",
)
_NAMED = re.compile(
    rb"(?:[\w.$]{0,200}(?:Error|Exception|Warning|Exit|Interrupt|Fault)|Uncaught)\b", re.ASCII
)
_NODE_SOURCE = re.compile(rb"(?:node:|file://|/|[A-Z]:\\)[^\s]{1,500}:\d+$", re.ASCII)
MAX_LINES = 500


def continues_exception(pending: Sequence[bytes], line: bytes) -> bool:
    """Whether `line` goes on with the exception, or the indented text, that `pending` has begun."""
    if not line.strip():
        return _in_exception(pending)
    if line[0] in b" \t" or line.startswith((TRACEBACK, *_BETWEEN)):
        return True
    if line[0] in b"})" and len(line) <= 3:
        return len(pending) > 1
    return _ends_traceback(pending, line) or _goes_on_after_blank(pending, line)


def looks_like_exception(raw: bytes) -> bool:
    """Whether an entry that is not of the log's format is an exception that nobody caught."""
    first = raw.partition(b"\n")[0]
    return first.startswith(TRACEBACK) or bool(_NAMED.match(first)) or bool(_NODE_SOURCE.match(first))


def _in_exception(pending: Sequence[bytes]) -> bool:
    """Python writes an empty line between two chained exceptions, node around the line it quotes."""
    return any(TRACEBACK in line for line in pending[:4]) or bool(_NODE_SOURCE.match(pending[0]))


def _ends_traceback(pending: Sequence[bytes], line: bytes) -> bool:
    """Whether `line` is the `ValueError: …` below a traceback's frames."""
    if not pending[-1].startswith((b" ", b"\t")) or not any(TRACEBACK in each for each in pending):
        return False
    return not line[:1].isdigit() and not line.startswith((b"{", b"["))


def _goes_on_after_blank(pending: Sequence[bytes], line: bytes) -> bool:
    """Whether `line` is what node writes below the source line that it quotes."""
    return bool(_NODE_SOURCE.match(pending[0])) and bool(_NAMED.match(line))


def summary(text: str) -> str:
    """Return the line of an exception's text that names it; empty where none does.

    Of a Python traceback it is the last line that is not indented, of a JavaScript or Java stack the first.
    """
    lines = text.splitlines()
    if not lines:
        return ""
    python = "Traceback (most recent call last):" in text
    for line in reversed(lines) if python else lines:
        if line and line[0] not in " \t}" and (_NAMED.match(line.encode()) or (python and ":" in line)):
            return line
    return "" if python else lines[0]
