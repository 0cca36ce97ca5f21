"""Choose ports: the well-known one when it is free, else the next free one ten thousand above it."""

import socket
from collections.abc import Iterable, Mapping

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


def choose_ports(defaults: Mapping[str, int], taken: Iterable[int] = ()) -> dict[str, int]:
    """Return a free port for each name in `defaults`, none twice and none in `taken`.

    Raises:
        StackError: no free port was found near a default.
    """
    used = set(taken)
    chosen: dict[str, int] = {}
    for name, default in defaults.items():
        fallbacks = range(default + FALLBACK_OFFSET, default + FALLBACK_OFFSET + FALLBACK_TRIES)
        port = next((p for p in (default, *fallbacks) if p not in used and is_free(p)), None)
        if port is None:
            raise StackError(
                f"no free port for {name}: {default} and {fallbacks.start}-{fallbacks.stop - 1} are taken"
            )
        chosen[name] = port
        used.add(port)
    return chosen
