"""Files that grow, rotate, vanish and come back are read completely, and nothing of them twice."""

import gzip
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from specter_exporters.held_folder import StateError
from specter_exporters.logs.state import StateFolder
from tests.exporters.logs.reading import Reading, TurnedClock, numbered

CONFIG = """
logs:
  - name: shop
    files: ["{folder}/app.log"]
    format: json
    start: beginning
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], Reading]:
    return lambda: Reading(CONFIG.format(folder=tmp_path), tmp_path / "state")


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def copytruncate(path: Path, target: Path) -> None:
    shutil.copyfile(path, target)
    os.truncate(path, 0)


def compress(path: Path) -> None:
    times = path.stat()
    with path.open("rb") as source, gzip.open(f"{path}.gz", "wb") as target:
        shutil.copyfileobj(source, target)
    os.utime(f"{path}.gz", ns=(times.st_atime_ns, times.st_mtime_ns))
    path.unlink()


def test_what_is_appended_is_read_once(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    assert reading.lines == 10
    append(log, numbered(10, 5))
    assert reading.read().lines == 15
    assert reading.read().lines == 15
    assert reading.value("specter_log_backlog_bytes") == 0
    assert reading.value("specter_log_read_bytes_total") == log.stat().st_size
    assert reading.value("specter_log_up") == 1


def test_a_line_is_counted_when_it_is_whole(log: Path, start: Callable[[], Reading]) -> None:
    append(log, '{"level":"info"}\n{"level":"er')
    reading = start().read()
    assert reading.lines == 1
    append(log, 'ror"}\n')
    assert reading.read().value("specter_log_lines_total", level="error") == 1
    assert reading.lines == 2


def test_a_first_start_begins_at_the_end_unless_told_otherwise(tmp_path: Path, log: Path) -> None:
    append(log, numbered(0, 10) + '{"half of a li')
    config = CONFIG.format(folder=tmp_path).replace("start: beginning", "start: end")
    reading = Reading(config, tmp_path / "state").read()
    append(log, "ne\n" + numbered(11, 3))
    assert reading.read().lines == 3
    assert reading.value("specter_log_malformed_lines_total", reason="not_json") == 0
    # A file that is new later on is read whole.
    log.rename(f"{log}.1")
    append(log, numbered(20, 4))
    assert reading.read().lines == 7


def test_after_a_rename_the_old_file_is_read_to_its_end(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    append(log, numbered(10, 5))
    with log.open("a", encoding="utf-8") as writer:
        log.rename(f"{log}.1")
        append(log, numbered(100, 3))
        assert reading.read().lines == 18
        # The service has not been told yet, and writes on into the old file.
        writer.write(numbered(15, 2))
        writer.flush()
        assert reading.read().lines == 20
    assert reading.value("specter_log_rotations_total", how="renamed") == 1
    assert reading.value("specter_log_files") == 2
    reading.read(31)
    assert reading.read().value("specter_log_files") == 1
    assert reading.lines == 20


def test_the_rest_of_a_last_line_is_counted_when_the_old_file_is_done(
    log: Path, start: Callable[[], Reading]
) -> None:
    append(log, numbered(0, 1) + '{"level":"warn"}')
    reading = start().read()
    log.rename(f"{log}.1")
    append(log, numbered(5, 1))
    assert reading.read().lines == 2
    assert reading.read(31).value("specter_log_lines_total", level="warning") == 1


def test_copytruncate_loses_nothing_that_was_copied(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 100))
    reading = start().read()
    append(log, numbered(100, 50))  # not read when the copy is made
    copytruncate(log, Path(f"{log}.1"))
    append(log, numbered(150, 10))
    assert reading.read().lines == 160
    assert reading.value("specter_log_rotations_total", how="truncated") == 1
    assert reading.read(40).lines == 160


def test_copytruncate_is_noticed_when_the_file_has_outgrown_what_was_read(
    log: Path, start: Callable[[], Reading]
) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    append(log, numbered(10, 3))
    copytruncate(log, Path(f"{log}.1"))
    append(log, numbered(1000, 500))
    reading.read()
    assert reading.read().lines == 513


def test_a_truncated_file_without_a_copy_is_read_from_its_beginning(
    log: Path, start: Callable[[], Reading]
) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    log.write_text(numbered(50, 2), encoding="utf-8")
    reading.read()
    assert reading.read().lines == 12
    reading.read(60)
    assert reading.value("specter_log_lost_files_total") == 0  # everything had been read


def test_a_file_that_vanishes_and_returns_goes_on(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    hidden = log.with_name("hidden")
    log.rename(hidden)
    assert reading.read().value("specter_log_up") == 0
    append(hidden, numbered(10, 5))
    hidden.rename(log)
    assert reading.read().lines == 15
    assert reading.value("specter_log_up") == 1
    log.unlink()
    assert reading.read().value("specter_log_rotations_total", how="vanished") == 2
    assert reading.read(31).value("specter_log_files") == 0
    append(log, numbered(100, 4))
    assert reading.read().lines == 19


def test_a_restart_goes_on_where_the_saved_counters_end(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 100) + '{"level":"in')
    first = start().read()
    assert first.lines == 100  # collecting saves
    append(log, 'fo"}\n' + numbered(101, 20))
    first.exporter.drain()  # counted, but neither exposed nor saved
    first.kill()
    append(log, numbered(121, 9))
    second = start()
    assert second.lines == 100
    assert second.read().lines == 130


@pytest.mark.parametrize("how", ["rename", "copy", "rename and compress", "copy and compress"])
@pytest.mark.parametrize("rotations", [1, 3])
def test_rotations_while_nobody_reads_are_caught_up(
    log: Path, start: Callable[[], Reading], how: str, rotations: int
) -> None:
    append(log, numbered(0, 100))
    first = start().read()
    assert first.lines == 100
    first.kill()
    written = 100
    for _ in range(rotations):
        append(log, numbered(written, 70))
        written += 70
        for number in range(rotations, 0, -1):
            for suffix in ("", ".gz"):
                older = Path(f"{log}.{number}{suffix}")
                if older.exists():
                    older.rename(f"{log}.{number + 1}{suffix}")
        target = Path(f"{log}.1")
        if how.startswith("rename"):
            log.rename(target)
        else:
            copytruncate(log, target)
        if how.endswith("compress"):
            compress(target)
    append(log, numbered(written, 7))
    second = start().read()
    assert second.read().lines == written + 7
    assert second.read(40).lines == written + 7
    assert second.value("specter_log_lost_files_total") == 0
    second.kill()
    third = start().read()
    assert third.read(40).lines == written + 7


def test_rotated_files_of_the_time_before_are_left_alone(log: Path, start: Callable[[], Reading]) -> None:
    old = Path(f"{log}.2")
    append(old, numbered(0, 30))
    os.utime(old, (1_600_000_000, 1_600_000_000))
    append(log, numbered(100, 5))
    assert start().read().lines == 5


def test_a_copy_that_the_glob_names_too_is_not_read_twice(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, numbered(0, 40))
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log")
    reading = Reading(config, tmp_path / "state").read()
    append(log, numbered(40, 10))
    copy = tmp_path / "app-20260921.log"
    shutil.copyfile(log, copy)
    reading.read()
    os.truncate(log, 0)
    reading.read()
    append(log, numbered(50, 5))
    reading.read()
    assert reading.read().lines == 55
    assert reading.read(40).lines == 55


def test_a_file_renamed_to_what_the_glob_names_is_not_read_twice(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    append(log, numbered(0, 40))
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log")
    reading = Reading(config, tmp_path / "state").read()
    log.rename(tmp_path / "b.log")
    append(tmp_path / "b.log", numbered(40, 2))
    append(log, numbered(100, 3))
    assert reading.read().lines == 45
    assert reading.read(40).lines == 45


def test_two_logs_that_begin_alike_are_both_read(tmp_path: Path) -> None:
    banner = '{"level":"info","msg":"started"}\n'
    append(tmp_path / "a.log", banner)
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log")
    reading = Reading(config, tmp_path / "state").read()
    append(tmp_path / "b.log", banner + numbered(0, 5))
    for _ in range(20):
        reading.read()
    assert reading.lines == 6  # the banner once: it might have been a copy
    append(tmp_path / "b.log", numbered(5, 5))
    append(tmp_path / "a.log", numbered(100, 2))
    assert reading.read().lines == 13


def test_few_files_are_kept_open(tmp_path: Path) -> None:
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log") + "limits: {max_open_files: 3}\n"
    paths = [tmp_path / f"{n}.log" for n in range(20)]
    for n, path in enumerate(paths):
        append(path, numbered(n * 1000, 10))
    reading = Reading(config, tmp_path / "state").read()
    assert reading.lines == 200
    for n, path in enumerate(paths):
        append(path, numbered(n * 1000 + 10, 1))
        path.rename(f"{path}.1")
        append(path, numbered(n * 1000 + 500, 2))
    reading.read()
    reading.read()
    assert reading.read(40).lines == 260
    open_now = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    assert sum(str(tmp_path) in name and ".log" in name for name in open_now) <= 3


def test_files_beyond_the_limit_are_told_of(tmp_path: Path) -> None:
    for n in range(5):
        append(tmp_path / f"{n}.log", numbered(n * 10, 1))
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log") + "limits: {max_files: 3}\n"
    reading = Reading(config).read()
    assert reading.value("specter_log_files") == 3
    assert reading.value("specter_log_files_ignored") == 2


def test_a_damaged_archive_is_given_up(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 2000))
    first = start().read()
    assert first.lines == 2000
    first.kill()
    append(log, numbered(2000, 20_000))
    log.rename(f"{log}.1")
    compress(Path(f"{log}.1"))
    archive = Path(f"{log}.1.gz")
    archive.write_bytes(archive.read_bytes()[:-2000])
    append(log, numbered(50_000, 3))
    second = start().read()
    for _ in range(30):
        second.read()
    assert second.lines < 22_003
    assert second.lines >= 2003
    assert second.value("specter_log_lost_files_total") == 1
    assert second.value("specter_log_files") == 1


def test_two_processes_cannot_share_a_folder(start: Callable[[], Reading]) -> None:
    reading = start()
    with pytest.raises(StateError, match=f"in use by another log exporter .process {os.getpid()}"):
        start()
    reading.kill()
    start().kill()


def test_a_damaged_state_is_not_dropped_silently(tmp_path: Path, start: Callable[[], Reading]) -> None:
    start().exporter.close()
    (tmp_path / "state" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(StateError, match="is damaged"):
        start()


def test_a_full_disk_is_counted_and_exposing_goes_on(
    log: Path, tmp_path: Path, start: Callable[[], Reading]
) -> None:
    append(log, numbered(0, 3))
    reading = start().read()
    # A folder where the new file should be: it cannot be written, even by root.
    (tmp_path / "state" / "state.json.new").mkdir()
    assert reading.lines == 3
    assert reading.value("specter_log_state_errors_total") >= 1


def test_an_archive_with_a_damaged_middle_ends_nothing(log: Path, start: Callable[[], Reading]) -> None:
    append(log, numbered(0, 1000))
    start().read().exporter.close()
    append(log, numbered(1000, 1000))
    log.rename(f"{log}.1")
    compress(Path(f"{log}.1"))
    archive = Path(f"{log}.1.gz")
    data = bytearray(archive.read_bytes())
    data[200:260] = bytes(byte ^ 0xFF for byte in data[200:260])
    archive.write_bytes(data)
    append(log, numbered(5000, 3))
    reading = start().read()
    assert reading.lines == 1003
    assert reading.read(31).value("specter_log_lost_files_total") == 1


def test_a_file_whose_name_is_not_utf8_is_told_of_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = os.fsdecode(b"caf\xe9.log")
    append(tmp_path / name, numbered(100, 5))
    append(tmp_path / "app.log", numbered(0, 5))
    config = CONFIG.format(folder=tmp_path).replace("app.log", "*.log")
    reading = Reading(config, tmp_path / "state").read().read()
    assert reading.lines == 5
    assert reading.value("specter_log_up") == 0
    assert reading.value("specter_log_read_errors_total", reason="name") == 1
    assert r"caf\udce9.log cannot be read: " in caplog.text
    assert reading.value("specter_log_state_errors_total") == 0
    (tmp_path / name).rename(tmp_path / "café.log")
    assert reading.read().lines == 10
    assert reading.value("specter_log_up") == 1


def test_a_scrape_does_not_wait_for_the_rest_that_a_share_of_a_core_asks_for(
    tmp_path: Path, log: Path
) -> None:
    append(log, numbered(0, 10))
    config = CONFIG.format(folder=tmp_path) + "limits: {max_cpu_share: 0.1}\n"
    scraped: list[int] = []

    class Clock(TurnedClock):
        def sleep(self, seconds: float) -> None:
            """Scrape from another thread while this one rests."""
            scraping = threading.Thread(target=lambda: scraped.append(reading.lines), daemon=True)
            scraping.start()
            scraping.join(5)
            super().sleep(seconds)

    reading = Reading(config, clock=Clock())
    while reading.exporter.step():
        pass
    assert scraped[0] == 10


def test_a_disk_that_hangs_holds_no_scrape_up(
    log: Path, start: Callable[[], Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, numbered(0, 10))
    reading = start().read()
    begun, go = threading.Event(), threading.Event()

    def save(_folder: StateFolder, _data: bytes) -> None:
        begun.set()
        assert go.wait(30)

    monkeypatch.setattr(StateFolder, "save", save)
    monkeypatch.setattr("specter_exporters.logs.exporter.SAVED_WITHIN", 0.05)
    saving = threading.Thread(target=reading.exporter.save)
    saving.start()
    assert begun.wait(30)
    append(log, numbered(10, 5))
    assert reading.read().lines == 15
    assert reading.value("specter_log_state_errors_total") >= 1
    go.set()
    saving.join()
