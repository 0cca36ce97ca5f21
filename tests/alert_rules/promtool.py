"""Run promtool's unit tests on generated rules."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from specter_alerts.families import all_groups
from specter_alerts.writer import render
from specter_stack.programs import find_program

INTERVAL = "5s"
RULES = {rule.alert: rule for group in all_groups() for rule in group.alerts}


@dataclass(frozen=True)
class Firing:
    """One alert expected to fire: its labels without severity; symptom and action by default the rule's."""

    labels: dict[str, str]
    summary: str
    description: str
    symptom: str = ""
    action: str = ""


@dataclass(frozen=True)
class Case:
    """Input series and, at some times, which instances of one alert fire."""

    alert: str
    family: str
    name: str
    series: dict[str, str]
    expected: dict[str, list[Firing]] = field(default_factory=dict)
    # Between samples: longer where an alert looks back for a week.
    interval: str = INTERVAL

    def __str__(self) -> str:
        return f"{self.alert}-{self.name}"


def expected_alert(alert: str, firing: Firing) -> dict[str, Any]:
    rule = RULES[alert]
    service = firing.labels.get("service", "")
    of_detector = "{{ with $labels.instance }}?var-instance={{ . | urlquery }}{{ end }}"
    url = rule.annotations["dashboard"].replace("{{ $labels.service | urlquery }}", service)
    instance = firing.labels.get("instance", "")
    url = url.replace(of_detector, f"?var-instance={instance}" if instance else "")
    url = url.replace("{{ $labels.server | urlquery }}", firing.labels.get("server", ""))
    url = url.replace("{{ $labels.job_name | urlquery }}", firing.labels.get("job_name", ""))
    url = url.replace("{{ $labels.dependency | urlquery }}", firing.labels.get("dependency", ""))
    return {
        "exp_labels": {
            "severity": rule.severity,
            "symptom": firing.symptom or rule.symptom,
            **firing.labels,
        },
        "exp_annotations": {
            "summary": firing.summary,
            "description": firing.description,
            "action": firing.action or rule.annotations["action"],
            "runbook_url": rule.annotations["runbook_url"],
            "dashboard": url,
        },
    }


def run(folder: Path, test: dict[str, Any], family: str) -> subprocess.CompletedProcess[str]:
    """Run one test group against the rules of `family` and return promtool's result."""
    file = f"{family}.rules.yml"
    rules = render()[file]
    (folder / file).write_text(rules, encoding="utf-8")
    document = {
        "rule_files": [file],
        # Without it promtool takes them in any order, and an alert sees what is recorded an interval late.
        "group_eval_order": [group["name"] for group in yaml.safe_load(rules)["groups"]],
        "evaluation_interval": test.get("interval", INTERVAL),
        "tests": [{"interval": INTERVAL, **test}],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=1000), encoding="utf-8")
    return subprocess.run(
        [str(find_program("promtool")), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def run_case(folder: Path, case: Case) -> subprocess.CompletedProcess[str]:
    test = {
        "interval": case.interval,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [
            {
                "eval_time": time,
                "alertname": case.alert,
                "exp_alerts": [expected_alert(case.alert, firing) for firing in firings],
            }
            for time, firings in case.expected.items()
        ],
    }
    return run(folder, test, case.family)


def evaluate(
    folder: Path, family: str, series: dict[str, str], expected: dict[str, dict[str, dict[str, float]]]
) -> subprocess.CompletedProcess[str]:
    """Check `expected`: time → expression → series → value."""
    test = {
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": time,
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
            }
            for time, expressions in expected.items()
            for expr, samples in expressions.items()
        ],
    }
    return run(folder, test, family)
