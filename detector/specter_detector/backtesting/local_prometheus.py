"""A Prometheus of our own for a moment: on loopback, in a temporary folder, with a history that is given."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import requests

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Floats

START_TIMEOUT = 60.0
QUERY_TIMEOUT = 300.0
MOST_POINTS = 10_000
POLL = 0.05


class PrometheusError(SpecterError):
    """The program is missing, did not start, or refused a query."""


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`.

    Raises:
        PrometheusError: it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        message = "install Prometheus (Debian: apt-get install prometheus) or leave --rules out"
        raise PrometheusError(f"{name} is not on PATH: {message}")
    return found


@dataclass(frozen=True, slots=True)
class LocalPrometheus:
    """A running server."""

    url: str
    session: requests.Session

    def range(self, expr: str, times: Floats, interval: float) -> Iterator[tuple[dict[str, str], Floats]]:
        """Yield labels and times of each series that `expr` returns at `times`, `interval` seconds apart.

        Raises:
            PrometheusError: the expression is refused.
        """
        for start in range(0, times.size, MOST_POINTS):
            piece = times[start : start + MOST_POINTS]
            form = {
                "query": expr,
                "start": f"{piece[0]:.3f}",
                "end": f"{piece[-1]:.3f}",
                "step": f"{interval:g}",
            }
            answer = self.session.post(f"{self.url}/api/v1/query_range", data=form, timeout=QUERY_TIMEOUT)
            body: Any = orjson.loads(answer.content)
            if body["status"] != "success":
                raise PrometheusError(f"the expression is refused: {body['error']}\n  {expr}")
            for row in body["data"]["result"]:
                yield row["metric"], np.array([float(at) for at, _ in row["values"]])


def import_history(folder: Path, history: Path) -> None:
    """Make blocks in `folder` of the OpenMetrics text `history`.

    Raises:
        PrometheusError: promtool is missing or refuses the text.
    """
    _run(
        [
            program("promtool"), "tsdb", "create-blocks-from", "openmetrics",
            "--max-block-duration=192h", "--quiet", str(history), str(folder),
        ]
    )  # fmt: skip


def record(url: str, rules: Path, times: Floats, interval: float, folder: Path) -> None:
    """Evaluate the recording rules of `rules` over `times` into blocks in `folder`.

    Raises:
        PrometheusError: promtool refuses them.
    """
    _run(
        [
            program("promtool"), "tsdb", "create-blocks-from", "rules",
            f"--start={times[0]:.0f}", f"--end={times[-1]:.0f}", f"--eval-interval={interval:g}s",
            f"--url={url}", f"--output-dir={folder}", str(rules),
        ]
    )  # fmt: skip


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrometheusError(f"promtool failed: {(done.stderr or done.stdout).strip()[-2000:]}")


@contextmanager
def running(folder: Path, interval: float) -> Iterator[LocalPrometheus]:
    """Run a server on the blocks in `folder`; a sample holds for `interval` seconds and no longer.

    Raises:
        PrometheusError: it is missing or does not start.
    """
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1h}\n", encoding="utf-8")
    port = _free_port()
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
        f"--query.lookback-delta={interval:g}s", "--query.timeout=5m", "--query.max-samples=200000000",
    ]  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output, requests.Session() as session:
        # What the environment says of proxies is not meant for a server of our own.
        session.trust_env = False
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            server = LocalPrometheus(f"http://127.0.0.1:{port}", session)
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: LocalPrometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.session.get(f"{server.url}/-/ready", timeout=2).ok:
                return
        except requests.ConnectionError:
            pass  # not listening yet
        time.sleep(POLL)
    raise PrometheusError(f"Prometheus did not start: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
