"""`specter detector backtest` as a user calls it."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from specter_core.errors import SpecterError
from specter_detector.backtesting.progress import Progress
from specter_detector.backtesting.sources import series_name
from specter_detector.cli import detector
from specter_detector.series import labels_of
from tests.servers.prometheus import Prometheus, running_prometheus

T0 = 1_767_571_200  # 2026-01-05, 00:00 UTC
STEP, DAY = 3600, 24
N = 12 * DAY
SPIKES = (170, 210, 250)
HEADER = [
    "timestamp", "series", "y", "yhat", "yhat_lower", "yhat_upper", "anomaly_score", "direction", "reason",
    "confidence",
]  # fmt: skip
RULES = """
groups:
- name: g
  rules:
  - record: service:score:max
    expr: max by (service) (anomaly_score)
  - alert: Odd
    expr: anomaly_score > 1 and time() - timestamp(anomaly_score) < 30
    for: 2m
  - alert: Recorded
    expr: service:score:max > 1
  - alert: Elsewhere
    expr: something_else > 0
"""


def values(seed: int = 0) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    index = np.arange(N)
    found = 100 + 20 * np.sin(2 * np.pi * index / DAY) + np.random.default_rng(seed).normal(size=N)
    for number, at in enumerate(SPIKES):
        found[at] += 30.0 * 3**number  # each larger: an alarm makes what is as large no news
    return found


def write(path: Path, columns: Sequence[tuple[str, Sequence[object]]], length: int = N) -> Path:
    rows = zip(*(column[:length] for _, column in columns), strict=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", *(name for name, _ in columns)])
        writer.writerows([T0 + STEP * number, *row] for number, row in enumerate(rows))
    return path


def daily(folder: Path) -> Path:
    path = folder / "daily.yml"
    path.write_text(DAILY)
    return path


def labels() -> list[int]:
    return [int(number in SPIKES) for number in range(N)]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(detector, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SpecterError):
        raise result.exception
    return result


def failed(*arguments: object) -> SpecterError:
    result = run(*arguments)
    assert isinstance(result.exception, SpecterError), result.output
    return result.exception


def scores(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == HEADER
    return rows


def test_scores_of_a_file_with_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "rate.csv", [("value", values().tolist()), ("label", labels())])
    result = run("backtest", "--csv", path, "--out", tmp_path / "out", "--output", "json", "--warm-up", "5d")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["files"] == [str(tmp_path / "out" / "rate.csv")]
    assert (report["series"], report["samples"], report["alarms"]) == (1, N, 3)
    assert report["alarms_per_series_day"] == pytest.approx(3 / 7)
    assert report["labels"] == {
        "events": 3, "found": 3, "false_alarms": 0, "precision": 1.0, "recall": 1.0, "f1": 1.0,
        "median_delay_seconds": 0.0, "mean_delay_seconds": 0.0,
    }  # fmt: skip
    rows = scores(tmp_path / "out" / "rate.csv")
    assert [int(row["timestamp"]) for row in rows] == [T0 + STEP * number for number in range(N)]
    assert {row["series"] for row in rows} == {"rate"}
    assert [float(row["y"]) for row in rows] == values().tolist()
    assert rows[0]["anomaly_score"] == rows[0]["yhat"] == ""
    spike = rows[SPIKES[0]]
    assert float(spike["anomaly_score"]) > 1
    assert (spike["direction"], spike["reason"]) == ("1", "spike")
    assert float(spike["yhat_lower"]) < float(spike["yhat"]) < float(spike["yhat_upper"]) < float(spike["y"])
    assert float(spike["yhat"]) == pytest.approx(values()[SPIKES[0]] - 30, abs=6)
    assert float(spike["confidence"]) == 1.0


def test_the_scores_of_a_prefix_are_a_prefix_to_the_byte_and_labels_are_never_read(tmp_path: Path) -> None:
    columns = [("a", values(1).tolist()), ("b", values(2).tolist())]
    whole = write(tmp_path / "whole.csv", [*columns, ("label", labels())])
    part = write(tmp_path / "part.csv", columns, 200)
    result = run(
        "backtest", "--csv", whole, part, "--out", tmp_path / "out", "--jobs", 2, "--config", daily(tmp_path)
    )
    assert result.exit_code == 0, result.output
    whole_lines = (tmp_path / "out" / "whole.csv").read_text().splitlines()
    part_lines = (tmp_path / "out" / "part.csv").read_text().splitlines()
    assert part_lines[:201] == whole_lines[:201]
    assert part_lines[201:] == whole_lines[1 + N : 1 + N + 200]


def test_results_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"f{number}.csv", [("value", values(number).tolist())], N - 7 * number)
        for number in range(4)
    ]
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        arguments = ["backtest", "--csv", *files, "--out", out, "--config", daily(tmp_path)]
        assert run(*arguments, "--jobs", jobs).exit_code == 0
    for file in files:
        assert (tmp_path / "1" / file.name).read_bytes() == (tmp_path / "2" / file.name).read_bytes()


DAILY = "{reader: {queries: {any: {expr: x}}}, schedulers: {s: {fit_every: 1d}}}"
"""One query, which all columns are; hourly refits would take the tests longer."""

CONFIG = """
reader:
  queries:
    rate: {expr: 'rate', tz: Europe/Berlin, data_range: [0, 150]}
    other: {expr: 'other', step: 5m}
