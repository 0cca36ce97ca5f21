"""The lints see what promtool passes, and find nothing in the product's own rules."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from specter_alerts.annotations import annotate
from specter_alerts.families import all_groups
from specter_alerts.lint import lint
from specter_alerts.model import AlertRule, RecordingRule, Rule, RuleGroup
from specter_alerts.promql import kind, parse, surviving, walk
from specter_alerts.settings import DEFAULTS, number
from specter_core import metrics
from specter_core.errors import SpecterError

RUNBOOKS = Path(__file__).parents[2] / "alert_rules" / "runbooks"
DASHBOARDS = RUNBOOKS.parents[1] / "dashboards" / "generated"


def alert(expr: str = "up == 0", name: str = "Down", **changes: object) -> AlertRule:
    annotations = annotate(DEFAULTS, name, summary="s", description="{{ $value }}", action="a", service=False)
    rule = AlertRule(name, expr, "warning", "availability", annotations, wait="1m")
    return replace(rule, **changes)  # type: ignore[arg-type]


def found(*rules: Rule, runbooks: set[str] | None = None) -> list[tuple[str, str]]:
    names = {rule.alert for rule in rules if isinstance(rule, AlertRule)}
    findings = lint([RuleGroup("g", rules)], names if runbooks is None else runbooks)
    return [(finding.check, finding.message) for finding in findings]


def test_the_products_rules_are_clean() -> None:
    assert lint(all_groups(), {path.stem for path in RUNBOOKS.glob("*.md")}) == []


def test_a_good_alert_has_no_finding() -> None:
    assert found(alert()) == []


@pytest.mark.parametrize(
    ("rule", "check", "message"),
    [
        (alert("up =="), "syntax", "invalid promql query in: up =="),
        (alert(severity="page"), "severity", "'page' is none of critical, warning, info, none"),
        (
            alert(symptom=""),
            "symptom",
            "is empty: inhibition would take it as equal to any other without one",
        ),
        (alert("up"), "comparison", "nothing is compared, so it fires for every series there is"),
        (alert("up == bool 0"), "comparison", "nothing is compared, so it fires for every series there is"),
        (
            alert("absent(up)", wait=""),
            "absent",
            "absent() without `for` fires at every restart of Prometheus",
        ),
        (alert("rate(x_total[59s]) > 1"), "window", "the window of 59s is under 60s"),
        (alert("x_total > 1"), "counter", "x_total is a counter and is read without rate or increase"),
        (
            alert("sum by (job) (up) == 0", symptom="{{ $labels.instance }}"),
            "template",
            "$labels.instance does not survive the expression: {{ $labels.instance }}",
        ),
        (alert(symptom="{{ $value"), "template", "{{ and }} do not pair: {{ $value"),
        (RecordingRule("requests", "up"), "name", "a recorded series is called level:metric:operations"),
    ],
)
def test_each_check_sees_its_mistake(rule: Rule, check: str, message: str) -> None:
    assert found(rule) == [(check, message)]


@pytest.mark.parametrize("name", ["summary", "description", "action", "runbook_url", "dashboard"])
def test_each_annotation_is_required(name: str) -> None:
    rule = alert()
    annotations = {key: value for key, value in rule.annotations.items() if key != name}
    assert ("annotation", f"{name} is missing") in found(replace(rule, annotations=annotations))


def test_duplicates_are_found_across_groups() -> None:
    groups = [RuleGroup("a", (alert(),)), RuleGroup("b", (alert(symptom="errors"),))]
    assert [(f.check, f.message) for f in lint(groups, {"Down"})] == [
        ("duplicate", "two alerts have this name and expression")
    ] * 2
    same_labels = [alert(own_labels={"for": "a"}), alert("up == 2", own_labels={"for": "a"})]
    assert found(*same_labels) == [("duplicate", "two alerts have this name and labels")] * 2
    twice = RecordingRule("a:b:c", "up")
    assert found(twice, twice) == [("duplicate", "two rules record this series")] * 2


def test_alerts_may_share_a_name_when_expressions_and_labels_differ() -> None:
    assert found(alert(own_labels={"for": "a"}), alert("up == 2", own_labels={"for": "b"})) == []


def test_missing_and_orphaned_runbooks_are_named() -> None:
    assert found(alert(), runbooks={"Gone"}) == [
        ("runbook", "runbooks/Down.md is missing"),
        ("runbook", "no alert has this name"),
    ]


def test_without_a_set_of_runbooks_they_are_not_checked() -> None:
    assert lint([RuleGroup("g", (alert(),))], None) == []


def test_labels_of_a_recorded_series_are_those_it_was_recorded_with() -> None:
    record = RecordingRule("a:b:c", "sum by (service) (up)")
    assert found(record, alert("a:b:c > 0", symptom="{{ $labels.service }}")) == []
    assert [check for check, _ in found(record, alert("a:b:c > 0", symptom="{{ $labels.job }}"))] == [
        "template"
    ]


@pytest.mark.parametrize(
    ("expr", "kept", "dropped"),
    [
        ("up", {"job", "x"}, set()),
        ("sum(up)", set(), {"job"}),
        ("sum by (job) (up)", {"job"}, {"instance"}),
        ("sum without (job) (up)", {"instance"}, {"job"}),
        ("sum by (a, b) (sum by (b) (up))", {"b"}, {"a"}),
        ("sum by (a) (x) and on (b) y", {"a"}, {"b"}),
        ("x / on (a) y", {"a"}, {"b"}),
        ("x / ignoring (a) y", {"b"}, {"a"}),
        ("sum by (a) (x) * on (a) group_left (v) y", {"a", "v"}, {"b"}),
        ("time() - max by (q) (x)", {"q"}, {"r"}),
        ("2 * sum by (q) (x)", {"q"}, {"r"}),
        ("sum by (a) (x) or sum by (b) (y)", {"a", "b"}, {"c"}),
        ('absent(up{job="d", x!="y"})', {"job"}, {"x"}),
        ("histogram_quantile(0.9, sum by (le, a) (rate(x_bucket[1m])))", {"a"}, {"le"}),
        ('label_replace(sum by (a) (x), "b", "$1", "a", "(.*)")', {"a", "b"}, {"c"}),
        ("vector(1)", set(), {"a"}),
        ("max_over_time((sum by (a) (x))[5m:1m])", {"a"}, {"b"}),
    ],
)
def test_surviving_labels(expr: str, kept: set[str], dropped: set[str]) -> None:
    labels = surviving(parse(expr), {})
    assert {label for label in kept | dropped if label in labels} == kept


def test_every_series_that_the_rules_read_is_in_the_vocabulary() -> None:
    families = [value for value in vars(metrics).values() if isinstance(value, metrics.Metric)]
    known = {name for m in families for name in (m.name, m.bucket, m.count, m.sum)}
    known |= {value for value in vars(metrics).values() if isinstance(value, str)}
    known |= {*metrics.SERVICE_DURATION.values(), *metrics.ROUTE_DURATION.values()}
    known |= {*metrics.WEB_VITALS_P75.values(), *metrics.WEB_VITALS_VIEWS.values()}
    known |= {*metrics.WEB_VITALS_GOOD.values(), *metrics.WEB_VITALS_POOR.values()}
    read = {
        node.name
        for group in all_groups()
        for rule in group.rules
        for node, _ in walk(parse(rule.expr))
        if kind(node) == "VectorSelector"
    }
    assert read <= known


def test_without_promql_parser_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    with pytest.raises(SpecterError, match="pip install promql-parser"):
        parse("up")


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.05"), (1.0, "1"), (0.01 * 100, "1"), (120.0, "120"), (1 - 0.999, "0.001")]
)
def test_numbers_are_written_without_a_binary_tail(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("section", ["Meaning", "Impact", "Diagnosis", "Mitigation"])
def test_every_runbook_has_the_section(section: str) -> None:
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.stem}\n")
        assert f"\n## {section}\n" in text, path.name


def test_runbooks_name_what_there_is() -> None:
    metric_names = {metric.name for metric in vars(metrics).values() if isinstance(metric, metrics.Metric)}
    suffixed = {f"{name}_{suffix}" for name in metric_names for suffix in ("bucket", "sum", "count")}
    recorded = {
        rule.record for group in all_groups() for rule in group.rules if isinstance(rule, RecordingRule)
    }
    alerts = {rule.alert for group in all_groups() for rule in group.alerts}
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        named = set(re.findall(r"\b(?:[a-z_]+:)?specter_\w+(?::\w+)?", text)) - {"specter_alerts"}
        assert named <= metric_names | suffixed | recorded, path.name
        assert set(re.findall(r"\]\((\w+)\.md\)", text)) <= alerts, path.name


def test_runbooks_name_panels_of_the_dashboards() -> None:
    boards = (json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS.glob("*.json"))
    titles = {panel["title"] for board in boards for panel in [board, *board["panels"]]}
    for path in RUNBOOKS.glob("*.md"):
        panels = re.findall(r"(?<![*\w])\*([^*]+)\*(?!\*)", path.read_text(encoding="utf-8"))
        assert {" ".join(panel.split()) for panel in panels} <= titles, path.name
