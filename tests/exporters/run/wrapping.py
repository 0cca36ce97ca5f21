"""Run the wrapper as cron does: a process with a state folder of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ping_receiver import KEY, PingReceiver

SPECTER = (sys.executable, "-m", "specter_core")
WITHIN = 20.0


@dataclass
class Wrapper:
    """How the wrapper is called; `options` come before the command."""

    state: Path
    job: str = "backup"
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def pinging(self, receiver: PingReceiver) -> "Wrapper":
        self.environment |= {"SPECTER_PING_URL": receiver.url, "SPECTER_PING_KEY": KEY}
        return self

    def command(self, *command: str) -> list[str]:
        state = ["--state-dir", str(self.state)]
        return [*SPECTER, "run", "--job", self.job, *state, *self.options, "--", *command]

    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.command(*command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(),
        )

    def run(self, *command: str) -> "subprocess.CompletedProcess[bytes]":
        return self.call(self.command(*command))

    def letters(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        name, *rest = arguments
        state = ["--state-dir", str(self.state)]
        return self.call([*SPECTER, "run", "dead-letters", name, *state, *rest])

    def call(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN,
            check=False,
            env=self._environment(),
        )

    def waiting(self) -> list[Path]:
        """The pings in the spool, the oldest first."""
        return sorted((self.state / "spool").rglob("*.json"), key=lambda path: path.name)

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SPECTER_")}
        return {**clean, **self.environment}


def eventually(ask: Callable[[], object]) -> None:
    """Wait until `ask` answers something true."""
    deadline = time.monotonic() + WITHIN
    while not ask():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
