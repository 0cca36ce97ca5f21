"""A ring is compared with dictionaries under random calls, with restarts and crashes in between."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from specter_detector.series import History, Labels
from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, PlainHistory, assert_holds, series

CAPACITY, SERIES, MOST = 40, 60, 45


class Session:
    """One ring and its reference, under random calls."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._folder = folder / "0"
        self._folder.mkdir()
        self._restarts = 0
        self.plain = PlainHistory(CAPACITY, MOST)
        self._now = 1000
        self.ring = self._opened()

    def _opened(self) -> Ring:
        return Ring.open(
            self._folder, "history", step=STEP, capacity=CAPACITY, identity="load", max_series=MOST
        )

    def step(self) -> None:
        calls = (self.tick, self.late, self.fetch, self.fetch_some, self.leave, self.restart, self.crash)
        doing = calls[int(self._rng.choice(len(calls), p=[0.45, 0.1, 0.1, 0.1, 0.1, 0.05, 0.1]))]
        doing()

    def _samples(self) -> dict[Labels, float]:
        present = self._rng.permutation(SERIES)[: self._rng.integers(0, SERIES)].tolist()
        values = self._rng.normal(size=SERIES)
        values[self._rng.random(SERIES) < 0.1] = np.nan
        return {series(number): float(values[number]) for number in present}

    def tick(self) -> None:
        """Usually the next column, sometimes after a pause that may be longer than the ring."""
        pause = self._rng.choice([1, 2, 7, CAPACITY + 5], p=[0.8, 0.1, 0.08, 0.02])
        self._now += int(pause)
        self._append(self._now)

    def late(self) -> None:
        """A column that is there already, or that was left out, or from which the clock went back."""
        self._append(self._now - int(self._rng.integers(0, CAPACITY - 1)))

    def _append(self, column: int) -> None:
        if self.plain.newest and column <= self.plain.newest - CAPACITY:
            return
        samples = self._samples()
        assert self.ring.append(column * STEP, samples) == self.plain.append(column, samples)

    def fetch(self, *, complete: bool = True) -> None:
        last = self._now + int(self._rng.integers(-CAPACITY, 3))
        columns = np.arange(last - self._rng.integers(0, CAPACITY + 10), last + 1)
        names = tuple(series(number) for number in self._rng.permutation(SERIES)[:8].tolist())
        values = self._rng.normal(size=(8, columns.size))
        values[self._rng.random(values.shape) < 0.3] = np.nan
        if last <= self.plain.newest - CAPACITY:
            return
        history = History(np.asarray(columns * STEP, np.float64), names, values)
        assert self.ring.write(history, complete=complete) == self.plain.write(history, complete=complete)
        self._now = max(self._now, last)

    def fetch_some(self) -> None:
        self.fetch(complete=False)

    def leave(self) -> None:
        labels = series(int(self._rng.integers(0, SERIES)))
        self.ring.forget([labels])
        self.plain.forget(labels)

    def restart(self) -> None:
        self.ring.close()
        self.ring = self._opened()

    def crash(self) -> None:
        """Go on with copies of the files as they are, as after kill -9."""
        self._restarts += 1
        old, self._folder = self._folder, self._folder.with_name(str(self._restarts))
        shutil.copytree(old, self._folder)
        self.ring.close()
        self.ring = self._opened()


@pytest.mark.parametrize("seed", range(6))
def test_a_ring_holds_what_dictionaries_hold(tmp_path: Path, seed: int) -> None:
    session = Session(tmp_path, seed)
    for _ in range(150):
        session.step()
        assert_holds(session.ring, session.plain)
    session.ring.close()
    assert not [each for each in tmp_path.rglob("*") if "corrupt" in each.name]


@pytest.mark.parametrize("seed", range(3))
def test_one_in_memory_holds_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = Ring.in_memory("load", step=STEP, capacity=CAPACITY, max_series=MOST)
    plain = PlainHistory(CAPACITY, MOST)
    for column in range(1000, 1200):
        present = rng.permutation(SERIES)[:30].tolist()
        samples = {series(number): float(rng.normal()) for number in present}
        assert ring.append(column * STEP, samples) == plain.append(column, samples)
        gone = series(int(rng.integers(0, SERIES)))
        ring.forget([gone])
        plain.forget(gone)
    assert_holds(ring, plain)
