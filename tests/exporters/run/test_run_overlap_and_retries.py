"""One run at a time, and again when it fails."""

import json
import os
import signal
from pathlib import Path

import pytest

from specter_exporters.run.retries import Retries
from tests.exporters.run.wrapping import Wrapper, eventually, lives
from tests.servers.ping_receiver import PingReceiver

ONCE_READY = "echo ready; read _ <{gate}"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def test_a_second_run_is_skipped_and_told(wrapper: Wrapper, gate: Path, receiver: PingReceiver) -> None:
    wrapper.pinging(receiver)
    with wrapper.start("sh", "-c", ONCE_READY.format(gate=gate)) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        second = wrapper.run("echo", "never")
        gate.write_text("\n")
        assert first.wait(20) == 0
    assert (second.returncode, second.stdout) == (75, b"")
    assert b"backup is not run: run " in second.stderr
    assert receiver.told == [("backup", "start"), ("backup", "log"), ("backup", "0")]
    start, skipped, end = receiver.pings
    assert start.run_id == end.run_id != skipped.run_id
    assert skipped.body.startswith(f"did not begin: run {start.run_id} has gone on for ")


def test_an_overlap_is_a_failure_where_it_is_said_to_be(
    wrapper: Wrapper, gate: Path, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver).options = ["--overlap", "fail"]
    with wrapper.start("sh", "-c", ONCE_READY.format(gate=gate)) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert wrapper.run("true").returncode == 75
        gate.write_text("\n")
    assert receiver.told == [("backup", "start"), ("backup", "75"), ("backup", "0")]


def test_another_job_is_not_kept_waiting(wrapper: Wrapper, gate: Path) -> None:
    with wrapper.start("sh", "-c", ONCE_READY.format(gate=gate)) as first:
        assert first.stdout is not None
        first.stdout.readline()
        assert Wrapper(wrapper.state, job="other").run("true").returncode == 0
        gate.write_text("\n")


def test_a_run_may_wait_for_the_one_before(wrapper: Wrapper, gate: Path) -> None:
    with wrapper.start("sh", "-c", ONCE_READY.format(gate=gate)) as first:
        assert first.stdout is not None
        first.stdout.readline()
        wrapper.options = ["--wait", "1m"]
        with wrapper.start("echo", "second") as second:
            gate.write_text("\n")
            assert first.wait(20) == 0
            assert second.stdout is not None
            assert second.stdout.read() == b"second\n"
    assert second.returncode == 0


def test_a_killed_wrapper_leaves_a_start_without_an_end_which_the_next_run_tells(
    wrapper: Wrapper, gate: Path, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver)
    with wrapper.start("sh", "-c", f"echo $$; read _ <{gate}") as first:
        assert first.stdout is not None
        child = int(first.stdout.readline())
        # Answered too: what it does not know to be told would be told again.
        eventually(lambda: receiver.told == [("backup", "start")] and not wrapper.waiting())
        first.kill()
        first.wait(20)
        # Its command goes on: two at a time is what must not be.
        assert wrapper.run("true").returncode == 75
        gate.write_text("\n")
        eventually(lambda: not lives(child))
    assert wrapper.run("true").returncode == 0
    assert [action for _, action in receiver.told] == ["start", "log", "fail", "start", "0"]
    began, _, killed, *_ = receiver.pings
    assert killed.run_id == began.run_id
    assert killed.body.startswith(f"never ended: the wrapper, process {first.pid}, was killed")


def test_a_failed_command_is_tried_again_until_it_does(
    wrapper: Wrapper, tmp_path: Path, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver).options = ["--retries", "5", "--retry-delay", "10ms"]
    done = wrapper.run("sh", "-c", f'echo x >>{tmp_path}/tries; [ "$(wc -l <{tmp_path}/tries)" = 3 ]')
    assert done.returncode == 0
    assert [action for _, action in receiver.told] == ["start", "log", "log", "0"]
    assert len({ping.run_id for ping in receiver.pings}) == 1
    assert receiver.pings[1].body.startswith("attempt 1 of 6: exit code 1 after ")
    assert receiver.pings[3].body.startswith("attempt 3 of 6: exit code 0 after ")
    assert not (wrapper.state / "dead-letters").exists()


def test_after_the_last_attempt_there_is_a_dead_letter_which_can_be_replayed(
    wrapper: Wrapper, tmp_path: Path, receiver: PingReceiver
) -> None:
    wrapper.pinging(receiver).options = ["--retries", "2", "--retry-delay", "10ms"]
    allowed = tmp_path / "allowed"
    command = ("sh", "-c", f"echo trying; test -e {allowed} || exit 4")
    assert wrapper.run(*command).returncode == 4
    (file,) = (wrapper.state / "dead-letters").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    letter = json.loads(file.read_text())
    assert letter["command"] == list(command)
    assert [attempt["code"] for attempt in letter["attempts"]] == [4, 4, 4]
    assert letter["tail"] == "trying\n"
    name = f"backup.{letter['run_id'][:8]}"
    listed = wrapper.letters("list").stdout.decode()
    assert listed.split("\t")[0] == name
    assert "3\texit code 4\tsh -c 'echo trying" in listed
    assert b"attempt 3: " in wrapper.letters("show", name).stdout

    assert wrapper.letters("replay", name).returncode == 4
    assert file.exists()
    allowed.touch()
    assert wrapper.letters("replay", name).returncode == 0
    assert not file.exists()
    (failed_replay,) = (wrapper.state / "dead-letters").glob("*.json")
    assert (
        wrapper.letters("forget", failed_replay.name.partition(".")[2].removesuffix(".json")).returncode == 0
    )
    gone = wrapper.letters("show", name)
    assert gone.returncode == 1
    assert f"no dead letter is called {name}".encode() in gone.stderr


def test_a_signal_ends_the_wait_for_the_next_attempt(wrapper: Wrapper, receiver: PingReceiver) -> None:
    wrapper.pinging(receiver).options = ["--retries", "3", "--retry-delay", "1h", "--retry-max-delay", "1h"]
    with wrapper.start("false") as run:
        eventually(lambda: ("backup", "log") in receiver.told)
        run.terminate()
    assert run.returncode == 128 + signal.SIGTERM
    assert receiver.told[-1] == ("backup", "143")


@pytest.mark.parametrize(
    ("failed", "chance", "seconds"),
    [(1, 0.0, 5.0), (1, 0.5, 7.5), (3, 0.0, 20.0), (4, 0.5, 45.0), (2000, 0.0, 30.0)],
)
def test_waits_double_up_to_a_limit_less_up_to_half_at_random(
    failed: int, chance: float, seconds: float
) -> None:
    assert Retries(9, delay=10.0, most=60.0).wait(failed, chance) == seconds


def test_a_lock_with_something_else_in_it_holds_nobody(wrapper: Wrapper) -> None:
    (wrapper.state / "locks").mkdir(parents=True)
    (wrapper.state / "locks" / "backup.lock").write_text(
        '{"run_id": 1, "began": 1, "pid": 3, "child": "x", "child_ticks": 1}'
    )
    assert wrapper.run("sh", "-c", "exit 4").returncode == 4
