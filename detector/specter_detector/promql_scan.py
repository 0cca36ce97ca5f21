"""What lints must know of a PromQL expression: its selectors, and what is around each.

No parser: a scanner that follows brackets and reads names, strings and durations. It takes
MetricsQL as well, and new functions, because it need not know them. What it cannot see
is a syntax error other than a bracket or a string without its end: the server says those.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from specter_core.durations import parse_duration
from specter_detector.promql_tokens import PAIRS, ScanError, Token, tokens, unquoted

AGGREGATIONS = frozenset(
    {
        "sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk",
        "limitk", "limit_ratio", "quantile", "median", "any",
    }
)  # fmt: skip
WORDS = frozenset(
    {
        "and", "or", "unless", "atan2", "bool", "default", "if", "ifnot", "offset", "keep_metric_names",
        "inf", "nan",
    }
)  # fmt: skip
LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})


@dataclass(frozen=True, slots=True)
class Around:
    """A function or an aggregation; `by` and `without` are the labels of its clause, None without one."""

    name: str
    by: frozenset[str] | None = None
    without: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector in an expression.

    Attributes:
        name: of the metric, empty where matchers alone choose.
        matchers: (label, operator, value) as written.
        text: itself, without range and modifiers.
        inside: what it is an argument of, outermost first.
        window: seconds of its range, None without one.
        subquery: seconds of the range of the nearest subquery around it, None without one.
        offset: seconds; negative looks into the future.
        at: whether it is fixed in time by `@`.
    """

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    text: str
    inside: tuple[Around, ...] = ()
    window: float | None = None
    subquery: float | None = None
    offset: float = 0.0
    at: bool = False


@dataclass(slots=True)
class _Group:
    """An open bracket: whose arguments it holds, and the selectors found in it."""

    around: Around | None
    found: list[int] = field(default_factory=list)


def scan(expr: str) -> list[Selector]:
    """Return the selectors of `expr`.

    Raises:
        ScanError: a bracket or a string has no end, or there is nothing.
    """
    return _Scanner(expr).run()


