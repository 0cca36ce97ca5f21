"""`specter exporter signin` as a process of its own, and its events' API."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

WITHIN = 30.0
CONFIG = """\
hash_key_file: hash.key
api: {write_token_file: write.token, read_token_file: read.token}
"""


@dataclass
class Exporter:
    """A running exporter and its two addresses."""

    process: subprocess.Popen[str]
    metrics: str
    events: str

    def send(
        self, events: list[dict[str, object]], token: str = "write-token-0123456789"
    ) -> requests.Response:
        """Send one batch of events."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{self.events}/api/v1/signins", json=events, headers=headers, timeout=WITHIN)


@contextmanager
def serving(folder: Path) -> Iterator[Exporter]:
    """Run the exporter on free ports, configured in `folder`, until the block ends."""
    for name, content in (
        ("signin.yml", CONFIG), ("hash.key", "k" * 32), ("write.token", "write-token-0123456789"),
        ("read.token", "read-token-0123456789"),
    ):  # fmt: skip
        (folder / name).write_text(content, encoding="utf-8")
    command = "from specter_exporters.cli import exporter; exporter()"
    arguments = ["signin", "--config", str(folder / "signin.yml"), "--web.listen-address", "127.0.0.1:0",
                 "--events.listen-address", "127.0.0.1:0"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        urls = [
            re.fullmatch(r"(metrics|events): (http://\S+)\n", process.stderr.readline()) for _ in range(2)
        ]
        assert all(urls), process.stderr.read()
        yield Exporter(process, *(url[2] for url in urls if url))
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN)
