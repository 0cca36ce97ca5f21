"""`specter alerts`: what is committed is what is generated, compared as sets of files."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from specter_alerts.anomaly import QUANTITIES, ROUTE_ALIASES
from specter_alerts.cli import alerts
from specter_alerts.settings import DEFAULTS, Settings
from specter_alerts.writer import HEADER, differences, render, write
from specter_core import metrics
from specter_core.errors import SpecterError
from specter_stack.programs import find_program

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "alert_rules" / "generated"
NAMES = {
    "http.rules.yml",
    "anomaly.rules.yml",
    "deployments.rules.yml",
    "meta.rules.yml",
    "alertmanager.yml",
}


def test_committed_files_are_what_the_generators_write() -> None:
    assert differences(GENERATED) == []


def test_every_file_is_marked_and_is_yaml() -> None:
    files = render()
    assert set(files) == NAMES
    for text in files.values():
        assert text.startswith(HEADER)
        assert isinstance(yaml.safe_load(text), dict)


def test_check_names_missing_orphaned_and_changed_files(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "http.rules.yml").unlink()
    (tmp_path / "old.rules.yml").write_text("groups: []\n", encoding="utf-8")
    (tmp_path / "meta.rules.yml").write_text("groups: []\n", encoding="utf-8")
    expected = [
        f"{tmp_path}/http.rules.yml: missing",
        f"{tmp_path}/old.rules.yml: orphan, no generator writes it",
        f"{tmp_path}/meta.rules.yml: differs from its generator",
    ]
    assert differences(tmp_path) == expected
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


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SpecterError, match=r"cannot write .*file"):
        write(tmp_path / "file")


def test_a_threshold_is_one_setting() -> None:
    changed = render(Settings(error_ratio_critical=0.2, min_request_rate=3))["http.rules.yml"]
    assert "service:http_server_errors:ratio_rate1m > 0.2" in changed
    assert "expected at most 20%" in changed
    assert "service:http_server_requests:rate1m >= 3" in changed


def test_lint_as_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    clean = CliRunner().invoke(alerts, ["lint", "--output", "json"])
    assert (clean.exit_code, json.loads(clean.stdout)) == (0, [])
    without = CliRunner().invoke(alerts, ["lint", "--output", "json", "--runbooks", str(tmp_path)])
    assert isinstance(without.exception, SpecterError)
    assert {row["check"] for row in json.loads(without.stdout)} == {"runbook"}


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
    write(tmp_path)
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
    write(tmp_path / "rules")
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
        assert job["file_sd_configs"] == [{"files": [f"targets/{job['job_name']}.yml"]}]
        assert set(job) <= {"job_name", "metrics_path", "file_sd_configs"}
    assert config["rule_files"] == ["rules/*.rules.yml"]
