"""A real Prometheus on a free port, started and stopped by a `with` block."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specter_stack.programs import find_program

START_TIMEOUT = 20.0
DEFAULT_CONFIG = "global: {scrape_interval: 15s, evaluation_interval: 15s}\nscrape_configs: []\n"


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Prometheus:
    """A server under test; `stop` and `start` again keep port and data."""

    folder: Path
    port: int
    config_file: Path
    process: subprocess.Popen[bytes] | None = None
    flags: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it is ready."""
        log = (self.folder / "prometheus.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [
                    str(find_program("prometheus")),
                    f"--config.file={self.config_file}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    "--storage.tsdb.retention.time=60d",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--web.enable-remote-write-receiver",
                    "--web.enable-lifecycle",
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(
                    f"Prometheus did not start:\n{(self.folder / 'prometheus.log').read_text()}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop and wait for its end."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        self.process = None

    def query(self, expr: str, at: float | None = None) -> list[dict[str, object]]:
        """Run an instant query; each row is `{"metric": {...}, "value": [time, text]}`."""
        params = {"query": expr} if at is None else {"query": expr, "time": f"{at:.3f}"}
        return self._get("/api/v1/query", params)

    def values(self, expr: str, at: float | None = None) -> list[float]:
        """Run an instant query and return the values alone."""
        rows = self.query(expr, at)
        return [float(row["value"][1]) for row in rows]  # type: ignore[index]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, object]]:
        """Run a range query; each row is `{"metric": {...}, "values": [[time, text], ...]}`."""
        return self._get(
            "/api/v1/query_range", {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        )

    def wait_for(self, expr: str, seconds: float = 20.0) -> list[float]:
        """Poll until `expr` returns something, and return its values.

        Raises:
            TimeoutError: it never did.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            values = self.values(expr)
            if values:
                return values
            time.sleep(0.1)
        raise TimeoutError(f"no result within {seconds} s: {expr}")

    def _get(self, path: str, params: Mapping[str, str]) -> list[dict[str, object]]:
        url = f"{self.url}{path}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                result: list[dict[str, object]] = json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{params}: {error.read().decode()}") from error
        return result

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False


@contextmanager
def running_prometheus(
    folder: Path,
    *,
    config: str = DEFAULT_CONFIG,
    files: Mapping[str, str] | None = None,
    history: Iterable[str] | None = None,
    start: bool = True,
) -> Iterator[Prometheus]:
    """Run a Prometheus whose files live in `folder`.

    Args:
        folder: an empty or missing folder, for example `tmp_path / "prometheus"`.
        config: the text of prometheus.yml; may name `files` by their relative path.
        files: further files (rules, targets) by relative path.
        history: lines of OpenMetrics text with timestamps, imported before the start
            (`# EOF` is added).
        start: False leaves starting it to the test.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    config_file = folder / "prometheus.yml"
    config_file.write_text(config)
    if history is not None:
        import_history(folder, history)
    server = Prometheus(folder, free_port(), config_file)
    try:
        if start:
            server.start()
        yield server
    finally:
        server.stop()


def import_history(folder: Path, lines: Iterable[str]) -> None:
    """Turn OpenMetrics `lines` into blocks in `folder`/data; the server must not run."""
    text = folder / "history.om"
    with text.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.write("# EOF\n")
    subprocess.run(
        [
            str(find_program("promtool")),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--max-block-duration=192h",
            "--quiet",
            str(text),
            str(folder / "data"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    text.unlink()
