"""grafana/promql-anomaly-detection: recording rules that label series for its own rules to judge.

A rule labelled `anomaly_name` says what to watch; `anomaly_type` says what kind of series it is, and
`anomaly_strategy` how the framework's rules would judge it. The recorded series is watched, because
it has a history; its rule must stay loaded.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from specter_detector.importers.document import alias_of, section
from specter_detector.importers.notes import Imported, Path

TYPES: Mapping[str, dict[str, Any]] = {
    "requests": {"min_dev_from_expected": 0.1, "min_rel_dev_from_expected": 0.3},
    "latency": {
        "detection_direction": "above_expected",
        "min_dev_from_expected": 0.05,
        "min_rel_dev_from_expected": 0.5,
    },
    "errors": {"detection_direction": "above_expected", "min_dev_from_expected": 0.02},
    "resource": {"min_rel_dev_from_expected": 0.2},
}
DEFAULT_TYPE = "resource"
STRATEGY = (
    "judged by the seasonal model: it replaces mean and deviation (adaptive) and median and MAD (robust)"
)
FORMAT_HINT = (
    "the output is anomaly_score, yhat, yhat_lower, yhat_upper with the label anomaly_name; the framework's "
    "dashboards read anomaly:level, anomaly:upper_band and anomaly:lower_band (writer.metric_format)"
)
KNOWN_LABELS = {"anomaly_name", "anomaly_type", "anomaly_strategy", "anomaly_select"}


def convert(document: Mapping[str, Any]) -> Imported:
    """Return what the rule file `document` has watched, in our words."""
    imported = Imported()
    queries: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for path, group, rule in _rules(document):
        labels = section(rule, "labels")
        if "alert" in rule:
            imported.note((*path, "alert"), rule["alert"], "alert on anomaly_score > 1: see docs/alerts.md")
        elif str(rule.get("record", "")).startswith("anomaly:"):
            imported.note(
                (*path, "record"), rule["record"], "is the framework's own; the detector replaces it"
            )
        elif labels.get("anomaly_name"):
            alias = _query(rule, labels, path, queries, imported)
            kind = _type(labels, path, imported)
            models.setdefault(kind, {"class": "seasonal", **TYPES[kind], "queries": []})["queries"].append(
                alias
            )
            if group.get("interval"):
                imported.note((*path[:2], "interval"), group["interval"], "is the rule's; the step is 5m")
        else:
            imported.note((*path, "record"), rule.get("record"), "has no anomaly_name and is not watched")
    if queries:
        imported.note(("groups",), f"{len(queries)} series", FORMAT_HINT)
    imported.document = {"reader": {"queries": queries}, "models": models, "presets": []}
    return imported


def _rules(document: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    groups = document.get("groups")
    for number, group in enumerate(groups if isinstance(groups, list) else []):
        rules = group.get("rules") if isinstance(group, dict) else None
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                yield ("groups", number, "rules", index), group, rule


def _query(
    rule: Mapping[str, Any],
    labels: Mapping[str, Any],
    path: Path,
    queries: dict[str, Any],
    imported: Imported,
) -> str:
    name, record = str(labels["anomaly_name"]), str(rule.get("record", ""))
    alias = alias_of(name, queries)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    queries[alias] = {"expr": f'{record}{{anomaly_name="{quoted}"}}', "data_range": _range(labels)}
    if alias != name:
        imported.note((*path, "labels", "anomaly_name"), name, f"is called {alias}")
    strategy = labels.get("anomaly_strategy")
    if strategy is not None:
        imported.note((*path, "labels", "anomaly_strategy"), strategy, STRATEGY)
    imported.note((*path, "record"), record, "is read as recorded: keep this rule loaded")
    for label in labels.keys() - KNOWN_LABELS:
        if str(label).startswith("anomaly_"):
            imported.note((*path, "labels", str(label)), labels[label], "has no counterpart and is left out")
    return alias


def _range(labels: Mapping[str, Any]) -> list[float]:
    return (
        [0.0, float("inf")]
        if labels.get("anomaly_type") in {"requests", "latency", "errors"}
        else [
            float("-inf"),
            float("inf"),
        ]
    )


def _type(labels: Mapping[str, Any], path: Path, imported: Imported) -> str:
    kind = labels.get("anomaly_type")
    if kind in TYPES:
        return str(kind)
    imported.note((*path, "labels", "anomaly_type"), kind, f"is judged as {DEFAULT_TYPE}")
    return DEFAULT_TYPE
