"""The end of a job's output, for the people who are told that it failed."""

from collections import deque


class Tail:
    """Keeps the end of what was added, in the order in which it came, and of each stream its share.

    Without that, much on standard output would push out the one line on standard error that says why.

    Args:
        limit: bytes, of all streams together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: deque[tuple[int, bytes]] = deque()
        self._sizes: dict[int, int] = {}

    def add(self, output: bytes, stream: int = 1) -> None:
        """Take more output of `stream`."""
        if output:
            self._parts.append((stream, output))
            self._sizes[stream] = self._sizes.get(stream, 0) + len(output)
        if sum(self._sizes.values()) > 4 * self._limit:  # not at each line
            self._shorten()

    def text(self) -> str:
        """Return it as it was written; where it was cut, from the beginning of a line."""
        self._shorten()
        return b"".join(output for _, output in self._parts).decode("utf-8", "replace")

    def _shorten(self) -> None:
        """Cut off the oldest output of whichever stream has more than the others, as long as it takes."""
        parts: deque[tuple[int, bytes]] = deque()
        surplus = {stream: size - share for stream, size, share in self._shares()}
        for stream, output in self._parts:
            cut = min(len(output), max(0, surplus[stream]))
            if cut:
                cut = len(output) if cut == len(output) else output.find(b"\n", cut - 1) + 1 or cut
                surplus[stream] -= cut
                self._sizes[stream] -= cut
            if cut < len(output):
                parts.append((stream, output[cut:]))
        self._parts = parts

    def _shares(self) -> list[tuple[int, int, int]]:
        """Return each stream with its size and what it may keep: what one does not need, the next may."""
        shares, left = [], self._limit
        streams = sorted(self._sizes.items(), key=lambda each: each[1])
        for index, (stream, size) in enumerate(streams):
            share = min(size, left // (len(streams) - index))
            left -= share
            shares.append((stream, size, share))
        return shares
