"""The newest run as node_exporter reads it."""

import subprocess
from pathlib import Path

import pytest

from specter_exporters.run.pings import Ping
from specter_exporters.run.textfile import Textfile, values_of
from specter_stack.programs import find_program
from tests.exporters.run.wrapping import Wrapper

FILE = "specter_job_backup.prom"


def told(folder: Path, *pings: tuple[str, float, int]) -> dict[str, float]:
    """Return the values after pings of (action, time, attempts), without the job's own label."""
    for action, at, attempts in pings:
        Textfile(folder, "backup").put(Ping("backup", action, "run", at, attempts=attempts))
    values = values_of((folder / FILE).read_text())
    short = {series.removeprefix("specter_job_"): value for series, value in values.items()}
    return {
        series.replace('job_name="backup",', "").replace('{job_name="backup"}', ""): value
        for series, value in short.items()
    }


def test_a_failure_keeps_the_last_success(tmp_path: Path) -> None:
    values = told(tmp_path, ("start", 100.0, 0), ("0", 107.5, 1), ("start", 200.0, 0), ("3", 260.0, 4))
    assert values == {
        'runs_total{outcome="success"}': 1,
        'runs_total{outcome="failed"}': 1,
        'runs_total{outcome="lost"}': 0,
        "last_start_timestamp_seconds": 200,
        "last_success_timestamp_seconds": 107.5,
        "last_failure_timestamp_seconds": 260,
        "last_duration_seconds": 60,
        "running": 0,
        "exit_status": 3,
        "attempts": 4,
    }


def test_while_it_runs_it_says_since_when_and_an_end_that_never_came_is_lost(tmp_path: Path) -> None:
    values = told(tmp_path, ("start", 100.0, 0))
    assert (values["running"], values["running_since_timestamp_seconds"]) == (1, 100)
    values = told(tmp_path, ("fail", 300.0, 0), ("log", 301.0, 0), ("start", 302.0, 0), ("75", 303.0, 0))
    assert values['runs_total{outcome="lost"}'] == 1
    assert (values["running"], values["running_since_timestamp_seconds"]) == (1, 302)
    assert "last_success_timestamp_seconds" not in values, "unknown, and not 0"
    assert "exit_status" not in values, "the run that did not begin is none"


def test_a_file_that_holds_something_else_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        'specter_job_runs_total{job_name="backup",outcome="failed"} many\n\x00{} 1\n'
    )
    assert told(tmp_path, ("1", 5.0, 1))['runs_total{outcome="failed"}'] == 1


def test_a_run_writes_what_promtool_takes(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.options = ["--textfile", str(tmp_path)]
    assert wrapper.run("sh", "-c", "exit 3").returncode == 3
    assert wrapper.run("true").returncode == 0
    text = (tmp_path / FILE).read_text()
    assert 'specter_job_runs_total{job_name="backup",outcome="failed"} 1.0\n' in text
    assert 'specter_job_exit_status{job_name="backup"} 0.0\n' in text
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob("*prom*")] == [FILE]
    check = [str(find_program("promtool")), "check", "metrics"]
    linted = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
    assert (linted.returncode, linted.stderr) == (0, "")


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_cannot_be_written_fails_no_job(wrapper: Wrapper, tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    wrapper.options = ["--textfile", str(tmp_path / folder)]
    done = wrapper.run("echo", "done")
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert b"specter_job_backup.prom is not written: " in done.stderr
