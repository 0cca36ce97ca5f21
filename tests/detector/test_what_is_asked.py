"""What is asked of a server for a query: selectors taken apart, freshness added, ranges cut."""

import pytest

from specter_detector.freshness import fresh
from specter_detector.pieces import LEAST, VALUES, PieceSize
from specter_detector.promql import Matcher, matchers_of, selector


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("up", [("__name__", "=", "up")]),
        (' a:b:c { } ', [("__name__", "=", "a:b:c")]),
        ('up{job="a b",x!~"(c|d)}",}', [("__name__", "=", "up"), ("job", "=", "a b"), ("x", "!~", "(c|d)}")]),
        ('{__name__=~"x.*", y!=`\\n`}', [("__name__", "=~", "x.*"), ("y", "!=", "\\n")]),
        ("up{a='i\\'s', b=\"\\\\d\\n\"}", [("__name__", "=", "up"), ("a", "=", "i's"), ("b", "=", "\\d\n")]),
    ],
)  # fmt: skip
def test_a_selector_is_taken_apart(expr: str, expected: list[tuple[str, str, str]]) -> None:
    matchers = matchers_of(expr)
    assert matchers is not None
    assert [(m.name, m.operator, m.value) for m in matchers] == expected
    assert matchers_of(selector(matchers)) == matchers


@pytest.mark.parametrize(
    "expr",
    ["rate(up[5m])", "up offset 5m", "NaN", "inf", "1", "{}",
     'up{a="\\x41"}', 'up{a="b" # "c"\n}', 'up{"a"="b"}',
     "up[5m]", 'up{a="b" b="c"}', ""],
)  # fmt: skip
def test_what_is_no_selector_of_the_common_form_is_left_to_the_server(expr: str) -> None:
    assert matchers_of(expr) is None


def test_a_selector_is_written_with_every_character_in_its_place() -> None:
    awkward = Matcher("a", "=", 'q"u\\o\n\U0001f600\x01')
    assert selector([awkward]) == '{a="q\\"u\\\\o\\n\U0001f600\\u0001"}'


def test_functions_of_ranges_are_kept_where_there_are_recent_samples() -> None:
    cases = {
        "rate(x[5m])": "count_over_time(x[100000ms])",
        "rate(x[1m])": "count_over_time(x[90000ms])",
        'sum by (a) (rate(x{b="c"}[5m]))': 'sum by (a) (count_over_time(x{b="c"}[100000ms]))',
        "sum(rate(x[5m])) without (le) / sum(rate(y[30m])) * 100": (
            "sum(count_over_time(x[100000ms])) without (le) / sum(count_over_time(y[600000ms])) * 100"
        ),
        "histogram_quantile(0.95, sum by (le, r) (rate(x_bucket[5m])))": (
            "histogram_quantile(0.95, sum by (le, r) (count_over_time(x_bucket[100000ms])))"
        ),
        "clamp_min(irate(x[5m]), 1)": "clamp_min(count_over_time(x[100000ms]), 1)",
        "max_over_time(x[1h])": "count_over_time(x[1200000ms])",
    }
    for expr, recent in cases.items():
        assert fresh(expr, 90) == f"({expr}) and ({recent})"


@pytest.mark.parametrize(
    "expr",
    ["rate(x[5m]) > 0", "topk(5, rate(x[5m]))", "absent_over_time(x[5m])", "rate(x[5m]) or vector(0)",
     "rate(x[5m] offset 1h)", "rate(x[5m:1m])", "sum(x)", "rate(x[5m]) unless y", "rate(x[5m]) / x",
     "quantile_over_time(0.5, x[5m])", "rate(x[abc])", "count(rate(x[5m]) == 0)"],
)  # fmt: skip
def test_expressions_in_which_values_or_absence_choose_the_series_stay_as_they_are(expr: str) -> None:
    assert fresh(expr, 90) == expr


def test_pieces_adapt_to_what_comes() -> None:
    size = PieceSize(1000, 10_000)
    assert size.points == VALUES // 1000
    size.came(10)
    assert size.points == 10_000
    size.came(100_000)
    assert size.points == VALUES // 100_000
    assert size.too_much(8000)
    assert size.points == 2000
    size.came(1)
    assert size.points == 2000  # what was too much once is not tried again
    assert not size.too_much(LEAST)
    assert PieceSize(10**9, 10_000).points == 1
