"""Configurations of vmanomaly and promql-anomaly-detection become ours, and what does not fit is said."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from specter_core.config import parse_config
from specter_detector.cli import detector
from specter_detector.config import DetectorConfig, resolve
from specter_detector.models.policy import Policy
from specter_detector.schema import DetectorSchema

VMANOMALY = """\
settings: {n_workers: 4, restore_state: true, anomaly_score_outside_data_range: 3}
schedulers:
  live: {class: periodic, infer_every: 30s, fit_every: 2h, fit_window: 28d}
  short: {class: scheduler.periodic.PeriodicScheduler, infer_every: 1m, fit_window: 3h}
  past: {class: backtesting, from_iso: '2024-01-01T00:00:00Z'}
reader:
  class: vm
  datasource_url: http://metrics.example:8428/
  tenant_id: '0:0'
  user: me
  password: hunter2
  sampling_period: 1m
  timeout: 30s
  tz: Europe/Berlin
  data_range: [0, inf]
  offset: -10s
  latency_offset: 1ms
  queries:
    visits: {expr: 'sum(rate(visits_total[5m])) by (page)', step: 7m, max_points_per_query: 900}
    'disk free %': {expr: disk_free, data_range: [0, 100], tz: UTC, offset: +5m}
models:
  z:
    class: zscore
    z_threshold: 3
    queries: [visits]
    schedulers: [live]
    provide_series: [anomaly_score, y]
  p:
    class: model.prophet.ProphetModel
    detection_direction: below_expected
    min_dev_from_expected: [5, 0]
    args: {interval_width: 0.98}
    queries: ['disk free %']
    groupby: [host]
  b: {class: holtwinters, schedulers: [past]}
writer:
  class: vm
  datasource_url: http://write.example:8428
  bearer_token_file: /run/token
  metric_format: {__name__: 'vmanomaly_$VAR', for: '$QUERY_KEY'}
monitoring:
  pull: {port: 8080}
