"""Faults: when they begin, how large they are, and what they leave alone."""

import numpy as np
import pytest

from benchmarks.evaluation import synthetic_faults as faults
from benchmarks.evaluation.series import Floats
from benchmarks.evaluation.synthetic_families import DAY, FAMILIES, Made, make_grid

GRID = make_grid("2026-01-05", 28, 7)
FROM = GRID.scored_from
ALL = {
    fault.__name__: fault
    for fault in (
        faults.spike,
        faults.early_spike,
        faults.dip,
        faults.level_shift,
        faults.drop_to_zero,
        faults.absence,
        faults.leak,
        faults.variance,
        faults.shape,
    )
}


def made(family: str, seed: int = 0) -> Made:
    return FAMILIES[family](GRID, np.random.default_rng([seed, len(family)]), frozenset())


def put(fault: faults.Fault, one: Made, sigmas: float = 6, seed: int = 0) -> faults.Faulted:
    return fault(one, FROM, np.random.default_rng(seed), sigmas)


def flat(level: float, sigma: float) -> Made:
    """A series at `level` whose noise happens to be nothing."""
    levels = np.full(GRID.times.size, level)
    return Made(levels.copy(), levels, np.full(GRID.times.size, sigma))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ALL)
def test_labels_are_the_events_and_the_rest_is_unchanged(name: str, family: str) -> None:
    one = made(family)
    got = put(ALL[name], one)
    expected = np.zeros(one.values.size, dtype=np.bool_)
    for event in got.events:
        assert FROM + faults.HOUR <= event.start < event.end <= one.values.size
        expected[event.start : event.end] = True
    assert np.array_equal(got.anomalous, expected)
    assert np.array_equal(got.values[~expected], one.values[~expected])
    assert not np.any(got.values < 0)


@pytest.mark.parametrize("sigmas", [3.0, 6.0, 10.0])
@pytest.mark.parametrize(
    ("fault", "family", "sign"),
    [(faults.spike, "requests", 1), (faults.spike, "latency", 1), (faults.dip, "cpu", -1)],
)
def test_pulses_have_their_size_in_sigmas_of_their_time(
    fault: faults.Fault, family: str, sign: int, sigmas: float
) -> None:
    one = made(family)
    got = put(fault, one, sigmas)
    assert len(got.events) == 4
    for event in got.events:
        inside = slice(event.start, event.end)
        assert 1 <= event.end - event.start <= 3
        moved = (got.values[inside] - one.values[inside]) / one.sigma[inside]
        assert moved == pytest.approx(sign * sigmas)
        assert event.sigmas == sigmas


def test_spikes_of_counts_are_whole_and_at_least_one_count_a_sigma() -> None:
    one = made("counts_rare")
    quiet = Made(
        np.zeros_like(one.values), np.full_like(one.level, 0.04), np.full_like(one.level, 0.2), whole=True
    )
    got = put(faults.spike, quiet)
    assert set(got.values[got.anomalous]) == {6.0}


def test_dips_are_placed_only_where_they_fit() -> None:
    level = np.where(np.arange(GRID.times.size) % DAY < 12 * faults.HOUR, 50.0, 80.0)
    one = Made(level.copy(), level, np.full(level.size, 10.0))
    got = put(faults.dip, one)
    assert len(got.events) == 4
    assert all(level[event.start] == 80 for event in got.events)
    assert put(faults.dip, flat(60, 10)).events == ()


def test_level_shifts_go_both_ways_where_they_fit_and_up_where_not() -> None:
    def shifts(one: Made) -> set[float]:
        return {float(put(faults.level_shift, one, seed=seed).values[-1]) for seed in range(20)}

    assert shifts(flat(100, 10)) == {40.0, 160.0}
    assert shifts(flat(60, 10)) == {120.0}


def test_drop_to_zero_wants_a_level_of_its_size() -> None:
    got = put(faults.drop_to_zero, flat(60, 10))
    assert np.sum(got.values == 0) == np.sum(got.anomalous) == 3 * faults.HOUR
    assert put(faults.drop_to_zero, flat(59, 10)).events == ()


def test_absence_is_from_its_first_missing_sample_to_the_end() -> None:
    got = put(faults.absence, made("requests"))
    assert np.array_equal(np.isnan(got.values), got.anomalous)
    assert got.anomalous[-1]


def test_a_leak_grows_by_three_sigmas_a_day() -> None:
    got = put(faults.leak, flat(100, 10))
    start = got.events[0].start
    assert got.values[start + 2 * DAY] == pytest.approx(160)
    assert got.values[-1] > 220


def test_variance_is_four_times_the_noise() -> None:
    one = made("cpu")
    got = put(faults.variance, one)

    def noise(values: Floats) -> Floats:
        return (values - one.level)[got.anomalous]

    assert noise(got.values) == pytest.approx(4 * noise(one.values))


def test_shape_is_six_hours_late_or_flat() -> None:
    one = made("requests", 2)
    late = flattened = 0
    for seed in range(12):
        got = put(faults.shape, one, seed=seed)
        start = got.events[0].start
        if np.array_equal(got.values[start:], one.values[start - 6 * faults.HOUR : -6 * faults.HOUR]):
            late += 1
        else:
            flattened += 1
            # Noise of the day before on its mean, whatever the hour.
            expected = np.mean(one.level[start - DAY : start])
            assert np.mean(got.values[start : start + DAY]) == pytest.approx(expected, rel=0.02)
            assert np.std(got.values[start : start + DAY]) < 0.5 * np.std(one.values[start : start + DAY])
    assert late
    assert flattened
    assert put(faults.shape, made("cpu")).events == ()


def test_missing_blocks_are_in_the_history_and_the_scored_part_and_come_back() -> None:
    for seed in range(10):
        got = put(faults.missing_blocks, made("requests"), seed=seed)
        missing = np.isnan(got.values)
        assert not got.anomalous.any()
        assert got.events == ()
        assert missing[:FROM].any()
        assert missing[FROM:].any()
        assert not missing[-1]
        assert np.array_equal(got.values[~missing], made("requests").values[~missing])
