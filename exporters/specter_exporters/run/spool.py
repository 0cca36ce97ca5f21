"""Pings of one project that wait for its receiver: a folder of small files, the oldest first."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from specter_core.files import NEW, replace_file
from specter_exporters.run.pings import Ping, parse

SUFFIX = ".json"
LIMIT = 100  # pings of one job
POLL = 0.01


class Spool:
    """The folder; processes share it.

    Args:
        folder: is made when the first ping comes.
        limit: so many pings of a job are kept: of more, the oldest are dropped.
    """

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self.folder = folder
        self._limit = limit
        self._numbers = count()

    def add(self, ping: Ping) -> tuple[str, int]:
        """Keep `ping`.

        Returns:
            Its name, and how many older ones of the job were dropped for it.

        Raises:
            OSError: it cannot be written.
        """
        self._make_folder()
        name = self.name(ping)
        replace_file(self.folder / name, [ping.dump()], durable=False)
        mine = [other for other in self.names() if job_of(other) == ping.job]
        dropped = mine[: -self._limit]
        for other in dropped:
            self.remove(other)
        return name, len(dropped)

    def name(self, ping: Ping) -> str:
        """Return a name for `ping`, which sorts by when it happened."""
        return f"{round(ping.at * 1e6):017d}.{os.getpid()}.{next(self._numbers):06d}.{ping.job}{SUFFIX}"

    def names(self) -> list[str]:
        """Return the names of all pings, the oldest first."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208  (names are what is wanted)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.endswith(SUFFIX) and not name.endswith(NEW))

    def read(self, name: str) -> Ping | None:
        """Return a ping, None if it has been delivered by another process.

        Raises:
            ValueError: the file holds something else.
            OSError: it cannot be read.
        """
        try:
            return parse((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Forget a ping."""
        (self.folder / name).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def held(self, deadline: float) -> Iterator[bool]:
        """Be the one process that delivers, within the block.

        Args:
            deadline: how long to wait for another, on the monotonic clock.

        Yields:
            False if another still delivers: it finds what waits here too.

        Raises:
            OSError: the folder cannot be used.
        """
        self._make_folder()
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(lock, deadline)
        finally:
            # Not by closing alone: a process that was forked meanwhile has the file open too.
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


def job_of(name: str) -> str:
    """Return the job of the ping that is called `name`."""
    return name.removesuffix(SUFFIX).rpartition(".")[2]


def _locked(lock: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL)
        else:
            return True
