"""What waits for the server: kept over restarts, in order, in bounds, in whole ticks, on a full disk too."""

import errno
import logging
import os
import resource
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_detector import disk_spool
from specter_detector.batch import Batch, read_entry
from specter_detector.cursor import Cursor, CursorFile
from specter_detector.disk_spool import DiskSpool, SpoolError, open_spool
from specter_detector.packing import Scores
from specter_detector.spool import MemorySpool, Spool, SpoolOptions

NOW = 1000.0


def tick(at: float, *, batches: int = 2, size: int = 100, scheduler: str = "s") -> list[Batch]:
    return [
        Batch(scheduler, at, 10, (Scores("q", 0, 5),), bytes([number]) * size, last=number == batches - 1)
        for number in range(batches)
    ]


def drained(spool: Spool, now: float = NOW) -> list[Batch]:
    """Take everything."""
    taken = []
    while (batch := spool.peek(now)) is not None:
        assert spool.peek(now) is batch
        taken.append(batch)
        spool.ack(batch)
    return taken


def persistent(spool: Spool) -> bool:
    return spool.persistent


@contextmanager
def spool_in(
    folder: Path, *, max_bytes: int = 1 << 20, max_age: float = 86400.0, lost: Counter[str] | None = None
) -> Iterator[DiskSpool]:
    counts: Counter[str] = Counter() if lost is None else lost

    def dropped(reason: str, samples: int) -> None:
        counts[reason] += samples

    with closing(DiskSpool(folder, max_bytes=max_bytes, max_age=max_age, dropped=dropped)) as spool:
        yield spool


def test_what_was_not_taken_comes_again_after_a_restart_in_order(tmp_path: Path) -> None:
    with spool_in(tmp_path / "spool") as spool:
        for at in (900.0, 915.0, 930.0):
            spool.append(tick(at))
        first = spool.peek(NOW)
        assert first == tick(900.0)[0]
        spool.ack(first)
        assert spool.samples == 50
    with spool_in(tmp_path / "spool") as spool:
        assert spool.samples == 50
        assert drained(spool) == [*tick(900.0), *tick(915.0), *tick(930.0)][1:]
        assert (spool.samples, spool.peek(NOW)) == (0, None)
        spool.append(tick(945.0))
        assert drained(spool) == tick(945.0)
    with spool_in(tmp_path / "spool") as spool:
        assert drained(spool) == []


def test_the_last_tick_is_known_after_it_was_taken_and_over_restarts(tmp_path: Path) -> None:
    with spool_in(tmp_path) as spool:
        assert spool.last_tick("s") is None
        spool.append(tick(900.0))
        spool.append(tick(907.0, scheduler="other"))
        drained(spool)
        spool.append(tick(915.0))
    for _ in range(3):
        with spool_in(tmp_path) as spool:
            assert (spool.last_tick("s"), spool.last_tick("other")) == (915.0, 907.0)
            drained(spool)


