"""The jobs exporter as a process of its own, and a clock for parts of it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from specter_core.clock import SystemClock
from tests.exporters.serving import samples, until

KEY = "a-ping-key-of-the-tests"
WITHIN = 20.0


class Hand(SystemClock):
    """A clock whose hand the test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


@dataclass
class JobsProcess:
    """The exporter, where it is, and its log."""

    process: "subprocess.Popen[bytes]"
    metrics: str
    pings: str
    log: Path

    def ping(self, path: str, **more: object) -> requests.Response:
        return requests.request(
            str(more.pop("method", "GET")), f"{self.pings}/ping/{path}", timeout=WITHIN, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def scrape(self) -> dict[tuple[str, tuple[str, ...]], float]:
        return samples(requests.get(f"{self.metrics}/metrics", timeout=WITHIN).text)

    def value(self, name: str, job: str, *more: str) -> float | None:
        return self.scrape().get((name, (job, *more)))


@contextmanager
def running_jobs(folder: Path, config: str, *, killed: bool = False, key: str = KEY) -> Iterator[JobsProcess]:
    """Run the command in `folder` as a user would; at the end it is stopped, or killed."""
    (folder / "jobs.yml").write_text(config)
    (folder / "ping.key").write_text(f"{key}\n")
    log = folder / "log"
    command = [sys.executable, "-m", "specter_core", "exporter", "jobs", "--config", "jobs.yml",
               "--ping.listen-address", "127.0.0.1:0", "--web.listen-address", "127.0.0.1:0"]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stderr=output, stdout=output)
    try:
        found = until(
            lambda: re.search(r"metrics: (\S+)\npings: (\S+)", log.read_text()) or process.poll(), "listening"
        )
        assert not isinstance(found, int), log.read_text()
        yield JobsProcess(process, found[1], found[2], log)
    finally:
        if killed:
            process.kill()
        else:
            process.terminate()
        process.wait(WITHIN)
    assert killed or process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text()
