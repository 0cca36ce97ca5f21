"""How far a spool has been delivered, and the newest tick of each scheduler: a file, replaced as a whole."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specter_core.files import replace_file

LOGGER = logging.getLogger(__name__)
NAME = "cursor.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """All before byte `offset` of segment number `segment` has been delivered."""

    segment: int = 0
    offset: int = 0
    ticks: Mapping[str, float] = field(default_factory=dict)


def load(folder: Path) -> Cursor:
    """Read the cursor; the beginning of everything if there is none that can be used."""
    path = folder / NAME
    try:
        return _parsed(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Cursor()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        LOGGER.warning("%s cannot be used, all that is spooled is sent again: %r", path, error)
        return Cursor()


def _parsed(document: Mapping[str, Any]) -> Cursor:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}, expected {VERSION}")
    ticks = {str(name): float(at) for name, at in document["ticks"].items()}
    return Cursor(int(document["segment"]), int(document["offset"]), ticks)


def save(folder: Path, cursor: Cursor, *, durable: bool = False) -> None:
    """Replace the cursor, which its owner alone may read.

    Args:
        folder: of the spool.
        cursor: what is to be known.
        durable: wait until it is on the disk: before a segment goes whose ticks are known from nowhere else.

    Raises:
        OSError: it could not be written; the old one is still there.
    """
    document = {
        "version": VERSION,
        "segment": cursor.segment,
        "offset": cursor.offset,
        "ticks": dict(cursor.ticks),
    }
    replace_file(folder / NAME, [json.dumps(document).encode()], durable=durable)