def test_half_a_tick_is_cut_off_and_was_never_the_last(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with spool_in(tmp_path) as spool:
        spool.append(tick(900.0))
    (path,) = tmp_path.glob("*.segment")
    size = path.stat().st_size
    whole, torn = tick(915.0)
    with path.open("ab") as file:
        file.write(whole.entry() + torn.entry()[:-1])
    with spool_in(tmp_path) as spool:
        assert spool.last_tick("s") == 900.0
        assert path.stat().st_size == size
        assert spool.peek(NOW) == tick(900.0)[0]
    assert "bytes cut off at its end: no whole tick" in caplog.text
    caplog.clear()
    with path.open("ab") as file:
        file.write(whole.entry())
    with spool_in(tmp_path) as spool:
        assert drained(spool) == tick(900.0)
    assert "bytes cut off at its end: no whole tick" in caplog.text


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=30), st.booleans())
def test_whatever_is_on_the_disk_the_spool_opens_and_gives_whole_entries(
    tmp_path_factory: pytest.TempPathFactory, where: int, noise: bytes, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    written = [batch for at in (900.0, 915.0, 930.0) for batch in tick(at)]
    with spool_in(folder) as spool:
        for at in (900.0, 915.0, 930.0):
            spool.append(tick(at))
    (path,) = folder.glob("*.segment")
    content = bytearray(path.read_bytes())
    where %= len(content)
    path.write_bytes(content[:where] if cut else content[:where] + noise + content[where + len(noise) :])
    with spool_in(folder) as spool:
        taken = drained(spool)
        # The noise is in two entries at most; without them at the end, nothing of their ticks is left.
        assert taken == [batch for batch in written if batch in taken]
        assert len(taken) >= (0 if cut else 2)
        spool.append(tick(945.0))
        assert drained(spool) == tick(945.0)


@pytest.mark.parametrize("damaged", [0, 1, 2, 3])
def test_a_damaged_entry_costs_no_other_one_after_a_restart(
    tmp_path: Path, damaged: int, caplog: pytest.LogCaptureFixture
) -> None:
    written = [batch for at in (900.0, 915.0, 930.0) for batch in tick(at)]
    with spool_in(tmp_path) as spool:
        for at in (900.0, 915.0, 930.0):
            spool.append(tick(at))
    (path,) = tmp_path.glob("*.segment")
    content = bytearray(path.read_bytes())
    sizes = [len(batch.entry()) for batch in written]
    content[sum(sizes[:damaged]) + 30] ^= 1
    path.write_bytes(content)
    failures = []
    with closing(
        DiskSpool(
            tmp_path,
            max_bytes=1 << 20,
            max_age=86400.0,
            dropped=lambda *_: None,
            failed=lambda: failures.append(1),
        )
    ) as spool:
        assert spool.samples == 50
        assert drained(spool) == [*written[:damaged], *written[damaged + 1 :]]
        assert spool.samples == 0
        assert spool.last_tick("s") == 930.0
    assert failures == [1]
    assert f"{sizes[damaged]} bytes are damaged, what was in them is lost" in caplog.text


def checked(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", checked("null"), checked('{"version": 9}'), checked('{"version": 2, "ticks": {}}')],
)
def test_a_cursor_that_cannot_be_read_means_that_all_is_sent_again(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with spool_in(tmp_path) as spool:
        spool.append(tick(900.0))
        drained(spool)
    (tmp_path / "cursor").write_text(text)
    with spool_in(tmp_path) as spool:
        assert drained(spool) == tick(900.0)
    assert "all that is spooled is sent again" in caplog.text


def test_damage_found_while_running_costs_the_damaged_entry_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_spool, "SEGMENT_BYTES", 1000)
    lost: Counter[str] = Counter()
    with spool_in(tmp_path, lost=lost) as spool:
        for at in range(900, 910):
            spool.append(tick(at))
        paths = sorted(tmp_path.glob("*.segment"))
        assert len(paths) > 3
        content = bytearray(paths[1].read_bytes())
        content[20] ^= 1
        paths[1].write_bytes(content)
        taken = drained(spool)
    assert lost == {"corrupt": 10}
    assert len(taken) == 19
    assert [batch.at for batch in taken] == sorted(batch.at for batch in taken)


def test_beyond_the_bound_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    lost: Counter[str] = Counter()
    with spool_in(tmp_path, max_bytes=100_000, lost=lost) as spool:
        for at in range(200):
            spool.append(tick(at, size=1000))
            on_disk = sum(path.stat().st_size for path in tmp_path.glob("*.segment"))
            assert on_disk <= 100_000
            assert spool.nbytes == on_disk
        assert spool.samples > 300
        taken = drained(spool)
    assert lost["spool_full"] == 4000 - 10 * len(taken)
    assert [batch.at for batch in taken[::2]] == list(range(200 - len(taken) // 2, 200))


def test_what_was_taken_does_not_count_as_lost_when_room_is_made(tmp_path: Path) -> None:
    lost: Counter[str] = Counter()
    with spool_in(tmp_path, max_bytes=100_000, lost=lost) as spool:
        for at in range(200):
            spool.append(tick(at, size=1000))
            assert len(drained(spool)) == 2
    assert lost == Counter()
    assert len(list(tmp_path.glob("*.segment"))) <= 2


def test_a_tick_that_is_larger_than_the_bound_is_kept_alone(tmp_path: Path) -> None:
    with spool_in(tmp_path, max_bytes=10_000) as spool:
        spool.append(tick(900.0))
        spool.append(tick(915.0, size=20_000))
        assert drained(spool) == tick(915.0, size=20_000)


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path, in_memory: bool) -> None:
    lost: Counter[str] = Counter()

    def dropped(reason: str, samples: int) -> None:
        lost[reason] += samples

    folder = None if in_memory else tmp_path
    with closing(open_spool(SpoolOptions(folder, 1 << 20, max_age=100.0), dropped)) as spool:
        for at in (800.0, 900.0, 950.0):
            spool.append(tick(at))
        assert drained(spool, 1001.0) == tick(950.0)
        assert isinstance(spool, MemorySpool) == in_memory
    assert lost == {"expired": 40}


def test_one_process_a_folder(tmp_path: Path) -> None:
    with (
        spool_in(tmp_path / "a"),
        pytest.raises(SpoolError, match=r"a is in use by another process: give each detector a folder"),
        spool_in(tmp_path / "a"),
    ):
        pass
    with spool_in(tmp_path / "a"):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_to_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SpoolError, match=r"file/spool cannot be used: Not a directory; check"),
        spool_in(tmp_path / "file" / "spool"),
    ):
        pass


