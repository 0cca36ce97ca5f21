"""A lint, and what is known of the server when linting."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing that is hardly ever meant.

    Attributes:
        code: names the kind, for scripts.
        message: what is so.
        advice: what to do.
        loc: where in the document; empty for the whole.
    """

    code: str
    message: str
    advice: str
    loc: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server told.

    Attributes:
        types: of metrics: counter, gauge, histogram, summary; those it knows.
        intervals: seconds between the samples of a selector, by its text; those that could be measured.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, float] = field(default_factory=dict)


NOTHING_KNOWN = Facts()
