"""Read a Prometheus rule file: the alerts in it, and how long each has to hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from specter_core.durations import parse_duration
from specter_core.errors import SpecterError


class RuleFileError(SpecterError):
    """A file that is no rule file, or rules that cannot be replayed."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert.

    Attributes:
        name: of the alert.
        expr: PromQL.
        pending: seconds for which the expression has to hold (`for`).
        keep: seconds for which it fires on afterwards (`keep_firing_for`).
    """

    name: str
    expr: str
    pending: float
    keep: float


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The alerts of a file; `text` is all of it, `records` the number of recording rules."""

    path: Path
    text: str
    alerts: tuple[AlertRule, ...]
    records: int


def read_rules(path: Path) -> RuleFile:
    """Read a file.

    Raises:
        RuleFileError: it cannot be read, is no rule file, or has no alert.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except OSError as error:
        raise RuleFileError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuleFileError(f"{path}: not YAML: {error}") from error
    rules = [rule for group in _list(document, "groups", path) for rule in _list(group, "rules", path)]
    alerts = tuple(_alert(rule, path) for rule in rules if "alert" in rule)
    if not alerts:
        raise RuleFileError(f"{path}: no alert in it")
    return RuleFile(path, text, alerts, len(rules) - len(alerts))


def _list(mapping: Any, key: str, path: Path) -> list[dict[str, Any]]:
    found = mapping.get(key) if isinstance(mapping, Mapping) else None
    if not isinstance(found, list) or any(not isinstance(item, dict) for item in found):
        raise RuleFileError(f"{path}: no rule file: expected a list `{key}`")
    return found


def _alert(rule: Mapping[str, Any], path: Path) -> AlertRule:
    name = rule["alert"]
    try:
        pending, keep = (parse_duration(rule.get(key, 0)) for key in ("for", "keep_firing_for"))
    except ValueError as error:
        raise RuleFileError(f"{path}: alert {name}: for, keep_firing_for: {error}") from None
    expr = rule.get("expr")
    if not isinstance(name, str) or not isinstance(expr, str):
        raise RuleFileError(f"{path}: alert {name}: expected text for `alert` and `expr`")
    return AlertRule(name, expr, pending, keep)
