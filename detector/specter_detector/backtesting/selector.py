"""Series selectors as Prometheus writes them: `name{label="value",other=~"re.*"}`."""

import re
from dataclasses import dataclass

from specter_core.errors import UsageError
from specter_detector.names import LABEL_NAME, METRIC_NAME
from specter_detector.output import NAME
from specter_detector.series import Labels, labels_of

_SELECTOR = re.compile(rf"({METRIC_NAME.pattern})?\s*(?:\{{(.*)\}})?", re.DOTALL)
_MATCHER = re.compile(rf'\s*({LABEL_NAME.pattern})\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*(,|$)')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition; a label that is missing is an empty one."""

    label: str
    operator: str
    value: str

    def matches(self, labels: dict[str, str]) -> bool:
        """Tell whether `labels` meet it."""
        found = labels.get(self.label, "")
        if self.operator in {"=", "!="}:
            return (found == self.value) == (self.operator == "=")
        return (re.fullmatch(self.value, found) is not None) == (self.operator == "=~")


@dataclass(frozen=True, slots=True)
class Selector:
    """A name in front of the braces, empty for none, and the conditions within."""

    name: str
    matchers: tuple[Matcher, ...]

    def matches(self, labels: Labels) -> bool:
        """Tell whether a series with `labels` meets every condition; the name is not looked at."""
        found = dict(labels)
        return all(matcher.matches(found) for matcher in self.matchers)

    @property
    def equal(self) -> Labels:
        """The labels that are given in full, the name among them."""
        named = {NAME: self.name}
        return labels_of(named | {m.label: m.value for m in self.matchers if m.operator == "="})


def parse_selector(text: str) -> Selector:
    """Return the selector that `text` is.

    Raises:
        UsageError: it is none; says where it goes wrong.
    """
    whole = _SELECTOR.fullmatch(text.strip())
    if whole is None or not text.strip():
        raise UsageError(f'{text!r} is no series selector: expected one such as rate{{service="shop"}}')
    matchers: list[Matcher] = []
    inside = whole[2] or ""
    at = 0
    while inside[at:].strip():
        found = _MATCHER.match(inside, at)
        if found is None:
            raise UsageError(f'{text!r}: expected label="value" at {inside[at:]!r}')
        value = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), found[3][1:-1])
        if found[2] in {"=~", "!~"}:
            try:
                re.compile(value)
            except re.error as error:
                raise UsageError(f"{text!r}: {value!r} is no regular expression: {error}") from None
        matchers.append(Matcher(found[1], found[2], value))
        at = found.end()
    return Selector(whole[1] or "", tuple(matchers))
