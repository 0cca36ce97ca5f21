"""An exporter as it is shipped, in a process of its own."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

WITHIN = 30.0


@contextmanager
def exporter(folder: Path, *arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run `specter exporter` until the end of the block; yield the URL of its metrics, and it.

    Args:
        folder: takes its log.
        arguments: of the command, beside the address to listen on.
    """
    command = [sys.executable, "-m", "specter_core", "exporter", *arguments]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--web.listen-address", "127.0.0.1:0"], stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + WITHIN
        while (found := re.search(r"metrics: (\S+)", log.read_text())) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"the exporter does not listen: {log.read_text()}")
            time.sleep(0.05)
        yield f"{found[1]}/metrics", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(WITHIN)
