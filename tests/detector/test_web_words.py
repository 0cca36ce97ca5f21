"""Numbers, units, sentences and settings of the pages."""

import math
from dataclasses import replace

import pytest
import yaml
from pydantic import ValidationError

from specter_detector.models.fit import FitOptions
from specter_detector.models.online import REASONS
from specter_detector.models.policy import Policy
from specter_detector.series import labels_of
from specter_detector.verdict import Verdict
from specter_detector.web.figures import ago, band, duration, value
from specter_detector.web.live import state_of
from specter_detector.web.settings import Settings, options_with, settings_of, yaml_of
from specter_detector.web.units import unit_of
from specter_detector.web.views import Row, State
from specter_detector.web.words import words_on


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0.0123, "seconds", "12.3 ms"),
        (0.0000123, "seconds", "12.3 µs"),
        (12.3, "seconds", "12.3 s"),
        (0.0, "seconds", "0 s"),
        (0.034, "ratio", "3.4 %"),
        (1.5 * 1024**3, "bytes", "1.5 GiB"),
        (-2048.0, "bytes/s", "-2 KiB/s"),
        (0.5, "bytes", "0.5 B"),
        (12.3456, "1/s", "12.35/s"),
        (1234567.0, "", "1.235e+06"),
        (math.nan, "seconds", "no value"),
        (-math.inf, "bytes", "-∞"),
    ],
)
def test_values_are_written_as_a_person_reads_them(number: float, unit: str, text: str) -> None:
    assert value(number, unit) == text


@pytest.mark.parametrize(
    ("edges", "unit", "text"),
    [
        ((0.0976, 0.193), "seconds", "97.6 to 193 ms"),
        ((0.0976, 1.93), "seconds", "97.6 ms to 1.93 s"),
        ((64.06, 163.6), "1/s", "64.06 to 163.6/s"),
        ((1.0, 2.0), "", "1 to 2"),
        ((0.0, math.inf), "", "0 to ∞"),
    ],
)
def test_a_band_names_its_unit_once(edges: tuple[float, float], unit: str, text: str) -> None:
    assert band(*edges, unit) == text


def test_durations_are_short() -> None:
    texts = [duration(seconds) for seconds in (3.2, 61, 3600, 3725, 90_000.0, 10 * 86400)]
    assert texts == ["3s", "1m1s", "1h", "1h2m", "1d1h", "10d"]
    assert (ago(0.4), ago(75)) == ("just now", "1m15s ago")


@pytest.mark.parametrize(
    ("expr", "unit"),
    [
        ("rate(http_requests_total[5m])", "1/s"),
        ("sum by (service) (irate(x_total[1m]))", "1/s"),
        ("service:http_server_requests:rate1m", "1/s"),
        ("service:http_server_errors:ratio_rate1m", "ratio"),
        ("service:http_server_request_duration_seconds:p95_rate1m", "seconds"),
        ("histogram_quantile(0.95, sum by (le) (rate(http_duration_seconds_bucket[5m])))", "seconds"),
        ("rate(node_network_receive_bytes_total[5m])", "bytes/s"),
        ("node_memory_MemAvailable_bytes", "bytes"),
        ("rate(process_cpu_seconds_total[5m])", "ratio"),
        ("node_hwmon_temp_celsius", "°C"),
        ("disk_used_percent", "%"),
        ("queue_depth", ""),
        ('queue_depth{path="/x_seconds"}', ""),
    ],
)
def test_the_unit_comes_from_the_names_in_an_expression(expr: str, unit: str) -> None:
    assert unit_of(expr) == unit


def row(state: State, **changes: object) -> Row:
    verdict = Verdict(labels_of({"a": "b"}), 20.0, 2.0, 1, "spike", 10.0, 8.0, 12.0, 1.0)
    return Row("q", "default", state, replace(verdict, **changes), 100.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason])
def test_every_reason_has_words_and_advice(reason: str) -> None:
    state: State = "absent" if reason == "absent" else "anomalous"
    said = words_on(row(state, reason=reason), "", 100.0)
    assert said.tone == "alarm"
    assert said.headline.endswith(".")
    assert len(said.advice) > 20


