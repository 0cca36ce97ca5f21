"""Cut what is read into lines, without ever holding more than a limit of one."""

from specter_exporters.logs.formats.model import Reason


class OddLine(bytes):
    """A line that is not whole, or not what its wrapper should have held.

    Attributes:
        reason: counted if it turns out to be malformed.
        usable: whether it may be looked at at all.
    """

    reason: Reason
    usable: bool

    def __new__(cls, data: bytes, reason: Reason, *, usable: bool) -> "OddLine":
        """Return `data` marked."""
        made = super().__new__(cls, data)
        made.reason = reason
        made.usable = usable
        return made


class LineSplitter:
    """Splits a stream at line feeds.

    A line beyond the limit is given out as soon as the limit is reached, and the rest of it is skipped, so
    that a file without line feeds costs no memory and no offset waits for its end.
    """

    def __init__(self, limit: int, *, skipping: bool = False) -> None:
        self._limit = limit
        self._rest = b""
        self.skipping = skipping

    @property
    def held(self) -> int:
        """The bytes at the end of what was fed that are no line yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Take more of the stream; return its lines without their ends."""
        if self.skipping:
            _, feed, data = data.partition(b"\n")
            if not feed:
                return []
            self.skipping = False
        lines = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        self._rest = lines.pop()
        return self._cut(lines)

    def _cut(self, lines: list[bytes]) -> list[bytes]:
        limit = self._limit
        if lines and max(map(len, lines)) > limit:
            lines = [
                OddLine(line[:limit], "too_long", usable=True) if len(line) > limit else line
                for line in lines
            ]
        if len(self._rest) > limit:
            lines.append(OddLine(self._rest[:limit], "too_long", usable=True))
            self._rest = b""
            self.skipping = True
        return lines

    def flush(self) -> list[bytes]:
        """Return what is there of a last line: its stream has ended."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
