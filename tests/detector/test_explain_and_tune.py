"""`specter detector explain` and `tune` on a real Prometheus."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from specter_core.config import parse_config
from specter_core.errors import SpecterError, UsageError
from specter_detector.backtesting.selector import parse_selector
from specter_detector.backtesting.sources import settings_of
from specter_detector.backtesting.stored import Stored, StoredScores
from specter_detector.backtesting.tune import tune
from specter_detector.cli import detector
from specter_detector.config import load, resolve
from specter_detector.models.arrays import Floats
from specter_detector.prometheus_api import open_api
from specter_detector.reader import SeriesReader
from specter_detector.schema import DetectorSchema
from specter_detector.series import History, labels_of
from tests.servers.prometheus import Prometheus, running_prometheus

STEP, DAY = 1800, 48
N = 21 * DAY
T0 = 1_767_571_200  # 2026-01-05, 00:00 UTC
SPIKE, GONE = N - 40, N - 10
QUIET = N - 60
INDEX = np.arange(N)


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rate() -> Floats:
    found = 100 + 20 * np.sin(2 * np.pi * INDEX / DAY) + random(0).normal(size=N)
    found[SPIKE] += 40
    return np.asarray(found, np.float64)


def latency() -> Floats:
    """Tiny noise with outliers on both sides: many alarms, none of which matters but one."""
    found = 1 + 0.001 * random(1).normal(size=N)
    found[250::37] += np.where(np.arange(found[250::37].size) % 2 == 0, 1, -1) * np.linspace(
        0.01, 0.25, found[250::37].size
    )
    return np.asarray(found, np.float64)


SERIES = {
    'rate{service="shop"}': rate(),
    'rate{service="cart"}': np.where(INDEX < GONE, 50 + random(2).normal(size=N), np.nan),
    'request_latency_seconds{service="shop"}': latency(),
    'slow_gauge{service="shop"}': np.repeat(random(3).normal(100, 5, N // 4), 4),
    'young{service="shop"}': np.where(INDEX >= N - 3 * DAY, random(4).normal(5, 1, N), np.nan),
}
CONFIG = """
reader:
  datasource_url: {url}
  sampling_period: 30m
  queries:
    rate: {{expr: rate}}
    latency: {{expr: request_latency_seconds}}
    slow: {{expr: slow_gauge}}
    young: {{expr: young}}
models:
  fast: {{queries: [rate]}}
  rest: {{queries: [latency, slow, young]}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    history = [
        f"{name} {value:.9g} {T0 + STEP * number}"
        for name, values in SERIES.items()
        for number, value in enumerate(values.tolist())
        if np.isfinite(value)
    ]
    labels = 'for="rate",model_alias="fast",scheduler_alias="default",service="shop"'
    history += [
        f"anomaly_score{{{labels}}} {score} {T0 + STEP * QUIET + 15 * tick}"
        for tick, score in enumerate([0.2, 0.3, 0.4, 2.64, 0.7, *[0.1] * 115, 5.0])
    ]
    # Another series' score, which has one label more.
    history.append(f'anomaly_score{{{labels},pod="a"}} 9 {T0 + STEP * QUIET + 15}')
    odd = labels.replace("shop", r"🦊 \"shop\"")
    history.append(f"anomaly_score{{{odd}}} 3 {T0 + STEP * QUIET}")
    with running_prometheus(tmp_path_factory.mktemp("prometheus"), history=history) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, server: Prometheus) -> Path:
    path = tmp_path / "detector.yml"
    path.write_text(CONFIG.format(url=server.url))
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(detector, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit | SpecterError):
        raise result.exception
    return result


@pytest.mark.integration
def test_a_spike_is_explained_by_what_was_expected(config: Path) -> None:
    at = T0 + STEP * SPIKE + 700  # the step before is what is looked at
    arguments = ["explain", 'rate{service="shop"}', "--at", at, "--config", config]
    found = json.loads(run(*arguments, "--output", "json").stdout)
    assert len(found) == 1
    told = found[0]
    assert (told["series"], told["query"], told["model"]) == ('rate{service="shop"}', "rate", "fast")
    assert told["at"] == T0 + STEP * SPIKE
    assert told["value"] == pytest.approx(rate()[SPIKE], rel=1e-8)
    season = 20 * np.sin(2 * np.pi * SPIKE / DAY)
    assert told["expected"] == pytest.approx(100 + season, abs=3)
    assert told["level"] == pytest.approx(100, abs=3)
    assert told["seasonal"] == pytest.approx(season, abs=3)
    assert told["level"] + told["seasonal"] == pytest.approx(told["expected"])
    assert told["remainder"] == pytest.approx(told["value"] - told["expected"])
    assert told["score"] > 1
    assert (told["reason"], told["direction"]) == ("spike", 1)
    assert told["lower"] < told["expected"] < told["upper"] < told["value"]
    assert 0.5 < told["scale"] < 2.5
    assert told["edge"] * told["scale"] == pytest.approx(told["upper"] - told["expected"])
    assert told["deviation"] == pytest.approx(told["remainder"] / told["scale"], rel=1e-4)
    assert told["missing"] == 0
    assert told["samples"] == told["expected_samples"] == SPIKE + 1
    assert "deployments" in told["next"]
    text = run(*arguments).stdout
    assert text.startswith('rate{service="shop"} at 2026-01-25T04:00:00Z (query rate, model fast)')
    for words in ("anomalous, spike, above the expectation", "the day", "no alarm before", "look at"):
        assert words in text


