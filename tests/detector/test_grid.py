"""Samples onto the grid, and counters into increases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.models.arrays import Floats
from specter_detector.models.grid import Grid, counter_increase, looks_like_counter, regular

NAN = float("nan")
INF = float("inf")


def grid(timestamps: list[float], values: list[float], step: float = 10.0) -> Grid:
    return regular(np.array(timestamps, np.float64), np.array(values, np.float64), step)


def lists(found: Grid) -> tuple[list[float], list[float]]:
    return found.times.tolist(), found.values.tolist()


def increases(*values: float, max_gap: int = 5) -> list[float]:
    found: list[float] = counter_increase(np.array(values), max_gap=max_gap).tolist()
    return found


def test_samples_on_the_grid_stay_and_holes_are_nan() -> None:
    found = grid([100, 110, 130], [1, 2, 3])
    assert found.times.tolist() == [100, 110, 120, 130]
    assert found.values.tolist() == pytest.approx([1, 2, NAN, 3], nan_ok=True)


@pytest.mark.parametrize(
    ("timestamps", "values", "expected"),
    [
        ([100, 110, 110], [1, 2, 3], ([100, 110], [1, 3])),  # a duplicate: the last given
        ([110, 100, 110], [3, 1, 2], ([100, 110], [1, 2])),  # unsorted
        ([104.9, 115], [1, 2], ([100, 110, 120], [1, NAN, 2])),  # nearest; half-way to the later
        ([101, 98], [1, 2], ([100], [1])),  # the nearest of a slot
        ([102, 98], [1, 2], ([100], [1])),  # equally near: the later
        ([98, 102], [1, 2], ([100], [2])),
        ([100, 100.5], [NAN, 2], ([100], [2])),  # missing competes with none
        ([100, 110, 120], [INF, 5, -INF], ([100, 110, 120], [NAN, 5, NAN])),
        ([100, 100], [7, NAN], ([100], [7])),
        ([123], [4], ([120], [4])),
        ([100, 120], [NAN, NAN], ([100, 110, 120], [NAN, NAN, NAN])),
        ([], [], ([], [])),
        ([-14], [1], ([-10], [1])),
    ],
)
def test_defined_outcomes(
    timestamps: list[float], values: list[float], expected: tuple[list[float], list[float]]
) -> None:
    found = lists(grid(timestamps, values))
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], nan_ok=True)


@pytest.mark.parametrize(
    ("timestamps", "values", "step"),
    [([1.0], [1.0, 2.0], 10.0), ([1.0], [1.0], 0.0), ([1.0], [1.0], NAN), ([NAN], [1.0], 10.0)],
)
def test_nonsense_is_refused(timestamps: list[float], values: list[float], step: float) -> None:
    with pytest.raises(ValueError, match=r"timestamp|step"):
        grid(timestamps, values, step)


def test_large_values_keep_every_digit() -> None:
    rng = np.random.default_rng(1)
    values = 1e12 + rng.standard_normal(1000)
    order = rng.permutation(1000)
    times = 1.7e9 - 1.7e9 % 15 + 15.0 * np.arange(1000)
    found = regular(times[order] + rng.uniform(-7, 7, 1000), values[order], 15.0)
    assert np.array_equal(found.values, values)


@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(-1e9, 1e9) | st.just(NAN)), min_size=1))
def test_each_slot_holds_the_best_of_its_own_samples(samples: list[tuple[int, float]]) -> None:
    timestamps = np.array([moment / 10 for moment, _ in samples])
    values = np.array([value for _, value in samples])
    found = regular(timestamps, values, 10.0)
    assert np.all(np.diff(found.times) == 10.0)
    best: dict[int, tuple[tuple[float, float, int], float]] = {}
    for index, (moment, value) in enumerate(samples):
        slot = (moment + 50) // 100
        rank = (-abs(moment / 10 - 10.0 * slot), moment, index)
        if not np.isnan(value) and (slot not in best or rank > best[slot][0]):
            best[slot] = (rank, value)
    expected = [best.get(int(moment // 10), ((0, 0, 0), NAN))[1] for moment in found.times]
    assert found.values.tolist() == pytest.approx(expected, nan_ok=True, rel=0, abs=0)


def test_a_counter_becomes_increases_and_a_fall_is_a_reset() -> None:
    assert increases(5, 7, 7, 3, 4) == pytest.approx([NAN, 2, 0, 3, 1], nan_ok=True)
    assert increases(5, 0, 2) == pytest.approx([NAN, 0, 2], nan_ok=True)


def test_the_increase_across_a_gap_is_spread_and_unknown_after_a_long_one() -> None:
    assert increases(NAN, 1, NAN, NAN, 7) == pytest.approx([NAN, NAN, NAN, NAN, 2], nan_ok=True)
    assert increases(1, NAN, INF, 7, 8, max_gap=1) == pytest.approx([NAN, NAN, NAN, NAN, 1], nan_ok=True)
    assert increases(8, NAN, 4) == pytest.approx([NAN, NAN, 2], nan_ok=True)
    assert increases() == []
    assert increases(1) == pytest.approx([NAN], nan_ok=True)


def test_increases_of_many_series_and_of_large_counters() -> None:
    steps = np.random.default_rng(2).integers(0, 50, (3, 100)).astype(np.float64)
    counters = 1e12 + np.cumsum(steps, axis=1)
    assert np.array_equal(counter_increase(counters)[:, 1:], steps[:, 1:])
    assert counter_increase(np.empty((2, 0))).shape == (2, 0)


def counter(seed: int, resets: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.poisson(3.0, 300)).astype(np.float64)
    for at in np.sort(rng.choice(np.arange(20, 280), resets, replace=False)):
        values[at:] -= values[at] - rng.integers(0, 2)
    return values


@pytest.mark.parametrize("resets", [0, 1, 4])
def test_counters_are_recognised_with_resets_and_gaps(resets: int) -> None:
    for seed in range(5):
        values = counter(seed, resets)
        values[::9] = NAN
        assert looks_like_counter(values)


def test_what_is_no_counter() -> None:
    rng = np.random.default_rng(4)
    for values in (
        np.full(300, 5.0),
        np.zeros(300),
        np.full(300, NAN),
        np.empty(0),
        counter(1)[:20],  # too short to tell
        np.where(np.arange(300) < 100, 3.0, 4.0),  # one shift up
        rng.normal(100, 3, 300),
        100 + np.cumsum(rng.normal(0.5, 1.0, 300)),
        counter(1) - 50,  # negative
        np.tile(np.linspace(50.0, 100.0, 30), 10),  # a sawtooth that never starts anew
        rng.poisson(0.02, 300).astype(np.float64),
        np.sin(np.arange(300) / 20) + 2,
    ):
        assert not looks_like_counter(values)
    assert looks_like_counter(np.append(counter(1), [0.0, 1.0]))
    assert looks_like_counter(1e12 + counter(2))