class FullDisk:
    """Stands in for `os.write`: takes the first half, then there is no space left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)
        self._half = False

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self.full:
            return self._write(descriptor, data)
        self._half = not self._half
        if self._half:
            return self._write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_a_full_disk_samples_go_on_from_memory_and_return_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FullDisk(monkeypatch)
    caplog.set_level(logging.INFO)
    with spool_in(tmp_path) as spool:
        spool.append(tick(900.0))
        disk.full = True
        spool.append(tick(915.0))
        spool.append(tick(930.0))
        assert not persistent(spool)
        assert (spool.samples, spool.last_tick("s")) == (60, 930.0)
        batch = spool.peek(NOW)
        assert batch is not None
        spool.ack(batch)
        disk.full = False
        spool.append(tick(945.0))
        assert persistent(spool)
        assert len(list(tmp_path.glob("*.segment"))) == 2
    with spool_in(tmp_path) as spool:
        assert spool.last_tick("s") == 945.0
        taken = drained(spool)
        assert taken == [*tick(900.0)[1:], *tick(915.0), *tick(930.0), *tick(945.0)]
    messages = [record.message for record in caplog.records]
    assert sum("keeps samples in memory only: No space left on device" in text for text in messages) == 1
    assert sum("can be written to again" in text for text in messages) == 1


def test_memory_is_bounded_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    lost: Counter[str] = Counter()
    with spool_in(tmp_path, max_bytes=10_000, lost=lost) as spool:
        disk.full = True
        for at in range(900, 1000):
            spool.append(tick(at, size=1000))
        assert spool.nbytes <= 10_000
        taken = drained(spool)
    assert [batch.at for batch in taken[::2]] == list(range(1000 - len(taken) // 2, 1000))
    assert lost == {"spool_full": 2000 - 10 * len(taken)}


LIMITED = """
import resource, signal, sys
from pathlib import Path
from specter_detector.batch import Batch
from specter_detector.disk_spool import DiskSpool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
spool = DiskSpool(Path(sys.argv[1]), max_bytes=1 << 20, max_age=1e9, dropped=print)
for at in range(10):
    spool.append([Batch("s", float(at), 1, (), b"x" * 4000, True)])
while (batch := spool.peek(10.0)) is not None:
    print(batch.at, len(batch.body))
    spool.ack(batch)
"""


def test_a_real_limit_of_the_system_loses_and_breaks_nothing(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts writes short as a full disk does."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == [f"{at}.0 4000" for at in range(10)]
    assert "Traceback" not in done.stderr
    with spool_in(tmp_path) as spool:
        assert spool.peek(NOW) is None


def test_a_cursor_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with spool_in(tmp_path) as spool:
        spool.append(tick(900.0))
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", refuse)
            assert drained(spool) == tick(900.0)
            assert not persistent(spool)
        spool.append(tick(915.0))
        drained(spool)
        assert persistent(spool)
    assert "does not know after a restart what was delivered: No space left on device" in caplog.text
    with spool_in(tmp_path) as spool:
        assert drained(spool) == []
        assert spool.last_tick("s") == 915.0


def test_what_was_delivered_while_the_disk_was_full_is_known_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    with spool_in(tmp_path) as spool:
        spool.append(tick(900.0))
        disk.full = True
        spool.append(tick(915.0))
        assert drained(spool) == [*tick(900.0), *tick(915.0)]
    with spool_in(tmp_path) as spool:
        assert drained(spool) == []
        assert spool.last_tick("s") == 915.0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_half_a_write_of_the_cursor_leaves_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    known = []
    file = CursorFile(folder)
    for number in range(data.draw(st.integers(1, 4))):
        names = data.draw(st.sampled_from([1, 5, 200]))
        before = (folder / "cursor").read_bytes()
        known.append(Cursor(number, 10 * number, {f"s/{name}": float(number) for name in range(names)}))
        file.save(known[-1])
    file.close()
    after = (folder / "cursor").read_bytes()
    assert CursorFile(folder).cursor == known[-1]
    if len(after) == len(before):
        cut = data.draw(st.integers(0, len(after)))
        changed = [at for at in range(len(after)) if after[at] != before[at]]
        (folder / "cursor").write_bytes(after[:cut] + before[cut:])
        expected = known[-1] if cut > changed[-1] else (known[-2] if len(known) > 1 else Cursor())
        assert CursorFile(folder).cursor == expected


def test_an_entry_is_read_as_it_was_written(tmp_path: Path) -> None:
    batch = Batch("ä", 1_790_000_000.125, 7, (Scores("q", 0, 3), Scores("p", 3, 7)), b"body", last=True)
    path = tmp_path / "entry"
    path.write_bytes(batch.entry())
    with path.open("rb") as file:
        assert read_entry(file.read) == (batch, len(batch.entry()))
        assert read_entry(file.read) is None
