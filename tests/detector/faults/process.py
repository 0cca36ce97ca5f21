"""The whole detector as a process: started, killed, reloaded, its log and its metrics looked at."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

CONFIG = """
presets: []
reader:
  datasource_url: {url}
  timeout: 2s
  queries:
    shop: {{expr: shop_rate, step: 5m, max_age: 5s}}
schedulers:
  s: {{infer_every: 1s, fit_every: 1h, fit_window: 2d}}
"""
PROGRAM = (sys.executable, "-c", "from specter_core.cli import main; main()")


def eventually(condition: Callable[[], object], what: str | Callable[[], str], seconds: float = 30.0) -> None:
    """Wait until `condition` holds.

    Raises:
        AssertionError: it never did.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (
            f"never within {seconds:g} s: {what if isinstance(what, str) else what()}"
        )
        time.sleep(0.05)


class DetectorProcess:
    """`specter detector run` in a folder of its own; may be started again after its end."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        storage: Path | None = None,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config_file = folder / "detector.yml"
        self.config_file.write_text(config)
        self.storage = storage or folder / "data"
        self._environment = {**os.environ, **(environment or {})}
        self._before = tuple(before)
        self._process: subprocess.Popen[bytes] | None = None
        self._runs = 0

    # --- life ---

    def start(self) -> None:
        """Start, and return when its pages can be asked."""
        self.launch()
        eventually(lambda: self._address() or self._over(), "listening")
        assert not self._over(), self.log()

    def launch(self) -> None:
        """Start, and return at once."""
        self._runs += 1
        with self._log_file().open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *self._before, *PROGRAM, "detector", "run", "--config", str(self.config_file),
                    "--storage.path", str(self.storage), "--web.listen-address=127.0.0.1:0",
                ],
                stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9."""
        self._ended(signal.SIGKILL)

    def terminate(self) -> int:
        """Ask it to end; return its exit code."""
        return self._ended(signal.SIGTERM)

    def hangup(self) -> None:
        """Let it read its configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def wait(self, seconds: float = 20.0) -> int:
        """Return its exit code, when it ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def _ended(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=20)

    def _over(self) -> bool:
        return self._process is None or self._process.poll() is not None

    # --- what can be seen of it ---

    @property
    def pid(self) -> int:
        """The process, for whom its children are to be found."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Where its pages are."""
        return self._address()

    def children(self) -> list[psutil.Process]:
        """Return the processes that it has started, and theirs."""
        return psutil.Process(self.pid).children(recursive=True)

    def log(self) -> str:
        """Return what this run has said."""
        return self._log_file().read_text(errors="replace")

    def whole_log(self) -> str:
        """Return what all runs have said."""
        return "".join(
            (self.folder / f"run-{number}.log").read_text(errors="replace")
            for number in range(1, self._runs + 1)
        )

    def metric(self, name: str, **labels: str) -> float:
        """Return one of its metrics, summed over the labels that are not named; 0 if there is none."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"specter_detector_{name}" and labels.items() <= sample.labels.items()
        )

    def wait_for_metric(
        self, name: str, fits: Callable[[float], bool], seconds: float = 30.0, **labels: str
    ) -> None:
        """Wait until a metric has a value that `fits`."""
        eventually(
            lambda: fits(self.metric(name, **labels)), lambda: f"{name}{labels}\n{self.log()}", seconds
        )

    def wait_for_line(self, text: str, seconds: float = 30.0) -> None:
        """Wait until this run's log has `text` in it."""
        eventually(lambda: text in self.log(), lambda: f"{text!r} in the log:\n{self.log()}", seconds)

    def wait_until_saved(self) -> None:
        """Wait until what has been learnt is on the disk: from then on it survives."""
        self.wait_for_metric("saves_total", lambda saves: saves >= 1, outcome="ok")

    def _address(self) -> str:
        found = re.findall(r"listening on (\S+)", self.log())
        return str(found[-1]) if found else ""

    def _log_file(self) -> Path:
        return self.folder / f"run-{self._runs}.log"


@contextmanager
def running(detector: DetectorProcess) -> Iterator[DetectorProcess]:
    """Start `detector` and make sure that it is over at the end."""
    try:
        detector.start()
        yield detector
    finally:
        if not detector._over():
            detector.kill()
