"""`specter stack …` as a user or a script calls it."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from specter_stack.layout import Layout
from specter_stack.orphans import MARKER

SCRIPT = Path(__file__).with_name("launch_small_stack.py")


def specter(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "specter_core", "stack", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def marked(state: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(state) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def summary(state: Path, port: int) -> Layout:
    layout = Layout(state)
    layout.create()
    layout.summary.write_text(json.dumps({"urls": {"one": f"http://127.0.0.1:{port}"}, "services": ["one"]}))
    return layout


def test_nothing_running_is_exit_code_1_and_says_what_to_do(tmp_path: Path) -> None:
    shown = specter("status", "--state-dir", tmp_path)
    assert shown.returncode == 1
    assert shown.stderr == f"specter: nothing runs from {tmp_path}; `make demo` starts it\n"
    assert shown.stdout == ""


def test_a_run_that_was_killed_is_exit_code_1_too(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        summary(tmp_path, port)
        shown = specter("status", "--state-dir", tmp_path, "--output", "json")
    assert shown.returncode == 1
    assert json.loads(shown.stdout) == {"one": {"url": f"http://127.0.0.1:{port}", "answers": False}}
    assert "`specter stack down` ends what is left" in shown.stderr


def test_a_folder_that_is_none_of_ours_is_left_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    cleaned = specter("clean", "--state-dir", tmp_path)
    assert (cleaned.returncode, cleaned.stdout) == (
        0,
        f"nothing was ever started from {tmp_path}: nothing to remove\n",
    )
    ended = specter("down", "--state-dir", tmp_path)
    assert (ended.returncode, ended.stderr) == (1, f"specter: nothing was ever started from {tmp_path}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert specter("clean", "--state-dir", tmp_path / "none").returncode == 0
    assert not (tmp_path / "none").exists()


def test_secrets_are_created_once_and_never_printed(tmp_path: Path) -> None:
    files = [tmp_path / "secrets" / name for name in ("a", "b")]
    first = specter("secrets", *files)
    texts = [path.read_text() for path in files]
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert specter("secrets", *files).returncode == 0
    assert [path.read_text() for path in files] == texts
    assert {path.stat().st_mode & 0o777 for path in files} == {0o444}
    assert specter("secrets").returncode == 2


def test_install_lists_where_each_program_is() -> None:
    shown = specter("install")
    assert shown.returncode == 0
    found = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert found["prometheus"].endswith("/prometheus")
    assert found["redis-server"].endswith("/redis-server")


@pytest.mark.integration
def test_status_down_and_clean_of_a_living_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    launcher = subprocess.Popen([sys.executable, str(SCRIPT), str(state)], stdout=subprocess.PIPE, text=True)
    try:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "READY\n"
        shown = specter("status", "--state-dir", state)
        assert shown.returncode == 0
        assert [(line.split()[0], line.split()[2:]) for line in shown.stdout.splitlines()] == [
            ("one", ["answers"]),
            ("two", ["answers"]),
        ]
        ended = specter("down", "--state-dir", state)
        assert ended.returncode == 0
        assert ended.stderr == f"asking the launcher (process {launcher.pid}) to stop\n"
        assert ended.stdout == "nothing runs any more\n"
        assert launcher.wait(timeout=30) == 0
        assert marked(state) == []
        assert specter("status", "--state-dir", state).returncode == 1
        cleaned = specter("clean", "--state-dir", state)
        assert (cleaned.returncode, cleaned.stdout) == (0, f"nothing runs any more\nremoved {state}\n")
        assert not state.exists()
    finally:
        launcher.kill()
        launcher.communicate()
        for pid in marked(state):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.integration
def test_down_ends_what_a_killed_launcher_left(tmp_path: Path) -> None:
    state = tmp_path / "state"
    launcher = subprocess.Popen([sys.executable, str(SCRIPT), str(state)], stdout=subprocess.PIPE, text=True)
    try:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "READY\n"
        launcher.kill()
        launcher.communicate()
        assert len(marked(state)) == 3
        ended = specter("down", "--state-dir", state)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == "ended 3 processes that a killed run had left behind\n"
        assert marked(state) == []
    finally:
        for pid in marked(state):
            os.kill(pid, signal.SIGKILL)