"""


def run(folder: Path, text: str, *arguments: str) -> Result:
    file = folder / "theirs.yml"
    file.write_text(text)
    return CliRunner().invoke(detector, ["import", str(file), *arguments])


def config_of(result: Result) -> DetectorConfig:
    assert result.exit_code == 0, result.output
    return resolve(parse_config(result.stdout, DetectorSchema, file="ours.yml"))


def test_what_has_a_counterpart_is_taken_over(tmp_path: Path) -> None:
    config = config_of(run(tmp_path, VMANOMALY))
    reader = config.reader
    assert reader.connection.url == "http://metrics.example:8428"
    assert reader.connection.timeout == 30.0
    visits, disk = reader.queries["visits"], reader.queries["disk_free"]
    assert (visits.expr, visits.step, visits.tz, visits.offset) == (
        "sum(rate(visits_total[5m])) by (page)", 400.0, "Europe/Berlin", 10.0,
    )  # fmt: skip
    assert visits.data_range == (0.0, float("inf"))
    assert (disk.step, disk.data_range, disk.tz, disk.offset) == (60.0, (0.0, 100.0), "UTC", 0.0)
    assert set(config.models) == {"z", "p"}
    z, p = config.models["z"], config.models["p"]
    assert (z.kind, z.queries, z.schedulers, z.provide_series) == (
        "seasonal", ("visits",), ("live",), ("anomaly_score",),
    )  # fmt: skip
    assert p.policy == Policy("below_expected", (5.0, 0.0))
    assert p.queries == ("disk_free",)
    live, short = config.schedulers["live"], config.schedulers["short"]
    assert (live.infer_every, live.fit_every, live.fit_window) == (30.0, 7200.0, 28 * 86400.0)
    assert (short.infer_every, short.fit_every, short.fit_window) == (60.0, 3600.0, 4 * 3600.0)
    assert config.writer.connection.url == "http://write.example:8428"
    assert config.writer.connection.bearer_token_file == Path("/run/token")
    assert config.writer.form.template["__name__"] == "vmanomaly_$VAR"
    # What was not watched before is not watched now.
    assert config.presets == ()


def test_everything_else_is_said_with_what_holds_instead(tmp_path: Path) -> None:
    result = run(tmp_path, VMANOMALY)
    said = {}
    for line in result.stderr.splitlines():
        path, _, instead = line.removeprefix(f"{tmp_path / 'theirs.yml'}: ").partition(": ")
        said[path] = instead
    assert set(said) == {
        "settings ({n_workers, restore_state, anomaly_score_outside_data_range})",
        "schedulers.short.fit_every (None)",
        "schedulers.short.fit_window (3h)",
        "schedulers.short.fit_window (4h)",
        "schedulers.past.class (backtesting)",
        "reader.tenant_id (0:0)",
        "reader.password",
        "reader.latency_offset (1ms)",
        "reader.queries.visits.step (7m)",
        "reader.queries.visits.max_points_per_query (900)",
        "reader.queries.disk free % (disk free %)",
        "reader.queries.disk free %.offset (+5m)",
        "models.z.class (zscore)",
        "models.z.z_threshold (3)",
        "models.z.provide_series (y)",
        "models.p.class (model.prophet.ProphetModel)",
        "models.p.args ({interval_width})",
        "models.p.groupby (['host'])",
        "models.b.schedulers (past)",
        "models.b (holtwinters)",
        "monitoring ({pull})",
    }
    assert said["reader.queries.visits.step (7m)"] == (
        "a day must be a whole number of steps, at least 24: 6m40s is used"
    )
    assert said["models.z.z_threshold (3)"].startswith("the edge of the band is learnt")
    assert said["models.z.class (zscore)"].startswith("class seasonal is used")
    # The result says it too, so that it is there when somebody wonders later.
    comments = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert len(comments) == len(said) + 2
    assert "hunter2" not in result.output


def test_the_result_passes_check(tmp_path: Path) -> None:
    out = tmp_path / "ours.yml"
    result = run(tmp_path, VMANOMALY, "--out", str(out), "--from", "vmanomaly")
    assert result.exit_code == 0
    assert result.stdout == ""
    checked = CliRunner().invoke(detector, ["check", str(out), "--strict"])
    assert checked.output == f"{out}: valid; queries: 2, models: 2, schedulers: 2\n"
    again = run(tmp_path, VMANOMALY, "--out", str(out))
    assert "--force" in str(again.exception)
    assert run(tmp_path, VMANOMALY, "--out", str(out), "--force").exit_code == 0


def test_the_flat_sections_of_old_versions_are_read(tmp_path: Path) -> None:
    text = """\
reader: {datasource_url: 'http://h:8428', sampling_period: 30s, queries: {v: 'avg(blocks)'}}
model: {class: model.holtwinters.HoltWinters}
scheduler: {infer_every: 1m, fit_every: 1h, fit_window: 14d}
"""
    config = config_of(run(tmp_path, text))
    assert config.reader.queries["v"].expr == "avg(blocks)"
    assert config.models["default"].kind == "seasonal"
    assert config.schedulers["default"].fit_window == 14 * 86400.0


@pytest.mark.parametrize(
    "kind",
    [
        "prophet", "zscore", "zscore_online", "model.zscore.ZscoreModel", "mad", "mad_online", "holtwinters",
        "model.holtwinters.HoltWinters", "std", "model.std.StdModel", "rolling_quantile",
        "model.rolling_quantile.RollingQuantileModel", "quantile_online", "isolation_forest",
        "isolation_forest_multivariate", "auto", "model.online.OnlineQuantileModel", "custom.MyModel",
    ],
)  # fmt: skip
def test_every_class_of_model_has_something_in_its_place(tmp_path: Path, kind: str) -> None:
    text = f"reader: {{queries: {{q: {{expr: x}}}}}}\nmodels: {{m: {{class: {kind}}}}}"
    result = run(tmp_path, text)
    assert config_of(result).models["m"].kind == "seasonal"
    assert "is not known" not in result.stderr


def test_a_preset_of_theirs_becomes_one_of_ours(tmp_path: Path) -> None:
    assert config_of(
        run(tmp_path, "preset: node-exporter\nreader: {datasource_url: 'http://h:1'}")
    ).presets == ("node",)


RULES = """\
groups:
  - name: services
    interval: 1m
    rules:
      - record: service:requests:rate5m
        expr: sum by (service) (rate(requests_total[5m]))
        labels: {anomaly_name: "web requests", anomaly_type: requests, anomaly_strategy: adaptive}
      - record: service:latency:p95
        expr: histogram_quantile(0.95, sum by (service, le) (rate(latency_seconds_bucket[5m])))
        labels: {anomaly_name: latency, anomaly_type: latency, anomaly_strategy: robust}
      - record: host:memory
        expr: memory_free
        labels: {anomaly_name: memory, anomaly_type: odd}
      - record: other:series
        expr: up
      - record: anomaly:upper_band
        expr: up
      - alert: AnomalyDetected
        expr: up == 0
