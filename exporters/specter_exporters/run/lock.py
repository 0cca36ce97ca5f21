"""One run of a job at a time: a file that is locked while one goes on, and says which."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from specter_exporters.run.processes import ticks


class Owner(NamedTuple):
    """The run that holds a lock, or left it without having ended.

    Attributes:
        run_id: its UUID.
        began: Unix seconds.
        pid: of its wrapper.
        child: of its command, 0 before there is one.
        child_ticks: when that was started, in the kernel's ticks since boot; its number may be reused.
    """

    run_id: str
    began: float
    pid: int
    child: int = 0
    child_ticks: int = 0


class OverlapError(Exception):
    """A run of the job goes on; `owner` is None where it has not said which."""

    def __init__(self, owner: Owner | None) -> None:
        self.owner = owner
        super().__init__("a run of the job goes on")


class JobLock:
    """The lock of a job, while it is held.

    Args:
        folder: of all locks; is made.
        job: its name.

    Raises:
        OverlapError: another run holds it, or has left its command running.
        OSError: the file cannot be made.
    """

    def __init__(self, folder: Path, job: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / f"{job}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OverlapError(self._closed()) from None
        except OSError:
            os.close(self._file)
            raise
        self.unfinished = self._owner()
        """The run before, if it was killed before it could say how it ended."""
        if self.unfinished is not None and _lives(self.unfinished):
            raise OverlapError(self._closed())

    def write(self, owner: Owner) -> None:
        """Say which run holds it.

        Raises:
            OSError: the disk is full; it is held all the same.
        """
        # In this order: a full disk has no room for what was cut off before.
        os.ftruncate(self._file, os.pwrite(self._file, json.dumps(owner._asdict()).encode(), 0))

    def release(self) -> None:
        """Let the next run begin; this one has ended."""
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def _closed(self) -> Owner | None:
        owner = self._owner()
        os.close(self._file)
        return owner

    def _owner(self) -> Owner | None:
        try:
            fields = json.loads(os.pread(self._file, 4096, 0) or b"{}")
            if not isinstance(fields, Mapping):
                return None
            owner = Owner(**fields)
            return Owner(str(owner.run_id), float(owner.began), *map(int, owner[2:]))
        except (ValueError, TypeError):  # none, or half of one, as a full disk leaves it
            return None


def _lives(owner: Owner) -> bool:
    return owner.child > 0 and owner.child_ticks > 0 and ticks(owner.child) == owner.child_ticks
