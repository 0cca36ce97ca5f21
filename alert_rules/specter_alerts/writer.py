"""Rules and routing as YAML files."""

from typing import Any

import yaml

from specter_alerts import routing
from specter_alerts.families import FAMILIES
from specter_alerts.model import AlertRule, RecordingRule, Rule, RuleGroup
from specter_alerts.settings import DEFAULTS, Settings
from specter_core.generated import header

HEADER = f"# {header('specter alerts generate', 'alert_rules/specter_alerts')}\n"
ALERTMANAGER_FILE = "alertmanager.yml"


class _Dumper(yaml.SafeDumper):
    """Block style throughout, PromQL of several lines as it was written."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  PyYAML's signature
        """Repeat values instead of writing anchors."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def render(settings: Settings = DEFAULTS) -> dict[str, str]:
    """Return every generated file: its name and its content."""
    files = {f"{name}.rules.yml": render_rules(family(settings)) for name, family in FAMILIES.items()}
    files[ALERTMANAGER_FILE] = _yaml(routing.config())
    return files


def render_rules(groups: list[RuleGroup]) -> str:
    """Return a Prometheus rule file with `groups`, in the order given."""
    return _yaml({"groups": [_group(group) for group in groups]})


def _group(group: RuleGroup) -> dict[str, Any]:
    interval = {"interval": group.interval} if group.interval else {}
    return {"name": group.name, **interval, "rules": [_rule(rule) for rule in group.rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    match rule:
        case RecordingRule():
            return {"record": rule.record, "expr": rule.expr}
        case AlertRule():
            entry: dict[str, Any] = {"alert": rule.alert, "expr": rule.expr}
            if rule.wait:
                entry["for"] = rule.wait
            if rule.keep_firing:
                entry["keep_firing_for"] = rule.keep_firing
            return {**entry, "labels": rule.labels, "annotations": dict(rule.annotations)}


def _yaml(document: dict[str, Any]) -> str:
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"{HEADER}{body}"