def test_how_far_off_is_said_as_a_person_would() -> None:
    assert "(2 times the usual)" in words_on(row("anomalous"), "", 100.0).headline
    low = row("anomalous", value=4.0, direction=-1, reason="drop")
    assert "4 is lower than expected (60 % below); expected are 8 to 12." in words_on(low, "", 100.0).headline
    assert "times" not in words_on(row("anomalous", yhat=0.0), "", 100.0).headline
    assert "(1e+03 times the usual)" in words_on(row("anomalous", yhat=0.02), "", 100.0).headline
    assert "times" not in words_on(row("anomalous", yhat=1e-8), "", 100.0).headline


def test_an_error_that_lasts_is_no_longer_news_and_still_an_error() -> None:
    lasting = row("anomalous", score=0.56, reason="")
    assert lasting.verdict.lasting
    assert state_of(lasting.verdict, frozenset([lasting.verdict.labels])) == "anomalous"
    said = words_on(lasting, "", 100.0)
    assert said.tone == "alarm"
    assert said.headline == (
        "Still anomalous: 20 is above what is expected (2 times the usual); expected are 8 to 12. "
        "Score 0.56: no longer news, and not over."
    )
    inside = row("normal", score=0.56, value=11.0, reason="")
    assert state_of(inside.verdict, frozenset([inside.verdict.labels])) == "normal"
    over = row("normal", score=0.2, value=12.5, reason="")
    assert state_of(over.verdict, frozenset([over.verdict.labels])) == "normal"


def test_what_is_not_known_is_said_as_such() -> None:
    tones = {
        "missing": words_on(row("absent", value=math.nan, score=math.nan), "", 100.0).tone,
        "invalid": words_on(row("invalid", value=math.nan, score=math.nan), "", 100.0).tone,
        "warming": words_on(row("warming", score=math.nan), "", 100.0).tone,
        "gone": words_on(None, "", 100.0).tone,
    }
    assert set(tones.values()) == {"unknown"}
    assert words_on(row("normal", score=0.1, confidence=0.3), "", 100.0).advice.startswith("Little history")
    following = words_on(row("normal", score=0.5, reason="level_shift"), "", 100.0)
    assert following.headline.startswith("Following a new level")


POLICY = Policy("below_expected", (1.0, 2.0), (0.1, 0.1), (0.0, math.inf))
OPTIONS = FitOptions("stl", 300.0, "Europe/Berlin", policy=POLICY)


def test_settings_and_options_are_the_same_thing() -> None:
    settings = settings_of(OPTIONS)
    assert settings.data_range == (0.0, None)
    assert options_with(OPTIONS, settings) == OPTIONS
    changed = settings.model_copy(update={"tz": "UTC", "data_range": (None, 5.0)})
    assert options_with(OPTIONS, changed).policy.data_range == (-math.inf, 5.0)
    assert options_with(OPTIONS, changed).step == OPTIONS.step


def test_the_yaml_holds_what_was_tried() -> None:
    text = yaml_of("rate", settings_of(OPTIONS), replaces="default")
    assert text.startswith("# and leave rate out of the queries of model default\n")
    assert yaml.safe_load(text) == {
        "reader": {"queries": {"rate": {"tz": "Europe/Berlin", "data_range": [0.0, math.inf]}}},
        "models": {
            "rate": {
                "class": "stl",
                "queries": ["rate"],
                "detection_direction": "below_expected",
                "min_dev_from_expected": [1.0, 2.0],
                "min_rel_dev_from_expected": 0.1,
            }
        },
    }
    assert not yaml_of("rate", settings_of(OPTIONS), replaces="rate").startswith("#")


@pytest.mark.parametrize(
    "wrong",
    [
        {"class": "prophet"},
        {"detection_direction": "up"},
        {"min_dev_from_expected": [-1, 0]},
        {"data_range": [1, 0]},
        {"data_range": [0, math.inf]},
        {"tz": "Mars/Olympus"},
        {"tz": "../../etc/passwd"},
        {"step": 5},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)
