"""A history whose number of columns changes keeps what fits."""

from pathlib import Path

import numpy as np
import pytest

from specter_detector.store.history import open_history, take_over
from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, gap_columns, series

FIRST, LAST = 1000, 1059
GAP = {1010, 1011, 1050}


def opened(folder: Path, capacity: int, identity: str = "load") -> Ring:
    return open_history(folder, "history", step=STEP, capacity=capacity, identity=identity)


def filled(folder: Path, capacity: int) -> None:
    """Leave columns with gaps, with absent series, and one of nothing."""
    ring = opened(folder, capacity)
    for column in range(FIRST, LAST + 1):
        if column not in GAP:
            present = [] if column == 1055 else [number for number in range(700) if (number + column) % 5]
            ring.append(column * STEP, {series(number): column + number / 2**20 for number in present})
    ring.close()


@pytest.mark.parametrize("capacity", [100, 30], ids=["more columns", "fewer columns"])
def test_what_fits_is_taken_over_gaps_and_absent_series_too(
    tmp_path: Path, capacity: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    filled(tmp_path, 60)
    ring = opened(tmp_path, capacity)
    first = max(FIRST, LAST - capacity + 1)
    assert (ring.capacity, ring.newest, len(ring)) == (capacity, LAST * STEP, 700)
    assert set(gap_columns(ring, first, LAST)) == {column for column in GAP if column >= first}
    history = ring.history(first * STEP, LAST * STEP)
    for labels, row in zip(history.labels, history.values, strict=True):
        number = int(labels[1][1].removeprefix("pod-"))
        columns = np.arange(first, LAST + 1)
        known = ((number + columns) % 5 > 0) & (columns != 1055) & ~np.isin(columns, list(GAP))
        np.testing.assert_array_equal(row, np.where(known, columns + number / 2**20, np.nan))
    assert caplog.messages == [f"{tmp_path / 'history.ring'}: has {capacity} columns now, and had 60"]
    ring.append((LAST + 1) * STEP, {series(1): 1.0})
    ring.close()
    assert opened(tmp_path, capacity).newest == (LAST + 1) * STEP
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.labels", "history.ring"]


def test_another_query_takes_nothing_over(tmp_path: Path) -> None:
    filled(tmp_path, 60)
    ring = opened(tmp_path, 100, identity="other")
    assert (ring.newest, len(ring)) == (None, 0)


def test_what_a_process_left_that_died_while_it_did_so_is_no_hindrance(tmp_path: Path) -> None:
    filled(tmp_path, 60)
    (tmp_path / "resized-history.ring").write_bytes(b"half")
    ring = opened(tmp_path, 100)
    assert len(ring) == 700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.labels", "history.ring"]


def test_nothing_is_taken_over_from_an_empty_one() -> None:
    one, other = (Ring.in_memory(name, step=STEP, capacity=10) for name in ("one", "other"))
    take_over(one, other)
    assert one.newest is None
