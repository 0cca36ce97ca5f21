"""The wrapped command is as it would be without: exit code, output, signals, standard input."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exporters.run.wrapping import Wrapper, eventually, lives


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_passes_through(wrapper: Wrapper, code: int) -> None:
    done = wrapper.run("sh", "-c", f"exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_death_by_signal_is_128_and_its_number(wrapper: Wrapper) -> None:
    assert wrapper.run("sh", "-c", "kill -SEGV $$").returncode == 128 + signal.SIGSEGV


def test_a_command_that_is_not_there_or_no_program_is_told_as_a_shell_does(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    missing = wrapper.run("no-such-program-anywhere")
    assert missing.returncode == 127
    assert missing.stderr.endswith(b"no-such-program-anywhere: No such file or directory\n")
    line = wrapper.run("cd / && ls")
    assert line.returncode == 127
    assert b"cd / && ls: No such file or directory; a line of shell wants: -- sh -c" in line.stderr
    plain = tmp_path / "plain"
    plain.write_text("not executable")
    refused = wrapper.run(str(plain))
    assert refused.returncode == 126
    assert b"Permission denied" in refused.stderr


def test_output_is_the_same_to_the_byte(wrapper: Wrapper, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000  # more than pipes hold
    file = tmp_path / "content"
    file.write_bytes(content)
    done = wrapper.run("sh", "-c", f"cat {file}; printf 'no newline' >&2; exit 1")
    assert (done.stdout, done.stderr, done.returncode) == (content, b"no newline", 1)


def test_output_comes_when_it_is_written_and_input_goes_in(wrapper: Wrapper) -> None:
    with wrapper.start(
        "sh", "-c", "printf question; read answer; echo $answer", stdin=subprocess.PIPE
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert os.read(run.stdout.fileno(), 100) == b"question"
        run.stdin.write(b"42\n")
        run.stdin.close()
        assert run.stdout.read() == b"42\n"
    assert run.returncode == 0


def test_without_a_tail_the_command_has_our_own_output(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.options = ["--tail", "0"]
    with wrapper.start("sh", "-c", "readlink /proc/$$/fd/1 /proc/$PPID/fd/1") as run:
        assert run.stdout is not None
        inner, outer = run.stdout.read().split()
    assert inner == outer


def test_a_reader_that_goes_away_ends_the_command_as_without_us(wrapper: Wrapper) -> None:
    with wrapper.start("yes") as run:
        assert run.stdout is not None
        assert run.stdout.read(2) == b"y\n"
        run.stdout.close()
        assert run.stderr is not None
        assert run.stderr.read() == b""
    assert run.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_which_decides(wrapper: Wrapper, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    with wrapper.start("sh", "-c", script) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(number)
        assert run.stdout.read() == f"got {name}\n".encode()
    assert run.returncode == 7


def test_a_command_that_dies_by_the_signal_is_not_tried_again(wrapper: Wrapper) -> None:
    wrapper.options = ["--retries", "3", "--retry-delay", "1h"]
    with wrapper.start("sh", "-c", "echo ready; exec sleep 60") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.terminate()
    assert run.returncode == 128 + signal.SIGTERM


def test_what_was_ignored_stays_ignored(wrapper: Wrapper) -> None:
    script = "echo ready; read _; echo still here"
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *wrapper.command("sh", "-c", script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGHUP)
        run.stdin.write(b"\n")
        run.stdin.close()
        assert run.stdout.read() == b"still here\n"
    assert run.returncode == 0


def test_signals_that_were_blocked_or_ignored_before_do_not_hang_it(wrapper: Wrapper) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    script = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    done = wrapper.call([sys.executable, "-c", code, *wrapper.command(sys.executable, "-c", script)])
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"[<Signals.SIGTERM: 15>, <Signals.SIGCHLD: 17>]\n", "as it would be without us"


def test_a_process_that_is_left_behind_keeps_the_output_and_not_the_wrapper(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with wrapper.start("sh", "-c", f'sh -c "read _; echo from the one left behind" <{gate} & echo $!') as run:
        assert run.stdout is not None
        left = int(run.stdout.readline())
        assert run.wait(20) == 0
        assert lives(left)
        gate.write_text("\n")
        assert run.stdout.read() == b"from the one left behind\n"
    eventually(lambda: not lives(left))


def test_the_call_is_checked_before_anything_is_run(wrapper: Wrapper, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    wrapper.job = "../escape"
    wrong = wrapper.run("touch", str(ran))
    assert wrong.returncode == 2
    assert b"job ../escape: expected lower-case letters" in wrong.stderr
    wrapper.job = "backup"
    assert wrapper.call(wrapper.command()).returncode == 2
    for option in ("--timeout", "--ping-timeout", "--grace"):
        wrapper.options = [option, "0"]
        assert b"must be longer than 0s" in wrapper.run("touch", str(ran)).stderr
    assert not ran.exists()


def test_the_exit_code_passes_through_whatever_its_arguments_and_folder_are(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    # The shell goes there, removes it, and becomes the wrapper: its folder is none any more.
    command = wrapper.command("sh", "-c", "exit 3", os.fsdecode(b"\xff"))
    done = wrapper.call(["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone), *command])
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    listed = wrapper.letters("list")
    assert listed.returncode == 0
    assert b"exit code 3" in listed.stdout
