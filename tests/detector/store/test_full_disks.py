"""Disks that are full or cannot be written: an error that says what to do, and nothing lost."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from specter_detector.store import label_log
from specter_detector.store.container import load, save
from specter_detector.store.errors import StoreError
from specter_detector.store.folder import DataFolder
from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, gap_columns, series
from tests.servers import disks

CAPACITY = 512


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    with disks.small_disk(tmp_path / "disk", 2 << 20) as disk:
        yield disk


def opened(folder: Path) -> Ring:
    return Ring.open(folder, "history", step=STEP, capacity=CAPACITY, identity="load")


def samples(count: int, column: int) -> dict[tuple[tuple[str, str], ...], float]:
    return {series(number): column + number / 2**20 for number in range(count)}


def append_until_refused(ring: Ring, count: int, column: int) -> tuple[int, str]:
    """Append columns from `column` on, and return the one that was refused, and why."""
    while True:
        try:
            ring.append(column * STEP, samples(count, column))
        except StoreError as error:
            return column, str(error)
        column += 1


def test_a_full_disk_is_an_error_and_ends_no_process(small_disk: Path) -> None:
    ring = opened(small_disk)
    column, message = append_until_refused(ring, 600, 1000)
    assert column > 1050
    assert message == (
        f"{small_disk / 'history.ring'}: cannot write: No space left on device; "
        "free space there, or give the detector a data folder on another disk"
    )
    # What is there can be read, and what does not fit is a gap, at every further tick too.
    for later in (column, column + 1):
        with pytest.raises(StoreError, match="No space left"):
            ring.append(later * STEP, samples(600, later))
    history = ring.history(1000 * STEP, (column - 1) * STEP)
    expected = [[c + number / 2**20 for c in range(1000, column)] for number in range(600)]
    np.testing.assert_array_equal(history.values, expected)
    assert gap_columns(ring, 1000, column + 1) == [column, column + 1]
    # A history in memory takes over, with what was there.
    memory = Ring.in_memory("load", step=STEP, capacity=CAPACITY)
    memory.write(history)
    memory.append(column * STEP, samples(600, column))
    assert memory.gaps(1000 * STEP, column * STEP) == []
    assert memory.history(999 * STEP, column * STEP).values[5, 1:].tolist() == [
        c + 5 / 2**20 for c in range(1000, column + 1)
    ]


def test_a_history_goes_on_where_it_was_once_there_is_room_again(small_disk: Path) -> None:
    ring = opened(small_disk)
    ring.append(1000 * STEP, samples(20, 1000))
    disks.fill(small_disk)
    refused = 0
    for column in range(1001, 1300):
        try:
            ring.append(column * STEP, samples(20 if column < 1200 else 40, column))
        except StoreError:
            refused += 1
    assert refused > 50
    (small_disk / "filler").unlink()
    gaps = gap_columns(ring, 1000, 1299)
    assert len(gaps) == refused
    ring.append(1300 * STEP, samples(40, 1300))
    ring.close()
    again = opened(small_disk)
    assert gap_columns(again, 1000, 1300) == gaps
    history = again.history(1000 * STEP, 1300 * STEP)
    filled = np.setdiff1d(np.arange(1000, 1301), gaps)
    for number, row in enumerate(history.values):
        known = filled if number < 20 else filled[filled >= 1200]
        np.testing.assert_array_equal(row[known - 1000], known + number / 2**20)
        assert np.isfinite(row).sum() == known.size
    assert not list(small_disk.glob("*.corrupt-*"))


def test_a_full_disk_keeps_the_old_checkpoint(small_disk: Path) -> None:
    file = small_disk / "job.state"
    save(file, {"tick": 1}, {"level": np.arange(10.0)})
    disks.fill(small_disk)
    with pytest.raises(StoreError, match=r"job\.state: cannot write: No space left"):
        save(file, {"tick": 2}, {"level": np.arange(100_000.0)})
    header, arrays = load(file)
    assert header == {"tick": 1}
    np.testing.assert_array_equal(arrays["level"], np.arange(10.0))
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "job.state"]


def test_a_disk_that_became_read_only_is_an_error_that_says_so(small_disk: Path) -> None:
    opened(small_disk).close()
    DataFolder.open(small_disk / "data").close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    advice = "Read-only file system; give the detector a data folder that can be written"
    for doing in (lambda: opened(small_disk), lambda: DataFolder.open(small_disk / "data")):
        with pytest.raises(StoreError, match=advice):
            doing()


def test_too_little_room_is_said_beforehand(small_disk: Path) -> None:
    folder = DataFolder.open(small_disk / "data")
    folder.require(2**20, "the history of load")
    with pytest.raises(StoreError, match="MiB are free, and the history of load needs 10 MiB: free space"):
        folder.require(10 * 2**20, "the history of load")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Limit the size of files, as `ulimit -f` does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_on_the_size_of_files_refuses_series_and_no_others(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(1000 * STEP, samples(8, 1000))
    with largest_file((tmp_path / "history.ring").stat().st_size):
        with pytest.raises(StoreError, match="cannot grow: File too large; raise the limit"):
            ring.append(1001 * STEP, samples(9, 1001))
        ring.append(1001 * STEP, samples(8, 1001))
        assert series(8) not in ring
    ring.append(1002 * STEP, samples(9, 1002))
    assert ring.history(1001 * STEP, 1002 * STEP, [series(7)]).values.tolist() == [
        [1001 + 7 / 2**20, 1002 + 7 / 2**20]
    ]
    assert ring.history(1002 * STEP, 1002 * STEP, [series(8)]).values.tolist() == [[1002 + 8 / 2**20]]


def test_a_file_that_someone_cut_short_is_an_error(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(1000 * STEP, samples(8, 1000))
    with (tmp_path / "history.ring").open("r+b") as file:
        file.truncate(65536 + 4096 + CAPACITY * 32)
    with pytest.raises(StoreError, match="something has cut it short"):
        ring.history(1000 * STEP, 1000 * STEP)


def test_a_log_that_cannot_be_shortened_still_knows_who_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ring = opened(tmp_path)

    def refuse(path: Path, parts: object) -> None:
        raise StoreError(f"{path}: cannot write: No space left on device")

    monkeypatch.setattr(label_log, "replace_file", refuse)
    for column in range(1000, 1600):
        ring.append(column * STEP, {series(column): 1.0, series(column + 1): 2.0})
        ring.forget([series(column)])
    assert "history.labels: cannot write" in caplog.text
    assert len(caplog.messages) == 1
    ring.close()
    monkeypatch.undo()
    again = opened(tmp_path)
    assert again.labels == (series(1600),)
    assert again.history(1599 * STEP, 1599 * STEP).values.tolist() == [[2.0]]
