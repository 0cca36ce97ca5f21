"""What a PromQL expression is made of, on promql-parser's syntax tree.

promql-parser is a development dependency: only linting needs it, so it is
imported when an expression is parsed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from specter_core.errors import SpecterError

# Functions that are given a counter, and those to which its level does not matter.
RATES = frozenset({"rate", "irate", "increase", "resets", "changes"})
LEVEL_FREE = frozenset({"absent", "absent_over_time", "timestamp", "present_over_time", "count_over_time"})
LABELLESS = frozenset({"vector", "time", "scalar", "pi"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
LITERALS = frozenset({"NumberLiteral", "StringLiteral"})


class PromqlError(SpecterError):
    """The expression does not parse."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Label names a result can have: exactly `names`, or, if `open`, any but `names`."""

    names: frozenset[str]
    open: bool

    def __contains__(self, label: str) -> bool:
        return (label not in self.names) if self.open else (label in self.names)

    def plus(self, labels: frozenset[str]) -> "Labels":
        """Return these labels and `labels`."""
        return Labels(self.names - labels if self.open else self.names | labels, self.open)

    def minus(self, labels: frozenset[str]) -> "Labels":
        """Return these labels without `labels`."""
        return Labels(self.names | labels if self.open else self.names - labels, self.open)


ANY = Labels(frozenset(), open=True)
NONE = Labels(frozenset(), open=False)


def parse(expr: str) -> Any:
    """Return the syntax tree of `expr`.

    Raises:
        PromqlError: it does not parse.
        SpecterError: promql-parser is not installed.
    """
    try:
        import promql_parser  # noqa: PLC0415  a development dependency, needed here only
    except ModuleNotFoundError as error:
        raise SpecterError(
            "linting rules needs the Python package promql-parser: pip install promql-parser"
        ) from error
    try:
        return promql_parser.parse(expr)
    except ValueError as error:
        raise PromqlError(f"{error} in: {expr}") from error


def kind(node: Any) -> str:
    """Return the node's class name, such as BinaryExpr or VectorSelector."""
    return type(node).__name__


def children(node: Any) -> list[Any]:
    """Return the expressions directly below `node`."""
    match kind(node):
        case "BinaryExpr":
            return [node.lhs, node.rhs]
        case "Call":
            return list(node.args)
        case "AggregateExpr":
            return [node.expr] if node.param is None else [node.expr, node.param]
        case "MatrixSelector":
            return [node.vector_selector]
        case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
            return [node.expr]
        case _:
            return []


def walk(node: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every node with the functions and aggregations around it, outermost first."""
    yield node, above
    match kind(node):
        case "Call":
            inside = (*above, node.func.name)
        case "AggregateExpr":
            inside = (*above, str(node.op))
        case _:
            inside = above
    for child in children(node):
        yield from walk(child, inside)


def window(node: Any) -> timedelta:
    """Return the range of a MatrixSelector."""
    value: timedelta = node.range
    return value


def surviving(node: Any, recorded: Mapping[str, Labels]) -> Labels:
    """Return the labels that the result of `node` can have.

    `recorded` gives those of series written by recording rules; other series
    may have any label.
    """
    match kind(node):
        case "VectorSelector":
            return recorded.get(node.name, ANY)
        case "AggregateExpr":
            return _aggregated(node, recorded)
        case "Call":
            return _called(node, recorded)
        case "BinaryExpr":
            return _combined(node, recorded)
        case name if name in LITERALS:
            return NONE
        case _:
            return surviving(children(node)[0], recorded)


def _aggregated(node: Any, recorded: Mapping[str, Labels]) -> Labels:
    if node.modifier is None:
        return NONE
    inner = surviving(node.expr, recorded)
    names = frozenset(node.modifier.labels)
    if str(node.modifier.type).endswith("By"):
        return Labels(frozenset(name for name in names if name in inner), open=False)
    return inner.minus(names)


def _called(node: Any, recorded: Mapping[str, Labels]) -> Labels:
    name = node.func.name
    if name in LABELLESS:
        return NONE
    if name in {"absent", "absent_over_time"}:
        selector = next(child for child, _ in walk(node) if kind(child) == "VectorSelector")
        equal = {m.name for m in selector.matchers.matchers if str(m.op) == "MatchOp.Equal"}
        return Labels(frozenset(equal), open=False)
    if name == "histogram_quantile":
        return surviving(node.args[1], recorded).minus(frozenset({"le"}))
    labels = [
        surviving(arg, recorded) for arg in node.args if kind(arg) not in {"NumberLiteral", "StringLiteral"}
    ]
    result = labels[0] if labels else NONE
    return result.plus(frozenset({node.args[1].val})) if name in {"label_replace", "label_join"} else result


def _combined(node: Any, recorded: Mapping[str, Labels]) -> Labels:
    left, right = (surviving(side, recorded) for side in (node.lhs, node.rhs))
    operator = str(node.op)
    if operator == "or":
        return _either(left, right)
    if _scalar(node.lhs):
        return right
    if operator in {"and", "unless"} or _scalar(node.rhs):
        return left
    return _matched(node.modifier, left, right)


def _matched(modifier: Any, left: Labels, right: Labels) -> Labels:
    if modifier is None or modifier.matching is None:
        return left
    card, names = str(modifier.card), frozenset(modifier.matching.labels)
    if card.endswith(("ManyToOne", "OneToMany")):
        many = left if card.endswith("ManyToOne") else right
        return many.plus(frozenset(modifier.group_labels or ()))
    if str(modifier.matching.type).endswith("Include"):
        return Labels(frozenset(name for name in names if name in left), open=False)
    return left.minus(names)


def _scalar(node: Any) -> bool:
    """Say whether `node` is a number, which has no labels to match."""
    return kind(node) in LITERALS or (kind(node) == "Call" and node.func.name in {"time", "scalar", "pi"})


def _either(left: Labels, right: Labels) -> Labels:
    """Return what a series from one of both sides can have."""
    if left.open and right.open:
        return Labels(left.names & right.names, open=True)
    if left.open or right.open:
        opened, closed = (left, right) if left.open else (right, left)
        return opened.plus(closed.names)
    return Labels(left.names | right.names, open=False)
