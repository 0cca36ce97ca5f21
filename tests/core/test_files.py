"""Files that are replaced in one step, and folders that one process holds."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from specter_core.files import HeldError, hold, replace_file


def test_a_file_is_replaced_as_a_whole_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for durable in (True, False):
        replace_file(path, [b"one, ", memoryview(b"two")], durable=durable)
        assert path.read_bytes() == b"one, two"
    replace_file(path, [])
    assert path.read_bytes() == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    replace_file(path, [b"old"])

    def full(_file: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, [b"new"])
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_file_is_its_owners_alone_unless_others_are_meant_to_read_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        replace_file(tmp_path / "own", [b"a"])
        replace_file(tmp_path / "open", [b"a"], mode=0o666)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("own", "open")] == [0o600, 0o644]


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from specter_core.files import hold; hold(Path(sys.argv[1]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; print('held', flush=True); sys.stdin.read()", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(HeldError) as caught:
            hold(tmp_path)
        assert caught.value.holder == str(other.pid)
        other.kill()
    lock = hold(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    os.close(lock)
    os.close(hold(tmp_path))