@pytest.mark.integration
def test_after_an_alarm_it_says_why_the_band_is_wide(config: Path) -> None:
    at = T0 + STEP * (SPIKE + 6)
    arguments = ["explain", '{service="shop"}', "--query", "rate", "--at", at, "--config", config]
    (told,) = json.loads(run(*arguments, "--output", "json").stdout)
    assert told["score"] < 1
    assert told["last_alarm"] == T0 + STEP * SPIKE
    assert told["next"] == "nothing here; the value is within its band."
    assert told["edge_why"].startswith("wide, because an error of the last days was as large")


@pytest.mark.integration
@pytest.mark.parametrize("into", [0, 700])
def test_an_alarm_shorter_than_a_step_is_told_from_the_stored_scores(config: Path, into: int) -> None:
    step = T0 + STEP * QUIET
    arguments = ["explain", 'rate{service="shop"}', "--at", step + into, "--config", config]
    (told,) = json.loads(run(*arguments, "--output", "json").stdout)
    assert (told["at"], told["asked"]) == (step, step + into)
    assert told["score"] < 1
    assert told["stored"] == {"start": step, "end": step + STEP, "score": 2.64, "at": step + 45}
    assert told["next"].startswith("the running detector's alarm of 2026-01-24T18:00:45Z")
    text = run(*arguments).stdout
    assert (
        "the running detector's highest score between 2026-01-24T18:00:00Z and 2026-01-24T18:30:00Z: "
        "2.64 at 2026-01-24T18:00:45Z\n"
    ) in text
    assert "nothing here" not in text
    judged = "judged      at 2026-01-24T18:00:00Z, the last step up to 2026-01-24T18:11:40Z\n"
    assert (judged in text) == (into == 700)


@pytest.mark.integration
def test_without_a_stored_score_none_is_told(config: Path) -> None:
    at = T0 + STEP * (QUIET - 1)
    arguments = ["explain", 'rate{service="shop"}', "--at", at, "--config", config]
    (told,) = json.loads(run(*arguments, "--output", "json").stdout)
    assert told["stored"] is None
    assert told["next"] == "nothing here; the value is within its band."
    text = run(*arguments).stdout
    assert "running detector" not in text
    assert "judged" not in text


@pytest.mark.integration
def test_stored_scores_are_found_by_odd_labels_too(config: Path) -> None:
    settings = load(config)
    start = float(T0 + STEP * QUIET)
    with closing(open_api(settings.reader)) as api:
        scores = StoredScores(api, settings.writer, 10.0)
        labels = labels_of({"__name__": "rate", "service": '🦊 "shop"'})
        setting = settings_of(settings, "rate")[0]
        found = scores.highest(setting, labels, start, start + STEP)
        assert found == Stored(start, start + STEP, 3.0, start)
        assert scores.highest(setting, labels, start - STEP, start) is None


@pytest.mark.integration
def test_what_is_gone_is_explained_as_missing(config: Path) -> None:
    at = T0 + STEP * (GONE + 5)
    (told,) = json.loads(
        run("explain", 'rate{service=~"ca.*"}', "--at", at, "--config", config, "--output", "json").stdout
    )
    assert told["value"] is None
    assert told["reason"] == "absent"
    assert told["missing"] == 5 * STEP  # the reader repeats a value for one step
    assert "scrape errors" in told["next"]


@pytest.mark.integration
def test_no_match_says_which_there_are(config: Path) -> None:
    result = run("explain", 'rate{service="none"}', "--at", T0 + STEP * SPIKE, "--config", config)
    assert isinstance(result.exception, SpecterError)
    assert result.exception.exit_code == 1
    assert 'no series matches; there are\n  rate{service="cart"}' in str(result.exception)
    result = run("explain", "rate", "--at", T0 - 10 * 86400, "--config", config)
    assert "returned no series up to then" in str(result.exception)


