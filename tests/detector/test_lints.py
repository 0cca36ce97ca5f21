"""What lints see in an expression and in a file, without a server."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_detector import defaults
from specter_detector.cli import detector
from specter_detector.config import Query
from specter_detector.lints.expressions import is_counter, lint_expression
from specter_detector.lints.model import NOTHING_KNOWN, Facts
from specter_detector.lints.server import lint_answer, lint_limit
from specter_detector.own_output import is_own_output
from specter_detector.presets.catalogue import PRESETS
from specter_detector.series import Vector, labels_of


def codes(expr: str, facts: Facts = NOTHING_KNOWN, step: float = 300.0) -> list[str]:
    return [lint.code for lint in lint_expression(expr, step=step, facts=facts)]


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("http_requests_total", ["raw-counter"]),
        ("sum by (a) (http_requests_total)", ["raw-counter"]),
        ("deriv(http_requests_total[5m])", ["raw-counter"]),
        ("sum(rate(http_requests_total[5m]))", []),
        ("count(http_requests_total)", []),
        ("time() - timestamp(http_requests_total)", []),
        ("service:http_requests_total:rate5m", []),
        ("a_total - b_total", ["raw-counter", "raw-counter"]),
        ("histogram_quantile(0.9, sum by (svc) (rate(b_bucket[5m])))", ["no-le"]),
        ("histogram_quantile(0.9, sum(rate(b_bucket[5m])) by (svc))", ["no-le"]),
        ("histogram_quantile(0.9, sum(rate(b_bucket[5m])))", ["no-le"]),
        ("histogram_quantile(0.9, sum without (le) (rate(b_bucket[5m])))", ["no-le"]),
        ("histogram_quantile(0.9, sum without (pod) (rate(b_bucket[5m])))", []),
        ("histogram_quantile(0.9, sum by (le, svc) (rate(b_bucket[5m])))", []),
        ("histogram_quantile(0.9, rate(b_bucket[5m]))", []),
        ("max(histogram_quantile(0.9, sum by (le, svc) (rate(b_bucket[5m]))))", []),
        ('histogram_quantile(0.9, sum(rate(native{a="b"}[5m])))', []),
        ('{__name__=~".+"}', ["own-output"]),
        ('{job="shop"}', ["own-output"]),
        ('{__name__=~"anomaly.*"}', ["own-output"]),
        ('{__name__=~".*", __name__!~"anomaly.*|yhat.*|specter_.*"}', []),
        ('{__name__=~"node_.+"}', []),
        ("x offset -5m", ["negative-offset"]),
        ("x offset 5m", []),
        ("x @ end()", ["fixed-time"]),
        ("topk(5, x)", ["changing-set"]),
    ],
)
def test_each_lint_is_seen_where_it_is_and_only_there(expr: str, expected: list[str]) -> None:
    assert codes(expr) == expected


def test_a_lint_says_what_and_what_to_do() -> None:
    (lint,) = lint_expression('reqs_total{a="b"}', step=300.0)
    assert lint.message == "reqs_total is a counter, and its level says nothing"
    assert lint.advice == 'use rate(reqs_total{a="b"}[5m]) or increase()'


def test_the_servers_types_win_over_names() -> None:
    facts = Facts(types={"odd": "counter", "people_total": "gauge", "d_seconds": "histogram"})
    assert codes("odd", facts) == ["raw-counter"]
    assert codes("people_total", facts) == []
    assert is_counter("d_seconds_count", facts)
    assert not is_counter("my_count", facts)


def test_windows_and_steps_are_compared_with_how_often_samples_come() -> None:
    facts = Facts(intervals={"x": 60.0, "y": 15.0})
    assert codes("rate(x[2m])", facts) == ["short-window"]
    assert codes("rate(x[4m])", facts) == []
    assert codes("rate(y[1m])", facts) == []
    assert codes("rate(unknown[1s])", facts) == []
    assert codes("max_over_time(x[2m])", facts) == []
    assert codes("x", facts, step=30.0) == ["short-step"]
    (lint,) = lint_expression("rate(x[2m])", step=300.0, facts=facts)
    assert lint.message == (
        "rate() of x looks at 2m, and samples come every 1m: one failed scrape leaves a gap"
    )
    assert lint.advice == "use a window of at least 4m"


def test_no_preset_has_a_lint_of_its_own() -> None:
    found = {
        source.expr: codes(source.expr)
        for preset in PRESETS.values()
        for query in preset.queries
        for source in query.sources
    }
    assert {expr: lints for expr, lints in found.items() if lints} == {}


def query(low: float = 0.0, high: float = 1.0) -> Query:
    return Query("q", "x", 300.0, (low, high), "UTC", 0.0, 90.0)


def test_answers_are_compared_with_range_and_limits() -> None:
    a, b = labels_of({"__name__": "x", "i": "a"}), labels_of({"__name__": "x", "i": "b"})
    (lint,) = lint_answer(query(), Vector({a: 0.5, b: 1.5}))
    assert lint.code == "outside-data-range"
    assert lint.message == '1 of 2 series are outside data_range [0, 1] now: {__name__="x", i="b"} is 1.5'
    assert [each.code for each in lint_answer(query(), Vector({}))] == ["no-series"]
    (lint,) = lint_answer(query(), Vector({a: 0.5}, cut=3))
    assert lint.message == "returns 4 series; 3 beyond max_series (1000) are ignored"
    assert list(lint_answer(query(), Vector({a: float("nan")}))) == []
    (lint,) = lint_limit([a, b], {labels_of({"i": "a"}): 9.0})
    assert lint.message == "1 of 2 series have no limit: no labels of it fit, or several do"
    assert list(lint_limit([a, b], {labels_of({"dc": "x"}): 9.0})) == []


FILE = """\
reader:
  tz: Europe/Berlin
  queries:
    good: {expr: 'rate(a_total[5m])'}
    raw:
      step: 5m
      expr: a_total
      limit: topk(1, b)
