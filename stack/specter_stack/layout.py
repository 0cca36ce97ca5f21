"""Where everything of a run lives: one git-ignored folder."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir

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
        """URLs, ports and supervisor socket of the newest run, as JSON."""
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
        """Create the folders."""
        self.state.mkdir(parents=True, exist_ok=True)
        for folder in (self.pids, self.logs, self.etc, self.prometheus_data):
            folder.mkdir(exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
