"""Suggestions as a YAML patch with a comment why, and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from specter_detector.backtesting.tune import Suggestion, Tuning


def as_json(tunings: Sequence[Tuning]) -> str:
    """Render for scripts; an open end of a range is null."""
    return json.dumps(
        [
            {
                **asdict(tuning),
                "tuned": tuning.tuned,
                "suggestions": [
                    {**asdict(each), "value": _json_value(each.value)} for each in tuning.suggestions
                ],
            }
            for tuning in tunings
        ]
    )


def as_yaml(tunings: Sequence[Tuning]) -> str:
    """Render as what is to be merged into the configuration."""
    lines: list[str] = []
    for tuning in tunings:
        lines += _head(tuning)
    queries = [(t, [s for s in t.suggestions if s.section == "query"]) for t in tunings]
    models = [(t, [s for s in t.suggestions if s.section == "model"]) for t in tunings]
    if any(found for _, found in queries):
        lines += ["reader:", "  queries:"]
        for tuning, found in queries:
            lines += _section(f"    {tuning.query}:", 6, found)
    if any(found for _, found in models):
        lines.append("models:")
        for tuning, found in models:
            if not found:
                continue
            alias = f"{tuning.query}_tuned" if tuning.shared else tuning.model
            if tuning.shared:
                lines.append(
                    f"  # Other queries use {tuning.model} too: take {tuning.query} out of its queries."
                )
            section = _section(f"  {alias}:", 4, found)
            lines += section[:1] + ([f"    queries: [{tuning.query}]"] if tuning.shared else []) + section[1:]
    return "\n".join(lines)


def _head(tuning: Tuning) -> list[str]:
    lines = [f"# {tuning.query}: {tuning.series} series, {tuning.days:.1f} days"]
    if tuning.alarms is not None:
        lines[0] += f"; alarms a series and day {tuning.alarms:.3g}"
        lines[0] += (
            f", with these settings {tuning.tuned:.3g}" if tuning.suggestions else ": nothing to change"
        )
    return lines + [f"#   {note}" for note in tuning.notes]


def _section(head: str, indent: int, found: Sequence[Suggestion]) -> list[str]:
    if not found:
        return []
    space = " " * indent
    lines = [head]
    for each in found:
        lines.append(f"{space}# {each.why}; alarms a series and day {each.before:.3g} -> {each.after:.3g}")
        lines.append(f"{space}{each.key}: {_yaml_value(each.value)}")
    return lines


def _yaml_value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_yaml_value(item) for item in value)}]"
    if isinstance(value, float) and math.isinf(value):
        return ".inf"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _json_value(value: object) -> object:
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value
