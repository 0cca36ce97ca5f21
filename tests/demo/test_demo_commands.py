"""The demo's commands as processes: they start, answer, and end on SIGTERM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from specter_core.clock import SystemClock
from specter_demo.cli import demo
from specter_demo.faults import FAULTS, api_latency
from specter_demo.faults.control import Control, ControlError
from specter_demo.settings import Settings
from tests.demo.shop_server import environment_of, free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    port = free_port()
    return Settings(
        state_dir=tmp_path,
        database_dsn=f"host=127.0.0.1 port={port} dbname=shop user=shop",
        url=f"http://127.0.0.1:{port}",
        inbox_token_file=tmp_path / "inbox.token",
    )


@contextmanager
def running(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "specter_core", "demo", *arguments],
        env=environment_of(settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stderr.close()


def announced_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    match = re.search(r"listening on (http://\S+)", line)
    assert match, line
    return match[1]


@pytest.mark.integration
def test_payments_and_inbox_serve_and_end_on_sigterm(settings: Settings) -> None:
    settings.token_file.write_text("s3cret-token\n", encoding="utf-8")
    for part in ("payments", "inbox"):
        with running(settings, "serve", part, "--listen", "127.0.0.1:0") as process:
            url = announced_url(process)
            assert requests.get(f"{url}/healthz", timeout=5).json() == {"status": "ok"}
            if part == "inbox":
                headers = {"Authorization": "Bearer s3cret-token"}
                answer = requests.get(f"{url}/notifications", headers=headers, timeout=5)
                assert answer.json() == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


@pytest.mark.integration
def test_traffic_runs_without_a_shop_and_ends_on_sigterm(settings: Settings) -> None:
    with running(settings, "serve", "traffic") as process:
        deadline = time.monotonic() + 20
        # It reads the load file each second: an unreadable one shows that it runs.
        settings.load_file.write_text("{}", encoding="utf-8")
        assert process.stderr is not None
        assert "load.json" in process.stderr.readline()
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def test_inbox_without_a_token_file_says_which(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "specter_core", "demo", "serve", "inbox"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert f"SHOP_INBOX_TOKEN_FILE: cannot read {settings.token_file}" in done.stderr


def test_seed_without_a_database_is_one_line_and_no_traceback(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "specter_core", "demo", "seed"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("specter: the shop's database cannot be seeded: ")
    assert "Traceback" not in done.stderr


def test_list_calls_what_it_cannot_see_unknown(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "specter_core", "demo", "fault", "--list", "--output", "json"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    of_the_database = dict.fromkeys(("api-latency", "integrity-violation"), "unknown")
    assert states == {fault.name: "-" for fault in FAULTS} | of_the_database
    assert done.stderr.endswith("is the demo running? `make demo` starts it\n")


@pytest.mark.parametrize("arguments", [[], ["--list", "api-latency"], ["--list", "--clear"]])
def test_fault_needs_a_name_or_list(settings: Settings, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "specter_core", "demo", "fault", *arguments],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--list" in done.stderr


def test_pid_file_that_names_another_program_is_no_shop(settings: Settings) -> None:
    settings.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    control = Control(settings, SystemClock())
    assert not control.shop_running()
    with pytest.raises(ControlError, match="the shop is not running"):
        control.require_shop()
    # A shop that is not running takes the version when it starts.
    control.release("1.4.1")
    assert control.version == "1.4.1"
    assert api_latency.next_minor(control.version) == "1.5.0"


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["fault", "--help"], ["seed", "--help"]])
def test_help_has_examples(arguments: list[str]) -> None:
    assert "Example" in CliRunner().invoke(demo, arguments).output
