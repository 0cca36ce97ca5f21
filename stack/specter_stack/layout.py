"""Where everything of a run lives: one git-ignored folder."""

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir

from specter_stack.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths inside the state folder, and the checkout whose files docker-compose.yml mounts too."""

    state: Path
    checkout: Path = CHECKOUT

    @property
    def lock(self) -> Path:
        """Held while a launcher runs; contains its process id."""
        return self.state / "launcher.lock"

    @property
    def summary(self) -> Path:
        """URLs and services of the newest run, as JSON."""
        return self.state / "stack.json"

    @property
    def pids(self) -> Path:
        """One file a child, written by the child itself before it becomes the server."""
        return self.state / "pids"

    @property
    def logs(self) -> Path:
        """Standard output and error of each child."""
        return self.state / "logs"

    @property
    def secrets(self) -> Path:
        """Generated passwords and tokens, readable by the owner only."""
        return self.state / "secrets"

    @property
    def etc(self) -> Path:
        """Configuration as the servers see it: the checkout's files, this run's addresses."""
        return self.state / "etc"

    @property
    def prometheus_data(self) -> Path:
        """Prometheus' time-series database."""
        return self.state / "prometheus"

    @property
    def supervisor_config(self) -> Path:
        """Generated configuration of supervisord."""
        return self.etc / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Control socket; in the system's temporary folder when the state path is too long."""
        inside = self.state / "supervisor.sock"
        if len(str(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        digest = blake2b(str(self.state).encode(), digest_size=8).hexdigest()
        return Path(gettempdir()) / f"specter-{digest}.sock"

    def create(self) -> None:
        """Create the folders.

        Raises:
            StackError: the state folder's path or owner makes a run in it impossible.
        """
        # supervisord reads % as an expansion and a blank before # or ; as the start of a comment.
        if re.search(r"[%\x00-\x1f\x7f]|\s[#;]", str(self.state)):
            raise StackError(
                f"the path {str(self.state)!r} holds a %, a blank before # or ;, or a control character, "
                "which supervisord cannot read; use another folder"
            )
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            owner = self.state.stat().st_uid
            if os.geteuid() not in {0, owner}:
                raise PermissionError(0, f"it belongs to the account {owner}")
            for folder in (self.pids, self.logs, self.etc, self.prometheus_data):
                folder.mkdir(exist_ok=True)
            self.secrets.mkdir(exist_ok=True)
            self.secrets.chmod(0o700)
        except OSError as error:
            raise StackError(
                f"cannot use the state folder {self.state}: {error.strerror}; "
                "remove it as its owner, or use another"
            ) from error
