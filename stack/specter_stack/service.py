"""What the launcher needs to know of one server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """One address that Prometheus scrapes: the scrape job it belongs to, and its target labels.

    `instance` is given, not derived from the address, so that series keep their
    identity when a port changes between runs.
    """

    job: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Service:
    """A long-running program under the process manager.

    `ready` is an HTTP URL that answers below 400, `tcp://HOST:PORT` that
    accepts a connection, or `exec:COMMAND` that exits with 0. `environment` is
    added to the launcher's own and can be seen in the process list: paths of
    secrets, never secrets. `user` is the account to run as, None for the
    launcher's own. `own_pid_file` is for a program that writes one itself.
    """

    name: str
    command: tuple[str, ...]
    ready: str
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user: str | None = None
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"
    targets: tuple[Target, ...] = ()
    url: str | None = None
    own_pid_file: str | None = None
