"""Replace a file in one step: whoever reads it, at whatever moment, finds the old one or the new one."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from specter_detector.store.errors import explained
from specter_detector.store.medium import Writable

NEW = ".new"
"""Ends the name of a file that is being written; what a crash left is overwritten by the next."""


def replace_file(path: Path, parts: Iterable[Writable], *, durable: bool = True) -> None:
    """Write `parts` behind each other to `path`, readable by its owner only.

    Args:
        path: the file.
        parts: of the content.
        durable: wait until it is on the disk, so that a power cut leaves one of the two as well.

    Raises:
        StoreError: it cannot be written; the old file is as it was.
    """
    new = path.with_name(path.name + NEW)
    with explained("write", path):
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for part in parts:
                write_all(file, part)
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


def write_all(file: int, part: Writable) -> None:
    """Write all of `part` to the open `file`."""
    rest = memoryview(part)
    while rest:
        rest = rest[os.write(file, rest) :]


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
