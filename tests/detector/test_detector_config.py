"""The configuration file: defaults, and every error at once."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from specter_core import metrics
from specter_core.config import ConfigError, parse_config
from specter_core.durations import format_duration, parse_duration
from specter_core.errors import UsageError
from specter_detector.cli import detector
from specter_detector.config import DetectorConfig, load, resolve
from specter_detector.formats import OutputFormat
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays
from specter_detector.models.policy import Policy
from specter_detector.packing import Limits
from specter_detector.schema import DetectorSchema
from specter_detector.spool import SpoolOptions
from tests.servers.prometheus import running_prometheus

ROOT = Path(__file__).parents[2]
WRONG = """\
reader:
  datasource_url: prometheus:9090
  max_points_per_query: 20000
  queries:
    rate: {expr: shop_rate, data_range: [1, 0], step: 7m}
    own: {expr: anomaly_score > 1}
    zone: {expr: x, tz: Mars/Base, holidays: {country: XX}}
models:
  a:
    class: prophet
    queries: [rate, nothing]
  b:
    periods: [1d]
    detection_direction: up
    min_dev_from_expected: -1
    schedulers: [never, t]
schedulers:
  s: {infer_every: 0s, fit_window: 28}
  t: {infer_every: 1h, fit_every: 10m, fit_window: 28d}
writer:
  metric_format: {__name__: score}
  secret: x
