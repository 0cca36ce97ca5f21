"""What takes too long is ended, with all that it started."""

import time

from tests.exporters.run.wrapping import Wrapper, eventually, lives

DEAF = "trap '' TERM; echo $$; while :; do sleep 0.05; done"


def test_the_whole_group_is_ended_also_what_the_command_started(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "300ms"]
    done = wrapper.run("sh", "-c", "sleep 60 & echo $!; sleep 60 & echo $!; wait")
    assert done.returncode == 124
    pids = [int(line) for line in done.stdout.split()]
    assert len(pids) == 2
    eventually(lambda: not any(map(lives, pids)))


def test_a_group_that_is_deaf_to_term_is_killed_after_the_grace(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "300ms", "--kill-after", "300ms"]
    began = time.monotonic()
    done = wrapper.run("sh", "-c", f'sh -c "{DEAF.replace("$", chr(92) + "$")}" & {DEAF}')
    assert done.returncode == 124
    assert time.monotonic() - began >= 0.6
    pids = [int(line) for line in done.stdout.split()]
    assert len(pids) == 2
    eventually(lambda: not any(map(lives, pids)))


def test_a_grandchild_that_is_deaf_is_killed_though_the_command_has_gone(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "300ms", "--kill-after", "300ms"]
    done = wrapper.run(
        "sh", "-c", f"({DEAF.replace('$$', '$(exec sh -c ' + repr('echo $PPID') + ')')}) & exec sleep 60"
    )
    assert done.returncode == 124
    (pid,) = (int(line) for line in done.stdout.split())
    eventually(lambda: not lives(pid))


def test_a_command_that_ends_well_after_term_has_timed_out_all_the_same(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "300ms"]
    done = wrapper.run("sh", "-c", "trap 'echo cleaned; exit 0' TERM; while :; do sleep 0.05; done")
    assert (done.returncode, done.stdout) == (124, b"cleaned\n")


def test_output_that_nobody_reads_does_not_stop_the_time_out(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "500ms"]
    with wrapper.start("sh", "-c", "echo $$; exec yes") as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        eventually(lambda: not lives(child))  # though the pipe is full and stays so
        run.terminate()
        assert run.wait(20) == 124


def test_a_reader_that_stands_still_does_not_hold_what_took_too_long(wrapper: Wrapper) -> None:
    wrapper.options = ["--timeout", "300ms", "--kill-after", "300ms"]
    with wrapper.start("yes") as run:
        assert run.wait(10) == 124
