"""The plan, the judge and the printed figures of the synthetic evaluation."""

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from benchmarks.evaluation import synthetic
from benchmarks.evaluation.baselines import rolling_z
from benchmarks.evaluation.series import Bools, Floats, LabelledSeries, Scores
from benchmarks.evaluation.synthetic_faults import Event
from benchmarks.evaluation.synthetic_judge import (
    PROMPT,
    WATCHES,
    Figure,
    Quiet,
    Seen,
    alarm_blocks,
    figures,
    first_seen,
    judge,
)
from benchmarks.evaluation.synthetic_plan import HOLIDAY, MAX_BATCH, SCENARIOS, Case, batches, make_case

SHARE = 0.01
MONTH = 30 * 86_400
FALSE = "false_alarms_per_series_month"


class Stub:
    """A detector that is a function of the series, its labels included."""

    def __init__(self, name: str, score: Callable[[LabelledSeries], Floats]) -> None:
        self.name = name
        self._score = score

    def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
        return [Scores(self._score(one), np.ones(one.values.size)) for one in series]


ORACLE = Stub("oracle", lambda one: np.where(one.anomalous, 2.0, 0.0))
ALWAYS = Stub("always", lambda one: np.full(one.values.size, 2.0))
NEVER = Stub("never", lambda one: np.full(one.values.size, np.nan))


@pytest.fixture(scope="module")
def extremes() -> list[dict[str, float]]:
    found = synthetic.evaluate((ORACLE, ALWAYS, NEVER), share=SHARE)
    return [{figure.name: figure.value for figure in each} for each in found]


def alarms(size: int, *on: int) -> Bools:
    alarm = np.zeros(size, dtype=np.bool_)
    alarm[list(on)] = True
    return alarm


def case(values: Sequence[float], *events: Event, scored_from: int = 0, family: str = "cpu") -> Case:
    observed = np.array(values, dtype=np.float64)
    anomalous = np.zeros(observed.size, dtype=np.bool_)
    for event in events:
        anomalous[event.start : event.end] = True
    times = np.arange(0, 300.0 * observed.size, 300.0)
    series = LabelledSeries("made", times, observed, anomalous, 300.0, scored_from)
    return Case(series, "clean", family, events, observed, np.ones(observed.size))


def judged(one: Case, score: Sequence[float]) -> list[Quiet | Seen]:
    given = Scores(np.array(score, dtype=np.float64), np.ones(len(score)))
    return list(judge([one], [given]))


def by_name(*outcomes: Quiet | Seen) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(outcomes)}


@pytest.mark.parametrize(
    ("on", "first", "expected"),
    [((), 0, 0), ((0, 5), 0, 1), ((5, 6), 0, 2), ((5, 6), 2, 1), ((1, 30), 2, 1), ((0, 1, 2, 17), 0, 2)],
)
def test_false_alarms_are_counted_in_blocks_of_six(on: tuple[int, ...], first: int, expected: int) -> None:
    assert alarm_blocks(alarms(31, *on), first) == expected


@pytest.mark.parametrize(
    ("on", "expected"),
    [((9,), None), ((10,), 0), ((14,), 4), ((15,), None), ((12, 13), 2)],
)
def test_a_spike_is_seen_in_its_first_five_samples(on: tuple[int, ...], expected: int | None) -> None:
    assert first_seen(alarms(30, *on), Event("spike", 10, 11, 6), PROMPT) == (expected, 5)


def test_absence_is_seen_within_an_hour_and_a_leak_by_its_third_alarm() -> None:
    absence, leak = Event("absence", 10, 50), Event("leak", 10, 50)
    assert first_seen(alarms(50, 21), absence, WATCHES["absence"]) == (11, 12)
    assert first_seen(alarms(50, 22), absence, WATCHES["absence"]) == (None, 12)
    assert first_seen(alarms(50, 9, 12, 20, 49), leak, WATCHES["leak"]) == (39, 40)
    assert first_seen(alarms(50, 12, 20), leak, WATCHES["leak"]) == (None, 40)


def test_alarms_are_judged_neither_in_the_history_nor_where_samples_are_missing() -> None:
    nan = float("nan")
    quiet = case([1, 1, nan, 1, 1, 1, 1, 1, 1], scored_from=2)
    assert judged(quiet, [9, 9, 9, 1, 1, 0, 0, 0, nan]) == [Quiet("clean", "cpu", 0, 1800.0)]
    assert judged(quiet, [0, 0, 0, 1.01, 1, 0, 0, 0, 2]) == [Quiet("clean", "cpu", 2, 1800.0)]


def test_a_fault_is_judged_and_the_false_alarms_of_its_series_are_not() -> None:
    faulty = case([1] * 9, Event("spike", 4, 5, 6))
    assert judged(faulty, [9, 0, 0, 0, 0, 1.5, 0, 0, 0]) == [Seen("clean", "spike", 6, 300.0, 1500.0)]
    assert judged(faulty, [9, 9, 9, 9, 1, 1, 1, 0, 0]) == [Seen("clean", "spike", 6, None, 1500.0)]


def test_scores_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="made: 1 scores for 3 samples"):
        judged(case([1, 1, 1]), [0])


def test_figures_of_false_alarms() -> None:
    got = by_name(
        Quiet("clean", "cpu", 3, MONTH / 2),
        Quiet("clean", "queue", 0, MONTH / 2),
        Quiet("dst", "queue", 5, MONTH / 4),
    )
    assert got == {
        name: Figure(name, value, "1/month")
        for name, value in {
            f"synthetic_{FALSE}": 3.0,
            f"synthetic_{FALSE}_cpu": 6.0,
            f"synthetic_{FALSE}_queue": 0.0,
            f"synthetic_dst_{FALSE}": 20.0,
        }.items()
    }


