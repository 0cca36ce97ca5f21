"""Cells and the workers' folder: what is written is read, by whoever, whenever a process is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from specter_core import metrics
from specter_core.metrics import Metric
from specter_exporters.app.cells import SEGMENT, Area, CellsError, Record, packed, read_file
from specter_exporters.app.exposition import answer
from specter_exporters.app.shared import ARCHIVE, SharedError, WorkersFolder
from specter_exporters.app.store import Store
from tests.exporters.driving import value

COUNTER = Metric("specter_things_total", "counter", "Things.", ("kind",))
GAUGE = Metric("specter_level", "gauge", "A level.")
NEWEST = Metric("specter_quota", "gauge", "A quota.", ("server",))
TIMES = Metric("specter_times_seconds", "histogram", "Times.", (), (0.1, 1.0))

# A worker that counts and then waits to be killed.
WORKER = """\
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from specter_exporters.app.store import Store
from tests.exporters.test_app_cells import COUNTER, GAUGE, TIMES, declared

store = declared(CollectorRegistry(), Path(sys.argv[1]))
for kind in sys.argv[2:]:
    store.increment(COUNTER, (kind,))
store.set(GAUGE, (), 5)
store.observe(TIMES, (), 0.5, {"trace_id": "a" * 32, "span_id": "b" * 16})
print("counted", flush=True)
sys.stdin.read()
"""


def declared(registry: CollectorRegistry, folder: Path | None, limit: int = 100) -> Store:
    store = Store(registry, folder=folder)
    store.declare([COUNTER, GAUGE, TIMES], {"kind": limit})
    store.declare([NEWEST], newest=True)
    return store


class Worker:
    """A process of its own that counts things and waits."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        command = [sys.executable, "-c", WORKER, str(folder), *kinds]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"counted\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def records(path: Path) -> list[Record]:
    return read_file(path)


def test_what_is_added_is_read_over_many_segments(tmp_path: Path) -> None:
    path = tmp_path / "cells"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    area = Area(descriptor)
    for number in range(2000):
        words, at = area.add(f"key {number}".encode(), number % 17 + 1)
        words[at] = number
    os.close(descriptor)
    found = records(path)
    assert [record.key for record in found] == [f"key {number}".encode() for number in range(2000)]
    assert all(record.values == [number] + [0.0] * (number % 17) for number, record in enumerate(found))
    assert path.stat().st_size % SEGMENT == 0
    assert packed(iter(found)) == path.read_bytes()
    assert list(Area().records()) == []


def test_a_series_larger_than_a_segment_is_refused() -> None:
    with pytest.raises(CellsError, match="does not fit"):
        Area().add(b"k" * SEGMENT, 1)


def test_a_full_disk_is_an_error_and_no_signal() -> None:
    descriptor = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(CellsError, match="cannot grow"):
        Area(descriptor).add(b"key", 1)
    os.close(descriptor)


@pytest.mark.parametrize(
    "content", [b"", b"short", bytes(SEGMENT), b"\xff" * SEGMENT, b"\x01" * (2 * SEGMENT)]
)
def test_files_of_something_else_hold_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cells"
    path.write_bytes(content)
    assert records(path) == []


