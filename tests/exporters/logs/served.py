"""The real command as a process of its own."""

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (
    "from specter_core.cli import main, root; from specter_exporters.cli import exporter; "
    "root.add_command(exporter); main()"
)
WITHIN = 60.0


def until(ask: Callable[[], Any], what: str) -> Any:
    """Poll `ask` until it answers something true; return that."""
    deadline = time.monotonic() + WITHIN
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN} s"
        time.sleep(0.01)


@dataclass
class Served:
    """A running exporter."""

    process: subprocess.Popen[bytes]
    url: str

    def scrape(self) -> str:
        """Return what a scrape gives."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=WITHIN) as response:
            return str(response.read().decode())

    def total(self, name: str) -> float:
        """Return the sum of a metric's series."""
        return total(self.scrape(), name)

    def kill(self) -> None:
        """End it as the kernel does when memory is short: without a word."""
        self.process.kill()
        self.process.wait(WITHIN)


def total(exposition: str, name: str) -> float:
    """Return the sum of a metric's series in an exposition."""
    found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", exposition, re.MULTILINE)
    return sum(float(value) for value in found)


def command(*arguments: str) -> list[str]:
    """Return the command line of `specter exporter logs`."""
    return [sys.executable, "-c", COMMAND, "exporter", "logs", *arguments]


@contextmanager
def serving(config: Path, state: Path, *flags: str) -> Iterator[Served]:
    """Run the exporter on a free port until the block ends."""
    log = config.with_suffix(".stderr")
    arguments = ["--config", str(config), "--storage.path", str(state)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*arguments, "--web.listen-address", "127.0.0.1:0", *flags),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def listening() -> str | None:
        text = log.read_text(encoding="utf-8")
        assert process.poll() is None, text
        found = re.search(r"metrics: (http://\S+)\n", text)
        return found[1] if found else None

    try:
        yield Served(process, until(listening, "listening"))
    finally:
        process.terminate()
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(WITHIN)
