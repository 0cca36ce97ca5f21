"""NAB's scoring function, its normalisation and its optimised threshold: all figures by hand."""

import math

import numpy as np
import pytest

from benchmarks.evaluation.baselines import windowed_gaussian
from benchmarks.evaluation.datasets import NabSeries, probation_rows
from benchmarks.evaluation.grid import lay
from benchmarks.evaluation.nab import (
    PROFILES,
    Corpus,
    Profile,
    at_threshold,
    gather,
    optimised,
    sigmoid,
    worth_of_rows,
)
from benchmarks.evaluation.rows import Rows
from benchmarks.evaluation.series import Floats

STANDARD, LOW_FP, LOW_FN = PROFILES
EARLIEST = 0.98661  # published: the scaled sigmoid at the left edge of a window


def nab_series(length: int, windows: list[tuple[int, int]], name: str = "a.csv") -> NabSeries:
    rows = Rows(np.arange(length, dtype=np.float64) * 300, np.ones(length), np.full(length, math.nan))
    seconds = tuple((300.0 * first, 300.0 * last) for first, last in windows)
    return NabSeries(name, rows, seconds, lay(rows, name))


def corpus(length: int, windows: list[tuple[int, int]], alarms: dict[int, float]) -> Corpus:
    scores = np.zeros(length)
    for row, score in alarms.items():
        scores[row] = score
    return gather([nab_series(length, windows)], [scores])


def test_the_sigmoid_is_the_published_one() -> None:
    values = sigmoid(np.array([-1.0, -0.5, 0.0, 1.0, 3.0, 3.1]))
    np.testing.assert_allclose(values, [0.98661, 0.84828, 0, -0.98661, -0.9999994, -1], atol=1e-5)


def test_the_weights_are_the_published_ones() -> None:
    weights = [(one.name, one.found, one.false_alarm, one.missed) for one in PROFILES]
    assert weights == [("standard", 1, 0.11, 1), ("low_fp", 1, 0.22, 1), ("low_fn", 1, 0.11, 2)]


@pytest.mark.parametrize(("length", "rows"), [(100, 15), (4032, 604), (5000, 750), (22_695, 750)])
def test_the_probation_is_15_percent_and_750_rows_at_most(length: int, rows: int) -> None:
    assert probation_rows(length) == rows


def test_worth_falls_through_a_window_and_after_it() -> None:
    within, worth = worth_of_rows(np.arange(20.0), [(5, 9)])
    assert within.tolist() == [-1] * 5 + [0] * 5 + [-1] * 10
    np.testing.assert_allclose(worth[:6], [-1] * 5 + [1])
    assert worth[9] == pytest.approx((2 / (1 + math.exp(-1)) - 1) / 0.986614, abs=1e-5)
    # One row past the end of a window of five: a quarter of the way.
    assert worth[10] == pytest.approx(2 / (1 + math.exp(1.25)) - 1)
    assert worth[13] == pytest.approx(-EARLIEST, abs=1e-5)


def test_a_window_that_no_row_falls_into_is_passed_over() -> None:
    within, worth = worth_of_rows(np.arange(4.0), [(1.2, 1.8)])
    assert within.tolist() == [-1] * 4
    assert worth.tolist() == [-1] * 4


@pytest.mark.parametrize("profile", PROFILES)
def test_silence_scores_0_and_perfection_100(profile: Profile) -> None:
    windows = [(100, 120), (200, 220)]
    silent = gather([nab_series(400, windows)], [np.full(400, math.nan)])
    assert optimised(silent, profile).score == 0
    assert at_threshold(silent, profile).score == 0
    perfect = corpus(400, windows, {100: 2.0, 200: 2.0})
    assert at_threshold(perfect, profile).score == pytest.approx(100)
    assert optimised(perfect, profile).score == pytest.approx(100)


