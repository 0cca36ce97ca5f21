"""Choose ports: the well-known one when it is free, else the next free one ten thousand above it."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import gettempdir

from specter_stack.errors import StackError

LOOPBACK = "127.0.0.1"
FALLBACK_OFFSET = 10_000
FALLBACK_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(
    defaults: Mapping[str, int], available: Callable[[int], bool] | None = None
) -> dict[str, int]:
    """Return an available port for each name in `defaults`, none twice; `available` is `is_free` by default.

    Raises:
        StackError: no port near a default is available.
    """
    available = available or is_free
    chosen: dict[str, int] = {}
    for name, default in defaults.items():
        fallbacks = range(default + FALLBACK_OFFSET, default + FALLBACK_OFFSET + FALLBACK_TRIES)
        taken = set(chosen.values())
        port = next((p for p in (default, *fallbacks) if p not in taken and available(p)), None)
        if port is None:
            raise StackError(
                f"no free port for {name}: {default} and {fallbacks.start}-{fallbacks.stop - 1} are taken"
            )
        chosen[name] = port
    return chosen


@contextmanager
def reserved_ports(defaults: Mapping[str, int], folder: Path | None = None) -> Iterator[dict[str, int]]:
    """Choose ports as `choose_ports` does, and keep other launchers of this account off them meanwhile.

    A port stays free until its server starts, which for some is half a minute
    later. The reservation is a lock on a file in `folder`, in the system's
    temporary folder if not given, and ends with the process at the latest.
    """
    folder = folder or Path(gettempdir()) / f"specter-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as locks:
        yield choose_ports(defaults, lambda port: is_free(port) and _lock(folder / str(port), locks))


def _lock(path: Path, locks: ExitStack) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    locks.callback(os.close, descriptor)
    return True
