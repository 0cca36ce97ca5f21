"""The scanner against promql-parser, and against anything."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.presets.catalogue import PRESETS
from specter_detector.promql_scan import Around, Selector, scan
from specter_detector.promql_tokens import ScanError

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "alert_rules/generated").glob("*.rules.yml"))
PRESET_EXPRESSIONS = [
    expr
    for preset in PRESETS.values()
    for query in preset.queries
    for source in query.sources
    for expr in (source.expr, source.limit)
    if expr is not None
]
RULE_EXPRESSIONS = [
    rule["expr"]
    for file in RULES
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
ODD = [
    'sum by (le, a) (rate(x_total{a="b{", c=~`}`}[5m] offset -5m))',
    "max_over_time(rate(x[1m])[10m:1m])",
    "a / on(x) group_left(y) b",
    "avg(x) without (a) > bool 3",
    'count_values("v", up)',
    "-x ^ 2",
    "histogram_quantile(0.9, sum(rate(b_bucket[1h30m])) by (svc, le)) # comment )",
    'label_replace(up, "a", "$1", "b", "(.*)")',
    "sum(x) or vector(0)",
    "x and on () y unless ignoring (a) z",
    "topk(5, sum without (pod) (x))",
    'rate(x{a!="\\""}[30s])',
]

Seen = tuple[str, float | None, tuple[str, ...]]


def parsed(node: Any, inside: tuple[str, ...] = (), window: float | None = None) -> list[Seen]:  # noqa: PLR0911
    """Return name, window and surrounding functions of each selector of a syntax tree."""
    match type(node).__name__:
        case "VectorSelector":
            return [(node.name or "", window, inside)]
        case "MatrixSelector":
            seconds = node.range.total_seconds() if isinstance(node.range, timedelta) else None
            return parsed(node.vector_selector, inside, seconds)
        case "Call":
            return [each for arg in node.args for each in parsed(arg, (*inside, node.func.name))]
        case "AggregateExpr":
            return parsed(node.expr, (*inside, str(node.op)))
        case "BinaryExpr":
            return parsed(node.lhs, inside) + parsed(node.rhs, inside)
        case "ParenExpr" | "SubqueryExpr" | "UnaryExpr":
            return parsed(node.expr, inside)
        case _:
            return []


@pytest.mark.parametrize("expr", PRESET_EXPRESSIONS + RULE_EXPRESSIONS + ODD)
def test_it_sees_what_a_parser_sees(expr: str) -> None:
    seen = [(s.name, s.window, tuple(around.name for around in s.inside)) for s in scan(expr)]
    assert seen == parsed(promql_parser.parse(expr))


def one(expr: str) -> Selector:
    (selector,) = scan(expr)
    return selector


def test_it_reads_matchers_ranges_and_modifiers() -> None:
    selector = one('sum by (le, a) (rate(x{a="b{", c=~`}`}[5m] offset -5m))')
    assert selector == Selector(
        name="x",
        matchers=(("a", "=", "b{"), ("c", "=~", "}")),
        text='x{a="b{", c=~`}`}',
        inside=(Around("sum", by=frozenset({"le", "a"})), Around("rate")),
        window=300.0,
        offset=-300.0,
    )
    assert one("max_over_time(rate(x[1m])[10m:1m])").subquery == 600.0
    assert one("x @ end()").at
    assert one("avg(x) without (a)").inside == (Around("avg", without=frozenset({"a"})),)
    assert one('{__name__="x", a="b"}').name == "x"
    assert one('{"a.b"}').name == "a.b"
    assert [s.offset for s in scan("(x + y) offset 1h")] == [3600.0, 3600.0]


def test_it_takes_what_only_victoriametrics_knows() -> None:
    assert one("rate(x)").window is None
    assert one("rollup_rate(x[5i])").window is None
    assert one("median(x) default 0").inside == (Around("median"),)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("", "the expression is empty"),
        ("sum(x", "( is not closed"),
        ("sum x)", ") has no ("),
        ('x{a="b}', "a string that begins at"),
        ("rate(x[5m)", ") has no ("),
        ("sum by", "( has no )"),
    ],
)
def test_a_bracket_or_a_string_without_its_end_is_an_error(expr: str, message: str) -> None:
    with pytest.raises(ScanError, match=re.escape(message)):
        scan(expr)


PIECES = [
    "sum",
    "by",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "5m",
    "x",
    ",",
    "=",
    '"a"',
    "offset",
    "@",
    "-",
    " ",
    ":",
    "1",
]


@given(st.lists(st.sampled_from(PIECES), max_size=20) | st.text(max_size=30).map(list))
def test_it_ends_on_anything(pieces: list[str]) -> None:
    try:
        scan("".join(pieces))
    except ScanError as error:
        assert str(error)  # noqa: PT017  (either outcome is right)