models:
  default: {detection_direction: below_expected}
schedulers:
  s: {fit_every: 1d}
"""


def test_a_column_has_the_settings_of_the_query_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "d.yml").write_text(CONFIG)
    found = values()
    found[190] = 40.0
    path = write(tmp_path / "some.csv", [("rate", found.tolist()), ("other", found.tolist())])
    result = run("backtest", "--csv", path, "--config", tmp_path / "d.yml", "--out", tmp_path)
    assert "would be written over" in str(result.exception)
    out = tmp_path / "out"
    result = run("backtest", "--csv", path, "--config", tmp_path / "d.yml", "--out", out)
    assert result.exit_code == 0, result.output
    rows = scores(out / "some.csv")
    rate, other = rows[:N], rows[N:]
    assert float(rate[SPIKES[0]]["anomaly_score"]) <= 1  # above, and below_expected
    assert float(rate[190]["anomaly_score"]) > 1
    assert rate[SPIKES[1]]["reason"] == "out_of_range"
    assert other[SPIKES[1]]["reason"] != "out_of_range"
    assert max(float(row["yhat_upper"]) for row in rate if row["yhat_upper"]) <= 150


def test_a_column_that_is_no_query_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.yml").write_text(CONFIG)
    path = write(tmp_path / "some.csv", [("value", values().tolist())])
    error = failed("backtest", "--csv", path, "--config", tmp_path / "d.yml", "--out", tmp_path / "out")
    assert "column 'value' is none of the queries rate, other" in str(error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "o"], "give either --csv FILE... or --from T"),
        (["--csv", "a.csv", "--from", "now-1d", "--out", "o"], "give either"),
        (["a.csv", "--from", "now-1d", "--out", "o"], "give either"),
        (["--from", "now-1d", "--out", "o"], "give --config FILE"),
        (["--csv", "x/a.csv", "y/a.csv", "--out", "o"], "several files are called a"),
        (["--csv", "a.csv", "--out", "o", "--step", "7m"], "a day must be a whole number of steps"),
        (["--csv", "a.csv", "--out", "o", "--executor", "dask"], "--dask-address belong together"),
        (["--csv", "a.csv", "--out", "o", "--dask-address", "x"], "--dask-address belong together"),
        (["--csv", "none.csv", "--out", "o"], "none.csv: No such file"),
        (["--csv", "a.csv", "--out", "o", "--labels", "none.csv"], "none.csv: No such file"),
        (["--csv", "a.csv", "--out", "o", "--rules", "none.yml"], "none.yml: No such file"),
    ],
)
def test_a_wrong_call_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in str(failed("backtest", *arguments))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups: [", "not YAML"),
        ("a: 1", "expected a list `groups`"),
        ("groups: [{name: g, rules: [{record: a, expr: b}]}]", "no alert in it"),
        ("groups: [{name: g, rules: [{alert: A, expr: b, for: soon}]}]", "alert A: for, keep_firing_for"),
    ],
)
def test_a_rule_file_that_is_none_is_refused_before_the_work(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rules.yml").write_text(text)
    path = write(tmp_path / "rate.csv", [("value", values().tolist())])
    error = failed("backtest", "--csv", path, "--rules", tmp_path / "rules.yml", "--out", tmp_path / "out")
    assert message in str(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_alert_rules_are_replayed_over_the_scores(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    names = ['rate{service="a"}', 'rate{service="b"}']
    quiet = values(2)
    quiet[list(SPIKES)] = 100.0
    path = write(tmp_path / "rate.csv", [(names[0], values(1).tolist()), (names[1], quiet.tolist())])
    at = T0 + STEP * SPIKES[2]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["start", "end", "series"], [at, at + 600, names[0]]])
    result = run(
        "backtest", "--csv", path, "--rules", tmp_path / "rules.yml", "--labels", tmp_path / "labels.csv",
        "--out", tmp_path / "out", "--output", "json", "--warm-up", "5d", "--config", daily(tmp_path),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    alerts = report["alerts"]
    odd = [each for each in alerts["list"] if each["alert"] == "Odd"]
    assert {each["labels"]["service"] for each in odd} >= {"a"}
    last = [each for each in odd if each["start"] >= at]
    assert (last[0]["start"], last[0]["end"]) == (at + 120, at + STEP - 60)
    recorded = [e for e in alerts["list"] if e["alert"] == "Recorded" and e["labels"] == {"service": "a"}]
    assert at <= recorded[-1]["start"] <= at + 60  # Prometheus shifts a group within its interval
    assert "Elsewhere" not in alerts["by_name"]
    assert alerts["per_day"] == pytest.approx(alerts["fired"] / 7)
    assert (alerts["labels"]["events"], alerts["labels"]["found"]) == (1, 1)
    assert alerts["labels"]["median_delay_seconds"] <= 60  # by the recorded one
    assert alerts["labels"]["false_alarms"] >= 2  # the other two spikes are not labelled


@pytest.mark.integration
def test_an_expression_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]")
    path = write(tmp_path / "rate.csv", [("value", values().tolist())], 100)
    error = failed("backtest", "--csv", path, "--rules", tmp_path / "rules.yml", "--out", tmp_path / "out")
    assert "the expression is refused" in str(error)
    assert "sum(" in str(error)


def test_rules_without_prometheus_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    path = write(tmp_path / "rate.csv", [("value", values().tolist())], 100)
    monkeypatch.setenv("PATH", str(tmp_path))
    error = failed("backtest", "--csv", path, "--rules", tmp_path / "rules.yml", "--out", tmp_path / "out")
    assert "prometheus is not on PATH" in str(error)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    history = [
        f'rate{{service="{name}"}} {value:.9g} {T0 + STEP * number}'
        for seed, name in enumerate(("a", "b"))
        for number, value in enumerate(values(seed).tolist())
    ]
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), history=history) as running:
        yield running


@pytest.mark.integration
def test_the_queries_of_a_configuration_are_replayed_from_the_server(
    tmp_path: Path, server: Prometheus
) -> None:
    (tmp_path / "d.yml").write_text(
        f"reader: {{datasource_url: '{server.url}', queries: {{rate: {{expr: rate, step: 1h}}, none: "
        "{expr: nothing_at_all}}}\nschedulers: {s: {fit_every: 1d}}\n"
    )
    arguments = ["backtest", "--config", tmp_path / "d.yml", "--from", T0, "--output", "json"]
    result = run(*arguments, "--to", T0 + STEP * (N - 1), "--out", tmp_path / "whole")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["series"] == 2
    rows = scores(tmp_path / "whole" / "rate.csv")
    assert {row["series"] for row in rows} == {'rate{service="a"}', 'rate{service="b"}'}
    assert len(rows) == 2 * N
    assert float(rows[SPIKES[1]]["anomaly_score"]) > 1
    assert float(rows[SPIKES[1]]["y"]) == pytest.approx(values(0)[SPIKES[1]], rel=1e-8)
    # The same as of a file, and a shorter stretch has the same beginning.
    assert run(*arguments, "--to", T0 + STEP * 220, "--out", tmp_path / "part").exit_code == 0
    part = scores(tmp_path / "part" / "rate.csv")
    assert part[:221] == rows[:221]


@pytest.mark.integration
def test_a_time_without_series_is_said_so(tmp_path: Path, server: Prometheus) -> None:
    (tmp_path / "d.yml").write_text(
        f"reader: {{datasource_url: '{server.url}', queries: {{rate: {{expr: rate, step: 1h}}}}}}\n"
    )
    error = failed(
        "backtest", "--config", tmp_path / "d.yml", "--from", T0 - 90000, "--to", T0 - 50000,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert "no query returned a value in this time" in str(error)


class Terminal:
    """Keeps what is drawn."""

    def __init__(self, *, watched: bool) -> None:
        self.text = ""
        self.watched = watched

    def isatty(self) -> bool:
        return self.watched

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...


def drawn(seconds: float, *, watched: bool) -> str:
    now = 0.0
    terminal = Terminal(watched=watched)
    with Progress("work", terminal, lambda: now) as progress:  # type: ignore[arg-type]
        for _ in range(4):
            now += seconds / 4
            progress.advance(0.25)
    return terminal.text


def test_progress_is_drawn_after_two_seconds_and_for_a_terminal_only() -> None:
    assert "100%" in drawn(8.0, watched=True)
    assert drawn(1.0, watched=True) == ""
    assert drawn(8.0, watched=False) == ""


def test_a_series_is_called_as_prometheus_calls_it() -> None:
    assert series_name(labels_of({"__name__": "up"})) == "up"
    assert series_name(labels_of({"a": "b"})) == '{a="b"}'
    assert series_name(()) == "{}"
