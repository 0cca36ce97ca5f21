"""Rows on a regular grid."""

import math

import numpy as np
import pytest

from benchmarks.evaluation.grid import coarsen, lay
from benchmarks.evaluation.rows import DataError, Rows

NAN = math.nan


def rows(times: list[float], values: list[float] | None = None, labels: list[float] | None = None) -> Rows:
    count = len(times)
    return Rows(
        np.array(times, dtype=float),
        np.array(values or [float(index) for index in range(count)]),
        np.array(labels or [0.0] * count),
    )


def test_the_step_is_the_median_difference_and_gaps_are_nan() -> None:
    grid = lay(rows([0, 600, 1200, 2400, 3000]), "a")
    assert grid.step == 600
    assert grid.times.tolist() == [0, 600, 1200, 1800, 2400, 3000]
    np.testing.assert_array_equal(grid.values, [0, 1, 2, NAN, 3, 4])
    np.testing.assert_array_equal(grid.labels, [0, 0, 0, NAN, 0, 0])
    assert grid.rows.tolist() == [0, 1, 2, -1, 3, 4]


def test_rows_are_sorted_and_of_equal_times_the_last_stands() -> None:
    grid = lay(rows([1200, 0, 600, 600], [5, 6, 7, 8], [0, 0, 0, 1]), "a")
    assert grid.values.tolist() == [6, 8, 5]
    assert grid.labels.tolist() == [0, 1, 0]


def test_what_is_off_the_grid_goes_to_the_nearest_slot() -> None:
    grid = lay(rows([0, 600, 1250, 1800, 2400, 3000, 3540]), "a")
    assert grid.times.tolist() == [0, 600, 1200, 1800, 2400, 3000, 3600]
    assert grid.values.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_of_two_rows_in_one_slot_the_later_stands() -> None:
    grid = lay(rows([0, 600, 1200, 1240, 1800, 2400, 3000]), "a")
    assert grid.values.tolist() == [0, 1, 3, 4, 5, 6]


def test_the_grid_lies_where_most_rows_are() -> None:
    grid = lay(rows([250, 600, 1200, 1800, 2400, 3000]), "a")
    assert grid.times.tolist() == [0, 600, 1200, 1800, 2400, 3000]


@pytest.mark.parametrize("times", [[], [5.0], [5.0, 5.0]])
def test_fewer_than_two_times_are_no_series(times: list[float]) -> None:
    with pytest.raises(DataError, match=r"^a: [01] distinct timestamps; two at least"):
        lay(rows(times), "a")


def test_times_in_mixed_units_are_refused() -> None:
    with pytest.raises(DataError, match="is every timestamp in the same unit"):
        lay(rows([0, 60, 120, 1_525_910_400]), "a")


def test_minutes_are_averaged_to_five_minutes_and_any_label_counts() -> None:
    times = [float(60 * index) for index in range(1, 12)]  # 4, 5 and 2 minutes of three slots
    labels = [0.0] * 6 + [1.0] + [0.0] * 4
    grid = coarsen(lay(rows(times, [1, 2, 3, NAN, 10, 20, 30, 40, 50, 6, 8], labels), "a"))
    assert grid.step == 300
    assert grid.times.tolist() == [0, 300, 600]
    assert grid.values.tolist() == [2, 30, 7]
    assert grid.labels.tolist() == [0, 1, 0]
    assert grid.rows.tolist() == [3, 8, 10]


def test_an_empty_slot_stays_empty() -> None:
    grid = coarsen(lay(rows([0, 60, 120, 660, 720], labels=[NAN, NAN, 1, 0, 0]), "a"))
    np.testing.assert_array_equal(grid.values, [1, NAN, 3.5])
    np.testing.assert_array_equal(grid.labels, [1, NAN, 0])


def test_five_minutes_and_more_are_left_alone() -> None:
    grid = lay(rows([10, 310, 610]), "a")
    assert coarsen(grid) is grid
