"""The presets as tables: for the documentation, and for `specter detector presets`."""

import json
import math
from collections.abc import Iterable

from specter_detector.presets.model import Preset, PresetQuery

DIRECTIONS = {"both": "both", "above_expected": "above", "below_expected": "below"}
HEADER = "| query | what for | direction | least deviation | unit, range | level |\n|---|---|---|---|---|---|"


def as_markdown(presets: Iterable[Preset]) -> str:
    """Return the presets as sections of a page."""
    return "\n\n".join(
        f"## {preset.name}\n\n{preset.about[0].upper()}{preset.about[1:]}.\n\n{_table(preset)}"
        for preset in presets
    )


def _table(preset: Preset) -> str:
    """Return a preset's queries as a table, and below it how each is asked."""
    rows = [
        f"| `{query.alias}` | {query.title}: {query.why} | {DIRECTIONS[query.direction]} | {least(query)} "
        f"| {query.unit}, {range_of(query)} | {query.level} |"
        for query in preset.queries
    ]
    asked = [f"- `{query.alias}`: {' or '.join(_sources(query))}" for query in preset.queries]
    return "\n".join([HEADER, *rows, "", *asked])


def as_text(presets: Iterable[Preset]) -> str:
    """Return the presets for a terminal: a line for what, a line for how."""
    return "\n\n".join(
        "\n".join(
            [
                f"{preset.name}: {preset.about}",
                *(
                    f"  {query.alias}: {query.title} ({query.unit}); {DIRECTIONS[query.direction]}, from "
                    f"{least(query)} on\n    {query.sources[0].expr}"
                    for query in preset.queries
                ),
            ]
        )
        for preset in presets
    )


def as_json(presets: Iterable[Preset]) -> str:
    """Return the presets for scripts."""
    return json.dumps(
        {
            preset.name: [
                {
                    "query": query.alias,
                    "title": query.title,
                    "why": query.why,
                    "unit": query.unit,
                    "level": query.level,
                    "detection_direction": query.direction,
                    "min_dev_from_expected": query.min_dev,
                    "min_rel_dev_from_expected": query.min_rel_dev,
                    "data_range": [None if math.isinf(edge) else edge for edge in query.data_range],
                    "step": query.step,
                    "sources": [
                        {"expr": source.expr, "needs": list(source.needs), "limit": source.limit}
                        for source in query.sources
                    ],
                }
                for query in preset.queries
            ]
            for preset in presets
        },
        indent=2,
    )


def least(query: PresetQuery) -> str:
    """Return the least deviation that counts, as people say it."""
    share = f"{query.min_rel_dev:.0%}" if query.min_rel_dev else ""
    return f"{query.min_dev:,g} and {share}" if share else f"{query.min_dev:,g}"


def range_of(query: PresetQuery) -> str:
    """Return the possible values, as people say it."""
    lowest, highest = query.data_range
    return f"from {lowest:g}" if math.isinf(highest) else f"{lowest:g} to {highest:g}"


def _sources(query: PresetQuery) -> Iterable[str]:
    for source in query.sources:
        limit = f" (limit `{source.limit}`)" if source.limit else ""
        yield f"`{source.expr}`{limit}"
