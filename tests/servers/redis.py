"""A real Redis on a free port, that can be killed and started again."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from specter_stack.programs import find_program
from tests.servers.prometheus import free_port

READY_WITHIN = 20.0
ATTEMPTS = 5


@dataclass
class RedisProcess:
    """A server under test; what it holds goes with its process."""

    folder: Path
    flags: tuple[str, ...] = ()
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client of the server's; it is the caller's to close."""
        return redis.Redis(port=self.port, protocol=2)

    def start(self) -> None:
        """Start and wait until it answers; a port that someone else took meanwhile is replaced, at first."""
        for _ in range(ATTEMPTS):
            port = self.port or free_port()
            with (self.folder / "redis.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [
                        *(str(find_program("redis-server")), "--port", str(port), "--bind", "127.0.0.1"),
                        *("--save", "", "--appendonly", "no", "--dir", str(self.folder), *self.flags),
                    ],
                    stdout=log,
                    stderr=log,
                )
            if self._ready(port):
                self.port = port
                return
        raise RuntimeError(f"Redis did not start: {(self.folder / 'redis.log').read_text()[-2000:]}")

    def _ready(self, port: int) -> bool:
        deadline = time.monotonic() + READY_WITHIN
        while self.process is not None and self.process.poll() is None and time.monotonic() < deadline:
            with redis.Redis(port=port, protocol=2) as client:
                try:
                    if client.info("server")["process_id"] == self.process.pid:
                        return True
                except redis.AuthenticationError:
                    # It wants a password, which says that it is there.
                    return True
                except redis.ConnectionError:
                    time.sleep(0.01)
        self.kill()
        return False

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(READY_WITHIN)


@contextmanager
def running_redis(*flags: str, port: int = 0) -> Iterator[RedisProcess]:
    """Run a server with further flags until the end of the block, at `port` or where nobody listens."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisProcess(Path(folder), flags, port)
        server.start()
        try:
            yield server
        finally:
            server.kill()