def test_figures_of_faults() -> None:
    got = by_name(
        Seen("spike", "spike", 6, 0.0, 1500),
        Seen("drop_to_zero", "drop_to_zero", 6, None, 1500),
        Seen("spike", "spike", 10, 300.0, 1500),
        Seen("leak", "leak", 0, 600.0, 9000),
        Seen("leak", "leak", 0, 1200.0, 9000),
        Seen("leak", "leak", 0, None, 9000),
        Seen("cold_start", "spike", 10, None, 1500),
    )
    assert {name: (figure.value, figure.unit) for name, figure in got.items()} == {
        "synthetic_recall_6sigma": (0.5, "share"),
        "synthetic_recall_6sigma_spike": (1.0, "share"),
        "synthetic_recall_6sigma_drop_to_zero": (0.0, "share"),
        "synthetic_recall_10sigma_spike": (1.0, "share"),
        "synthetic_leak_recall": (pytest.approx(2 / 3), "share"),
        "synthetic_leak_delay_median_s": (1200.0, "s"),
        "synthetic_cold_start_recall_10sigma": (0.0, "share"),
    }


def test_an_oracle_sees_everything_and_says_nothing_else(extremes: list[dict[str, float]]) -> None:
    for name, value in extremes[0].items():
        if name.endswith("delay_median_s"):
            assert value == (0 if "absence" in name else 600)
        else:
            assert value == (0 if FALSE in name else 1), name


def test_always_is_an_alarm_in_every_block_and_never_sees_nothing(extremes: list[dict[str, float]]) -> None:
    _, always, never = extremes
    assert always[f"synthetic_{FALSE}"] == 30 * 48
    assert never[f"synthetic_{FALSE}"] == 0
    for name in always:
        if "recall" in name:
            assert (always[name], never[name]) == (1, 0)
    assert never["synthetic_absence_delay_median_s"] == 3600
    assert never["synthetic_variance_delay_median_s"] == 86_400


def test_every_figure_of_the_contract_is_there(extremes: list[dict[str, float]]) -> None:
    promised = {f"synthetic_{FALSE}", "synthetic_recall_6sigma", "synthetic_cold_start_recall_10sigma"}
    promised |= {f"synthetic_{what}_{FALSE}" for what in ("dst", "holiday", "missing_blocks", "cold_start")}
    promised |= {
        f"synthetic_recall_{size}sigma_{kind}"
        for size in (3, 6, 10)
        for kind in ("spike", "dip", "level_shift")
    }
    promised |= {"synthetic_recall_6sigma_drop_to_zero"}
    kinds = ("absence", "leak", "variance", "shape")
    promised |= {f"synthetic_{kind}_{what}" for kind in kinds for what in ("recall", "delay_median_s")}
    assert promised <= set(extremes[0])


def test_a_batch_has_one_grid_and_a_bounded_size() -> None:
    for batch in batches(share=SHARE):
        assert 0 < len(batch) <= MAX_BATCH
        assert len({id(one.series.times) for one in batch}) == 1
        assert len({(one.series.tz, one.series.scored_from) for one in batch}) == 1


def test_a_series_depends_on_the_seed_and_its_name_only() -> None:
    first = [one for batch in batches(3, SHARE, SCENARIOS[:2]) for one in batch]
    alone = make_case(SCENARIOS[1], first[-1].family, 0, seed=3)
    assert np.array_equal(first[-1].series.values, alone.series.values)
    assert first[-1].events == alone.events
    other = make_case(SCENARIOS[1], first[-1].family, 0, seed=4)
    assert not np.array_equal(other.series.values, alone.series.values)


def test_zones_and_holidays_are_told_to_the_detector() -> None:
    seen = {one.scenario: one.series for batch in batches(share=SHARE) for one in batch}
    assert seen["dst"].tz == "Europe/Berlin"
    assert seen["clean"].tz == "UTC"
    assert HOLIDAY in seen["holiday"].holidays
    assert not seen["clean"].holidays


def test_a_run_prints_lines_of_json_with_the_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.run(ORACLE, seed=1, share=SHARE)
    lines = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    recall = lines["synthetic_recall_6sigma"]
    assert recall["value"] == 1
    assert recall["baseline_name"] == "rolling z-score, 1 day, 5 sigma"
    assert 0 < recall["baseline"] < 1
    assert "baseline" not in lines["synthetic_leak_recall"]


def test_rolling_z_is_that_of_the_window_before() -> None:
    values = np.random.default_rng(0).normal(1e9, 3.0, 60)
    values[20:25] = np.nan
    got = rolling_z(values, 30, fewest=12)
    window = values[28:58]
    expected = abs(values[58] - window.mean()) / window.std()
    assert got[58] == pytest.approx(expected, rel=1e-4)
    assert np.isnan(got[:12]).all()
    assert np.isfinite(got[12:20]).all()
    assert np.isnan(got[20:25]).all()


def test_rolling_z_of_a_constant_is_zero_and_of_another_value_infinite() -> None:
    values = np.full(40, 0.1)
    values[35] = 0.2
    got = rolling_z(values, 20)
    assert got[34] == 0
    assert np.isinf(got[35])
    assert np.isnan(rolling_z(np.full(5, np.nan), 20)).all()
