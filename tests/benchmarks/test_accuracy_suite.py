"""`python -m benchmarks accuracy` as it is called."""

import csv
import io
import json
import subprocess
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import benchmarks.__main__ as command
from benchmarks import accuracy, report
from benchmarks.evaluation import running
from benchmarks.evaluation.baselines import AlwaysOn
from benchmarks.evaluation.series import LabelledSeries, Scores

HOUR = 3600
EVENT_NAMES = {
    "series",
    "events",
    "event_f1",
    "event_f1_low",
    "event_f1_high",
    "event_precision",
    "event_recall",
    "false_alarms_per_series_day",
    "delay_median_s",
    "delay_mean_s",
    "coverage",
    "always_on_event_f1",
    "random_event_f1",
    "rolling_z_best_event_f1",
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command.main, ["accuracy", *map(str, arguments)])


def results(result: Result) -> dict[str, dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}


def write(path: Path, count: int, step: int, spikes: tuple[int, ...] = (), *, labels: bool = True) -> None:
    """Write noise of deviation 1 with labelled spikes of 100."""
    values = np.random.default_rng(count).normal(size=count)
    values[list(spikes)] += 100
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        print("timestamp,value" + ",label" * labels, file=file)
        for index, value in enumerate(values):
            print(f"{index * step},{value}" + f",{int(index in spikes)}" * labels, file=file)


