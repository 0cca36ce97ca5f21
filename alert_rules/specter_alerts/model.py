"""Rules as values: what a Prometheus rule file holds, before it is YAML."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info", "none"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info", "none")


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series computed at every evaluation; `record` is level:metric:operations."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert.

    `symptom` is what hurts, in one word (availability, errors, latency, traffic,
    signin, attack, breach, logs, deployment, scores, alerting; it may be a
    template): inhibition mutes a lower severity of the same symptom only.
    `wait` (`for`) and `keep_firing` are PromQL durations ("30s"); an empty one
    is left out. `own_labels` come beside severity and symptom: rules of one name
    need them to be told apart.
    """

    alert: str
    expr: str
    severity: Severity
    symptom: str
    annotations: Mapping[str, str]
    wait: str = ""
    keep_firing: str = ""
    own_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Every label that the rule sets on its alerts."""
        return {"severity": self.severity, "symptom": self.symptom, **self.own_labels}


Rule = RecordingRule | AlertRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated one after the other, so that a later one sees what an earlier one recorded.

    `interval` is how often, as a PromQL duration; empty: as often as Prometheus is configured to.
    """

    name: str
    rules: tuple[Rule, ...]
    interval: str = ""

    @property
    def recordings(self) -> tuple[RecordingRule, ...]:
        """The recording rules, in order."""
        return tuple(rule for rule in self.rules if isinstance(rule, RecordingRule))

    @property
    def alerts(self) -> tuple[AlertRule, ...]:
        """The alerts, in order."""
        return tuple(rule for rule in self.rules if isinstance(rule, AlertRule))
