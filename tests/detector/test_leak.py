"""Slow leaks, and what only looks like one."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.models.arrays import Floats
from specter_detector.models.leak import Leaks, exhaustion, find_leaks, leak_scores

DAY = 86400.0
NODES = 128
TIMES: Floats = 1.7e9 + 7 * DAY / NODES * np.arange(NODES, dtype=np.float64)
RAMP: Floats = np.linspace(0.0, 1.0, NODES, dtype=np.float64)
INF, NAN = float("inf"), float("nan")


def noise(seed: int, series: int, m: int = NODES) -> Floats:
    return np.random.default_rng(seed).standard_normal((series, m))


def autoregressive(seed: int, series: int, memory: float) -> Floats:
    values = noise(seed, series)
    for node in range(1, NODES):
        values[:, node] += memory * values[:, node - 1]
    return values


def leaky(trend: Floats, **options: float) -> float:
    return float(np.mean(find_leaks(TIMES, 100 + trend, min_rel_growth=0.0, **options).leak))


def one(row: Floats, **options: float) -> Leaks:
    return find_leaks(TIMES, row[np.newaxis], **options)


def test_a_ramp_over_noise_is_a_leak_both_ways_with_its_slope() -> None:
    for sign in (1.0, -1.0):
        found = find_leaks(TIMES, 100 + sign * 20 * RAMP + noise(1, 300))
        assert np.mean(found.leak) > 0.99
        assert sign * np.median(found.slope) == pytest.approx(20 / (7 * DAY), rel=0.02)
        assert np.median(found.level) == pytest.approx(100 + sign * 20, abs=0.6)
        assert (found.exhaustion == INF).all()


@pytest.mark.parametrize(("memory", "most"), [(0.0, 0.0), (0.5, 0.0), (0.9, 2e-4), (1.0, 4e-3)])
def test_noise_however_long_its_memory_is_seldom_a_leak(memory: float, most: float) -> None:
    assert leaky(autoregressive(2, 5000, memory)) <= most


def test_level_shifts_are_no_leaks() -> None:
    for at in range(4, NODES - 4, 5):
        shift = 50.0 * (np.arange(NODES) >= at).astype(np.float64)
        assert leaky(shift + noise(at, 200)) < 0.01
        assert not one(100 + shift).leak[0]  # nor without noise


def test_seasons_are_no_leaks() -> None:
    for days in (1.0, 3.5, 7.0):
        for start in np.linspace(0, 2 * np.pi, 12):
            assert leaky(20 * np.sin(TIMES / (days * DAY) * 2 * np.pi + start) + noise(3, 20)) == 0.0


@pytest.mark.parametrize("every", [0.05, 0.2, 1.0, 2.0, 3.4, 5.0])
def test_sawtooth_memory_is_no_leak(every: float) -> None:
    tooth = 30 * ((TIMES - TIMES[0]) / DAY % every) / every
    assert leaky(tooth + noise(4, 100)) == 0.0


@pytest.mark.parametrize("every", [0.05, 0.2])
def test_a_floor_that_rises_under_the_sawtooth_is_a_leak(every: float) -> None:
    elapsed = 300 * np.arange(2016, dtype=np.float64)
    rows = 30 * (elapsed / DAY % every) / every + 80 * elapsed / elapsed[-1] + noise(4, 100, 2016)
    assert np.mean(find_leaks(1.7e9 + elapsed, rows).leak) > 0.95


def test_a_leak_that_has_ended_or_was_reset_is_none() -> None:
    stopped = 40 * np.minimum(RAMP / 0.6, 1.0)
    assert leaky(stopped + noise(5, 200)) == 0.0
    reset = np.where(RAMP < 0.93, 40 * RAMP, 40 * (RAMP - 0.93))
    assert leaky(reset + noise(5, 200)) == 0.0


def test_an_incident_does_not_hide_a_leak() -> None:
    row = 30 * RAMP + noise(6, 200)
    row[:, 50:56] += 500
    assert leaky(row) > 0.97


def test_a_curved_leak_is_found() -> None:
    assert leaky(60 * RAMP**2 + noise(10, 200) / 3) > 0.95


def test_all_values_of_a_week_find_smaller_leaks_than_nodes() -> None:
    m = 2016
    times = 1.7e9 + 300 * np.arange(m, dtype=np.float64)
    found = find_leaks(times, 30 + noise(11, 200, m) + 5 * np.linspace(0, 1, m), min_growth=4.0)
    assert np.mean(found.leak) > 0.95


def test_a_limit_makes_a_leak_when_it_is_near_and_else_none() -> None:
    row = 100 + 20 * RAMP
    pace = 20 / (7 * DAY)
    near, far, behind = one(row, limit=125.0), one(row, limit=200.0), one(row, limit=50.0)
    assert near.leak[0]
    assert near.exhaustion[0] == pytest.approx(5 / pace, rel=0.05)
    assert not far.leak[0]
    assert far.exhaustion[0] == pytest.approx(80 / pace, rel=0.02)
    assert one(row, limit=200.0, horizon=60 * DAY).leak[0]
    assert behind.exhaustion[0] == INF
    assert not behind.leak[0]
    falling = one(-row, limit=-125.0)
    assert falling.leak[0]
    assert falling.slope[0] == pytest.approx(-pace, rel=0.02)


def test_without_a_limit_it_must_grow_against_noise_and_level() -> None:
    row = 1000 + 20 * RAMP
    assert not one(row).leak[0]  # 2 % of its level
    assert one(row, min_rel_growth=0.01).leak[0]
    assert not one(row, min_rel_growth=0.01, noise=10.0).leak[0]
    assert not one(np.full(NODES, 5.0)).leak[0]


def test_offset_1e12_keeps_the_slope() -> None:
    found = find_leaks(TIMES, 1e12 + 200 * RAMP + noise(7, 50), min_rel_growth=0.0)
    assert found.leak.all()
    assert np.median(found.slope) == pytest.approx(200 / (7 * DAY), rel=0.02)


def test_missing_values_and_the_warm_up_are_unknown_not_normal() -> None:
    rows = 100 + 30 * RAMP + noise(8, 3)
    rows[0, ::3] = NAN
    rows[1, 40:90] = NAN
    rows[2] = NAN
    found = find_leaks(TIMES, rows)
    assert found.leak.tolist() == [True, False, False]
    assert np.isnan(found.slope).tolist() == [False, True, True]
    assert np.isnan(found.exhaustion).tolist() == [False, True, True]
    short = find_leaks(TIMES[:63], rows[:, :63])
    assert np.isnan(np.stack([short.slope, short.z, short.tau, short.exhaustion])).all()
    assert not short.leak.any()


def test_exhaustion_knows_its_direction() -> None:
    found = exhaustion(
        [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, NAN], [1, -1, 0, -2, 1, 0, 1], [20, 20, 20, 0, INF, 10, 20]
    )
    assert found.tolist() == pytest.approx([10.0, INF, INF, 5.0, INF, 0.0, NAN], nan_ok=True)


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.floats(-1e6, 1e6))
def test_exhaustion_is_never_negative(level: float, slope: float, limit: float) -> None:
    left = float(exhaustion(level, slope, limit))
    assert left >= 0
    if np.isfinite(left) and abs(slope) > 1e-3:
        assert level + slope * left == pytest.approx(limit, abs=1e-6)


def test_ten_thousand_series_take_well_under_a_second() -> None:
    rows = noise(9, 10_000)
    begin = time.process_time()
    find_leaks(TIMES, rows)
    assert time.process_time() - begin < 1.5  # 0.3 s here alone


def test_a_leak_is_as_urgent_as_its_limit_is_near() -> None:
    rising = 100 + 20 * RAMP + 0.1 * noise(20, 4)
    left = 2.0  # days until the limit
    limit = np.array([120 + 20 / 7 * left, 1000.0, NAN, 110.0])
    scores = leak_scores(TIMES, rising, limit)
    assert scores[0] == pytest.approx(4 / left, rel=0.05)
    assert scores[1:].tolist() == [0.0, 0.0, 0.0]  # far away, none, behind
