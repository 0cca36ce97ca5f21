"""Events, blocks, and what alarms are worth: all figures by hand."""

import math

import numpy as np
import pytest

from benchmarks.evaluation.events import (
    Outcome,
    best_threshold,
    f1_interval,
    judge,
    lay_out,
    total,
)
from benchmarks.evaluation.series import LabelledSeries, Scores
from specter_detector.backtesting.outcome import events_in

NAN = math.nan


def labelled(length: int, anomalous: list[int], scored_from: int = 0, step: float = 300.0) -> LabelledSeries:
    labels = np.zeros(length, dtype=bool)
    labels[anomalous] = True
    return LabelledSeries(
        "a", np.arange(length, dtype=np.float64) * step, np.ones(length), labels, step, scored_from
    )


def alarms(length: int, at: list[int], confidence: float = 1.0) -> Scores:
    score = np.full(length, 0.5)
    score[at] = 2.0
    return Scores(score, np.full(length, confidence))


@pytest.mark.parametrize(
    ("at", "events"),
    [
        ([], []),
        ([4], [[4, 4]]),
        ([4, 5, 6], [[4, 6]]),
        ([4, 10], [[4, 10]]),  # five samples between
        ([4, 11], [[4, 4], [11, 11]]),  # six between
        ([0, 3, 19], [[0, 3], [19, 19]]),
    ],
)
def test_labels_less_than_six_samples_apart_are_one_event(at: list[int], events: list[list[int]]) -> None:
    assert events_in(labelled(20, at).anomalous).tolist() == events


def test_blocks_are_of_six_samples_outside_events_and_their_margin() -> None:
    # Samples 8…11 are the event and its margins: the block 6…11 keeps 6 and 7, and counts.
    layout = lay_out(labelled(20, [10, 9], scored_from=0))
    assert layout.blocks.tolist() == [0] * 6 + [1] + [-1] * 6 + [2] * 5 + [3, 3]


def test_blocks_are_counted_from_the_end_of_the_warm_up() -> None:
    layout = lay_out(labelled(16, [], scored_from=3))
    assert layout.blocks.tolist() == [-1] * 3 + [0] * 6 + [1] * 6 + [2]


def test_an_alarm_in_an_event_finds_it_and_its_delay_runs_from_the_start() -> None:
    outcome = judge(labelled(30, [10, 11, 12, 13]), alarms(30, [12, 13]))
    assert (outcome.events, outcome.found, outcome.false_alarms) == (1, 1, 0)
    assert outcome.delays == (600.0,)
    assert (outcome.f1, outcome.precision, outcome.recall) == (1.0, 1.0, 1.0)


def test_an_alarm_in_the_margin_is_neither_found_nor_false() -> None:
    outcome = judge(labelled(30, [10, 11]), alarms(30, [8, 9, 12, 13]))
    assert (outcome.found, outcome.false_alarms) == (0, 0)
    assert outcome.f1 == 0.0
    assert math.isnan(outcome.precision)


def test_a_block_is_one_false_alarm_however_many_alarms_it_holds() -> None:
    outcome = judge(labelled(24, [], step=3600.0), alarms(24, [0, 1, 5, 6, 23]))
    assert outcome.false_alarms == 3
    assert outcome.false_alarms_per_day == 3.0
    assert math.isnan(outcome.recall)
    assert outcome.f1 == 0.0


def test_staying_in_alarm_costs_every_block() -> None:
    # Quiet: 0…7 and 13…29, blocks 0, 1 (in part), 2 (in part), 3, 4.
    outcome = judge(labelled(30, [10]), alarms(30, list(range(30))))
    assert (outcome.found, outcome.false_alarms) == (1, 5)
    assert outcome.f1 == pytest.approx(2 / 7)
    assert outcome.precision == pytest.approx(1 / 6)


def test_a_score_of_one_or_nothing_is_no_alarm() -> None:
    scores = Scores(np.array([1.0, NAN, 1.0001]), np.ones(3))
    assert judge(labelled(3, [0, 1]), scores).found == 0
    assert judge(labelled(3, [2]), scores).found == 1


