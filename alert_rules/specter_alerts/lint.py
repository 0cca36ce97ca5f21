"""What promtool does not see: checks on rules that parse and still cannot work."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from specter_alerts import promql
from specter_alerts.model import SEVERITIES, AlertRule, RecordingRule, Rule, RuleGroup
from specter_alerts.promql import Labels, kind

# Four scrapes at the slowest interval in use, so that one lost scrape leaves a rate.
SCRAPE_SECONDS = 15
MIN_RATE_WINDOW = timedelta(seconds=4 * SCRAPE_SECONDS)

ANNOTATIONS = ("summary", "description", "action", "runbook_url", "dashboard")
LABEL_IN_TEMPLATE = re.compile(r"\$labels\.(\w+)")
RECORD_NAME = re.compile(r"[a-z_]+:[a-z_]+:[a-z0-9_]+")
COUNTER_NAME = re.compile(r".+_(total|count|sum|bucket)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with one rule."""

    group: str
    rule: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.group}/{self.rule}: {self.check}: {self.message}"


def lint(groups: Sequence[RuleGroup], runbooks: Collection[str] | None) -> list[Finding]:
    """Return every finding in `groups`.

    `runbooks` holds the names of the alerts that have one; None leaves runbooks unchecked.

    Raises:
        SpecterError: promql-parser is not installed.
    """
    findings = list(_duplicates(groups))
    if runbooks is not None:
        findings += _runbooks(groups, runbooks)
    recorded: dict[str, Labels] = {}
    for group in groups:
        for rule in group.rules:
            name = rule.record if isinstance(rule, RecordingRule) else rule.alert
            try:
                tree = promql.parse(rule.expr)
            except promql.PromqlError as error:
                findings.append(Finding(group.name, name, "syntax", str(error)))
                continue
            labels = promql.surviving(tree, recorded)
            if isinstance(rule, RecordingRule):
                recorded[rule.record] = labels
            found = [*_any_rule(tree), *_one_kind(tree, rule, labels)]
            findings += [Finding(group.name, name, check, message) for check, message in found]
    return findings


def _one_kind(tree: Any, rule: Rule, labels: Labels) -> Iterator[tuple[str, str]]:
    if isinstance(rule, RecordingRule):
        if not RECORD_NAME.fullmatch(rule.record):
            yield "name", "a recorded series is called level:metric:operations"
        return
    yield from _fields(rule)
    yield from _comparison(tree, rule)
    yield from _templates(rule, labels)


def _any_rule(tree: Any) -> Iterator[tuple[str, str]]:
    for node, above in promql.walk(tree):
        if kind(node) == "MatrixSelector" and set(above) & promql.RATES:
            window = promql.window(node)
            if window < MIN_RATE_WINDOW:
                least = MIN_RATE_WINDOW.total_seconds()
                yield "window", f"the window of {window.total_seconds():g}s is under {least:g}s"
        if (
            kind(node) == "VectorSelector"
            and COUNTER_NAME.fullmatch(node.name or "")
            and not set(above) & (promql.RATES | promql.LEVEL_FREE)
        ):
            yield "counter", f"{node.name} is a counter and is read without rate or increase"


def _fields(rule: AlertRule) -> Iterator[tuple[str, str]]:
    if rule.severity not in SEVERITIES:
        yield "severity", f"{rule.severity!r} is none of {', '.join(SEVERITIES)}"
    if not rule.symptom:
        yield "symptom", "is empty: inhibition would take it as equal to any other without one"
    for name in ANNOTATIONS:
        if not rule.annotations.get(name):
            yield "annotation", f"{name} is missing"
    if "$value" not in rule.annotations.get("description", ""):
        yield "annotation", "description does not say the value"


def _comparison(tree: Any, rule: AlertRule) -> Iterator[tuple[str, str]]:
    nodes = [node for node, _ in promql.walk(tree)]
    absent = any(kind(n) == "Call" and n.func.name.startswith("absent") for n in nodes)
    if absent and not rule.wait:
        yield "absent", "absent() without `for` fires at every restart of Prometheus"
    compared = any(
        kind(n) == "BinaryExpr"
        and (str(n.op) == "unless" or (str(n.op) in promql.COMPARISONS and not _returns_bool(n)))
        for n in nodes
    )
    if not compared and not absent and rule.severity != "none":
        yield "comparison", "nothing is compared, so it fires for every series there is"


def _returns_bool(node: Any) -> bool:
    return node.modifier is not None and bool(node.modifier.return_bool)


def _templates(rule: AlertRule, labels: Labels) -> Iterator[tuple[str, str]]:
    for text in (rule.symptom, *rule.annotations.values()):
        if text.count("{{") != text.count("}}"):
            yield "template", f"{{{{ and }}}} do not pair: {text[:60]}"
        for label in sorted(set(LABEL_IN_TEMPLATE.findall(text))):
            if label not in labels:
                yield "template", f"$labels.{label} does not survive the expression: {text[:60]}"


def _duplicates(groups: Sequence[RuleGroup]) -> Iterator[Finding]:
    alerts = [rule for group in groups for rule in group.alerts]
    expressions = Counter((rule.alert, rule.expr) for rule in alerts)
    labels = Counter((rule.alert, frozenset(rule.labels.items())) for rule in alerts)
    records = Counter(rule.record for group in groups for rule in group.recordings)
    group_names = Counter(group.name for group in groups)
    for group in groups:
        if group_names[group.name] > 1:
            yield Finding(group.name, "", "duplicate", "two groups have this name")
        # Alerts may share a name, if each selects something else and sets other labels. With the same
        # labels, Prometheus mixes up their pending and firing alerts when it reloads.
        for rule in group.alerts:
            if expressions[rule.alert, rule.expr] > 1:
                yield Finding(group.name, rule.alert, "duplicate", "two alerts have this name and expression")
            elif labels[rule.alert, frozenset(rule.labels.items())] > 1:
                yield Finding(group.name, rule.alert, "duplicate", "two alerts have this name and labels")
        for name in [rule.record for rule in group.recordings if records[rule.record] > 1]:
            yield Finding(group.name, name, "duplicate", "two rules record this series")


def _runbooks(groups: Sequence[RuleGroup], runbooks: Collection[str]) -> Iterator[Finding]:
    alerts = {rule.alert for group in groups for rule in group.alerts}
    for group in groups:
        for rule in group.alerts:
            if rule.alert not in runbooks:
                yield Finding(group.name, rule.alert, "runbook", f"runbooks/{rule.alert}.md is missing")
    for name in sorted(set(runbooks) - alerts):
        yield Finding("runbooks", name, "runbook", "no alert has this name")
