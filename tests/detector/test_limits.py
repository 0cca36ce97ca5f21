"""Limits belong to series by the labels that both have."""

import numpy as np

from specter_detector.limits import limits_of
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, fit
from specter_detector.series import Labels, labels_of
from specter_detector.watched import Watched
from tests.detector.fitted import STEP


def series(**labels: str) -> Labels:
    return labels_of({"__name__": "used", **labels})


def limit(**labels: str) -> Labels:
    return labels_of({"__name__": "size", **labels})


def test_a_limit_without_labels_is_everyones() -> None:
    assert limits_of([series(a="1"), series(a="2")], {(): 9.0}).tolist() == [9.0, 9.0]


def test_labels_that_both_have_must_agree_and_others_do_not_matter() -> None:
    limits = {limit(disk="a", size="big"): 1.0, limit(disk="b", size="small"): 2.0}
    found = limits_of([series(disk="b", host="h"), series(disk="a"), series(disk="c")], limits)
    assert found[:2].tolist() == [2.0, 1.0]
    assert np.isnan(found[2])


def test_the_more_labels_agree_the_better() -> None:
    limits = {limit(host="h"): 1.0, limit(host="h", disk="a"): 2.0, (): 3.0}
    found = limits_of([series(host="h", disk="a"), series(host="h", disk="b"), series(host="x")], limits)
    assert found.tolist() == [2.0, 1.0, 3.0]


def test_what_is_not_clear_is_no_limit() -> None:
    limits = {limit(disk="a"): 1.0, limit(disk="b"): 2.0}
    assert np.isnan(limits_of([series(host="h")], limits)).all()
    assert limits_of([series(host="h")], {limit(disk="a"): 1.0, limit(disk="b"): 1.0}).tolist() == [1.0]
    assert np.isnan(limits_of([series(host="h")], {})).all()


def test_a_leak_that_meets_its_limit_within_days_scores_above_1_and_one_that_does_not_is_quiet() -> None:
    times: Floats = STEP * np.arange(28 * 288.0)
    rng = np.random.default_rng(1)
    level = np.where(times > 20 * 86400, (times - 20 * 86400) / 86400, 0.0)  # by 1 a day, the last week
    values = 50 + level + 5 * np.sin(2 * np.pi * times / 86400) + rng.normal(scale=0.05, size=(3, times.size))
    labels = [series(i=str(number)) for number in range(3)]
    limits = np.array([60.0, 90.0, np.nan])
    options = FitOptions()
    subject = Watched(options, 15.0)
    subject.learn(labels, fit(times, values, options, with_state=True, limits=limits), float(times[-1]))
    at = float(times[-1]) + 15
    now = dict(zip(labels, values[:, -1].tolist(), strict=True))
    verdicts = subject.judge(at, now)
    assert [verdict.reason for verdict in verdicts] == ["leak", "", ""]
    # Two days are left of the four from which on it counts.
    assert 1.5 < verdicts[0].score < 2.5
    # Limits that could not be read leave what was known of them.
    subject.learn(labels, fit(times, values, options, with_state=False), at)
    assert subject.judge(at + 15, now)[0].reason == "leak"
    subject.learn(labels, fit(times, values, options, with_state=False, limits=limits + 100), at + 15)
    assert subject.judge(at + 30, now)[0].reason == ""
