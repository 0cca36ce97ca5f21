"""What the exporters of sign-ins and logs really expose makes their alerts fire, in a real Prometheus."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from specter_alerts import promql
from specter_alerts.families import FAMILIES
from specter_alerts.settings import DEFAULTS, Settings
from specter_alerts.writer import render
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.model import PresetName
from tests.exporters import signin_served
from tests.exporters.logs import served
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

# As they are shipped, but without the minutes of waiting.
SETTINGS = Settings(critical_for="1s", warning_for="1s", log_unreadable_for="1s", log_new_error_for="1s")
SCRAPE = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: exporter
    static_configs: [{{targets: ["{target}"], labels: {{service: shop}}}}]
"""
# What Prometheus and its configuration set, and what a rule file of another family may have recorded.
OF_THE_TARGET = {"service", "instance"}
RECORDED = ":"


@contextmanager
def scraping(folder: Path, url: str, family: str) -> Iterator[Prometheus]:
    rules = f"{family}.rules.yml"
    config = SCRAPE.format(rules=rules, target=url.removeprefix("http://"))
    files = {rules: render(SETTINGS)[rules]}
    with running_prometheus(folder / "prometheus", config=config, files=files) as server:
        yield server


def fires(server: Prometheus, alert: str, **labels: str) -> None:
    """Wait until the alert fires with these labels, among others."""
    matchers = "".join(f',{name}="{value}"' for name, value in labels.items())
    server.wait_for(f'ALERTS{{alertname="{alert}",alertstate="firing",service="shop"{matchers}}} == 1')


def firing(server: Prometheus) -> set[str]:
    return {
        str(row["metric"]["alertname"])  # type: ignore[index]
        for row in server.query('ALERTS{alertstate="firing"}')
    }


def labels_by_metric(family: str) -> dict[str, set[str]]:
    """Return the metrics that a family reads from exporters, and the labels that it expects of each."""
    found: dict[str, set[str]] = {}
    for group in FAMILIES[family](DEFAULTS):
        for rule in group.rules:
            for node, _ in promql.walk(promql.parse(rule.expr)):
                wanted = grouped_by(node)
                for inner, _ in promql.walk(node) if wanted else ():
                    if promql.kind(inner) == "VectorSelector" and RECORDED not in inner.name:
                        found.setdefault(inner.name, set()).update(wanted)
                if promql.kind(node) == "VectorSelector" and RECORDED not in node.name:
                    named = {matcher.name for matcher in node.matchers.matchers}
                    found.setdefault(node.name, set()).update(named)
    return found


def grouped_by(node: Any) -> set[str]:
    if promql.kind(node) != "AggregateExpr" or node.modifier is None:
        return set()
    return set(node.modifier.labels)


def assert_exposed(server: Prometheus, family: str) -> None:
    for name, wanted in labels_by_metric(family).items():
        rows = server.query(name)
        assert rows, f"{name} is not exposed"
        known = {label for row in rows for label in row["metric"]}  # type: ignore[attr-defined]
        assert wanted <= known | OF_THE_TARGET, name


def assert_watched(server: Prometheus, preset: PresetName) -> None:
    """Check that each query of the detector's preset finds a series, whichever way it asks."""
    for query in PRESETS[preset].queries:
        for source in query.sources:
            if all(server.query(name) for name in source.needs):
                assert server.values(source.expr), source.expr
        assert any(server.query(source.expr) for source in query.sources), query.alias