"""


def test_check_prints_lints_with_file_line_and_path(tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    file.write_text(FILE)
    result = CliRunner().invoke(detector, ["check", str(file)])
    assert result.exit_code == 0
    _, raw, choosing = result.output.splitlines()
    assert raw == (
        f"{file}:7: reader.queries.raw.expr: a_total is a counter, and its level says nothing; "
        "use rate(a_total[5m]) or increase() [raw-counter]"
    )
    assert choosing.startswith(
        f"{file}:8: reader.queries.raw.limit: topk() returns other series at each tick"
    )
    assert choosing.endswith("[changing-set]")
    assert CliRunner().invoke(detector, ["check", str(file), "--strict"]).exit_code == 1


def test_check_as_json_has_every_lint_with_its_code(tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    file.write_text("reader:\n  queries:\n    q: {expr: 'sum(x_total)'}\n")
    result = CliRunner().invoke(detector, ["check", str(file), "--output", "json"])
    assert result.exit_code == 0
    report = json.loads(result.output)
    assert report["ok"] is True
    assert [(lint["code"], lint["line"], lint["path"]) for lint in report["lints"]] == [
        ("no-time-zone", 1, "reader"),
        ("raw-counter", 3, "reader.queries.q.expr"),
    ]


def test_a_time_zone_of_every_query_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    for text, lints in (
        ("reader: {queries: {q: {expr: x, tz: UTC}}}", 0),
        ("reader: {queries: {q: {expr: x, tz: UTC}, p: {expr: x}}}", 1),
        ("reader: {tz: UTC, queries: {p: {expr: x}}}", 0),
        ("presets: [node]", 1),
    ):
        file.write_text(text)
        result = CliRunner().invoke(detector, ["check", str(file), "--output", "json"])
        assert len(json.loads(result.output)["lints"]) == lints, text


def test_what_to_watch_must_be_said() -> None:
    for command in ("check", "run"):
        result = CliRunner().invoke(detector, [command], env={"SPECTER_DATASOURCE_URL": ""})
        assert result.exit_code != 0
        assert "say what to watch" in str(result.exception)


@pytest.mark.parametrize(
    ("labels", "own"),
    [
        ({"__name__": "anomaly_score", "service": "shop"}, True),
        ({"__name__": "yhat_upper"}, True),
        ({"__name__": "yhat_of_mine"}, False),
        ({"__name__": "specter_detector_series", "query": "q"}, True),
        ({"__name__": "anomaly:upper_band"}, True),
        ({"__name__": "specter_queue_depth"}, False),
        ({"for": "q", "model_alias": "m", "scheduler_alias": "s", "service": "shop"}, True),
        ({"for": "q", "model_alias": "m"}, False),
        ({"for": "rent", "service": "shop"}, False),
    ],
)
def test_own_output_is_known_by_name_or_by_all_its_labels(labels: dict[str, str], own: bool) -> None:
    assert is_own_output(labels_of(labels), defaults.METRIC_FORMAT) is own


def test_own_output_is_known_in_another_format() -> None:
    other = {"__name__": "ml:$VAR:$QUERY_KEY", "by": "specter", "query": "$QUERY_KEY"}
    assert is_own_output(labels_of({"__name__": "ml:yhat:rate"}), other)
    assert not is_own_output(labels_of({"__name__": "ml:yhat"}), other)
    assert not is_own_output(labels_of({"by": "x", "query": "q"}), other)
    # A constant is a mark, too.
    assert is_own_output(labels_of({"by": "specter", "query": "q"}), other)
