"""A real VictoriaMetrics on a free port, started and stopped by a `with` block."""

import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specter_stack.programs import find_program
from tests.servers.prometheus import free_port

START_TIMEOUT = 20.0


@dataclass
class VictoriaMetrics:
    """A server under test."""

    url: str

    def put(self, lines: Iterable[str]) -> None:
        """Take samples as lines of text, `name{label="value"} 1.5 1700000000000`, and show them at once."""
        body = "".join(f"{line}\n" for line in lines).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/import/prometheus", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=30):
            pass
        with urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=30):
            pass


@contextmanager
def running_victoriametrics(folder: Path) -> Iterator[VictoriaMetrics]:
    """Run a VictoriaMetrics whose files live in `folder`, which may be missing."""
    folder.mkdir(parents=True, exist_ok=True)
    server = VictoriaMetrics(f"http://127.0.0.1:{free_port()}")
    with (folder / "victoriametrics.log").open("ab") as log:
        process = subprocess.Popen(
            [
                str(find_program("victoria-metrics")),
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr={server.url.removeprefix('http://')}",
                "-retentionPeriod=12",
                "-search.latencyOffset=0s",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not _ready(server.url):
            if process.poll() is not None or time.monotonic() > deadline:
                text = (folder / "victoriametrics.log").read_text()
                raise RuntimeError(f"VictoriaMetrics did not start:\n{text}")
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