"""


def test_labelled_rules_are_watched_as_they_are_recorded(tmp_path: Path) -> None:
    result = run(tmp_path, RULES)
    config = config_of(result)
    assert {alias: query.expr for alias, query in config.reader.queries.items()} == {
        "web_requests": 'service:requests:rate5m{anomaly_name="web requests"}',
        "latency": 'service:latency:p95{anomaly_name="latency"}',
        "memory": 'host:memory{anomaly_name="memory"}',
    }
    assert {alias: model.queries for alias, model in config.models.items()} == {
        "requests": ("web_requests",), "latency": ("latency",), "resource": ("memory",),
    }  # fmt: skip
    assert config.models["latency"].policy == Policy("above_expected", (0.05, 0.05), (0.5, 0.5))
    assert config.reader.queries["latency"].data_range == (0.0, float("inf"))
    said = result.stderr
    for path in (
        "groups[0].rules[0].labels.anomaly_strategy (adaptive)",
        "groups[0].rules[1].labels.anomaly_strategy (robust)",
        "groups[0].rules[2].labels.anomaly_type (odd)",
        "groups[0].rules[3].record (other:series)",
        "groups[0].rules[4].record (anomaly:upper_band)",
        "groups[0].rules[5].alert (AnomalyDetected)",
        "groups[0].interval (1m)",
    ):
        assert path in said, path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1", "say which with --from"),
        ("- 1", "expected a mapping"),
        ("a: [", ":1: is not valid YAML"),
        ("groups: []", "expected a rule with the label anomaly_name"),
        ("reader: {}", "expected a query in reader.queries"),
        ("reader: {tz: Mars/Base, queries: {q: x}}", "reader.tz: expected a time zone"),
    ],
)
def test_what_cannot_be_imported_says_why(tmp_path: Path, text: str, message: str) -> None:
    result = run(tmp_path, text)
    assert result.exit_code != 0
    assert message in str(result.exception)


def test_odd_values_are_noted_and_do_not_break_the_import(tmp_path: Path) -> None:
    text = yaml.safe_dump(
        {
            "reader": {
                "datasource_url": "http://me:secret@h:1",
                "sampling_period": "soon",
                "timeout": "never",
                "max_points_per_query": 1,
                "verify_tls": False,
                "queries": {
                    "1\nq": {"expr": "x", "data_range": "all", "step": 3600.5},
                    "unused": {"expr": "y"},
                },
            },
            "models": {
                "m": {"class": "zscore", "detection_direction": "sideways", "queries": ["1\nq", "lost"]},
                "n": {"class": "zscore", "queries": ["gone"]},
            },
            "odd\nsection": 1,
        }
    )
    result = run(tmp_path, text)
    config = config_of(result)
    assert config.reader.queries["_1_q"].step == 3600.0
    assert config.reader.max_points == 100
    assert config.models["m"].queries == ("_1_q",)
    assert "n" not in config.models
    assert "unused" not in config.reader.queries
    assert "secret" not in result.output
    for path in (
        "reader.datasource_url",
        "reader.sampling_period (soon)",
        "reader.verify_tls (False)",
        "models.n (zscore)",
        "reader.queries.unused (unused)",
    ):
        assert path in result.stderr, path
