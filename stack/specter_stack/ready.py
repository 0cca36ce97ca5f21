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
# A server that still ends right after each start is wrong, not slow; supervisord itself tries for a minute.
BACKOFF_SECONDS = 12.0
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
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment is not the way to loopback
            return session.get(ready, timeout=timeout, allow_redirects=False).status_code < 400
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
    began = clock.monotonic()
    while waiting:
        waiting = [service for service in waiting if not answers(service.ready)]
        if not waiting:
            return
        known = states()
        for service in waiting:
            state = known.get(service.name)
            if state == "FATAL" or (state == "BACKOFF" and clock.monotonic() > began + BACKOFF_SECONDS):
                raise StackError(f"{service.name} does not start; its log ends:\n{logs(service.name)}")
        if clock.monotonic() > began + timeout:
            raise StackError(
                f"{waiting[0].name} did not answer on {waiting[0].ready} within {timeout:.0f} s; "
                f"its log ends:\n{logs(waiting[0].name)}"
            )
        clock.sleep(POLL_SECONDS)