def test_a_false_alarm_before_any_window_costs_its_weight() -> None:
    one = corpus(400, [(100, 120)], {80: 2.0})
    # -1.11 instead of -1, where 1 is perfect: -0.11 of 2.
    assert at_threshold(one, STANDARD).score == pytest.approx(-5.5)
    assert at_threshold(one, LOW_FP).score == pytest.approx(-11)
    assert at_threshold(one, LOW_FN).score == pytest.approx(-100 * 0.11 / 3)
    assert optimised(one, STANDARD).score == 0


def test_only_the_earliest_alarm_in_a_window_counts() -> None:
    late = at_threshold(corpus(400, [(100, 120)], {115: 2.0}), STANDARD).score
    both = at_threshold(corpus(400, [(100, 120)], {115: 3.0, 100: 2.0}), STANDARD).score
    assert both == pytest.approx(100)
    y = -6 / 21
    assert late == pytest.approx(100 * ((2 / (1 + math.exp(5 * y)) - 1) / 0.9866143 + 1) / 2, abs=1e-3)


def test_the_probation_is_not_scored() -> None:
    assert at_threshold(corpus(400, [(100, 120)], {59: 2.0, 100: 2.0}), STANDARD).score == pytest.approx(100)
    assert at_threshold(corpus(400, [(100, 120)], {60: 2.0, 100: 2.0}), STANDARD).score == pytest.approx(94.5)


def test_a_score_of_one_is_no_alarm_at_the_fixed_threshold() -> None:
    assert at_threshold(corpus(400, [(100, 120)], {100: 1.0}), STANDARD).score == 0


def test_the_threshold_is_one_for_the_corpus_and_takes_all_equal_scores() -> None:
    first, second = nab_series(400, [(100, 120)]), nab_series(400, [(100, 120)], "b.csv")
    scores = np.zeros((2, 400))
    scores[0, 100] = 5
    scores[0, 80] = 4
    scores[1, 100] = 4
    result = optimised(gather([first, second], list(scores)), STANDARD)
    # At 4 both windows and one false alarm: 4 - 0.11 of 4; at 5 one window: 2 of 4.
    assert result.alarm_from == 4
    assert result.score == pytest.approx(100 * (4 - 0.11) / 4)


def test_the_sweep_agrees_with_counting_at_every_threshold() -> None:
    random = np.random.default_rng(3)
    series = [nab_series(600, [(150, 180), (300, 350)]), nab_series(500, [], "b.csv")]
    scores: list[Floats] = [np.round(random.exponential(size=len(one.rows.times)), 1) for one in series]
    scores[0][[152, 310]] += 4
    ours = gather(series, scores)
    levels = np.unique(np.concatenate(scores))
    counted = [at_threshold(ours, LOW_FN, level - 0.05).score for level in levels]
    assert optimised(ours, LOW_FN).score == pytest.approx(max(*counted, 0.0))
    assert optimised(ours, LOW_FN).alarm_from == pytest.approx(levels[int(np.argmax(counted))])


def test_the_windowed_gaussian_is_the_tail_of_what_came_before() -> None:
    values = np.array([4.0, 6.0, 5.0, 9.0])
    scores = windowed_gaussian(values)
    # Nothing known; no spread; the mean; 4 over the mean of 5 with a variance of 2/3.
    assert scores[:3].tolist() == [0, 1, 0.5]
    assert scores[3] == pytest.approx(1 - 0.5 * math.erfc(4 / math.sqrt(2 / 3) / math.sqrt(2)), abs=1e-11)


def test_the_windowed_gaussian_moves_its_window_by_a_hundred() -> None:
    values = np.concatenate((np.tile([0.0, 2.0], 3200), np.full(250, 3.0)))
    scores = windowed_gaussian(values)
    tail = 1 - 0.5 * math.erfc(2 / math.sqrt(2))
    np.testing.assert_allclose(scores[6400:6500], tail)
    moved = np.concatenate((np.tile([0.0, 2.0], 3150), np.full(100, 3.0)))
    z = (3 - moved.mean()) / moved.std()
    np.testing.assert_allclose(scores[6500:6600], 1 - 0.5 * math.erfc(z / math.sqrt(2)))
