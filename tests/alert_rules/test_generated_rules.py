"""`specter alerts`: what is committed is what is generated, compared as sets of files."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from specter_alerts.anomaly import QUANTITIES, ROUTE_ALIASES
from specter_alerts.cli import alerts
from specter_alerts.families import all_groups
from specter_alerts.lint import lint
from specter_alerts.measures import MEASURES
from specter_alerts.settings import DEFAULTS, Settings
from specter_alerts.writer import HEADER, render
from specter_core import metrics
from specter_core.catalogue import parse_catalogue
from specter_core.errors import SpecterError
from specter_core.generated import differences, write
from specter_detector.presets.catalogue import QUERIES
from specter_exporters.dependencies.blackbox import PROBE_JOB, TARGETS
from specter_stack.programs import find_program

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "alert_rules" / "generated"
NAMES = {
    "http.rules.yml",
    "signin.rules.yml",
    "logs.rules.yml",
    "application.rules.yml",
    "business.rules.yml",
    "anomaly.rules.yml",
    "deployments.rules.yml",
    "dependencies.rules.yml",
    "database.rules.yml",
    "integrity.rules.yml",
    "jobs.rules.yml",
    "detector.rules.yml",
    "frontend.rules.yml",
    "hosts.rules.yml",
    "meta.rules.yml",
    "queues.rules.yml",
    "workers.rules.yml",
    "caches.rules.yml",
    "alertmanager.yml",
}


def test_committed_files_are_what_the_generators_write() -> None:
    assert differences(GENERATED, render()) == []


def test_every_file_is_marked_and_is_yaml() -> None:
    files = render()
    assert set(files) == NAMES
    for text in files.values():
        assert text.startswith(HEADER)
        assert isinstance(yaml.safe_load(text), dict)


def test_check_names_missing_orphaned_and_changed_files(tmp_path: Path) -> None:
    write(tmp_path, render())
    (tmp_path / "http.rules.yml").unlink()
    (tmp_path / "old.rules.yml").write_text("groups: []\n", encoding="utf-8")
    (tmp_path / "meta.rules.yml").write_text("groups: []\n", encoding="utf-8")
    expected = [
        f"{tmp_path}/http.rules.yml: missing",
        f"{tmp_path}/old.rules.yml: orphan, no generator writes it",
        f"{tmp_path}/meta.rules.yml: differs from its generator",
    ]
    assert differences(tmp_path, render()) == expected
    result = CliRunner().invoke(alerts, ["generate", "--check", "--output-dir", str(tmp_path)])
    assert isinstance(result.exception, SpecterError)
    assert result.exception.exit_code == 1
    assert str(result.exception).splitlines()[:3] == expected


def test_the_command_exits_1_when_files_differ_and_0_when_not(tmp_path: Path) -> None:
    specter = str(ROOT / ".venv" / "bin" / "specter")
    call = [specter, "alerts", "generate", "--output-dir", str(tmp_path)]
    missing = subprocess.run([*call, "--check"], capture_output=True, text=True, check=False, timeout=60)
    assert missing.returncode == 1
    assert "alertmanager.yml: missing" in missing.stderr
    assert subprocess.run(call, capture_output=True, check=False, timeout=60).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == NAMES
    assert subprocess.run([*call, "--check"], capture_output=True, check=False, timeout=60).returncode == 0


def test_links_are_two_options(tmp_path: Path) -> None:
    urls = ["--dashboard-url", "https://grafana.example.org/", "--runbook-url", "https://wiki.example.org/r"]
    call = ["generate", "--output-dir", str(tmp_path), *urls]
    assert CliRunner().invoke(alerts, call).exit_code == 0
    document = yaml.safe_load((tmp_path / "http.rules.yml").read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"] if "alert" in rule]
    annotations = next(rule["annotations"] for rule in rules if rule["alert"] == "ServiceDown")
    assert annotations["runbook_url"] == "https://wiki.example.org/r/ServiceDown.md"
    assert annotations["dashboard"] == (
        "https://grafana.example.org/d/specter-main-status/main-status"
        "?var-service={{ $labels.service | urlquery }}"
    )
    assert CliRunner().invoke(alerts, [*call, "--check"]).exit_code == 0
    default = CliRunner().invoke(alerts, ["generate", "--output-dir", str(tmp_path), "--check"])
    assert isinstance(default.exception, SpecterError)


CATALOGUE = """\
events:
  order: {objective: {success_ratio: 0.9}, critical: true}
  visit: {}
