"""Wait until servers answer."""

import shlex
import socket
import subprocess
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import requests

from specter_core.clock import Clock
from specter_stack.errors import StackError
from specter_stack.service import Service

READY_SECONDS = 60.0
POLL_SECONDS = 0.1


def answers(ready: str, timeout: float = 2.0) -> bool:
    """Whether the server behind `ready` answers now; see `Service.ready`."""
    parts = urlsplit(ready)
    try:
        if parts.scheme == "exec":
            command = shlex.split(ready.removeprefix("exec:"))
            return subprocess.run(command, capture_output=True, timeout=timeout, check=False).returncode == 0
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname or "", parts.port or 0), timeout=timeout).close()
            return True
        return requests.get(ready, timeout=timeout, allow_redirects=False).status_code < 400
    except (OSError, requests.RequestException, subprocess.TimeoutExpired):
        return False


def wait_until_ready(
    services: Iterable[Service],
    states: Callable[[], dict[str, str]],
    logs: Callable[[str], str],
    clock: Clock,
    timeout: float = READY_SECONDS,
) -> None:
    """Block until every one of `services` answers.

    `states` gives supervisord's view, `logs` the tail of a service's log.

    Raises:
        StackError: one gave up or did not answer within `timeout` seconds; the
            message quotes its log.
    """
    waiting = list(services)
    deadline = clock.monotonic() + timeout
    while waiting:
        waiting = [service for service in waiting if not answers(service.ready)]
        if not waiting:
            return
        known = states()
        for service in waiting:
            if known.get(service.name) == "FATAL":
                raise StackError(f"{service.name} does not start; its log ends:\n{logs(service.name)}")
        if clock.monotonic() > deadline:
            raise StackError(
                f"{waiting[0].name} did not answer on {waiting[0].ready} within {timeout:.0f} s; "
                f"its log ends:\n{logs(waiting[0].name)}"
            )
        clock.sleep(POLL_SECONDS)
