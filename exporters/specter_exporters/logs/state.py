"""The exporter's folder: one process holds it, and one file in it says everything, or what it said before.

Offsets, counters and templates are saved together. So whatever kills the process, a restart goes on with
counters that have exactly the entries up to the offsets. And what is exposed is saved first: Prometheus never
sees a counter go back, which it would take for a restart from nothing.
"""

import os
from pathlib import Path
from typing import Any, Self

import orjson

from specter_core.errors import SpecterError
from specter_core.files import HeldError, hold, replace_file

FORMAT = 1
FILE = "state.json"


class StateError(SpecterError):
    """The folder cannot be used."""


class StateFolder:
    """A folder that this process holds; made by `open`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder where it is not there, readable by its owner only, and hold it.

        Raises:
            StateError: another process holds it, or the file system refuses.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(path, hold(path))
        except OSError as error:
            raise StateError(
                f"{path}: cannot be used: {error.strerror}; choose another --storage.path"
            ) from error
        except HeldError as error:
            raise StateError(
                f"{path} is in use by another log exporter (process {error.holder}): "
                "stop that one, or give this one a --storage.path of its own"
            ) from None

    def close(self) -> None:
        """Let another process have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last; None if nothing was.

        Raises:
            StateError: it is damaged, or a later Specter wrote it. It is never dropped silently: beginning
                anew would count what was counted before.
        """
        file = self.path / FILE
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{file}: cannot be read: {error.strerror}") from error
        hint = f"move {file} away to begin anew"
        try:
            saved = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise StateError(f"{file}: is damaged ({error}); {hint}") from error
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise StateError(f"{file}: this Specter knows format {FORMAT} only; {hint}")
        return saved

    def save(self, data: bytes) -> None:
        """Put `data` in the place of what was saved, in one step that survives a power cut.

        Raises:
            OSError: it cannot be written; what was saved before is still there.
        """
        replace_file(self.path / FILE, [data])


def encode(saved: dict[str, Any]) -> bytes:
    """Return `saved` as `load` reads it."""
    return orjson.dumps({"format": FORMAT, **saved})
