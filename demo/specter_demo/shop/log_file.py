"""A log file that another program follows: appended line by line, rotated once by renaming."""

import fcntl
import threading
from pathlib import Path

LARGEST = 20 * 1024 * 1024


class LogFile:
    """Appends text to `path`; over `largest` bytes it is renamed to `<name>.1` and begun anew.

    During a release two workers write to it. Each opens it for each line under the lock of a file
    beside it, so none writes to a file that the other has renamed, and none renames it twice.
    """

    def __init__(self, path: Path, *, largest: int = LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, text: str) -> None:
        """Append `text`, whole lines.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock, self._beside(".lock").open("a") as lock:
            # Opened anew for each line: workers that were forked would share a lock that was open before.
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
                size = file.tell()
            if size > self._largest:
                self._path.replace(self._beside(".1"))

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(self._path.name + ending)
