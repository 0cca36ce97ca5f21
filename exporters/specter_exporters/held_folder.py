"""A folder with an exporter's state, which one process holds."""

import os
from pathlib import Path
from typing import ClassVar, Self

from specter_core.errors import SpecterError
from specter_core.files import HeldError, hold


class StateError(SpecterError):
    """The folder, or what is in it, cannot be used."""


class HeldFolder:
    """A folder that this process holds; made by `open`.

    Attributes:
        holder: what a process is called that holds one.
        path: of the folder.
    """

    holder: ClassVar[str]

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
                f"{path} is in use by another {cls.holder} (process {error.holder}): "
                "stop that one, or give this one a --storage.path of its own"
            ) from None

    def close(self) -> None:
        """Let another process have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
