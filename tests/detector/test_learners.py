"""The kinds of model differ in how they learn a season, and in nothing else."""

import numpy as np
import pytest

from specter_detector.models.learners import Kind, learner

DAY = 48
DAYS = 28
PHASES = np.arange(DAYS * DAY, dtype=np.float64)
KINDS: tuple[Kind, ...] = ("seasonal", "stl", "mstl")


def daily() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(1)
    return 100 + 50 * np.sin(2 * np.pi * PHASES / DAY) + rng.normal(size=(2, PHASES.size))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_the_day_and_says_how_much_it_has_seen(kind: Kind) -> None:
    values = daily()
    values[1, : 20 * DAY] = np.nan
    shape = learner(kind)(values, PHASES, DAY)
    truth = 50 * np.sin(2 * np.pi * np.arange(DAY) / DAY)
    assert np.abs(shape.day - truth).max() < 2.0
    assert shape.cycles.tolist() == [28.0, 8.0]
    assert np.abs(shape.spread - 1).max() < 0.4


@pytest.mark.parametrize("kind", KINDS)
def test_six_hours_of_outage_stay_out_of_the_day_of_every_kind(kind: Kind) -> None:
    values = daily()
    values[1] = values[0]
    values[1, 10 * DAY : 10 * DAY + DAY // 4] = 0.0
    shape = learner(kind)(values, PHASES, DAY)
    assert np.sqrt(np.mean((shape.day[1] - shape.day[0]) ** 2)) < 1.5


def test_the_week_is_found_where_the_kind_knows_one() -> None:
    weekend = (PHASES // DAY) % 7 >= 5
    values = daily()
    values[:, weekend] = 100 + (values[:, weekend] - 100) / 2
    weeks = {kind: learner(kind)(values, PHASES, DAY).week for kind in KINDS}
    assert weeks["stl"] is None
    for kind in ("seasonal", "mstl"):
        week = weeks[kind]
        assert week is not None
        # At the peak of a Saturday 25 less than on the others, of which four weeks prove four fifths.
        assert -26.0 < week[0, 5 * DAY + DAY // 4] - week[0, 2 * DAY + DAY // 4] < -15.0


def test_a_reference_week_needs_two_weeks_and_a_bit() -> None:
    short = slice(0, 14 * DAY)
    assert learner("mstl")(daily()[:, short], PHASES[short], DAY).week is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_and_a_series_of_nothing_have_no_season(kind: Kind) -> None:
    values = np.stack([np.full(PHASES.size, 5.0), np.full(PHASES.size, np.nan)])
    shape = learner(kind)(values, PHASES, DAY)
    assert np.abs(shape.day).max() < 1e-5
    assert shape.cycles.tolist() == [28.0, 0.0]
