"""Refuse regular expressions that can take exponential time, or that mean nothing to a log."""

import re

_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
FEW = 10
"""Repeats up to this number are taken for a list: `(?:\\d+\\.){3}`."""
_GROUP = re.compile(r"\((?:\?P<\w+>|\?:|\?[aiLmsux]+(?:-[imsx]+)?[:)]|\?>|\?#[^)]*\))?")
MAX_LENGTH = 2000


def problem(pattern: str) -> str | None:
    """Return what is wrong with `pattern` for use on lines that anybody may write; None if nothing is.

    Back references and looking around are refused, and so is repeating a group that itself repeats or
    chooses: `(a+)+`, `(a|ab)*`, `(aa?)+`. A character class says the same without the risk: `[ab]*`.
    """
    if len(pattern) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    return _Scan(pattern).problem()


class _Scan:
    """One pass over a valid pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._risky = [False]  # by open group: does it repeat or choose?

    def problem(self) -> str | None:
        while self._at < len(self._pattern):
            found = self._step()
            if found is not None:
                return found
        return None

    def _step(self) -> str | None:
        character = self._pattern[self._at]
        if character == "\\":
            return self._escape()
        if character == "[":
            self._skip_class()
            return None
        if character == "(":
            return self._open()
        if character == ")":
            return self._close()
        if character == "|":
            self._risky[-1] = True
        else:
            quantifier = _QUANTIFIER.match(self._pattern, self._at)
            if quantifier is not None:
                self._risky[-1] = self._risky[-1] or _many(quantifier) or _varies(quantifier)
                self._at = quantifier.end()
                return None
        self._at += 1
        return None

    def _escape(self) -> str | None:
        if self._pattern[self._at + 1 : self._at + 2] in tuple("123456789"):
            return "refers back to a group, which can take exponential time"
        self._at += 2
        return None

    def _skip_class(self) -> None:
        self._at += 1
        if self._pattern.startswith("^", self._at):
            self._at += 1
        first = True
        while first or not self._pattern.startswith("]", self._at):
            self._at += 2 if self._pattern.startswith("\\", self._at) else 1
            first = False
        self._at += 1

    def _open(self) -> str | None:
        for start in ("(?=", "(?!", "(?<=", "(?<!"):
            if self._pattern.startswith(start, self._at):
                return f"looks around ({start}…)), which is not allowed"
        if self._pattern.startswith(("(?P=", "(?("), self._at):
            return "refers back to a group, which can take exponential time"
        opened = _GROUP.match(self._pattern, self._at)
        self._at = opened.end() if opened else self._at + 1
        if opened is None or not opened[0].endswith(")"):
            self._risky.append(False)
        return None

    def _close(self) -> str | None:
        risky = self._risky.pop()
        self._at += 1
        quantifier = _QUANTIFIER.match(self._pattern, self._at)
        if quantifier is not None:
            self._at = quantifier.end()
            if risky and _many(quantifier):
                return (
                    "repeats a group that itself repeats or chooses, which can take exponential time: "
                    "write a character class, or repeat only one of the two"
                )
            risky = risky or _many(quantifier) or _varies(quantifier)
        self._risky[-1] = self._risky[-1] or risky
        return None


def _many(quantifier: re.Match[str]) -> bool:
    """Whether something may be repeated more than `FEW` times."""
    if quantifier[0] in {"*", "+"}:
        return True
    if quantifier[0] == "?":
        return False
    lowest, comma, highest = quantifier.groups()
    last = highest if comma else lowest
    return not last or int(last) > FEW


def _varies(quantifier: re.Match[str]) -> bool:
    """Whether something may be repeated this often or that: within a repeat, each time is a choice."""
    lowest, comma, highest = quantifier.groups()
    return quantifier[0] == "?" or (bool(comma) and lowest != highest)
