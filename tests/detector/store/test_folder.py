"""Whose a data folder is, what is kept in it and for how long."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from specter_detector.store.errors import StoreError
from specter_detector.store.folder import NAMED, DataFolder, folder_name

HOLD = """
import sys
from pathlib import Path
from specter_detector.store.folder import DataFolder
folder = DataFolder.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError) as raised:
            DataFolder.open(tmp_path / "data")
        holder.kill()
    assert str(raised.value) == (
        f"{tmp_path / 'data'} is in use by another detector (process {holder.pid}): "
        "stop that one, or give this one a data folder of its own"
    )
    folder = DataFolder.open(tmp_path / "data")  # however the other ended
    assert (tmp_path / "data" / "lock").read_text() == f"{os.getpid()}\n"
    folder.close()


def test_a_folder_is_held_until_it_is_closed(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    with pytest.raises(StoreError, match=f"process {os.getpid()}"):
        DataFolder.open(tmp_path)
    folder.close()
    folder.close()
    DataFolder.open(tmp_path).close()


def test_nobody_else_may_look_into_it(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "var" / "data")
    query = folder.query("load", "node_load1")
    for path in (folder.path, folder.path / "queries", query):
        assert path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "version").read_text() == "1\n"


def test_a_folder_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("2\n")
    with pytest.raises(StoreError, match="version says '2', and this Specter knows format 1: run the"):
        DataFolder.open(tmp_path)
    assert (tmp_path / "version").read_text() == "2\n"


def test_a_path_that_cannot_be_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file: cannot make: File exists"):
        DataFolder.open(tmp_path / "file")


@pytest.mark.parametrize(
    "alias", ["load", "", "../../etc", "a/b", "é" * 100, "a" * 300, ".", "\ud800", "x\0"]
)
def test_every_alias_has_a_safe_name_of_its_own(alias: str) -> None:
    name = folder_name(alias, "node_load1")
    assert NAMED.fullmatch(name)
    assert name == folder_name(alias, "node_load1")
    assert len({name, folder_name(alias, "node_load5"), folder_name(alias + "b", "node_load1")}) == 3


def test_a_query_finds_its_folder_again_and_another_expression_has_another(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    one = folder.query("load", "node_load1")
    (one / "history.ring").write_text("x")
    assert folder.query("load", "node_load5") != one
    assert (folder.query("load", "node_load1") / "history.ring").read_text() == "x"


def test_what_is_no_longer_configured_goes_after_the_retention(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = DataFolder.open(tmp_path)
    kept, left = folder.query("load", "a"), folder.query("errors", "b")
    (left / "history.ring").write_text("x")
    assert folder.sweep({kept, left}, 1000.0, 100.0) == []
    assert folder.sweep({kept}, 1100.0, 100.0) == []
    assert folder.sweep({kept}, 1101.0, 100.0) == [left]
    assert (kept.exists(), left.exists()) == (True, False)
    assert caplog.messages == [f"{left}: removed; its query has not been configured for 0.0 days"]


def test_a_query_that_comes_back_in_time_keeps_what_it_had(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    query = folder.query("load", "a")
    folder.sweep({query}, 1000.0, 100.0)
    folder.sweep((), 1090.0, 100.0)
    folder.sweep({query}, 1095.0, 100.0)
    assert folder.sweep((), 1190.0, 100.0) == []
    assert folder.sweep((), 1196.0, 100.0) == [query]


@pytest.mark.parametrize("said", ["", "soon", "nan", "inf", "9999999999"])
def test_a_folder_that_does_not_say_when_or_says_the_future_counts_from_now(
    tmp_path: Path, said: str
) -> None:
    folder = DataFolder.open(tmp_path)
    query = folder.query("load", "a")
    (query / "used").write_text(said)
    assert folder.sweep((), 1000.0, 100.0) == []
    assert (query / "used").read_text() == "1000\n"
    assert folder.sweep((), 1101.0, 100.0) == [query]


def test_nothing_that_is_not_ours_is_removed(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "used").write_text("1\n")
    (precious / "file").write_text("x")
    (folder.path / "queries" / folder_name("load", "a")).symlink_to(precious)
    other = folder.path / "queries" / "backup"
    other.mkdir()
    (other / "used").write_text("1\n")
    (folder.path / "queries" / "notes.txt").write_text("x")
    assert folder.sweep((), 1e9, 100.0) == []
    assert (precious / "file").read_text() == "x"
    assert other.exists()


def test_room_is_measured_on_the_folder_s_disk(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path)
    free = folder.free()
    assert free > 0
    folder.require(0, "nothing")
    with pytest.raises(StoreError, match=f"{tmp_path}: .* MiB are free, and the history of load needs"):
        folder.require(free * 2 + 2**40, "the history of load")
