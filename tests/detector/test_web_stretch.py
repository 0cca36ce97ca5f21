"""A stretch judged for the pages: the scores of a replay, a band, parts that add up, runs of alarms."""

from dataclasses import replace

import numpy as np
import pytest

from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions
from specter_detector.models.online import REASONS
from specter_detector.models.policy import Policy
from specter_detector.models.replay import replay
from specter_detector.web.stretch import Stretch, Task, decompose, judge, runs

STEP = 900.0
DAY = 86400.0
END = 1_768_910_400.0
TIMES: Floats = np.arange(END - 6 * DAY, END + 1, STEP)
OPTIONS = FitOptions(step=STEP)


def series(seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return 50 + 20 * np.sin(2 * np.pi * TIMES / DAY) + rng.normal(size=TIMES.size)


def task(values: Floats, *, begin: int = 0, shown: int = 0, options: FitOptions = OPTIONS) -> Task:
    return Task(TIMES, values, options, begin, shown, np.zeros(TIMES.size, np.bool_))


def test_scores_reasons_and_confidence_are_those_of_a_replay_of_the_models() -> None:
    values = series()
    values[400:410] += 30
    values[200:230] = np.nan
    stretch = judge(task(values))
    reference = replay(TIMES, values[None], STEP, refits_a_day=1.0)
    np.testing.assert_allclose(stretch.score, reference.score[0], rtol=1e-6)
    np.testing.assert_array_equal(stretch.reason, reference.reason[0])
    np.testing.assert_allclose(stretch.confidence, reference.confidence[0], rtol=1e-6)


def test_only_what_is_shown_comes_back_and_what_was_before_is_learnt_from() -> None:
    values = series()
    whole, part = judge(task(values)), judge(task(values, shown=300))
    assert part.times[0] == TIMES[300]
    for name in ("observed", "expected", "lower", "upper", "score", "trend", "seasonal", "remainder"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[300:])


def test_the_band_holds_a_healthy_series_and_nothing_is_expected_before_its_first_value() -> None:
    values = series()
    values[:50] = np.nan
    stretch = judge(task(values, shown=0))
    assert np.isnan(stretch.expected[:51]).all()
    assert np.isfinite(stretch.expected[51:]).all()
    settled = slice(300, None)
    inside = (stretch.lower <= values) & (values <= stretch.upper)
    assert inside[settled].all()
    np.testing.assert_array_less(np.abs(stretch.expected - values)[settled], 6.0)


def test_the_parts_add_up_and_find_the_season() -> None:
    values = series()
    trend, seasonal, remainder = decompose(TIMES, values, OPTIONS)
    np.testing.assert_allclose(trend + seasonal + remainder, values, rtol=1e-12)
    np.testing.assert_allclose(trend, 50, atol=1.5)
    np.testing.assert_allclose(seasonal, 20 * np.sin(2 * np.pi * TIMES / DAY), atol=1.5)
    assert np.std(remainder) < 1.3


def test_a_series_of_hours_has_no_season_and_one_without_values_no_parts() -> None:
    some = slice(0, 40)
    trend, seasonal, remainder = decompose(TIMES[some], series()[some], OPTIONS)
    assert (seasonal == 0).all()
    assert np.ptp(trend) == 0
    assert np.isfinite(remainder).all()
    parts = decompose(TIMES[some], np.full(40, np.nan), OPTIONS)
    assert all(np.isnan(part).all() for part in parts)


def test_alarms_are_runs_with_the_numbers_of_their_worst_sample() -> None:
    values = series()
    values[500:503] += [12.0, 40.0, 120.0]
    stretch = judge(task(values))
    (alarm,) = stretch.alarms()
    assert (alarm.start, alarm.reason, alarm.direction) == (TIMES[500], "spike", 1)
    above = stretch.score > 1
    assert alarm.end == TIMES[np.flatnonzero(above)[-1]]
    assert alarm.worst == TIMES[502]
    worst = int(np.searchsorted(TIMES, alarm.worst))
    assert alarm.score == np.nanmax(stretch.score) == stretch.score[worst]
    assert (alarm.value, alarm.expected) == (values[worst], stretch.expected[worst])
    assert alarm.upper < alarm.value


def test_other_settings_change_what_is_said_and_not_what_was_seen() -> None:
    values = series()
    values[500:503] -= 30
    upper = replace(OPTIONS, policy=Policy(direction="above_expected"))
    said, tried = judge(task(values)), judge(task(values, options=upper))
    assert REASONS[said.reason[500]] == "drop"
    assert said.alarms()[0].start == TIMES[500]
    assert [alarm.direction for alarm in tried.alarms() if alarm.start < TIMES[503]] == []
    np.testing.assert_array_equal(said.observed, tried.observed)


def test_an_incident_is_judged_and_not_learnt_from() -> None:
    values = series()
    values[400:480] = 5.0
    incident = np.zeros(TIMES.size, np.bool_)
    incident[400:480] = True
    forgotten, learnt = judge(replace(task(values), incidents=incident)), judge(task(values))
    assert (forgotten.score[400:402] > 1).all()
    right = series()[485:]
    assert np.abs(forgotten.expected[485:] - right).max() < 6
    assert np.abs(forgotten.expected[480] - series()[480]) < np.abs(learnt.expected[480] - series()[480])


@pytest.mark.parametrize(
    ("mask", "found"), [([], []), ([0, 0], []), ([1, 1, 0, 1], [(0, 1), (3, 3)]), ([0, 1, 1], [(1, 2)])]
)
def test_runs(mask: list[int], found: list[tuple[int, int]]) -> None:
    assert list(runs(np.array(mask, np.bool_))) == found


def test_a_stretch_has_columns_of_one_length() -> None:
    stretch = judge(task(series(), shown=100))
    sizes = {getattr(stretch, name).size for name in Stretch.__slots__}
    assert sizes == {TIMES.size - 100}
