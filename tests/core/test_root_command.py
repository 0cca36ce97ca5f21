"""The root command: lazy subcommands, errors without tracebacks, exit codes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from specter_core.cli import GROUP, LazyGroup, main, root

COMMANDS = ("alerts", "dashboards", "demo", "detector", "exporter", "run", "stack")


def specter(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "specter_core", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def point(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, target, GROUP)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with commands that behave badly, importable while the test runs."""
    name = "specter_test_commands"
    (tmp_path / f"{name}.py").write_text(
        '"""Do one thing.\n\nAnd more.\n"""\n'
        "import click\n"
        "from specter_core.errors import SpecterError, UsageError\n"
        "not_a_command = 1\n"
        "@click.command()\n"
        "def good(): click.echo('did it')\n"
        "@click.command()\n"
        "def broken(): raise SpecterError('shop.yml:3: port: expected a number\\nshop.yml:4: is bad too')\n"
        "@click.command()\n"
        "def wrong(): raise UsageError('no such fault')\n"
    )
    (tmp_path / "specter_test_needy.py").write_text('"""Need much."""\nimport a_module_nobody_has\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for each in (name, "specter_test_needy"):
        sys.modules.pop(each, None)


def test_help_lists_each_subcommand_with_its_modules_first_line() -> None:
    shown = specter("--help")
    assert shown.returncode == 0
    rows = [line.split(maxsplit=1) for line in shown.stdout.partition("Commands:\n")[2].splitlines()]
    listed = {row[0]: row[1] for row in rows if row[0] in COMMANDS}
    assert tuple(listed) == COMMANDS
    assert listed["stack"].startswith("Install, look at and end the servers")  # the rest is on the next line


def test_help_imports_no_subcommand_and_nothing_heavy() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "specter_core", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip() for line in shown.stderr.splitlines() if "import time" in line
    }
    assert "specter_core.cli" in imported
    tops = {name.partition(".")[0] for name in imported}
    assert not tops & {
        "numpy",
        "pandas",
        "statsmodels",
        "grafanalib",
        "rich",
        "pydantic",
        "flask",
        "requests",
    }
    assert not {name for name in imported if name.startswith("specter_") and name.endswith(".cli")} - {
        "specter_core.cli"
    }


def test_a_job_is_begun_without_what_it_does_not_need() -> None:
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "specter_core",
        "run",
        "--job",
        "x",
        "--state-dir",
        "/dev/null",
    ]
    ping = ["--ping-url", "http://127.0.0.1:1", "--ping-timeout", "1s", "--", "true"]
    shown = subprocess.run([*command, *ping], capture_output=True, text=True, timeout=60, check=True)
    imported = {
        line.rpartition("|")[2].strip() for line in shown.stderr.splitlines() if "import time" in line
    }
    assert "specter_exporters.run.http_post" in imported
    slow = {
        "importlib.metadata",
        "http.client",
        "email",
        "ssl",
        "subprocess",
        "pydantic",
        "prometheus_client",
        "random",
    }
    assert not imported & {*slow, "specter_core.metrics", "specter_exporters.run.masking"}


def test_the_version_is_that_of_the_distribution() -> None:
    shown = specter("--version")
    assert shown.stdout.startswith("specter, version ")
    assert shown.returncode == 0


def test_an_unknown_command_is_a_usage_error() -> None:
    shown = specter("detektor")
    assert shown.returncode == 2
    assert "No such command 'detektor'" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_unknown_log_level_is_a_usage_error_also_from_the_environment() -> None:
    shown = specter("stack", "status", SPECTER_LOG_LEVEL="loud")
    assert shown.returncode == 2
    assert "'loud' is not one of" in shown.stderr


def test_no_colour_is_written_to_a_pipe() -> None:
    for environment in ({"NO_COLOR": "1"}, {"TERM": "xterm-256color"}):
        shown = specter("--help", **environment)
        assert "\x1b" not in shown.stdout + shown.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "specter_core", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def run(*points: EntryPoint, call: list[str]) -> tuple[int, str]:
    result = CliRunner().invoke(LazyGroup("specter", points=points), call)
    return result.exit_code, result.output


def test_a_subcommand_is_loaded_when_called(module: str) -> None:
    points = (point("good", f"{module}:good"), point("other", "no_such_package.cli:other"))
    assert run(*points, call=["good"]) == (0, "did it\n")
    code, shown = run(*points, call=["--help"])
    assert code == 0
    assert "good  Do one thing." in shown
    assert "other" not in shown  # its package is not installed


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    code, shown = run(point("detector", "specter_test_needy:detector"), call=["detector"])
    assert code == 1
    assert shown == (
        "Error: `specter detector` needs a_module_nobody_has: pip install 'specter-observability[detector]'\n"
    )
    code, shown = run(point("shop", "specter_test_needy:shop"), call=["shop"])
    assert code == 1
    assert shown == (
        "Error: `specter shop` needs the Python package a_module_nobody_has, which is not installed\n"
    )


def test_help_lists_a_command_whose_extra_is_missing(module: str) -> None:
    code, shown = run(point("detector", "specter_test_needy:detector"), call=["--help"])
    assert code == 0
    assert "detector  Need much." in shown


def test_an_entry_point_that_is_no_command_is_named(module: str) -> None:
    code, shown = run(point("bad", f"{module}:not_a_command"), call=["bad"])
    assert (code, shown) == (1, f"Error: {module}:not_a_command is not a click command\n")


@contextmanager
def registered(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(root, "_points", (point(name, target),))
        patch.setattr(sys, "argv", ["specter", name])
        yield


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("broken", 1, "specter: shop.yml:3: port: expected a number\nshop.yml:4: is bad too\n"),
        ("wrong", 2, "specter: no such fault\n"),
        ("good", 0, ""),
    ],
)
def test_an_error_of_ours_is_its_message_and_exit_code(
    name: str,
    code: int,
    said: str,
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with registered(name, f"{module}:{name}", monkeypatch), pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == code
    assert capsys.readouterr().err == said


def test_the_root_command_is_a_lazy_group() -> None:
    assert isinstance(root, LazyGroup)
    assert tuple(root.list_commands(click.Context(root))) == COMMANDS