class _Scanner:
    def __init__(self, expr: str) -> None:
        self._expr = expr
        self._tokens = list(tokens(expr))
        self._at = 0
        self._selectors: list[Selector] = []
        self._groups = [_Group(None)]
        self._ended: list[int] = []
        """The selectors that a modifier right here would be about."""

    def run(self) -> list[Selector]:
        if not self._tokens:
            raise ScanError("the expression is empty")
        while self._at < len(self._tokens):
            self._step(self._tokens[self._at])
        return self._selectors

    def _step(self, token: Token) -> None:
        if token.kind == "name":
            self._name(token)
        elif token.text == "{":
            self._selector("", token.start)
        elif token.text == "(":
            self._open(None)
        elif token.text == ")":
            self._close()
        elif token.text == "[":
            self._range()
        elif token.text == "@":
            self._change(at=True)
            self._at += 1
        else:
            if token.text not in {"-", "+"}:
                self._ended = []
            self._at += 1

    def _name(self, token: Token) -> None:
        word, following = token.text.lower(), self._text(1)
        if word == "offset":
            self._offset()
        elif word in LISTS and following == "(":
            self._at += 1
            self._labels()
        elif word in WORDS or word in LISTS:
            self._ended = []
            self._at += 1
        elif word in AGGREGATIONS and following in {"by", "without"}:
            self._at += 2
            self._open(_clause(Around(word), following, self._labels()))
        elif following == "(":
            self._at += 1
            self._open(Around(token.text))
        else:
            self._at += 1
            self._selector(token.text, token.start)

    def _selector(self, name: str, start: int) -> None:
        matchers: list[tuple[str, str, str]] = []
        end = self._tokens[self._at - 1].end if name else start
        if self._text() == "{":
            inner, end = self._inner("}")
            matchers = list(_matchers(inner))
            named = [value for label, operator, value in matchers if label == "__name__" and operator == "="]
            name = name or (named[0] if named else "")
        around = tuple(group.around for group in self._groups if group.around is not None)
        self._groups[-1].found.append(len(self._selectors))
        self._ended = [len(self._selectors)]
        self._selectors.append(Selector(name, tuple(matchers), self._expr[start:end].strip(), around))

    def _open(self, around: Around | None) -> None:
        self._groups.append(_Group(around))
        self._ended = []
        self._at += 1

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise ScanError(") has no (")
        group = self._groups.pop()
        self._at += 1
        word = self._text().lower()
        if group.around is not None and group.around.name in AGGREGATIONS and word in {"by", "without"}:
            self._at += 1
            self._clause_after(group, word, self._labels())
        self._groups[-1].found += group.found
        self._ended = list(group.found)

    def _clause_after(self, group: _Group, word: str, labels: frozenset[str]) -> None:
        """`sum (x) by (a)` says the same as `sum by (a) (x)`."""
        depth = sum(each.around is not None for each in self._groups)
        if group.around is None:
            return
        for index in group.found:
            inside = list(self._selectors[index].inside)
            inside[depth] = _clause(group.around, word, labels)
            self._selectors[index] = replace(self._selectors[index], inside=tuple(inside))

    def _range(self) -> None:
        inner, _ = self._inner("]")
        texts = [token.text for token in inner]
        seconds = _seconds(texts[0]) if texts else None
        if ":" in "".join(texts):
            for index in self._ended:
                if self._selectors[index].subquery is None:
                    self._selectors[index] = replace(self._selectors[index], subquery=seconds)
        else:
            self._change(window=seconds)

    def _offset(self) -> None:
        self._at += 1
        sign = 1.0
        if self._text() in {"-", "+"}:
            sign = -1.0 if self._text() == "-" else 1.0
            self._at += 1
        seconds = _seconds(self._text())
        self._at += 1
        for index in self._ended:
            offset = self._selectors[index].offset + sign * (seconds or 0.0)
            self._selectors[index] = replace(self._selectors[index], offset=offset)

    def _change(self, *, at: bool = False, window: float | None = None) -> None:
        for index in self._ended:
            selector = self._selectors[index]
            self._selectors[index] = replace(
                selector, at=selector.at or at, window=selector.window if window is None else window
            )

    def _labels(self) -> frozenset[str]:
        inner, _ = self._inner(")")
        return frozenset(token.text for token in inner if token.kind == "name")

    def _inner(self, closing: str) -> tuple[list[Token], int]:
        """Return the tokens up to `closing` and where it ends, and go behind it."""
        start = self._at + 1
        for index in range(start, len(self._tokens)):
            if self._tokens[index].text == closing:
                self._at = index + 1
                return self._tokens[start:index], self._tokens[index].end
        raise ScanError(f"{PAIRS[closing]} has no {closing}")

    def _text(self, ahead: int = 0) -> str:
        index = self._at + ahead
        return self._tokens[index].text if index < len(self._tokens) else ""


def _matchers(tokens: list[Token]) -> Iterator[tuple[str, str, str]]:
    """Yield the matchers between the braces of a selector."""
    for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (
            first.kind in {"name", "string"}
            and second.text in {"=", "=~", "!=", "!~"}
            and third.kind == "string"
        ):
            yield unquoted(first.text), second.text, unquoted(third.text)
    if tokens and tokens[0].kind == "string" and (len(tokens) == 1 or tokens[1].text == ","):
        yield "__name__", "=", unquoted(tokens[0].text)


def _clause(around: Around, word: str, labels: frozenset[str]) -> Around:
    return replace(around, by=labels) if word == "by" else replace(around, without=labels)


def _seconds(text: str) -> float | None:
    """Return the seconds of a duration or a number; None for MetricsQL's multiples of the step."""
    try:
        return parse_duration(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None