@pytest.mark.integration
def test_tuning_suggests_what_its_replays_show(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: float(T0 + STEP * (N - 1)))
    arguments = ["tune", "--config", config, "--days", 21]
    found = {each["query"]: each for each in json.loads(run(*arguments, "--output", "json").stdout)}
    latency_ = found["latency"]
    keys = {each["key"]: each for each in latency_["suggestions"]}
    assert keys["data_range"]["value"] == [0, None]
    assert keys["detection_direction"]["value"] == "above_expected"
    assert keys["detection_direction"]["after"] < keys["detection_direction"]["before"]
    assert 0 < latency_["tuned"] < 0.7 * latency_["alarms"]
    assert [each["before"] for each in latency_["suggestions"][1:]] == [
        each["after"] for each in latency_["suggestions"][:-1]
    ]
    assert {each["key"] for each in found["rate"]["suggestions"]} >= {"data_range"}
    assert any(note.startswith("the day helps") for note in found["rate"]["notes"])
    steps = [each for each in found["slow"]["suggestions"] if each["key"] == "step"]
    assert [each["value"] for each in steps] == ["1h"]  # the longest there is
    assert "25% of the steps only, every 2h or so" in steps[0]["why"]
    assert found["young"]["suggestions"] == []
    assert "too little history: 3.0 days" in found["young"]["notes"][0]


class Remembered:
    """A reader of one series of a day's season."""

    def __init__(self, days: float, missing: int) -> None:
        index = np.arange(round(days * DAY))
        values = 100 + 20 * np.sin(2 * np.pi * index / DAY) + random(5).normal(size=index.size)
        values[5 : 5 + missing] = np.nan
        self._history = History(T0 + STEP * index.astype(np.float64), ((("a", "b"),),), values[np.newaxis])

    def history(self, *_arguments: object) -> History:
        return self._history


@pytest.mark.parametrize(
    ("days", "missing", "week"),
    [
        (14, 0, "the week (helps|does not help)"),
        (14, 9, "the week (helps|does not help)"),
        (12, 0, "the week: 12.0 days tell nothing of it, 14 are needed"),
        (7, 3, "the week: 6.9 days tell nothing of it, 14 are needed"),
        (7, 9, "too little history: 6.8 days of values"),
    ],
)
def test_a_few_missing_samples_are_not_too_little_for_a_week(days: float, missing: int, week: str) -> None:
    config = resolve(
        parse_config(CONFIG.format(url="http://127.0.0.1:9"), DetectorSchema, file="d.yml"),
        datasource_url=None,
    )
    setting = settings_of(config, "rate")[0]
    notes = tune(config, cast("SeriesReader", Remembered(days, missing)), setting, T0, days).notes
    said = [note for note in notes if "week" in note]
    assert len(said) == 1
    assert re.match(week, said[0])


@pytest.mark.integration
def test_the_patch_is_yaml_that_the_detector_takes(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.time", lambda: float(T0 + STEP * (N - 1)))
    text = run("tune", "--config", config, "--query", "latency", "--days", 21).stdout
    assert "# latency: 1 series, 21.0 days; alarms a series and day" in text
    patch = yaml.safe_load(text)
    assert patch["reader"]["queries"]["latency"]["data_range"] == [0, float("inf")]
    model = patch["models"]["latency_tuned"]  # others use the model too
    assert model["queries"] == ["latency"]
    whole = yaml.safe_load(config.read_text())
    whole["reader"]["queries"]["latency"].update(patch["reader"]["queries"]["latency"])
    whole["models"]["rest"]["queries"].remove("latency")
    whole["models"].update(patch["models"])
    (tmp_path / "patched.yml").write_text(yaml.safe_dump(whole))
    assert run("check", tmp_path / "patched.yml").exit_code == 0


def test_a_query_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "detector.yml"
    path.write_text(CONFIG.format(url="http://127.0.0.1:9"))
    for command in (["explain", "x", "--at", "now"], ["tune"]):
        result = run(*command, "--config", path, "--query", "nope")
        assert str(result.exception) == "--query 'nope' is none of the queries: rate, latency, slow, young"
    assert "--try-tz 'Mars'" in str(run("tune", "--config", path, "--try-tz", "Mars").exception)


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ('{a="b"}', {"a": "b", "c": "d"}, True),
        ('x{a="b",}', {"a": "c"}, False),
        ('{a!="b"}', {}, True),
        ('{a=~"b.*",c!~"x|y"}', {"a": "bcd", "c": "z"}, True),
        ('{a=~"b"}', {"a": "bc"}, False),
        ('{a="q\\"uote, \\\\ and }"}', {"a": 'q"uote, \\ and }'}, True),
        ("{}", {"a": "b"}, True),
    ],
)
def test_a_selector_matches_as_in_prometheus(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse_selector(text).matches(labels_of(labels)) == matches


@pytest.mark.parametrize("text", ["", "{a}", '{a="b" c="d"}', '{a=~"("}', "a b", '{1="b"}'])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_selector(text)
