"""A log file that another program follows: appended line by line, rotated once by renaming."""

import fcntl
import os
import threading
from pathlib import Path

LARGEST = 20 * 1024 * 1024


class LogFile:
    """Appends text to `path`; over `largest` bytes it is renamed to `<name>.1` and begun anew.

    During a release two workers write to it. Each opens it for each line, so none goes on
    in a file that the other has renamed, and a lock keeps them from renaming it twice.
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
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text)
            file.flush()
            if file.tell() > self._largest and os.path.samestat(self._path.stat(), os.fstat(file.fileno())):
                self._path.replace(self._path.with_name(self._path.name + ".1"))