def test_labelled_series_are_scored_and_written(tmp_path: Path) -> None:
    write(tmp_path / "in" / "shop" / "a.csv", 800, HOUR, (500, 501, 600))
    write(tmp_path / "in" / "b.csv", 800, HOUR)
    printed = results(run("--labelled", tmp_path / "in", "--out", tmp_path / "out"))
    assert printed.keys() == EVENT_NAMES
    assert printed["events"]["value"] == 2
    assert printed["event_f1"]["value"] == 1
    assert printed["event_f1"]["baseline_name"] == "rolling z, 24 h, best threshold"
    assert printed["event_recall"]["value"] == 1
    assert printed["delay_mean_s"]["value"] == 0
    assert printed["coverage"]["value"] == 1
    assert printed["rolling_z_best_event_f1"]["value"] == 1
    # The last 440 samples count, in 74 blocks; the first event and its margins fill one of them.
    assert printed["always_on_event_f1"]["value"] == pytest.approx(4 / (4 + 74 + 73), abs=1e-5)
    with (tmp_path / "out" / "shop" / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (tmp_path / "out" / "b.csv").exists()
    assert rows[0].keys() == {"timestamp", "value", "label", "score", "confidence"}
    assert len(rows) == 800
    assert rows[500]["timestamp"] == "1970-01-21T20:00:00Z"
    assert float(rows[500]["score"]) > 1
    assert [rows[index]["label"] for index in (499, 500, 501, 502)] == ["0", "1", "1", "0"]


def test_written_scores_can_be_read_as_labelled_series(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.csv", 800, HOUR, (500,))
    first = results(run("--labelled", tmp_path / "in", "--out", tmp_path / "out"))
    assert results(run("--labelled", tmp_path / "out")) == first


def test_figures_that_nothing_says_are_null(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 100, HOUR)
    printed = results(run("--labelled", tmp_path))
    assert printed["event_recall"]["value"] is None
    assert printed["delay_median_s"]["value"] is None


def test_the_cloud_set_has_names_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "hourly.csv", 720, HOUR, (500,))
    write(tmp_path / "minute.csv", 11 * 1440, 60, (10_000, 10_001, 10_002, 10_003, 10_004))
    printed = results(run("--cloud", tmp_path))
    names = {f"cloud_{one}_{name}" for one in ("hourly", "minute") for name in EVENT_NAMES}
    assert printed.keys() == names | {"cloud_minute_rolling_z_hour_best_event_f1"}
    assert printed["cloud_hourly_event_f1"]["value"] == 1
    assert printed["cloud_minute_event_recall"]["value"] == 1
    assert "baseline" in printed["cloud_minute_event_f1"]


def test_a_cloud_set_without_series_is_said(tmp_path: Path) -> None:
    write(tmp_path / "hourly.csv", 720, HOUR, (500,))
    result = run("--cloud", tmp_path)
    assert "no series for the set cloud, by minute" in result.stderr
    assert not [name for name in results(result) if name.startswith("cloud_minute")]


def test_nab_is_scored_beside_the_windowed_gaussian(tmp_path: Path) -> None:
    write(tmp_path / "data" / "real" / "a.csv", 2000, 300, (1000,), labels=False)
    windows = {"real/a.csv": [["1970-01-04 11:20:00.000000", "1970-01-04 15:20:00.000000"]]}  # rows 1000…1048
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    printed = results(run("--nab", tmp_path, "--out", tmp_path / "out"))
    assert [name for name in printed if "check" not in name] == [
        f"nab_{profile}{fixed}" for profile in ("standard", "low_fp", "low_fn") for fixed in ("", "_fixed")
    ]
    for name in ("nab_standard", "nab_low_fn_fixed", "nab_check_windowed_gaussian"):
        assert printed[name]["value"] == 100, name
    assert printed["nab_standard"]["baseline"] == 100
    assert printed["nab_check_windowed_gaussian"]["baseline"] == 39.6
    assert printed["nab_check_windowed_gaussian_low_fp"]["baseline"] == 20.9
    assert (tmp_path / "out" / "real" / "a.csv").exists()


def test_without_an_option_all_are_named() -> None:
    result = run()
    assert result.exit_code == 2
    assert "--labelled DIR, --nab DIR, --cloud DIR or --synthetic" in result.stderr


@pytest.mark.parametrize("option", ["--labelled", "--cloud", "--nab"])
def test_missing_data_is_a_usage_error(tmp_path: Path, option: str) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        result = run(option, folder)
        assert result.exit_code == 2
        assert str(folder) in result.stderr.replace("\n", "")


def test_a_bad_file_ends_the_run_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,value,label\n60,high,0\n")
    result = run("--labelled", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/a.csv:2: value 'high' is not a number" in result.stderr
    assert not result.stdout


def test_a_file_without_rows_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("timestamp,value,label\n")
    result = run("--labelled", tmp_path)
    assert result.exit_code == 2
    assert "no CSV file in it has values and labels" in result.stderr
    write(tmp_path / "a.csv", 800, HOUR)
    result = run("--labelled", tmp_path)
    assert f"{tmp_path}/empty.csv: left out, no row of it has a value" in result.stderr
    assert results(result)["series"]["value"] == 1


def test_files_of_the_same_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.csv", 720, HOUR)
    result = run("--labelled", tmp_path / "in", "--cloud", tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "same name in two folders, such as a.csv" in result.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    write(tmp_path / "in" / "shop" / "a.csv", 720, HOUR)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shop").write_text("in the way")
    result = run("--labelled", tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "--out: " in result.stderr


def test_synthetic_series_are_left_to_their_module(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    module = types.ModuleType("benchmarks.evaluation.synthetic")
    monkeypatch.setattr(module, "run", lambda detector: called.append(detector.name), raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    result = CliRunner().invoke(accuracy.suite, ["--synthetic"])
    assert result.exit_code == 0
    assert called == ["Specter"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def many(count: int) -> list[LabelledSeries]:
    return [
        LabelledSeries("a", np.arange(3.0), np.ones(3), np.zeros(3, dtype=bool), 1.0) for _ in range(count)
    ]


def test_a_terminal_sees_progress_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 1.0, 2.5, 3.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    stream = Terminal()
    assert len(running.run(AlwaysOn(), many(40), "shop", stream)) == 40
    assert stream.getvalue() == "\rshop: 32 of 40 series\rshop: 40 of 40 series\n"


def test_anything_else_gets_one_line_a_set() -> None:
    stream = io.StringIO()
    running.run(AlwaysOn(), many(40), "shop", stream)
    assert stream.getvalue() == "shop: 40 series by always in alarm in 0.0 s\n"


def test_series_come_back_in_order() -> None:
    class Named:
        name = "named"

        def scores(self, series: Sequence[LabelledSeries]) -> list[Scores]:
            return [Scores(one.values, one.values) for one in series]

    series = many(20)
    for index, one in enumerate(series):
        one.values[:] = index
    scores = running.run(Named(), series, "shop", io.StringIO())
    assert [one.score[0] for one in scores] == list(range(20))


def test_packages_are_no_suites_and_every_suite_is() -> None:
    assert "accuracy" in command.suites()
    assert "evaluation" not in command.suites()
    assert accuracy.WITHOUT_DATA == ("--synthetic",)


def test_all_runs_suites_with_what_they_need_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(command, "suites", lambda: ["accuracy", "app"])

    def called(words: list[str], **_options: object) -> types.SimpleNamespace:
        calls.append(words[1:])
        return types.SimpleNamespace(returncode=int("app" in words))

    monkeypatch.setattr(subprocess, "run", called)
    result = CliRunner().invoke(command.main, ["all"])
    assert calls == [["-m", "benchmarks", "accuracy", "--synthetic"], ["-m", "benchmarks", "app"]]
    assert result.exit_code == 1
    assert "failed: app" in result.stderr


def test_a_figure_that_is_not_finite_is_printed_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    report("delay", float("nan"), "s", baseline=float("inf"), baseline_name="peer")
    line = json.loads(capsys.readouterr().out)
    assert (line["value"], line["baseline"], line["ratio"]) == (None, None, None)
