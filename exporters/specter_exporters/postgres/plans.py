"""What a plan comes to: a hash that does not change with costs, a shape, the tables that it reads whole."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

LONGEST_SHAPE = 200
LONGEST_TEXT = 20_000
Node = Mapping[str, Any]

_EXPLAINABLE = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|insert|update|delete|merge|with|values)\b", re.I | re.S
)
# What of a node decides on how it works; not costs, rows and conditions.
_DECISIVE = ("Node Type", "Operation", "Join Type", "Strategy", "Partial Mode", "Parent Relationship")
_NAMED = ("Schema", "Relation Name", "Index Name", "Function Name", "CTE Name")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is kept of a plan.

    Attributes:
        digest: the same for plans that work in the same way.
        shape: its nodes from the outermost, as they are written; cut to `LONGEST_SHAPE` characters.
        cost: estimated total cost, in the planner's units.
        scanned: (schema, table) of what it reads from end to end.
    """

    digest: str
    shape: str
    cost: float
    scanned: tuple[tuple[str, str], ...]


def explainable(text: str) -> bool:
    """Return whether `text` is a statement that has a plan, and is not too long to be asked about."""
    return len(text) <= LONGEST_TEXT and _EXPLAINABLE.match(text) is not None


def read(answer: list[Any]) -> Plan:
    """Return what is kept of EXPLAIN (FORMAT JSON, VERBOSE)'s answer."""
    root: Node = answer[0]["Plan"]
    digest = blake2b(_signature(root).encode(), digest_size=8).hexdigest()
    shape = _shape(root)
    if len(shape) > LONGEST_SHAPE:
        shape = f"{shape[: LONGEST_SHAPE - 1]}…"
    scanned = {
        (str(node["Schema"]), str(node["Relation Name"])): None
        for node in _nodes(root)
        if node["Node Type"] == "Seq Scan" and "Relation Name" in node
    }
    return Plan(digest, shape, float(root["Total Cost"]), tuple(scanned))


def _signature(node: Node) -> str:
    """Return what `digest` is of; partitions, whose names have numbers, count as one."""
    own = "|".join(
        [
            *(str(node.get(key, "")) for key in _DECISIVE),
            *(_DIGITS.sub("#", str(node.get(key, ""))) for key in _NAMED),
        ]
    )
    below = dict.fromkeys(_signature(child) for child in node.get("Plans", ()))
    return f"({own}{''.join(below)})"


def _shape(node: Node) -> str:
    what = str(node["Node Type"])
    if "Index Name" in node:
        what += f" {node['Index Name']}"
    if "Relation Name" in node:
        what += f" on {node['Relation Name']}"
    below = ", ".join(dict.fromkeys(_shape(child) for child in node.get("Plans", ())))
    return f"{what} ({below})" if below else what


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
