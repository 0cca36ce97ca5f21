"""The end of a job's output, for the people who are told that it failed."""


class Tail:
    """Keeps the last bytes that were added.

    Args:
        limit: how many, at least.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._cut = False

    def add(self, output: bytes) -> None:
        """Take more output."""
        self._kept += output
        if len(self._kept) > 4 * self._limit:  # not at each line
            self._shorten()

    def text(self) -> str:
        """Return it as it was written, from the beginning of a line where it was cut."""
        self._shorten()
        text = self._kept.decode("utf-8", "replace")
        return text.partition("\n")[2] or text if self._cut else text

    def _shorten(self) -> None:
        if len(self._kept) > self._limit:
            del self._kept[: -self._limit]
            self._cut = True
