"""Join lines to entries: the frames of an exception, the lines of a query, a field with line breaks."""

import re
from collections.abc import Sequence

from specter_exporters.logs.formats.exceptions import MAX_LINES
from specter_exporters.logs.formats.model import Continues, Format
from specter_exporters.logs.tail.lines import OddLine
from specter_exporters.logs.tail.wrappers import Item, Unwrapper, WrapperName
from specter_exporters.logs.watch import Matcher, TooLongError, Watch

LOOKED_AT = 1000


def starting_with(pattern: str, watch: Watch) -> Continues:
    """Return what takes every line for a continuation that `pattern` does not match at its beginning."""
    match = re.compile(pattern).match
    within = Matcher(watch, LOOKED_AT)

    def continues(_pending: Sequence[bytes], line: bytes) -> bool:
        try:
            return within(match, line[:LOOKED_AT].decode("utf-8", "replace")) is None
        except TooLongError:
            return False

    return continues


class Joiner:
    """Joins the lines of one file; what waits for more can be read again from `held` bytes back."""

    def __init__(self, form: Format, limit: int, wrapper: WrapperName | None = None) -> None:
        self._continues = form.continues
        self._start = form.entry_start
        self._begins = form.begins
        self._limit = limit
        self._unwrapper = Unwrapper(wrapper, limit) if wrapper is not None else None
        self._pending: list[bytes] = []
        self._length = 0
        self._size = 0
        self._full = False

    @property
    def held(self) -> int:
        """The bytes of the file that are not in any entry given out."""
        return self._size + (0 if self._unwrapper is None else self._unwrapper.held)

    def feed(self, lines: list[bytes]) -> list[bytes]:
        """Take lines; return the entries that are complete."""
        if self._unwrapper is not None:
            return self._join(self._unwrapper.feed(lines))
        if self._continues is None:
            return [line for line in lines if line]
        if self._start is not None and not self._pending:
            start = self._start
            if all(line and line[0] == start for line in lines):
                return lines
        return self._join([(line, len(line) + 1) for line in lines])

    def flush(self) -> list[bytes]:
        """Return what waits, as it is."""
        rest = [] if self._unwrapper is None else self._join(self._unwrapper.flush())
        return rest + self._take_pending()

    def _join(self, items: list[Item]) -> list[bytes]:
        if self._continues is None:
            return [line for line, _ in items if line]
        entries: list[bytes] = []
        for line, size in items:
            if type(line) is not bytes or (line and line[0] == self._start):
                entries += self._take_pending()
                entries.append(line)
            else:
                self._one(line.rstrip(b"\r"), size, entries)
        return entries

    def _one(self, line: bytes, size: int, entries: list[bytes]) -> None:
        if self._pending and self._goes_on(line):
            self._size += size
            over = self._length + len(line) > self._limit or len(self._pending) >= MAX_LINES
            self._full = self._full or over
            if not self._full:
                self._pending.append(line)
                self._length += len(line) + 1
            return
        entries += self._take_pending()
        if line:
            self._pending, self._length, self._size = [line], len(line) + 1, size

    def _goes_on(self, line: bytes) -> bool:
        # What is dropped of an entry beyond the limits may have held its end, which would then never come.
        if self._full and self._begins is not None and self._begins(line):
            return False
        return self._continues is not None and self._continues(self._pending, line)

    def _take_pending(self) -> list[bytes]:
        if not self._pending:
            return []
        entry = b"\n".join(self._pending).rstrip(b"\n")
        full = self._full
        self._pending, self._length, self._size, self._full = [], 0, 0, False
        return [OddLine(entry, "too_long", usable=True)] if full else [entry]
