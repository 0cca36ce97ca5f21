"""Keep few files open: those that were read last."""

from specter_exporters.logs.tail.followed import Followed


class OpenFiles:
    """The files that are open, of which there are at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used: dict[Followed, None] = {}

    def used(self, file: Followed) -> None:
        """Note that `file` was used, and close those that have not been for longest."""
        self._used.pop(file, None)
        if file.content is not None:
            self._used[file] = None
        for other in list(self._used):
            if len(self._used) <= self._limit:
                break
            other.close()
            del self._used[other]

    def sweep(self) -> None:
        """Forget files that others have closed."""
        for file in [each for each in self._used if each.content is None]:
            del self._used[file]
