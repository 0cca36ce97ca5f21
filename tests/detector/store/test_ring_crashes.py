"""A history whose process dies: at every single write, and by kill -9 at any moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specter_detector.series import History
from specter_detector.store.ring import Ring
from specter_detector.store.rows import stretches
from tests.detector.store.appending import CAPACITY, SERIES, present, value
from tests.detector.store.plain_history import STEP, gap_columns, series

FIRST, LAST = 1000, 1030
FORGOTTEN = {3, 12}


class Died(BaseException):
    """The process is gone: nothing may catch it."""


def opened(folder: Path, capacity: int = CAPACITY) -> Ring:
    return Ring.open(folder, "history", step=STEP, capacity=capacity, identity="load")


def dying(monkeypatch: pytest.MonkeyPatch, after: int, half: bool) -> None:
    """Let the write number `after` from now on, or half of it, be the last thing that happens."""
    left = [after]

    def patched(real: Callable[..., int]) -> Callable[..., int]:
        def call(file: int, data: bytes | memoryview, *rest: Any) -> int:
            if left[0] <= 0:
                raise Died
            left[0] -= 1
            if left[0] == 0:
                if half:
                    real(file, memoryview(data)[: len(data) // 2], *rest)
                raise Died
            return real(file, data, *rest)

        return call

    monkeypatch.setattr(os, "write", patched(os.write))
    monkeypatch.setattr(os, "pwrite", patched(os.pwrite))


def lived(folder: Path) -> Ring:
    ring = opened(folder)
    for column in range(FIRST, LAST + 1):
        ring.append(column * STEP, {series(number): value(number, column) for number in range(20)})
    ring.forget(map(series, FORGOTTEN))
    return ring


def next_tick(ring: Ring) -> None:
    # Two of them take the rows of the two that left.
    samples = {series(number): value(number, LAST + 1) for number in (*range(2), *range(20, 40))}
    ring.append((LAST + 1) * STEP, samples)


def after_a_pause(ring: Ring) -> None:
    ring.append((LAST + CAPACITY // 2) * STEP, {series(1): value(1, LAST + CAPACITY // 2)})


def fetch_gap(ring: Ring) -> None:
    fetch(ring, list(range(FIRST - 5, LAST + 6)), (0, 1, 30, 31, 32))


def fetch(ring: Ring, columns: list[int], numbers: Iterable[int]) -> None:
    """Write stretches of history."""
    names = tuple(map(series, numbers))
    for first, last in stretches(columns):
        times = np.arange(first, last + 1)
        values = np.array([[value(number, int(column)) for column in times] for number in numbers])
        ring.write(History(np.asarray(times * STEP, np.float64), names, values))


def leave(ring: Ring) -> None:
    ring.forget([series(0), series(1)])


@pytest.mark.parametrize("half", [False, True], ids=["before a write", "in the middle of a write"])
@pytest.mark.parametrize(
    ("doing", "new"),
    [
        (next_tick, {LAST + 1}),
        (after_a_pause, {LAST + CAPACITY // 2}),
        (fetch_gap, {*range(FIRST - 5, FIRST), *range(LAST + 1, LAST + 6)}),
        (leave, set[int]()),
    ],
)
def test_a_death_at_any_write_costs_nothing_but_what_was_being_written(
    tmp_path: Path, doing: Callable[[Ring], None], new: set[int], half: bool
) -> None:
    finished = False
    for after in range(1, 200):
        folder = tmp_path / str(after)
        folder.mkdir()
        ring = lived(folder)
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, after, half)
            try:
                doing(ring)
                finished = True
            except Died:
                pass
        again = opened(folder)
        assert_nothing_else_is_lost(again, new, torn=half)
        fetch(again, gap_columns(again, FIRST, LAST), sorted({*range(20)} - FORGOTTEN))
        doing(again)
        assert_nothing_else_is_lost(again, None if doing is after_a_pause else set(), torn=False)
        assert not list(folder.glob("*.corrupt-*"))
        ring.close()
        again.close()
        if finished:
            break
    assert finished


def assert_nothing_else_is_lost(ring: Ring, new: set[int] | None, *, torn: bool) -> None:
    """Every value is right, and only `new` columns are gaps; a write that was torn may cost one more."""
    assert ring.newest is not None
    last = round(ring.newest / STEP)
    history = ring.history((FIRST - 10) * STEP, last * STEP)
    gaps = set(gap_columns(ring, FIRST, LAST))
    if new is not None:
        assert len(gaps - new) <= torn
    for labels, row in zip(history.labels, history.values.tolist(), strict=True):
        number = int(labels[1][1].removeprefix("pod-"))
        for column, got in zip(range(FIRST - 10, last + 1), row, strict=True):
            kept = max(FIRST, last - CAPACITY + 1) <= column <= LAST
            known = kept and number < 20 and column not in gaps
            assert got == value(number, column) or (np.isnan(got) and not known), (number, column)


def started(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.detector.store.appending", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed_once(folder: Path, after: float) -> int:
    """Let a process append for a while, kill it, and return the last column that it said was there."""
    with started(folder) as process:
        assert process.stdout is not None
        last = int(process.stdout.readline())
        deadline = time.monotonic() + after
        while time.monotonic() < deadline:
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            if line.endswith("\n"):
                last = int(line)
    return last


def kill_in_a_loop(folder: Path, times: int) -> None:
    rng = np.random.default_rng(times)
    said: list[int] = []
    for _ in range(times):
        said.append(killed_once(folder, float(rng.uniform(0, 0.3))))
        ring = opened(folder)
        assert ring.newest is not None
        newest = round(ring.newest / STEP)
        assert newest in (said[-1], said[-1] + 1)
        first = max(said[0] - 1, newest - CAPACITY + 1)
        assert set(gap_columns(ring, FIRST, newest)) - set(range(FIRST, first)) <= {newest} - {said[-1]}
        history = ring.history(first * STEP, said[-1] * STEP)
        numbers = [int(labels[1][1].removeprefix("pod-")) for labels in history.labels]
        for index, column in enumerate(range(first, said[-1] + 1)):
            there = present(column)
            expected = [value(number, column) if number in there else np.nan for number in numbers]
            np.testing.assert_array_equal(history.values[:, index], expected)
        assert set(present(said[-1])) <= set(numbers)
        assert len(numbers) <= 2 * SERIES
        ring.close()
    assert said == sorted(set(said))
    assert not list(folder.glob("*.corrupt-*"))


def test_kill_9_costs_at_most_the_newest_column(tmp_path: Path) -> None:
    kill_in_a_loop(tmp_path, 5)


@pytest.mark.prove
def test_kill_9_many_times_costs_at_most_the_newest_column(tmp_path: Path) -> None:
    kill_in_a_loop(tmp_path, 40)