funnels: {buying: [visit, order]}
"""


def test_a_catalogue_says_which_events_page_and_what_the_steps_of_funnels_are(tmp_path: Path) -> None:
    catalogue = parse_catalogue(CATALOGUE, file="c.yml")
    rules = render(Settings(catalogue=catalogue))["business.rules.yml"]
    assert 'ratio5m{event=~"order"}' in rules
    assert 'event!~"order"' in rules
    assert 'funnel="buying", event="visit"' in rules
    assert "payment" not in rules
    (tmp_path / "c.yml").write_text(CATALOGUE, encoding="utf-8")
    call = ["generate", "--output-dir", str(tmp_path / "rules"), "--catalogue", str(tmp_path / "c.yml")]
    assert CliRunner().invoke(alerts, call).exit_code == 0
    assert (tmp_path / "rules" / "business.rules.yml").read_text(encoding="utf-8") == rules


def test_a_catalogue_without_critical_events_and_funnels_is_still_alerted_on(tmp_path: Path) -> None:
    plain = parse_catalogue("events: {order: {objective: {success_ratio: 0.9}}}\n", file="c.yml")
    groups = all_groups(Settings(catalogue=plain))
    assert lint(groups, None) == []
    expressions = {rule.alert: rule.expr for group in groups for rule in group.alerts}
    assert "FunnelConversionDropped" not in expressions
    # An event always has a name: the first matches none, the second all.
    assert 'event=~""' in expressions["BusinessSuccessCritical"]
    assert 'event!~""' in expressions["BusinessEventStopped"]


def test_a_broken_catalogue_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("events: {order: {critical: true}}\n", encoding="utf-8")
    call = ["generate", "--output-dir", str(tmp_path / "rules"), "--catalogue", str(tmp_path / "c.yml")]
    result = CliRunner().invoke(alerts, call)
    assert isinstance(result.exception, SpecterError)
    assert "events.order: critical needs an objective" in str(result.exception)
    assert not (tmp_path / "rules").exists()


@pytest.mark.parametrize("option", ["--dashboard-url", "--runbook-url"])
def test_a_link_without_a_scheme_is_refused(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(alerts, ["generate", "--output-dir", str(tmp_path), option, "grafana:3000"])
    assert result.exit_code == 2
    assert "'grafana:3000' does not begin with http:// or https://" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_threshold_is_one_setting() -> None:
    changed = render(Settings(error_ratio_critical=0.2, min_request_rate=3))["http.rules.yml"]
    assert "service:http_server_errors:ratio_rate1m > 0.2" in changed
    assert "expected at most 20%" in changed
    assert "service:http_server_requests:rate1m >= 3" in changed
    assert "clamp_min(service:http_server_requests:rate1m, 3)" in changed


def test_lint_as_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    clean = CliRunner().invoke(alerts, ["lint", "--output", "json"])
    assert (clean.exit_code, json.loads(clean.stdout)) == (0, [])
    without = CliRunner().invoke(alerts, ["lint", "--output", "json", "--runbooks", str(tmp_path)])
    assert isinstance(without.exception, SpecterError)
    assert {row["check"] for row in json.loads(without.stdout)} == {"runbook"}


def test_lint_without_runbooks_says_that_it_leaves_them_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(alerts, ["lint"])
    assert (result.exit_code, result.stderr) == (
        0,
        "runbooks not checked: no folder alert_rules/runbooks here, and no --runbooks\n",
    )
    assert result.stdout.endswith(" rules, nothing found\n")


def test_quiet_queries_are_the_quantiles() -> None:
    recorded = {*metrics.SERVICE_DURATION.values(), *metrics.ROUTE_DURATION.values()}
    quiet = {alias for alias, series in metrics.QUERY_SERIES.items() if series in recorded}
    quiet |= {
        query.alias
        for query in QUERIES.values()
        if any("histogram_quantile" in source.expr for source in query.sources)
    }
    assert set(DEFAULTS.quiet_queries) == quiet


def test_every_query_of_a_preset_has_its_title_and_unit_in_the_alerts_text() -> None:
    others = {query.alias: query for query in QUERIES.values() if query.alias not in QUANTITIES}
    assert set(MEASURES) == set(others)
    for alias, query in others.items():
        assert MEASURES[alias].words.lower().endswith(query.title.lower())
        assert MEASURES[alias].unit == query.unit


def test_every_query_with_a_recorded_series_has_an_anomaly_rule_of_its_own() -> None:
    assert set(QUANTITIES) == set(metrics.QUERY_SERIES)
    own = {alias for alias, series in metrics.QUERY_SERIES.items() if series.startswith("service_route:")}
    assert own == ROUTE_ALIASES


def test_scores_stay_fresh_for_two_ticks_and_no_longer_than_the_alert_waits() -> None:
    detector = yaml.safe_load((ROOT / "stack" / "detector" / "detector.yml").read_text(encoding="utf-8"))
    intervals = [seconds(scheduler["infer_every"]) for scheduler in detector["schedulers"].values()]
    assert 2 * max(intervals) <= DEFAULTS.anomaly_fresh_seconds <= seconds(DEFAULTS.anomaly_for)


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


@pytest.mark.integration
def test_promtool_finds_nothing_to_lint(tmp_path: Path) -> None:
    write(tmp_path, render())
    files = [str(path) for path in sorted(tmp_path.glob("*.rules.yml"))]
    checked = subprocess.run(
        [str(find_program("promtool")), "check", "rules", "--lint=all", "--lint-fatal", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.integration
def test_promtool_accepts_the_rules_and_the_shared_configuration(tmp_path: Path) -> None:
    promtool = str(find_program("promtool"))
    (tmp_path / "prometheus.yml").write_text(
        (ROOT / "stack" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    write(tmp_path / "rules", render())
    checked = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(NAMES) - 1} rule files found" in checked.stdout


def test_the_shared_configuration_names_no_address() -> None:
    config = yaml.safe_load((ROOT / "stack" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    for job in config["scrape_configs"]:
        probes = job["job_name"] == PROBE_JOB
        file = f"dependencies/{TARGETS}" if probes else f"targets/{job['job_name']}.yml"
        assert job["file_sd_configs"] == [{"files": [file]}]
        assert set(job) <= {"job_name", "metrics_path", "file_sd_configs", "metric_relabel_configs"}
    assert config["rule_files"] == ["rules/*.rules.yml"]
