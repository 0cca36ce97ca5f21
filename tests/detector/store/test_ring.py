"""What a history keeps, gives back, and leaves out."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from specter_detector.models.arrays import Floats
from specter_detector.series import History, Labels
from specter_detector.store.geometry import blocks_for, first_row, ring_bytes, width
from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, series

CAPACITY = 50


def opened(folder: Path, *, identity: str = "load 300", capacity: int = CAPACITY, most: int = 1000) -> Ring:
    return Ring.open(folder, "history", step=STEP, capacity=capacity, identity=identity, max_series=most)


def stretch(first: int, last: int, names: tuple[Labels, ...], values: Floats) -> History:
    return History(np.arange(first, last + 1, dtype=np.float64) * STEP, names, values)


def values_of(ring: Ring, first: int, last: int, labels: Labels) -> list[float]:
    row: list[float] = ring.history(first * STEP, last * STEP, [labels]).values[0].tolist()
    return row


def test_a_fresh_one_has_nothing(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    assert (ring.newest, ring.labels, len(ring)) == (None, (), 0)
    assert ring.gaps(100 * STEP, 105 * STEP) == [(100 * STEP, 105 * STEP)]
    history = ring.history(100 * STEP, 102 * STEP, [series(1)])
    assert history.values.shape == (1, 3)
    assert np.isnan(history.values).all()


def test_a_window_between_times_of_the_grid_has_those_inside(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    for column in (100, 101, 102):
        ring.append(column * STEP, {series(1): float(column)})
    history = ring.history(100 * STEP + 1, 102 * STEP - 1)
    assert history.times.tolist() == [101 * STEP]
    assert history.values.tolist() == [[101.0]]


def test_times_between_two_of_the_grid_are_refused(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    with pytest.raises(ValueError, match="no time of the grid of 300 s"):
        ring.append(100 * STEP + 1, {series(1): 1.0})
    with pytest.raises(ValueError, match="follow each other"):
        ring.write(History(np.array([100.0, 102.0]) * STEP, (series(1),), np.ones((1, 2))))


def test_absent_series_are_no_gap_and_times_without_an_answer_are(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): 1.0, series(2): 2.0})
    ring.append(101 * STEP, {series(2): 3.0})
    ring.append(102 * STEP, {})
    ring.append(105 * STEP, {series(1): 4.0})
    assert ring.gaps(100 * STEP, 106 * STEP) == [(103 * STEP, 104 * STEP), (106 * STEP, 106 * STEP)]
    np.testing.assert_equal(values_of(ring, 100, 105, series(1)), [1.0, *[np.nan] * 4, 4.0])
    assert (ring.last_seen(series(1)), ring.last_seen(series(2))) == (105 * STEP, 101 * STEP)
    assert ring.vanished(105 * STEP) == [series(2)]


def test_a_gap_is_filled_by_what_was_fetched_and_nothing_known_is_overwritten(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): 1.0})
    ring.append(104 * STEP, {series(1): 5.0})
    fetched = np.array([[-1.0, 2.0, np.nan, 4.0, np.nan], [6.0, 7.0, 8.0, 9.0, 10.0]])
    assert ring.write(stretch(100, 104, (series(1), series(2)), fetched)) == 0
    assert ring.gaps(100 * STEP, 104 * STEP) == []
    np.testing.assert_equal(values_of(ring, 100, 104, series(1)), [1.0, 2.0, np.nan, 4.0, 5.0])
    assert values_of(ring, 100, 104, series(2)) == [6.0, 7.0, 8.0, 9.0, 10.0]


def test_the_past_of_one_series_fills_no_gap_of_the_others(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): 1.0})
    ring.append(104 * STEP, {series(1): 5.0})
    ring.write(stretch(100, 104, (series(2),), np.ones((1, 5))), complete=False)
    assert ring.gaps(100 * STEP, 104 * STEP) == [(101 * STEP, 103 * STEP)]
    assert values_of(ring, 100, 104, series(2)) == [1.0] * 5


def test_a_tick_taken_twice_changes_nothing(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): 1.0})
    ring.append(100 * STEP, {series(1): -1.0, series(2): 2.0})
    assert (values_of(ring, 100, 100, series(1)), values_of(ring, 100, 100, series(2))) == ([1.0], [2.0])


def test_the_oldest_columns_make_room(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    for column in range(100, 100 + 3 * CAPACITY):
        ring.append(column * STEP, {series(1): float(column)})
    newest = 100 + 3 * CAPACITY - 1
    assert values_of(ring, newest - CAPACITY + 1, newest, series(1)) == [
        float(column) for column in range(newest - CAPACITY + 1, newest + 1)
    ]
    assert np.isnan(values_of(ring, newest - CAPACITY, newest - CAPACITY, series(1))).all()
    assert (tmp_path / "history.ring").stat().st_size == ring_bytes(1, CAPACITY)


def test_series_that_come_and_go_take_no_more_rows_than_there_are_at_once(tmp_path: Path) -> None:
    ring = opened(tmp_path, most=40)
    for column in range(100, 500):
        alive = [series(number) for number in range(column, column + 20)]
        assert ring.append(column * STEP, {labels: float(column) for labels in alive}) == 0
        ring.forget(set(ring.labels) - set(alive))
    assert len(ring) == 20
    assert (tmp_path / "history.ring").stat().st_size == ring_bytes(21, CAPACITY)
    log = (tmp_path / "history.labels").stat().st_size
    assert log < 150_000, "the log of labels is written anew when most of it is past"
    ring.close()
    ring = opened(tmp_path, most=40)
    newest = series(518)  # born at 499, in a row that others have had
    np.testing.assert_equal(values_of(ring, 498, 499, newest), [np.nan, 499.0])


def test_more_series_than_allowed_are_counted_and_left_out(tmp_path: Path) -> None:
    ring = opened(tmp_path, most=3)
    assert ring.append(100 * STEP, {series(number): 1.0 for number in range(5)}) == 2
    assert ring.labels == (series(0), series(1), series(2))
    assert ring.write(stretch(99, 100, (series(7), series(0)), np.full((2, 2), 7.0))) == 1
    assert values_of(ring, 99, 100, series(0)) == [7.0, 1.0]


def test_a_clock_that_was_ahead_costs_what_it_wrote(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ring = opened(tmp_path)
    for column in range(100, 110):
        ring.append(column * STEP, {series(1): float(column)})
    ring.append(9_000 * STEP, {series(1): -1.0, series(2): -1.0})
    ring.append(110 * STEP, {series(1): 110.0, series(2): 1.0})
    assert ring.newest == 110 * STEP
    # One column of the past lay where the future was written.
    expected = [
        np.nan if column % CAPACITY == 9_000 % CAPACITY else float(column) for column in range(100, 111)
    ]
    np.testing.assert_equal(values_of(ring, 100, 110, series(1)), expected)
    assert values_of(ring, 110, 110, series(2)) == [1.0]
    assert "the clock was ahead" in caplog.text
    ring.close()
    ring = opened(tmp_path)
    np.testing.assert_equal(values_of(ring, 100, 110, series(1)), expected)
    assert ring.last_seen(series(2)) == 110 * STEP


def test_another_identity_is_another_history(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ring = opened(tmp_path, identity="rate(a[5m]) 300")
    ring.append(100 * STEP, {series(1): 1.0})
    ring.close()
    ring = opened(tmp_path, identity="rate(b[5m]) 300")
    assert ring.newest is None
    assert "another expression, offset or step; set aside as history.ring.corrupt-" in caplog.text
    assert len(list(tmp_path.glob("history.ring.corrupt-*"))) == 1


def test_infinite_values_are_kept_and_those_that_are_no_number_are_not(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): np.inf, series(2): np.nan})
    assert values_of(ring, 100, 100, series(1)) == [np.inf]
    assert series(2) not in ring


def test_labels_of_every_kind_come_back(tmp_path: Path) -> None:
    odd = tuple(
        (("name", text),)
        for text in ("", "\n", '"\\', "\u2028", "é\u0301", "\U0001f600", "\ud800", "\x00", "a" * 10_000)
    )
    ring = opened(tmp_path)
    ring.append(100 * STEP, {labels: float(number) for number, labels in enumerate(odd)})
    ring.close()
    ring = opened(tmp_path)
    assert ring.labels == odd
    assert ring.history(100 * STEP, 100 * STEP).values[:, 0].tolist() == [float(i) for i in range(len(odd))]


def test_rows_lie_in_blocks_that_double() -> None:
    assert [width(number) for number in range(9)] == [8, 8, 16, 32, 64, 128, 256, 512, 512]
    ends = [first_row(number) + width(number) for number in range(60)]
    assert [first_row(number) for number in range(1, 61)] == ends
    assert [blocks_for(rows) for rows in (1, 8, 9, 512, 513, 1024, 1025)] == [1, 1, 2, 7, 8, 8, 9]


def test_a_file_takes_room_for_what_it_holds_only(tmp_path: Path) -> None:
    ring = opened(tmp_path, capacity=8064)
    ring.append(10_000 * STEP, {series(number): 1.0 for number in range(1000)})
    file = (tmp_path / "history.ring").stat()
    assert file.st_size == ring_bytes(1000, 8064)
    tables = 8 * (8064 * 32 + 3 * 65536)
    assert file.st_blocks * 512 < tables < file.st_size / 15


def test_files_are_their_owner_s(tmp_path: Path) -> None:
    opened(tmp_path)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "history.ring": 0o600,
        "history.labels": 0o600,
    }


def test_fits_may_read_while_ticks_append_and_series_change_rows(tmp_path: Path) -> None:
    """Every value says whose it is, so a mix-up shows."""
    ring = opened(tmp_path, most=60)
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            history = ring.history(1000 * STEP, 1600 * STEP)
            for labels, row in zip(history.labels, history.values, strict=True):
                number = float(labels[1][1].removeprefix("pod-"))
                if not np.isin(row[np.isfinite(row)], number).all():
                    wrong.append(f"{labels} has {np.unique(row)}")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for column in range(1000, 1400):
            alive = range(column, column + 40)
            assert ring.append(column * STEP, {series(number): float(number) for number in alive}) == 0
            ring.forget([series(column)])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_flushing_and_closing_leave_no_open_file(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    ring = opened(tmp_path)
    ring.append(100 * STEP, {series(1): 1.0})
    ring.flush()
    ring.close()
    ring.close()
    del ring
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_nothing_is_logged_when_all_is_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for column in range(100, 103):
        ring = opened(tmp_path)
        ring.append(column * STEP, {series(1): 1.0})
        ring.close()
    assert caplog.records == []
