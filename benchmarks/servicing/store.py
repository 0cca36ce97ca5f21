"""History and state on disk: appending, reading a batch, saving and loading a checkpoint.

Wall-clock time, medians over the rounds, beside what one would do without: a file of numpy rewritten as a
whole, and pickle. Files lie in a folder for temporary ones; what was written lately is read from memory.
"""

import itertools
import pickle
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks import report
from specter_detector.models.arrays import Floats
from specter_detector.models.batch import take
from specter_detector.models.shape import Shape, unknown_shape
from specter_detector.models.state import State, no_state
from specter_detector.series import History, Labels, labels_of
from specter_detector.store.checkpoint import Learnt, Part, load_learnt, save_learnt
from specter_detector.store.ring import Ring
from specter_detector.watched import Block

STEP, DAY = 300.0, 288
CAPACITY = 28 * DAY
FIRST = 5_600_000
BATCH = 512
MS = 1e3
PIECE = 1000


def report_store(series: int, rounds: int, folder: Path | None) -> None:
    """Measure a history of four weeks at five minutes, and a checkpoint of weekly series.

    Args:
        series: of the query.
        rounds: times each is measured.
        folder: where to write; that for temporary files if None.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        labels = some_labels(series)
        report_history(Path(name), labels, rounds)
        report_checkpoint(Path(name), labels, rounds)


def report_history(folder: Path, labels: tuple[Labels, ...], rounds: int) -> None:
    """Fill, append, read and open again; the peer writes one file of numpy."""
    values = np.random.default_rng(7).normal(size=(len(labels), PIECE))
    ring = opened(folder)
    started = perf_counter()
    for begin in range(0, CAPACITY, PIECE):
        piece = values[:, : CAPACITY - begin]
        times = STEP * np.arange(FIRST + begin, FIRST + begin + piece.shape[1], dtype=np.float64)
        ring.write(History(times, labels, piece))
    report("store_fill_s", perf_counter() - started, "s")

    column = iter(range(FIRST + CAPACITY, FIRST + 2 * CAPACITY))
    samples = dict(zip(labels, values[:, 0].tolist(), strict=True))
    report("store_append_ms", median(rounds, lambda: ring.append(next(column) * STEP, samples)), "ms")
    started = perf_counter()
    ring.flush()
    report("store_flush_ms", (perf_counter() - started) * MS, "ms")

    assert ring.newest is not None
    start, end = ring.newest - (CAPACITY - 1) * STEP, ring.newest
    batches = [ring.labels[begin : begin + BATCH] for begin in range(0, len(labels), BATCH)]
    whole = folder / "history.npy"
    np.save(whole, ring.history(start, end).values)
    loaded: Floats = np.load(whole, mmap_mode="r")
    turn = itertools.cycle(range(len(batches)))
    peer = median(rounds, lambda: np.array(loaded[BATCH * next(turn) :][:BATCH]))
    read = median(rounds, lambda: ring.history(start, end, batches[next(turn)]))
    report("store_read_512_ms", read, "ms", baseline=peer, baseline_name="numpy, series after series")
    ring.close()

    again: list[Ring] = []
    report("store_open_ms", median(rounds, lambda: again.append(opened(folder))), "ms")
    cold = again[-1]
    started = perf_counter()
    cold.history(start, end, batches[-1])
    report("store_first_read_512_ms", (perf_counter() - started) * MS, "ms")
    taken = sum(path.stat().st_blocks * 512 for path in folder.glob("history.[rl]*"))
    report("store_bytes_per_series", taken / len(labels), "B", baseline=CAPACITY * 8, baseline_name="values")
    for each in again:
        each.close()


def report_checkpoint(folder: Path, labels: tuple[Labels, ...], rounds: int) -> None:
    """Save and load what was learnt of weekly series; the peer is pickle, without checksums."""
    part = Part(labels, *weekly(len(labels)))
    now = Learnt(0.0, (part,), dict.fromkeys(labels, 1.0))
    block = Block(part.labels, part.shape, part.state)
    file, peer = folder / "job.state", folder / "job.pickle"
    report("checkpoint_snapshot_ms", median(rounds, block.snapshot), "ms")
    pickled = median(rounds, lambda: peer.write_bytes(pickle.dumps(now)))
    saved = median(rounds, lambda: save_learnt(file, now, "options", durable=False))
    report("checkpoint_save_ms", saved, "ms", baseline=pickled, baseline_name="pickle")
    report("checkpoint_save_durable_ms", median(rounds, lambda: save_learnt(file, now, "options")), "ms")
    unpickled = median(rounds, lambda: pickle.loads(peer.read_bytes()))
    loaded = median(rounds, lambda: load_learnt(file, "options", DAY))
    report("checkpoint_load_ms", loaded, "ms", baseline=unpickled, baseline_name="pickle")
    report("checkpoint_bytes_per_series", file.stat().st_size / len(labels), "B")


def opened(folder: Path) -> Ring:
    """Open the history that is measured."""
    return Ring.open(folder, "history", step=STEP, capacity=CAPACITY, identity="benchmark")


def some_labels(count: int) -> tuple[Labels, ...]:
    """Return the labels of the requests of many instances."""
    return tuple(
        labels_of(
            {
                "__name__": "http_server_request_duration_seconds_count",
                "http_route": f"/route/{number % 7}",
                "instance": f"10.0.{number // 250}.{number % 250}:9840",
                "service": f"service-{number % 300}",
            }
        )
        for number in range(count)
    )


def weekly(series: int) -> tuple[Shape, State]:
    """Return a shape with a week, and a state."""
    week = np.random.default_rng(7).normal(size=(series, 7 * DAY)).astype(np.float32, order="F")
    # Copies: zeros that were never written to take no memory, and no time to copy.
    rows = np.arange(series)
    return replace(take(unknown_shape(series, DAY), rows), week=week), take(no_state(series), rows)


def median(rounds: int, run: Callable[[], object]) -> float:
    """Return the median milliseconds of `run` over some rounds after the first."""
    times = []
    for _ in range(rounds + 1):
        started = perf_counter()
        run()
        times.append((perf_counter() - started) * MS)
    return statistics.median(times[1:])