def test_the_warm_up_is_not_scored_and_an_event_begins_where_it_ends() -> None:
    series = labelled(30, [2, 8, 9, 10, 11], scored_from=10)
    outcome = judge(series, alarms(30, [2, 9, 11]))
    assert (outcome.events, outcome.found, outcome.false_alarms) == (1, 1, 0)
    assert outcome.delays == (300.0,)


def test_samples_without_a_label_are_not_scored() -> None:
    known = np.ones(18, dtype=bool)
    known[6:12] = False
    series = LabelledSeries("a", np.arange(18.0), np.ones(18), np.zeros(18, dtype=bool), 1.0, labelled=known)
    outcome = judge(series, alarms(18, [6, 7, 8, 9, 10, 11]))
    assert outcome.false_alarms == 0
    assert outcome.quiet_days == 12 / 86_400
    assert outcome.samples == 12


def test_coverage_is_the_mean_confidence_and_silence_counts_nothing() -> None:
    series = labelled(6, [], scored_from=1)
    series.values[5] = NAN  # no sample, so none to cover
    scores = Scores(np.array([2, 0, 0, NAN, 0, 0]), np.array([1, 0.5, 1, 1, NAN, 1]))
    assert judge(series, scores).coverage == pytest.approx((0.5 + 1 + 0 + 0) / 4)


def test_outcomes_add_up() -> None:
    one = Outcome(events=2, found=1, false_alarms=1, quiet_days=1.0, delays=(5.0,), confidence=3, samples=4)
    both = total([one, Outcome(events=1, false_alarms=2, quiet_days=3.0, samples=2)])
    assert both == Outcome(3, 1, 3, 4.0, (5.0,), 3, 6)
    assert both.f1 == pytest.approx(2 / 7)
    assert both.false_alarms_per_day == 0.75
    assert both.coverage == 0.5
    assert math.isnan(total([]).f1)


def test_the_best_threshold_has_the_greatest_f1() -> None:
    # Events peak at 9 and 5, blocks at 1, 6 and 1: above 6 finds one of two (F1 2/3), above 1 both (4/5).
    series = labelled(40, [8, 26])
    score = np.ones(40)
    score[[8, 26, 17]] = [9, 5, 6]
    scores = Scores(score, np.ones(40))
    threshold = best_threshold([series], [scores])
    assert 4.999 < threshold < 5
    assert judge(series, scores, threshold).f1 == pytest.approx(4 / 5)


def test_of_equal_thresholds_the_highest_is_taken_and_silence_has_none() -> None:
    # Above 3 with no false alarm and one of two: 2/3. Above 1 with both and two false alarms: 4/6.
    series = labelled(34, [8, 24])
    score = np.zeros(34)
    score[[8, 24, 0, 16]] = [4, 2, 3, 2]
    assert best_threshold([series], [Scores(score, score)]) == pytest.approx(4, abs=1e-6)
    assert best_threshold([series], [Scores(np.full(34, NAN), score)]) == math.inf
    assert best_threshold([], []) == math.inf


def test_infinite_scores_have_a_threshold_below_them() -> None:
    series = labelled(20, [10])
    scores = Scores(np.where(series.anomalous, np.inf, 1.0), np.ones(20))
    assert judge(series, scores, best_threshold([series], [scores])).f1 == 1.0


def test_the_interval_spans_what_the_series_spread() -> None:
    good, bad = Outcome(events=1, found=1), Outcome(events=1, false_alarms=1)
    assert f1_interval([good] * 5) == (1.0, 1.0)
    low, high = f1_interval([good] * 10 + [bad] * 10)
    assert 0.2 < low < 0.4
    assert 0.6 < high < 0.8
    assert f1_interval([good] * 10 + [bad] * 10) == (low, high)
    assert all(math.isnan(one) for one in (*f1_interval([]), *f1_interval([Outcome()])))
