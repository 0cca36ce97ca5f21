"""One launcher a state folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specter_stack.errors import StackError


@contextmanager
def launcher_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path`; the kernel lets go of it however the process ends.

    Raises:
        StackError: another launcher holds it; the message names its process.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise StackError(
                f"a stack already runs from {path.parent} (process {holder}); "
                "stop it with Ctrl-C there, or with `specter stack down`"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
