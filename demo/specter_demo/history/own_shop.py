"""Run a second shop for a moment, to measure it: the first one's counters are its visitors' alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_demo.platform import SPECTER, environment_of
from specter_demo.settings import Settings
from specter_stack.ports import LOOPBACK, choose_ports
from specter_stack.ready import answers

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
FIRST_PORT = 18_080


@contextmanager
def own_shop(settings: Settings, clock: Clock) -> Iterator[str]:
    """Yield the URL of a shop on this machine, with the database and payment service of `settings`.

    Raises:
        SpecterError: it does not answer in time; its own message is on standard error.
    """
    address = f"{LOOPBACK}:{choose_ports({'shop': FIRST_PORT})['shop']}"
    with TemporaryDirectory(prefix="specter-shop-") as folder:
        update = {"state_dir": Path(folder), "listen": address, "url": f"http://{address}"}
        process = subprocess.Popen(
            [*SPECTER, "demo", "serve", "shop"],
            env={**os.environ, **environment_of(settings.model_copy(update=update))},
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr.fileno(),
        )
        try:
            _wait_until_it_answers(process, f"http://{address}", clock)
            yield f"http://{address}"
        finally:
            _stop(process)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str, clock: Clock) -> None:
    deadline = clock.monotonic() + START_SECONDS
    while not answers(f"{url}/healthz"):
        if process.poll() is not None:
            raise SpecterError(f"the shop to be measured ended with exit code {process.returncode}")
        if clock.monotonic() > deadline:
            raise SpecterError(f"the shop to be measured does not answer on {url} in {START_SECONDS:.0f} s")
        clock.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
