"""One launcher a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specter_stack.errors import StackError
from specter_stack.orphans import read_pid


class LockHeldError(StackError):
    """Another launcher runs from the state folder; `holder` is its process id, None when not known."""

    def __init__(self, state: Path, holder: int | None) -> None:
        self.holder = holder
        super().__init__(
            f"a stack already runs from {state} (process {holder or 'unknown'}); "
            "stop it with Ctrl-C there, or with `specter stack down`"
        )


@contextmanager
def launcher_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path`; the kernel lets go of it however the process ends.

    Raises:
        LockHeldError: another launcher holds it; the message names its process.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeldError(path.parent, read_pid(path)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
