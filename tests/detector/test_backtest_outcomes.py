"""Counting of alarms against labels, and when an alert fires."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.evaluation import events
from benchmarks.evaluation.series import LabelledSeries, Scores
from specter_detector.backtesting.alert_report import Alert, Watched, report
from specter_detector.backtesting.alert_states import episodes, firing
from specter_detector.backtesting.chunk import Row, Scored, Setting
from specter_detector.backtesting.outcome import judge, total
from specter_detector.backtesting.summary import Summary
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions
from specter_stack.programs import find_program

STEP = 300.0


def clock(length: int, step: float = STEP) -> Floats:
    return np.asarray(step * np.arange(length), np.float64)


def test_the_rate_of_alarms_is_a_day_of_scored_samples() -> None:
    setting = Setting("q", "m", "s", FitOptions("seasonal", STEP), 3600.0, 28 * 86400.0)
    n, day = 576, 288
    summary = Summary(warm_up=0.0)
    for name, known in (("whole", n), ("half", day), ("none", 0)):
        score = np.where(np.arange(n) < known, 0.5, np.nan)
        score[: min(known, 3)] = 2.0
        none = np.zeros(n)
        scored = Scored(score, none, none.astype(np.int64), none.astype(np.int8), none, none, none)
        row = Row("f.csv", name, (), clock(n), np.zeros(n), None, setting)
        summary.take(row, scored)
    assert [each.days for each in summary.series] == [2.0, 1.0, 0.0]
    assert summary.document()["alarms_per_series_day"] == pytest.approx(2 / 3)
    rates = {line.split()[1]: line.split()[-1] for line in summary.text().splitlines()[1:5]}
    assert rates == {"whole": "0.50", "half": "1.00", "none": "-", "3": "0.67"}


@pytest.mark.parametrize("seed", range(20))
def test_events_are_counted_as_the_accuracy_suite_counts_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, first = 600, int(random.integers(0, 200))
    truth = np.zeros(n)
    for start in random.integers(0, n, 6):
        truth[start : start + random.integers(1, 30)] = 1
    truth[random.random(n) < 0.05] = np.nan
    score = np.where(random.random(n) < 0.05, 2.0, 0.5)
    score[random.random(n) < 0.1] = np.nan
    series = LabelledSeries("s", clock(n), np.zeros(n), truth == 1, STEP, first, labelled=~np.isnan(truth))
    theirs = events.judge(series, Scores(score, np.ones(n)))
    ours = judge(score > 1, truth, STEP, first)
    assert (ours.events, ours.found, ours.false_alarms) == (theirs.events, theirs.found, theirs.false_alarms)
    assert ours.delays == theirs.delays
    assert (ours.precision, ours.recall, ours.f1) == pytest.approx(
        (theirs.precision, theirs.recall, theirs.f1), nan_ok=True
    )


def test_nothing_to_find_and_nothing_said_has_no_figure() -> None:
    nothing = judge(np.zeros(50, np.bool_), np.zeros(50), STEP, 0)
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1, nothing.median_delay]).all()
    assert total([]).events == 0


def fired(holds: str, pending: float, keep: float) -> str:
    times = clock(len(holds), 60.0)
    fires = firing(times, np.array([each == "x" for each in holds]), pending, keep)
    return "".join("F" if each else "." for each in fires)


@pytest.mark.parametrize(
    ("holds", "pending", "keep", "fires"),
    [
        (".xx..x", 0, 0, ".FF..F"),
        (".xxxx.", 120, 0, "...FF."),
        (".xx.xx", 120, 0, "......"),  # a break begins anew
        (".xxx.....", 60, 180, "..FFFFF.."),
        (".xxx.x....", 60, 120, "..FFFFFF.."),  # it fires on through a break
        ("xx..", 60, 60, ".FF."),
    ],
)
def test_an_alert_waits_and_lingers(holds: str, pending: float, keep: float, fires: str) -> None:
    assert fired(holds, pending, keep) == fires


@pytest.mark.integration
@pytest.mark.parametrize(("pending", "keep"), [(0, 0), (120, 0), (60, 180), (180, 60)])
def test_an_alert_fires_when_promtool_says_so(tmp_path: Path, pending: int, keep: int) -> None:
    random = np.random.default_rng(pending + keep)
    holds = "".join(random.choice(["x", "."], 60, p=[0.75, 0.25]))
    rule = {"alert": "A", "expr": "x > 0", "for": f"{pending}s"}
    if keep:
        rule["keep_firing_for"] = f"{keep}s"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    ours = fired(holds, pending, keep)
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": "x", "values": " ".join(str(int(h == "x")) for h in holds)}],
                "alert_rule_test": [
                    {
                        "eval_time": f"{minute}m",
                        "alertname": "A",
                        "exp_alerts": [{"exp_labels": {}}] if state == "F" else [],
                    }
                    for minute, state in enumerate(ours)
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(tests))
    command = [str(find_program("promtool")), "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_episodes_are_first_and_last_evaluations() -> None:
    times = clock(6, 60.0)
    assert episodes(times, np.array([1, 0, 1, 1, 0, 1], np.bool_)) == [(0, 0), (120, 180), (300, 300)]
    assert episodes(times, np.zeros(6, np.bool_)) == []


def watched(name: str, truth: Floats | None) -> Watched:
    return Watched(name, {"service": name}, clock(100), STEP, truth)


def within(*spans: tuple[int, int]) -> Floats:
    truth = np.zeros(100)
    for first, last in spans:
        truth[first : last + 1] = 1
    return truth


def test_alerts_find_the_events_of_their_series_and_are_false_elsewhere() -> None:
    series = [watched("a", within((20, 25), (60, 65))), watched("b", within((40, 45)))]
    alerts = [
        Alert("A", {"service": "a"}, 20 * STEP + 120, 22 * STEP),  # right, two minutes late
        Alert("A", {"service": "a"}, 43 * STEP, 44 * STEP),  # the event of the other one
        Alert("A", {"service": "c"}, 10 * STEP, 11 * STEP),  # about none
        Alert("Sum", {}, 42 * STEP, 43 * STEP),  # about both, right because of b
    ]
    found = report(alerts, series, [0.0, 0.0])
    assert found.unmatched == 1
    assert found.per_day == pytest.approx(4 / (100 * STEP / 86400))
    assert found.outcome is not None
    assert (found.outcome.events, found.outcome.found, found.outcome.false_alarms) == (3, 2, 1)
    assert sorted(found.outcome.delays) == [120.0, 600.0]


def test_alerts_of_the_warm_up_are_not_counted() -> None:
    series = [watched("a", None)]
    alerts = [Alert("A", {}, 10 * STEP, 12 * STEP), Alert("A", {}, 70 * STEP, 71 * STEP)]
    found = report(alerts, series, [50 * STEP])
    assert [alert.start for alert in found.alerts] == [70 * STEP]
    assert found.outcome is None


def test_masks_are_not_needed_for_what_never_fired() -> None:
    assert report([], [watched("a", within((20, 25)))], [0.0]).outcome == judge(
        np.zeros(100, np.bool_), within((20, 25)), STEP, 0
    )
