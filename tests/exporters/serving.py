"""Real servers for applications: gunicorn and uvicorn, on ports that the system chooses."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

WITHIN = 40.0


def until(ask: Callable[[], Any], what: str) -> Any:
    """Poll `ask` until it answers something true; return that."""
    deadline = time.monotonic() + WITHIN
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN} s"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """Return the children of a process, none of one that has ended."""
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def silent() -> Iterator[int]:
    """Listen where nobody ever answers; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Let a server's processes stand still, as on a host that has no time for them."""
    main = psutil.Process(pid)
    processes = [main, *main.children(recursive=True)]
    for process in processes:
        process.suspend()
    while not all(process.status() == psutil.STATUS_STOPPED for process in processes):
        time.sleep(0.01)  # the signal is on its way
    try:
        yield
    finally:
        for process in processes:
            process.resume()


class Server:
    """A server's master process and the scrapes of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    @property
    def workers(self) -> list[int]:
        """The workers' process identifiers."""
        return children(self.process.pid)

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=WITHIN, **more)

    def scrape(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """Return every sample of a scrape: (name, sorted label values) → value."""
        return samples(self.get("/metrics").text)

    def requests(self, route: str) -> float:
        """Return how many requests of a route are counted, over methods and statuses."""
        name = "http_server_request_duration_seconds_count"
        return sum(value for (n, labels), value in self.scrape().items() if n == name and labels[2] == route)


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return an exposition's samples by name and label values, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def serving(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server in `folder`, where its application is, until the end of the block."""
    log = folder / "server.log"
    path = os.pathsep.join([str(folder), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]],
            cwd=folder,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, log)
    try:
        port = until(lambda: listening_port(server), "listening")
        server.url = f"http://127.0.0.1:{port}"
        until(lambda: answers(server.url), "answering")
        yield server
    finally:
        left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            for child in left:
                child.kill()
            process.wait(WITHIN)


@contextmanager
def exporter(
    folder: Path, *arguments: str, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]", Path]]:
    """Run `specter exporter` in `folder` as a user would; yield its URL, its process and its log."""
    log = folder / "log"
    command = [sys.executable, "-m", "specter_core", "exporter", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--web.listen-address", "127.0.0.1:0"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            stderr=output,
            stdout=output,
        )
    try:
        url = until(lambda: re.search(r"http://\S+", log.read_text()), "listening")[0]
        yield url, process, log
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0


def listening_port(server: Server) -> int | None:
    """Return the port that the system chose."""
    assert server.process.poll() is None, server.log.read_text()
    main = psutil.Process(server.process.pid)
    for process in [main, *main.children()]:
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.NoSuchProcess:
            continue
        for connection in connections:
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
    return None


def answers(url: str) -> bool:
    """Return whether something at `url` speaks HTTP."""
    try:
        requests.get(f"{url}/metrics", timeout=WITHIN)
    except requests.ConnectionError:
        return False
    return True
