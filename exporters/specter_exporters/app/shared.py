"""The workers of one server count in files of one folder; together they are the server's totals.

A living worker holds a lock on its file; the system lets go of it however the
process ends, so a dead one is told from a living one without process identifiers,
which are used again. What dead workers counted is moved to one archive file, and
their gauges are forgotten.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specter_core.errors import SpecterError
from specter_exporters.app.cells import Record, packed, read_file

logger = logging.getLogger(__name__)

DIRECTORY = "SPECTER_WORKERS_DIR"
PARENT = "SPECTER_WORKERS_PARENT"
SLOTS = "SPECTER_WORKERS_SLOTS"

LOCK = "lock"
ARCHIVE = "archive.v1"
WORKER_SUFFIX = ".worker.v1"
LOCK_WITHIN = 5.0
POLL = 0.005

# Keys of the archive that name a file whose numbers it holds already.
MERGED = b"merged:"

Merge = Callable[[Iterable[Record]], list[Record]]


class SharedError(SpecterError):
    """The workers' folder cannot be used."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A file of this process: locked, and so alive, until `close` or the end of the process."""

    path: Path
    descriptor: int

    def close(self) -> None:
        """Let go of the file; whoever looks next archives it."""
        os.close(self.descriptor)


class WorkersFolder:
    """The folder in which the workers of one server count.

    Args:
        path: a folder that all workers may write, made if it is missing; not on a network file system.
        keep: returns what is kept of dead workers' records, merged with the archive's.
        within: seconds to wait for another worker that reads or archives.
    """

    def __init__(self, path: Path, keep: Merge, within: float = LOCK_WITHIN) -> None:
        self.path = path
        self._keep = keep
        self._within = within

    def join(self) -> Joined:
        """Create and lock a file for this process, and archive the dead ones.

        Raises:
            SharedError: the folder cannot be written, or its lock is held too long.
        """
        self._make()
        with self._locked():
            self._archive_dead()
            # Sorted by name, the eldest come first.
            name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{WORKER_SUFFIX}"
            path = self.path / name
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Joined(path, descriptor)

    def read(self) -> list[list[Record]]:
        """Return the archive's records, then those of every living worker, the eldest first.

        Raises:
            SharedError: the folder cannot be read, or its lock is held too long.
        """
        with self._locked():
            archived = self._archive_dead()
            return [archived, *(read_file(path) for path in sorted(self._files()))]

    def archive(self) -> None:
        """Move what dead workers counted to the archive, and delete their files.

        Raises:
            SharedError: the folder cannot be written, or its lock is held too long.
        """
        with self._locked():
            self._archive_dead()

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SharedError(f"workers' folder {self.path}: {error.strerror or error}") from error

    def _files(self) -> list[Path]:
        return list(self.path.glob(f"*{WORKER_SUFFIX}"))

    def _archive_dead(self) -> list[Record]:
        """Return the archive's records, after the dead workers' were added.

        One rename makes the new archive valid; it names the files that it holds, so that
        a process killed before it deletes them leaves nothing that is counted twice.
        """
        path = self.path / ARCHIVE
        records = read_file(path) if path.exists() else []
        merged = {os.fsdecode(record.key.removeprefix(MERGED)) for record in records if _names_file(record)}
        records = [record for record in records if not _names_file(record)]
        dead = [file for file in self._files() if not held(file)]
        fresh = [file for file in dead if file.name not in merged]
        if fresh:
            records = self._keep([*records, *(record for file in fresh for record in read_file(file))])
            names = (Record(MERGED + file.name.encode(), []) for file in dead)
            partial = path.with_suffix(".partial")
            partial.write_bytes(packed(iter([*names, *records])))
            partial.replace(path)
        for file in dead:
            file.unlink()
        return records

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._wait(descriptor)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SharedError(f"workers' folder {self.path}: {error.strerror or error}") from error

    def _wait(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._within
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SharedError(
                        f"workers' folder {self.path}: another process holds its lock "
                        f"for longer than {self._within:g} s"
                    ) from None
                time.sleep(POLL)
            else:
                return


def held(path: Path) -> bool:
    """Return whether a living process holds a lock on `path`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _names_file(record: Record) -> bool:
    return record.key.startswith(MERGED)
