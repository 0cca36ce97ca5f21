"""The list of dependencies as values, after its file has been read and checked."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file

Criticality = Literal["critical", "important", "optional"]
Reason = Literal["dns", "connect", "tls", "timeout", "status", "body", "redirect", "invalid", "auth"]
REASONS: tuple[Reason, ...] = (
    "dns",
    "connect",
    "tls",
    "timeout",
    "status",
    "body",
    "redirect",
    "invalid",
    "auth",
)
Kind = Literal["steps", "credential", "status_page"]

# `$NAME` in braces: a secret of the check, or what an earlier step extracted.
PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class CallError(Exception):
    """A call did not give what is expected; `reason` is all that is shown of it.

    `status` is that of the answer, where it was not the expected one.
    """

    def __init__(self, reason: Reason, status: int | None = None) -> None:
        self.reason: Reason = reason
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: a file or an environment variable. Read anew for each run, so that it may rotate."""

    what: str
    file: Path | None = None
    env: str | None = None

    def read(self) -> str:
        """Return the secret.

        Raises:
            SpecterError: it is not there, or is not one printable line; never with its value.
        """
        if self.file is not None:
            return read_secret_file(self.file, what=self.what)
        value = os.environ.get(self.env or "", "")
        if not value:
            state = "is empty" if (self.env or "") in os.environ else "is not set"
            raise SpecterError(
                f"{self.what}: the environment variable {self.env} {state}; give it the secret"
            )
        if not value.isprintable():
            raise SpecterError(
                f"{self.what}: the environment variable {self.env} must hold one line of printable characters"
            )
        return value


@dataclass(frozen=True, slots=True)
class Expect:
    """What an answer must be. No `status`: any 2xx."""

    status: frozenset[int] = frozenset()
    body: re.Pattern[str] | None = None

    def takes(self, status: int) -> bool:
        """Whether `status` is one of the expected."""
        return status in self.status if self.status else 200 <= status <= 299


@dataclass(frozen=True, slots=True)
class Extract:
    """What a step keeps for later ones: a value of its JSON answer by path, or a pattern's first group."""

    name: str
    json: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request and what is expected of its answer."""

    name: str
    method: str
    url: str
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    form: Mapping[str, str] | None = None
    expect: Expect = field(default_factory=Expect)
    extract: tuple[Extract, ...] = ()

    @property
    def reads_body(self) -> bool:
        """Whether the body of the answer matters."""
        return self.expect.body is not None or bool(self.extract)


@dataclass(frozen=True, slots=True)
class Check:
    """Steps, one after the other, with the cookies of the earlier ones."""

    steps: tuple[Call, ...]
    secrets: Mapping[str, Secret]
    interval: float


@dataclass(frozen=True, slots=True)
class Expiry:
    """Where the end of a credential's life is told: in itself (JWT), in a header, in the JSON answer."""

    jwt: bool = False
    header: str | None = None
    json: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """An authenticated call that changes nothing."""

    call: Call
    secret: Secret
    refused: frozenset[int]
    expiry: Expiry | None
    interval: float


@dataclass(frozen=True, slots=True)
class StatusPage:
    """A vendor's status page; `components` are those that are used, all where there are none."""

    url: str
    components: frozenset[str]
    interval: float
    timeout: float


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of the list. Times are seconds."""

    name: str
    url: str
    criticality: Criticality
    expect: Expect
    interval: float
    timeout: float
    latency: float | None = None
    tls_warning: float | None = None
    ca_file: Path | None = None
    check: Check | None = None
    credential: Credential | None = None
    status_page: StatusPage | None = None


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The list, and how it is watched."""

    dependencies: tuple[Dependency, ...]
    blackbox_address: str
    exporter_address: str
    concurrency: int
