"""Place panels on Grafana's grid of 24 columns, so that none overlaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import attr
from grafanalib import core as grafana

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Line:
    """Panels side by side, equally wide, `height` grid units (30 px) high."""

    height: int
    panels: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Section:
    """A row's head and the lines of panels below it."""

    head: Any
    lines: Sequence[Line]


def place(sections: Sequence[Section]) -> list[Any]:
    """Return every panel, top to bottom, with its position.

    Raises:
        ValueError: a line has a number of panels that does not divide 24.
    """
    placed: list[Any] = []
    y = 0
    for section in sections:
        placed.append(_at(section.head, 0, y, COLUMNS, 1))
        y += 1
        for line in section.lines:
            width, rest = divmod(COLUMNS, len(line.panels))
            if rest:
                raise ValueError(f"{len(line.panels)} panels do not fill {COLUMNS} columns")
            for index, panel in enumerate(line.panels):
                placed.append(_at(panel, index * width, y, width, line.height))
            y += line.height
    return placed


def _at(panel: Any, x: int, y: int, width: int, height: int) -> Any:
    return attr.evolve(panel, gridPos=grafana.GridPos(h=height, w=width, x=x, y=y))