def test_processes_are_added_up_and_the_dead_are_archived(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    store = declared(registry, tmp_path)
    first, second = Worker(tmp_path, "a", "a"), Worker(tmp_path, "a", "b")

    def counted() -> tuple[float | None, ...]:
        return (
            value(registry, "specter_things_total", kind="a"),
            value(registry, "specter_things_total", kind="b"),
            value(registry, "specter_level"),
            value(registry, "specter_times_seconds_count"),
            value(registry, "specter_times_seconds_sum"),
        )

    assert counted() == (3, 1, 10, 2, 1.0)
    assert b'trace_id="aaaaaaaa' in answer(registry, "GET", "application/openmetrics-text").body
    first.kill()
    assert counted() == (3, 1, 5, 2, 1.0)
    second.kill()
    assert counted() == (3, 1, None, 2, 1.0)
    assert counted() == (3, 1, None, 2, 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ARCHIVE, "lock"]
    store.increment(COUNTER, ("b",))
    assert counted() == (3, 2, None, 2, 1.0)


def test_a_file_that_the_archive_holds_already_is_not_counted_twice(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    declared(registry, tmp_path)
    worker = Worker(tmp_path, "a")
    worker.kill()
    (left,) = tmp_path.glob("*.worker.v1")
    content = left.read_bytes()
    assert value(registry, "specter_things_total", kind="a") == 1
    left.write_bytes(content)  # killed between the archive's rename and this file's end
    assert value(registry, "specter_things_total", kind="a") == 1
    assert not left.exists()


def test_a_partial_archive_is_ignored(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    declared(registry, tmp_path).increment(COUNTER, ("a",))
    (tmp_path / "archive.partial").write_bytes(b"\x01" * SEGMENT)
    assert value(registry, "specter_things_total", kind="a") == 1


def test_workers_together_hold_no_more_than_the_limit(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    store = declared(registry, tmp_path, limit=3)
    for number in range(4):
        worker = Worker(tmp_path, f"kind{number}", f"also{number}")
        worker.kill()
    store.increment(COUNTER, ("late",))
    found = {
        sample.labels["kind"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "specter_things_total"
    }
    assert len(found) == 4
    assert sum(found.values()) == 9
    assert found["other"] == 6


def test_the_newest_of_a_value_is_shown_until_it_is_out_of_date(tmp_path: Path) -> None:
    now = [1000.0]
    registries = [CollectorRegistry(), CollectorRegistry()]
    stores = [Store(registry, folder=tmp_path, wall=lambda: now[0]) for registry in registries]
    for store in stores:
        store.declare([NEWEST], newest=True)
    stores[0].set_newest(NEWEST, ("api",), 50, 1100)
    now[0] += 1
    stores[1].set_newest(NEWEST, ("api",), 40, 1060)
    assert [value(registry, "specter_quota", server="api") for registry in registries] == [40, 40]
    now[0] = 1060
    assert value(registries[0], "specter_quota", server="api") is None


@pytest.mark.parametrize(
    "record",
    [
        Record(bytes(40), [1.0]),
        Record(b'["c","specter_thi', [1.0]),
        Record(b"7", [1.0]),
        Record(b'["c"]', [1.0]),
        Record(b'["c","specter_things_total",["a"]]', [1.0]),
        Record(b'["c","specter_things_total","a","of a label that is no more"]', [1.0]),
        Record(b'["h","specter_times_seconds"]', [1.0, 1.0]),
        Record(b"merged:\xff", []),
    ],
)
def test_a_record_that_is_not_whole_or_of_another_version_is_left_out(tmp_path: Path, record: Record) -> None:
    whole = Record(b'["c","specter_things_total","a"]', [3.0])
    for name in (ARCHIVE, "0-1-dead.worker.v1"):
        (tmp_path / name).write_bytes(packed(iter([record, whole])))
    registry = CollectorRegistry()
    store = declared(registry, tmp_path)
    store.increment(COUNTER, ("a",))
    store.observe(TIMES, (), 0.5)
    assert value(registry, "specter_things_total", kind="a") == 7
    assert value(registry, "specter_times_seconds_count") == 1
    assert b'specter_things_total{kind="a"} 7.0' in answer(registry, "GET", "").body


def test_half_a_surrogate_pair_in_a_label_fails_no_scrape(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    declared(registry, tmp_path).increment(COUNTER, ("caf\udce9",))
    assert b'specter_things_total{kind="caf?"} 1.0' in answer(registry, "GET", "").body


def test_a_lock_that_is_held_too_long_fails_the_scrape_and_not_the_count(tmp_path: Path) -> None:
    folder = WorkersFolder(tmp_path, list, within=0.05)
    with folder._locked(), pytest.raises(SharedError, match="holds its lock"):
        folder.read()
    assert folder.read() == [[]]


def test_a_folder_that_cannot_be_made_costs_the_count_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    registry = CollectorRegistry()
    store = declared(registry, tmp_path / "file" / "folder")
    store.increment(COUNTER, ("a",))
    assert "requests are not counted" in caplog.text
    with pytest.raises(SharedError, match="Not a directory"):
        list(registry.collect())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_counts_for_itself(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    store = declared(registry, tmp_path)
    store.increment(COUNTER, ("a",))
    child = os.fork()
    if not child:
        store.increment(COUNTER, ("a",), 10)
        os._exit(len(list(tmp_path.glob("*.worker.v1"))))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert value(registry, "specter_things_total", kind="a") == 11
    store.increment(COUNTER, ("a",))
    assert value(registry, "specter_things_total", kind="a") == 12


def test_a_name_that_is_taken_leaves_what_was_declared() -> None:
    registry = CollectorRegistry()
    store = declared(registry, None)
    other = Store(registry)
    with pytest.raises(ValueError, match="specter_things"):
        other.declare([COUNTER])
    other.declare([metrics.HTTP_SERVER_QUEUE_UNUSABLE])
    store.increment(COUNTER, ("a",))
    other.increment(metrics.HTTP_SERVER_QUEUE_UNUSABLE)
    assert value(registry, "specter_things_total", kind="a") == 1
    assert value(registry, metrics.HTTP_SERVER_QUEUE_UNUSABLE.name) == 1