def test_an_attack_and_a_breach_are_told(tmp_path: Path) -> None:
    attempt = {"event": "attempt", "source": "198.51.100.7"}
    people: list[dict[str, object]] = [
        {"event": "attempt", "source": f"203.0.113.{n}", "account": f"c{n}", "outcome": "success"}
        for n in range(50)
    ]
    requests: list[dict[str, object]] = [
        {"event": "request", "source": "203.0.113.7", "user_agent": "curl/8"} for _ in range(200)
    ]
    attack: list[dict[str, object]] = [
        {**attempt, "account": f"leaked-{n}", "outcome": "failed", "user_agent": "curl/8"} for n in range(200)
    ]
    with (
        signin_served.serving(tmp_path) as exporter,
        scraping(tmp_path, exporter.metrics, "signin") as server,
    ):
        assert exporter.send([*people, *requests]).status_code == 202
        server.wait_for('specter_auth_attempts_total{outcome="success"} == 50')
        server.wait_for("service:auth_suspected_breaches:increase1h == 0")
        assert firing(server) == set()

        assert exporter.send(attack).status_code == 202
        fires(server, "SignInAttackSuspected", kind="credential_stuffing", severity="warning")
        assert firing(server) == {"SignInAttackSuspected"}

        assert exporter.send([{**attempt, "account": "victim", "outcome": "success"}]).status_code == 202
        fires(server, "SignInBreachSuspected", severity="critical")
        assert firing(server) == {"SignInAttackSuspected", "SignInBreachSuspected"}

        server.wait_for("service:auth_failures:ratio_rate5m > 0.9")
        server.wait_for('service_grouping:auth_source_failures:max_share{grouping="network"} == 1')
        server.wait_for('service_agent:auth_failures:rate5m{user_agent_class="script"} > 0')
        assert_exposed(server, "signin")
        assert_watched(server, "signin")


LOGS = """
logs:
  - name: web
    files: ["{folder}/access.log"]
    start: beginning
    format: access
    extra: [request_time, upstream_cache_status]
    cdn: true
  - name: shop
    files: ["{folder}/shop.log"]
    start: beginning
    format: json
    counters:
      - {{name: orders_total, labels: {{plan: {{field: plan, max_values: 1}}}}, when: {{event: order}}}}
  - name: database
    files: ["{folder}/postgresql.log"]
    start: beginning
    format: postgres
  - name: gone
    files: ["{folder}/nowhere/*.log"]
    format: text
poll_interval: 100ms
templates: {{warm_up: 0s}}
"""


def access(status: int, cache: str) -> str:
    when = "27/Nov/2026:10:00:00 +0000"
    return f'203.0.113.7 - - [{when}] "GET /orders/17 HTTP/1.1" {status} 512 "-" "curl/8" 0.140 {cache}\n'


SLOW = "2026-11-27 10:00:00.000 UTC [17] LOG:  duration: 1234.500 ms  statement: SELECT 1\n"


def test_a_new_error_failing_requests_and_a_missing_log_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in ("access.log", "shop.log", "postgresql.log"):
        (folder / name).touch()
    config = tmp_path / "logs.yml"
    config.write_text(LOGS.format(folder=folder), encoding="utf-8")

    def write(name: str, *lines: str) -> None:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.writelines(lines)

    with (
        served.serving(config, tmp_path / "state") as exporter,
        scraping(tmp_path, exporter.url, "logs") as server,
    ):
        orders = [json.dumps({"event": "order", "plan": plan}) + "\n" for plan in ("free", "pro")]
        write("shop.log", *orders)
        write("access.log", *(access(200, "HIT") for _ in range(20)), access(502, "MISS"))
        write("postgresql.log", SLOW)
        server.wait_for('service_log:log_new_templates:increase15m{log="shop"} == 0')
        server.wait_for('specter_log_http_requests_total{http_response_status_code="502"} == 1')
        fires(server, "LogUnreadable", log="gone", severity="warning")
        assert firing(server) == {"LogUnreadable"}

        error = {"level": "error", "msg": "charge 17 failed", "err": {"type": "KeyError"}}
        write("shop.log", *(json.dumps(error) + "\n" for _ in range(3)))
        fires(server, "LogErrorTemplateNew", log="shop", severity="info")
        # The form's series begins with its first lines: a rate is seen from the next ones on.
        server.wait_for("specter_log_template_lines_total == 3")
        write("shop.log", *(json.dumps(error) + "\n" for _ in range(100)))
        fires(server, "LogNewErrorFrequent", log="shop", severity="warning")

        write(
            "access.log", *(access(200, "HIT") for _ in range(80)), *(access(502, "MISS") for _ in range(80))
        )
        fires(server, "AccessLogErrorRatioCritical", log="web", severity="critical")
        server.wait_for('service_log:log_cdn_hits:ratio_rate15m{log="web"} < 1')
        write("postgresql.log", SLOW)
        server.wait_for('service_log:log_slow_queries:rate5m{log="database"} > 0')
        assert_exposed(server, "logs")
        assert_watched(server, "logs")
