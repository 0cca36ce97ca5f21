"""A disk that is full, or a state folder that cannot be: the job runs, and what is lost is said."""

from pathlib import Path

import pytest

from tests.exporters.run.wrapping import Wrapper
from tests.servers.disks import fill, small_disk
from tests.servers.ping_receiver import PingReceiver


def test_on_a_full_disk_the_job_runs_is_kept_apart_and_told(
    wrapper: Wrapper, tmp_path: Path, receiver: PingReceiver
) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        wrapper.pinging(receiver).state = disk / "state"
        assert wrapper.run("true").returncode == 0
        filler = fill(disk)
        wrapper.options = ["--textfile", str(disk)]
        with wrapper.start("sh", "-c", "echo ready; read _; exit 5", stdin=-1) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            assert run.stdout.readline() == b"ready\n"
            overlap = wrapper.run("true")
            _, said = run.communicate(b"\n")
        assert (run.returncode, overlap.returncode) == (5, 75)
        for lost in (
            b" is full or broken: No space left",
            b"if this run is killed, nobody will know",
            b"no dead letter of backup is kept",
            b"specter_job_backup.prom is not written",
        ):
            assert lost in said
        assert b"Traceback" not in said
        assert b"pings are lost" not in said, "they were delivered from memory"
        filler.unlink()
        assert wrapper.run("true").returncode == 0
    assert [action for _, action in receiver.told if action != "log"] == [
        "start",
        "0",
        "start",
        "5",
        "start",
        "0",
    ]


def test_on_a_full_disk_without_a_receiver_pings_are_lost_and_that_is_said(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        fill(disk)
        wrapper.pinging(PingReceiver(1)).state = disk / "state"
        done = wrapper.run("echo", "done")
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert b"2 pings are lost" in done.stderr


@pytest.mark.parametrize("place", ["file/state", "file"])
def test_a_state_folder_that_cannot_be_fails_no_job(
    wrapper: Wrapper, tmp_path: Path, receiver: PingReceiver, place: str
) -> None:
    (tmp_path / "file").touch()
    wrapper.pinging(receiver).state = tmp_path / place
    done = wrapper.run("sh", "-c", "echo done; exit 3")
    assert (done.returncode, done.stdout) == (3, b"done\n")
    assert b"nothing keeps runs of backup apart: " in done.stderr
    assert b"Traceback" not in done.stderr
    assert [action for _, action in receiver.told] == ["start", "3"]
