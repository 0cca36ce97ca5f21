"""Made-up series: their level and noise are what the truth says."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from benchmarks.evaluation.series import Bools, Floats
from benchmarks.evaluation.synthetic_families import DAY, FAMILIES, SEASONAL, Grid, Made, make_grid, requests

MONDAY = "2026-01-05"
REPLICAS = 12


def made(family: str, seed: int, grid: Grid | None = None, holidays: frozenset[str] = frozenset()) -> Made:
    return FAMILIES[family](
        grid or make_grid(MONDAY, 28, 7), np.random.default_rng([seed, len(family)]), holidays
    )


def standardised(one: Made) -> Floats:
    return (one.values - one.level) / one.sigma


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_has_mean_zero_and_the_stated_deviation_at_high_and_at_low_level(family: str) -> None:
    parts: dict[str, list[Floats]] = {"low": [], "high": []}
    for seed in range(REPLICAS):
        one = made(family, seed)
        high: Bools = one.level > np.median(one.level)
        parts["high"].append(standardised(one)[high])
        parts["low"].append(standardised(one)[~high])
    for noise in (np.concatenate(part) for part in parts.values() if sum(each.size for each in part)):
        assert np.mean(noise) == pytest.approx(0, abs=0.03)
        assert np.std(noise) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_never_negative_and_counts_are_whole(family: str) -> None:
    one = made(family, 1)
    assert np.all(one.values >= 0)
    assert one.whole == (family in {"counts_daily", "counts_rare", "queue"})
    assert not one.whole or np.array_equal(one.values, np.rint(one.values))
    assert np.all(one.unit >= one.sigma)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_generator_makes_the_same_series_and_another_another(family: str) -> None:
    assert np.array_equal(made(family, 1).values, made(family, 1).values)
    assert not np.array_equal(made(family, 1).values, made(family, 2).values)


def test_noise_of_a_processor_remembers_and_that_of_requests_does_not() -> None:
    def memory(family: str) -> float:
        noise = standardised(made(family, 3))
        return float(np.corrcoef(noise[:-1], noise[1:])[0, 1])

    assert 0.35 < memory("cpu") < 0.95
    assert abs(memory("requests")) < 0.04


def test_throughput_has_heavier_tails_than_requests() -> None:
    def beyond(family: str) -> int:
        return sum(int(np.sum(np.abs(standardised(made(family, seed))) > 5)) for seed in range(REPLICAS))

    assert beyond("requests") == 0
    assert 3 <= beyond("throughput") <= 100


@pytest.mark.parametrize("family", SEASONAL)
def test_weekends_are_quieter_and_days_alike(family: str) -> None:
    days = made(family, 4).level.reshape(-1, DAY)
    daily = days.mean(axis=1).reshape(-1, 7)
    assert np.all(daily[:, 6] < 0.85 * daily[:, 1])
    assert np.all(daily[:, 6] < daily[:, 5])
    assert np.corrcoef(days[1], days[8])[0, 1] > 0.99


def test_requests_rise_sharply_in_the_morning() -> None:
    tuesday = made("requests", 5).level.reshape(-1, DAY)[1]
    hourly = np.diff(tuesday[::12])
    assert 6 <= int(np.argmax(hourly)) <= 9
    assert np.max(hourly) > 3 * np.median(np.abs(hourly))


def test_a_holiday_is_like_a_sunday() -> None:
    thursday = frozenset({"2026-01-15"})
    usual, holiday = (made("counts_daily", 6, holidays=which).level for which in (frozenset[str](), thursday))
    days, free = usual.reshape(-1, DAY), holiday.reshape(-1, DAY)
    noon = slice(24, -24)
    assert np.array_equal(free[10, noon], days[13, noon])
    assert np.array_equal(np.delete(free, [9, 10, 11], axis=0), np.delete(days, [9, 10, 11], axis=0))


def test_a_grid_has_the_clock_of_its_zone() -> None:
    grid = make_grid("2026-03-02", 27, 7, "Europe/Berlin")
    shift = int(np.flatnonzero(np.diff(grid.local) != 300)[0]) + 1
    assert datetime.fromtimestamp(grid.times[shift], ZoneInfo("Europe/Berlin")).isoformat() == (
        "2026-03-29T03:00:00+02:00"
    )
    assert grid.scored_from == 27 * DAY
    assert set(np.unique(grid.local - grid.times)) == {3600.0, 7200.0}


def test_the_day_moves_with_the_clock() -> None:
    grid = make_grid("2026-09-28", 27, 7, "Europe/Berlin")
    level = requests(grid, np.random.default_rng(8), frozenset()).level
    before, after = level[22 * DAY : 23 * DAY], level[29 * DAY : 30 * DAY]  # Tuesdays around 25 October
    lag = [np.corrcoef(np.roll(before, hours * 12), after)[0, 1] for hours in (-1, 0, 1)]
    assert int(np.argmax(lag)) == 2  # in UTC, everything comes an hour later