"""


def parsed(text: str, url: str | None = None) -> DetectorConfig:
    return resolve(parse_config(text, DetectorSchema, file="d.yml"), datasource_url=url)


def test_a_wrong_file_lists_every_error_at_once_with_line_and_path() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(WRONG)
    found = {(problem.line, problem.path): problem.message for problem in caught.value.problems}
    assert sorted(found) == [
        (2, "reader.datasource_url"),
        (3, "reader.max_points_per_query"),
        (5, "reader.queries.rate.data_range"),
        (5, "reader.queries.rate.step"),
        (6, "reader.queries.own.expr"),
        (7, "reader.queries.zone.holidays"),
        (7, "reader.queries.zone.tz"),
        (10, "models.a.class"),
        (11, "models.a.queries[1]"),
        (13, "models.b.periods"),
        (14, "models.b.detection_direction"),
        (15, "models.b.min_dev_from_expected[0]"),
        (15, "models.b.min_dev_from_expected[1]"),
        (16, "models.b.schedulers[0]"),
        (18, "schedulers.s.fit_window"),
        (18, "schedulers.s.infer_every"),
        (19, "schedulers.t.fit_every"),
        (21, "writer.metric_format"),
        (22, "writer.secret"),
    ]
    assert found[11, "models.a.queries[1]"] == (
        "is not one of the queries: rate, own, zone (found 'nothing')"
    )
    assert found[18, "schedulers.s.infer_every"] == "must be longer than 0s (found '0s')"
    assert found[18, "schedulers.s.fit_window"] == "expected a duration such as 15s, 5m or 28d (found 28)"
    assert found[13, "models.b.periods"].startswith("is not a known key; there are bands, class,")
    assert found[10, "models.a.class"] == "expected 'seasonal', 'stl' or 'mstl' (found 'prophet')"
    assert found[5, "reader.queries.rate.step"] == (
        "a day must be a whole number of steps, at least 24 (found '7m')"
    )
    assert found[7, "reader.queries.zone.holidays"].startswith("unknown country 'XX': expected one of AD, ")
    assert "reads the detector's own output" in found[6, "reader.queries.own.expr"]
    assert found[22, "writer.secret"].startswith("is not a known key; there are bands,")


def test_contradictions_alone_are_found_in_a_well_formed_file() -> None:
    text = "reader: {queries: {q: {expr: x, step: 2h}}}\nmodels: {m: {class: stl, queries: [q, r]}}"
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    assert [problem.path for problem in caught.value.problems] == [
        "reader.queries.q.step",
        "models.m.queries[1]",
    ]


def test_a_server_and_a_query_are_enough() -> None:
    config = parsed("reader: {datasource_url: 'http://prom:9090/', queries: {q: {expr: up}}}")
    assert config.reader.connection.url == config.writer.connection.url == "http://prom:9090"
    query, model, scheduler = (
        config.reader.queries["q"],
        config.models["default"],
        config.schedulers["default"],
    )
    assert (query.step, query.tz, query.offset, query.max_age) == (300.0, "UTC", 0.0, 90.0)
    assert (model.kind, model.queries, model.schedulers) == ("seasonal", ("q",), ("default",))
    assert model.provide_series == ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")
    assert model.policy == Policy()
    assert (scheduler.fit_every, scheduler.fit_window, scheduler.infer_every) == (3600.0, 28 * 86400.0, 15.0)


def test_a_scalar_minimum_counts_on_both_sides_and_a_pair_on_each() -> None:
    text = (
        "reader: {queries: {q: {expr: x}}}\n"
        "models: {m: {min_dev_from_expected: 2, min_rel_dev_from_expected: [0.1, 0.5]}}"
    )
    policy = parsed(text).models["m"].policy
    assert (policy.min_dev, policy.min_rel_dev) == ((2.0, 2.0), (0.1, 0.5))


def test_holidays_of_the_reader_hold_for_queries_without_their_own() -> None:
    config = parsed(
        "reader:\n"
        "  holidays: {country: DE, subdivision: BY}\n"
        "  queries: {q: {expr: x}, own: {expr: x, holidays: {dates: [2026-12-24, '2026-12-31']}}}"
    )
    assert config.reader.queries["q"].holidays == Holidays("DE", "BY")
    assert config.reader.queries["own"].holidays == Holidays(dates=("2026-12-24", "2026-12-31"))
    assert parsed("reader: {queries: {q: {expr: x}}}").reader.queries["q"].holidays == NO_HOLIDAYS


def test_what_is_written_is_a_choice_of_formats_bands_and_bounds() -> None:
    query = "reader: {queries: {q: {expr: x, anomaly_type: latency}}}\n"
    plain = parsed(query).writer
    assert (plain.form.kind, plain.scrape, plain.max_bands) == ("default", False, 100)
    assert plain.spool == SpoolOptions(None, None, 86400.0)
    config = parsed(
        f"{query}writer: {{format: promql-anomaly-detection, bands: anomalous, max_bands: 7, mode: scrape,"
        " spool: {folder: /var/lib/x, max_bytes: 2GiB, max_age: 6h}, max_bytes_per_request: 500kB}\n"
        "models: {a: {}, b: {bands: always}}"
    )
    assert (config.writer.form.kind, config.writer.scrape, config.writer.max_bands) == (
        "promql-anomaly-detection", True, 7,
    )  # fmt: skip
    assert config.writer.spool == SpoolOptions(Path("/var/lib/x"), 2 << 30, 6 * 3600.0)
    assert config.writer.limits == Limits(5000, 500_000)
    assert [model.bands for model in config.models.values()] == ["anomalous", "always"]
    assert config.reader.queries["q"].anomaly_type == "latency"
    assert parsed(f"{query}writer: {{metric_format: {{__name__: a_$VAR}}}}").writer.form == OutputFormat(
        "template", {"__name__": "a_$VAR"}
    )


@pytest.mark.parametrize(
    ("writer", "path", "message"),
    [
        ("format: template", "writer", "format: template needs a metric_format"),
        (
            "format: default, metric_format: {__name__: a_$VAR}",
            "writer",
            "is for format: template, not default",
        ),
        ("spool: {max_bytes: 3 apples}", "writer.spool.max_bytes", "expected a size such as 512MiB or 1GiB"),
        ("spool: {max_bytes: 10kB}", "writer.spool.max_bytes", "expected at least 1048576"),
        ("mode: push", "writer.mode", "'remote_write' or 'scrape'"),
    ],
)
def test_a_writer_that_cannot_be_is_an_error_with_its_place(writer: str, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(f"reader: {{queries: {{q: {{expr: x}}}}}}\nwriter: {{{writer}}}")
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


@pytest.mark.parametrize(
    ("expr", "writer"),
    [
        ("anomaly:level", "format: promql-anomaly-detection"),
        ("rate(anomaly:upper_band[5m])", "format: promql-anomaly-detection"),
        ("y", "provide_series: [anomaly_score, y]"),
    ],
)
def test_output_of_another_format_is_output_only_where_it_is_written(expr: str, writer: str) -> None:
    query = f"reader: {{queries: {{q: {{expr: '{expr}'}}}}}}\n"
    with pytest.raises(ConfigError, match="own output"):
        parsed(f"{query}writer: {{{writer}}}")
    assert parsed(query).reader.queries["q"].expr == expr


def test_the_detectors_further_output_is_output_too() -> None:
    for key in ("expr: anomaly_confidence", "expr: anomaly_direction", "expr: x, limit: yhat_upper"):
        with pytest.raises(ConfigError, match="own output"):
            parsed(f"reader: {{queries: {{q: {{{key}}}}}}}")


def test_an_own_writer_keeps_its_login_and_the_flag_replaces_both_urls() -> None:
    text = (
        "reader: {datasource_url: http://r:1, queries: {q: {expr: x}}, tenant_id: a}\n"
        "writer: {datasource_url: http://w:2, tenant_id: b}"
    )
    config = parsed(text)
    assert (config.writer.connection.url, config.writer.connection.tenant_id) == ("http://w:2", "b")
    config = parsed(text, "http://flag:3")
    assert config.reader.connection.url == config.writer.connection.url == "http://flag:3"
    assert config.writer.connection.tenant_id == "a"
    with pytest.raises(UsageError, match="expected a URL"):
        parsed(text, "flag:3")


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed("reader: {queries: {q: {expr: x}}, username: a}")
    assert "username and password_file belong together" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        parsed("reader: {datasource_url: 'http://me:hunter2@prom', queries: {q: {expr: x}}}")
    assert "use username and password_file" in str(caught.value)


def test_the_stacks_configuration_watches_the_recorded_layer() -> None:
    config = load(ROOT / "stack/detector/detector.yml")
    recorded = metrics.QUERY_SERIES | {
        "frontend_lcp": metrics.WEB_VITALS_P75[metrics.WEB_VITALS_LCP],
        "frontend_inp": metrics.WEB_VITALS_P75[metrics.WEB_VITALS_INP],
    }
    assert {alias: query.expr for alias, query in config.reader.queries.items()} == recorded
    watched = [query for model in config.models.values() for query in model.queries]
    assert sorted(watched) == sorted(recorded)
    assert config.models["latency"].policy == Policy("above_expected", (0.05, 0.05), (0.5, 0.5))
    assert config.models["errors"].policy == Policy("above_expected", (0.02, 0.02))
    assert config.models["rates"].policy == Policy(min_dev=(0.1, 0.1), min_rel_dev=(0.3, 0.3))
    assert config.models["vitals"].policy == Policy("above_expected", (0.05, 0.05), (0.5, 0.5))
    assert config.reader.queries["error_ratio"].data_range == (0.0, 1.0)


@given(st.integers(1, 10**10))
def test_durations_survive_writing_and_reading(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize("wrong", ["", "5", "m", "-5m", "5 m", "1.5h", 5, None, "5mm"])
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(wrong)


def test_check_prints_one_line_or_json_and_exits_with_2_on_errors(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("reader: {tz: UTC, queries: {q: {expr: up}}}")
    bad.write_text("reader: {queries: {}}")
    runner = CliRunner()
    assert runner.invoke(detector, ["check", str(good)]).output == (
        f"{good}: valid; queries: 1, models: 1, schedulers: 1\n"
    )
    result = runner.invoke(detector, ["check", str(good), "--output", "json"])
    assert result.output.startswith('{"ok": true, "queries": ["q"]')
    result = runner.invoke(detector, ["check", str(bad), "--output", "json"])
    assert result.exit_code == 2
    assert '"path": "reader.queries"' in result.output


def test_check_resolve_says_what_each_query_answers(tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    file.write_text("reader: {datasource_url: 'http://127.0.0.1:1', queries: {q: {expr: up}}}")
    result = CliRunner().invoke(detector, ["check", str(file), "--resolve"])
    assert result.exit_code == 1
    assert "q: http://127.0.0.1:1: " in result.output
    assert "Connection refused" in result.output


def test_a_query_may_have_a_limit_of_its_own() -> None:
    queries = "{a: {expr: x, max_series: 50000}, b: {expr: x}}"
    config = parsed(f"reader: {{max_series_per_query: 7, max_concurrent_queries: 2, queries: {queries}}}")
    assert {alias: query.max_series for alias, query in config.reader.queries.items()} == {
        "a": 50_000,
        "b": 7,
    }
    assert config.reader.max_concurrent == 2
    with pytest.raises(ConfigError, match="max_series"):
        parsed("reader: {queries: {a: {expr: x, max_series: 0}}}")


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_what_would_silently_do_nothing_is_an_error() -> None:
    reader = "reader: {queries: {a: {expr: x}, lost: {expr: y}}}\n"
    assert problems_of(f"{reader}models: {{m: {{queries: [a]}}}}") == {
        "reader.queries.lost": "no model uses this query"
    }
    misspelt = "reader: {queries: {aa: {expr: x}, b: {expr: y}, c: {expr: z}}}\nmodels: {m: {queries: [a]}}"
    assert list(problems_of(misspelt)) == ["models.m.queries[0]"]
    parsed(f"{reader}models: {{m: {{queries: [a]}}, n: {{}}}}")
    empty = problems_of(f"{reader}models: {{m: {{queries: [], provide_series: []}}}}")
    assert empty["models.m.queries"] == "must not be empty (found a list)"
    assert empty["models.m.provide_series"] == "must not be empty (found a list)"
    login = problems_of(f"{reader}writer: {{username: joe, password_file: /p}}")
    assert set(login) == {"writer.username", "writer.password_file"}
    assert "give writer.datasource_url" in login["writer.username"]


def test_an_expression_that_no_server_runs_is_an_error_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "d.yml"
    file.write_text(
        "reader:\n  queries:\n    q: {expr: 'rate(x['}\n    p: {expr: x, limit: 'sum(y', step: 7m}\n"
    )
    result = CliRunner().invoke(detector, ["check", str(file)])
    assert isinstance(result.exception, ConfigError)
    assert result.exception.exit_code == 2
    assert "valid" not in result.output
    syntax, limit, step = result.exception.problems
    assert (syntax.line, syntax.path) == (3, "reader.queries.q.expr")
    assert syntax.message.startswith("is no expression: ")
    assert syntax.message.endswith("(found 'rate(x[')")
    assert limit.path == "reader.queries.p.limit"
    assert step.path == "reader.queries.p.step"


def test_messages_are_in_the_users_words() -> None:
    text = "reader: {queries: {a: {expr: x, holidays: [DE]}}}\nmodels: {m: {detection_directon: both, %s}}"
    found = problems_of(text % "min_dev_from_expected: 30%")
    assert found["models.m.detection_directon"] == "is not a known key: did you mean detection_direction?"
    assert found["models.m.min_dev_from_expected"].startswith("expected a number, or [below, above]")
    assert found["reader.queries.a.holidays"].startswith("expected a mapping")
    (path, message), *_ = problems_of("reader: {queries: {a: {expr: x}}}\npresets: []\nshard: {x: 1}").items()
    assert (path, message) == ("shard.x", "is not a known key; there are count, index, replicas")


@pytest.mark.integration
def test_check_says_that_the_receiver_is_off(tmp_path: Path) -> None:
    config = tmp_path / "d.yml"
    with running_prometheus(tmp_path / "prometheus") as server:
        config.write_text(
            f"reader: {{datasource_url: '{server.url}', queries: {{a: {{expr: up}}}}}}\npresets: []"
        )
        on = CliRunner().invoke(detector, ["check", str(config), "--resolve"])
        assert on.exit_code == 0, on.output
        assert "writer:" not in on.output
    gone = CliRunner().invoke(detector, ["check", str(config), "--resolve"])
    assert gone.exit_code == 1
    assert f"writer: {server.url}/api/v1/write: Connection refused" in gone.output
    config.write_text("reader: {queries: {a: {expr: up}}}\npresets: []\nwriter: {mode: scrape}")
    assert "writer:" not in CliRunner().invoke(detector, ["check", str(config), "--resolve"]).output
