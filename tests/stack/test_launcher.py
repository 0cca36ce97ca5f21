"""The launcher, run for real as its own process and treated badly."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from specter_stack.launcher import end_left_over
from specter_stack.layout import Layout
from specter_stack.orphans import MARKER

pytestmark = pytest.mark.integration
STOPPED = "SAID stopping every server\nSTOPPED\n"
SCRIPT = Path(__file__).with_name("launch_small_stack.py")


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def processes_of(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARKER) == str(state) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def start_without_waiting(state: Path, *words: str) -> subprocess.Popen[str]:
    # Who starts the tests with nohup has SIGHUP ignored, which a child takes over and the launcher respects.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(state), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


class Launched:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.process = start_without_waiting(state)
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())
            if line == "READY\n":
                break

    @property
    def urls(self) -> dict[str, str]:
        urls: dict[str, str] = json.loads((self.state / "stack.json").read_text())["urls"]
        return urls

    def pid(self, name: str) -> int:
        return int((self.state / "pids" / f"{name}.pid").read_text())

    def wait(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        return output


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    folder.mkdir()
    yield folder
    for process in processes_of(folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_child_and_nothing_else(state: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        launched = Launched(state)
        assert len(processes_of(state)) == 3  # supervisord and two servers
        launched.process.send_signal(number)
        assert "STOPPED" in launched.wait()
        assert launched.process.returncode == 0
        assert processes_of(state) == []
        assert bystander.poll() is None


@pytest.mark.parametrize("children", [1, 2, 4], ids=["supervisord only", "one of three", "all started"])
def test_a_signal_during_the_start_leaves_nothing(state: Path, children: int) -> None:
    launcher = start_without_waiting(state, "never-ready")
    eventually(lambda: len(processes_of(state)) >= children)
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=60)
    assert output == STOPPED
    assert launcher.returncode == 0
    assert processes_of(state) == []
    assert not (state / "stack.json").exists()


def test_more_signals_while_everything_stops_change_nothing(state: Path) -> None:
    launched = Launched(state)
    for _ in range(5):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            launched.process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            launched.process.wait(timeout=0.02)
    assert launched.wait() == STOPPED
    assert launched.process.returncode == 0
    assert processes_of(state) == []


def test_a_child_that_dies_is_started_again(state: Path) -> None:
    launched = Launched(state)
    first = launched.pid("one")
    psutil.Process(first).kill()
    eventually(lambda: launched.pid("one") != first)
    eventually(lambda: _answers(launched.urls["one"]))
    assert requests.get(launched.urls["two"], timeout=5).ok
    launched.process.terminate()
    launched.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def test_a_second_launcher_is_refused_and_the_first_goes_on(state: Path) -> None:
    launched = Launched(state)
    second = Launched(state)
    assert "READY" not in second.said
    assert any(f"already runs from {state} (process {launched.process.pid})" in line for line in second.said)
    second.wait()
    assert second.process.returncode != 0
    assert _answers(launched.urls["one"])
    launched.process.terminate()
    launched.wait()


def test_a_start_after_kill_9_of_the_launcher_ends_the_orphans_first(state: Path) -> None:
    launched = Launched(state)
    orphans = processes_of(state)
    launched.process.kill()
    launched.wait()
    assert len(orphans) == 3
    assert all(process.is_running() for process in orphans)
    again = Launched(state)
    assert again.said[-1] == "READY"
    assert any("that an earlier run had left behind" in line for line in again.said)
    assert not any(process.is_running() for process in orphans)
    again.process.terminate()
    again.wait()
    assert processes_of(state) == []


def test_a_start_after_kill_9_of_launcher_and_supervisord_ends_the_orphans_first(state: Path) -> None:
    launched = Launched(state)
    orphans = processes_of(state)
    supervisord = launched.pid("supervisord")
    launched.process.kill()
    psutil.Process(supervisord).kill()
    launched.wait()
    eventually(lambda: len(processes_of(state)) == 2)
    again = Launched(state)
    assert "SAID ended 2 processes that an earlier run had left behind" in again.said
    assert not any(process.is_running() for process in orphans)
    again.process.terminate()
    again.wait()


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(state: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    layout = Layout(state)
    layout.create()
    (layout.pids / "one.pid").write_text(f"{bystander.pid}\n")
    assert end_left_over(layout) == []
    assert bystander.poll() is None
    assert not (layout.pids / "one.pid").exists()
    bystander.communicate(b"\n", timeout=10)
