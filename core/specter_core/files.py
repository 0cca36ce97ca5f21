"""Files that outlive a process: replaced in one step, and folders that one process holds."""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

NEW = ".new"
"""Ends the name of a file that is being written; what a crash left is overwritten by the next."""


class HeldError(Exception):
    """Another process holds the folder; `holder` is its number, "unknown" where it has left none."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(f"held by process {holder}")


def replace_file(
    path: Path, parts: Iterable[bytes | memoryview], *, durable: bool = True, mode: int = 0o600
) -> None:
    """Write `parts` behind each other to `path`, readable by its owner only unless `mode` says otherwise.

    Whoever reads it, at whatever moment, finds the old file or the new one.

    Args:
        path: the file; one process writes it.
        parts: of the content.
        durable: wait until it is on the disk, so that a power cut leaves one of the two as well.
        mode: of the file; the process' umask takes away from it.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    new = path.with_name(path.name + NEW)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(file, rest) :]
        if durable:
            os.fsync(file)
        new.rename(path)
    except OSError:
        with suppress(OSError):  # the reason is on its way up
            new.unlink()
        raise
    finally:
        os.close(file)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def hold(folder: Path) -> int:
    """Hold `folder` by the file `lock` in it, which has the number of the process that does.

    Returns:
        A descriptor: the folder is held until it is closed, at the latest by the end of the process.

    Raises:
        HeldError: another process holds it.
        OSError: the file system refuses.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # In this order: a full disk has no room for what was cut off before.
        os.ftruncate(lock, os.pwrite(lock, f"{os.getpid()}\n".encode(), 0))
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise HeldError(holder) from None
    except OSError:
        os.close(lock)
        raise
    return lock
