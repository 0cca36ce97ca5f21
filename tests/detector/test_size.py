"""`specter detector size`: predictions from a measurement, checked against a run."""

import json

import pytest
from click.testing import CliRunner

from specter_detector.backtesting.size import (
    MEMORY_TOLERANCE,
    TIME_TOLERANCE,
    Check,
    Costs,
    check,
    measure,
    predict,
)
from specter_detector.cli import detector

COSTS = Costs(
    tick_fixed=0.001, tick=1e-5, fit=1e-3, held=10_000, passing=2_000, state=9_000, fitting=400_000,
    base=100e6, read=170, written=50, samples=4, measured_in=1.0,
)  # fmt: skip
DAY_STEPS = 288


def test_costs_are_multiplied_by_series_and_frequency() -> None:
    size = predict(COSTS, 10_000, step=300.0, days=28, fit_every=3600.0, infer_every=10.0)
    assert size.tick_cpu_seconds == pytest.approx(0.101)
    assert size.fit_cpu_seconds_per_hour == pytest.approx(10.0)
    assert size.cpu_seconds_per_hour == pytest.approx(0.101 * 360 + 10)
    assert size.history_bytes == 10_000 * 28 * DAY_STEPS * 8
    assert size.state_bytes == 90e6
    assert size.samples_per_second == 4_000
    assert size.read_bytes_per_second == 170_000
    assert size.written_bytes_per_second == 50_000
    fitting = 100e6 + 512 * (400_000 + 28 * DAY_STEPS * 8)
    assert size.resident_bytes == pytest.approx(100e6 + 120e6 + fitting)
    assert size.shards == 1
    assert predict(COSTS, 10_000, step=300.0, days=28, fit_every=600.0, infer_every=10.0).cpu_cores > 0


@pytest.mark.parametrize(
    ("series", "infer_every", "fit_every", "shards"),
    [
        (1_000_000, 15.0, 86400.0, 6),  # memory: 12.6 GB by 2 GiB
        (1_000_000, 2.0, 86400.0, 11),  # a tick of 10 s in every second
        (100_000, 15.0, 60.0, 3),  # 1.67 cores of refits
        (1, 15.0, 3600.0, 1),
    ],
)
def test_shards_are_as_many_as_the_scarcest_needs(
    series: int, infer_every: float, fit_every: float, shards: int
) -> None:
    found = predict(COSTS, series, step=300.0, days=28, fit_every=fit_every, infer_every=infer_every)
    assert found.shards == shards


def test_a_run_is_as_predicted() -> None:
    probe, costs = measure(300.0, 28, 15.0)
    found = check(probe, costs, 10_000, 15.0)
    assert found.series == 3_000
    assert found.ok, found.text()
    assert costs.samples == 4
    assert 100 < costs.read < 400
    assert 10 < costs.written < 400


def test_what_is_off_is_said_so() -> None:
    assert Check(10, 1.0, 1 + TIME_TOLERANCE - 0.01, 1.0, 1.0).ok
    assert not Check(10, 1.0, 1 + TIME_TOLERANCE + 0.01, 1.0, 1.0).ok
    assert not Check(10, 1 + TIME_TOLERANCE + 0.01, 1.0, 1.0, 1.0).ok
    assert not Check(10, 1.0, 1.0, 1.0, 1 + MEMORY_TOLERANCE + 0.01).ok
    assert "NOT as predicted" in Check(10, 1.0, 9.0, 1.0, 1.0).text()


def test_the_command_prints_for_people_and_scripts() -> None:
    arguments = ["size", "--series", "500", "--step", "5m", "--days", "7"]
    result = CliRunner().invoke(detector, [*arguments, "--output", "json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["series"], found["step"], found["shards"], found["check"]) == (500, 300.0, 1, None)
    assert found["history_bytes"] == 500 * 7 * DAY_STEPS * 8
    assert found["costs"]["measured_in"] < 15  # three seconds where nothing else runs
    text = CliRunner().invoke(detector, arguments).stdout
    assert "500 series, step 5m, refits every 1h" in text
    assert "shards            1" in text
