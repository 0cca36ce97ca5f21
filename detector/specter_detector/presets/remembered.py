"""Which presets were on, kept in a file: what vanished before a restart must still be missed after it."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from specter_core.files import replace_file
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.resolve import Chosen
from specter_detector.prometheus_api import Cost

LOGGER = logging.getLogger(__name__)
FILE = "presets.json"
VERSION = 1


def remember(folder: Path, chosen: Iterable[Chosen]) -> bool:
    """Write what is on into `folder`, all or nothing; returns False, and logs, where that is not possible."""
    document = {
        "version": VERSION,
        "on": [
            {
                "preset": each.preset,
                "query": each.query.alias,
                "expr": each.source.expr,
                "series": each.cost.series,
                "seconds": each.cost.seconds,
            }
            for each in chosen
        ],
    }
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(file, [json.dumps(document, indent=1).encode()])
    except OSError as error:
        LOGGER.warning("%s cannot be written: %s; presets are decided on anew after a restart", file, error)
        return False
    return True


def recall(folder: Path) -> tuple[Chosen, ...]:
    """Return what was on, as far as presets still have it; a file that cannot be used is set aside."""
    file = folder / FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}, not {VERSION}")  # noqa: TRY301
        found = [_chosen(entry) for entry in document["on"]]
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        LOGGER.warning("%s cannot be used: %s; presets are decided on anew", file, error)
        _set_aside(file)
        return ()
    return tuple(chosen for chosen in found if chosen is not None)


def _chosen(entry: dict[str, Any]) -> Chosen | None:
    cost = Cost(int(entry["series"]), float(entry["seconds"]))
    for preset in PRESETS.values():
        for query in preset.queries:
            for source in query.sources:
                if (query.alias, source.expr) == (entry["query"], entry["expr"]):
                    return Chosen(preset.name, query, source, cost)
    return None


def _set_aside(file: Path) -> None:
    try:
        file.replace(file.with_suffix(".bad"))
    except OSError as error:
        LOGGER.warning("%s cannot be set aside: %s", file, error)
