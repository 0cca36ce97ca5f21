"""What a format is: how lines are joined to entries, and how an entry is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal["not_json", "no_match", "binary", "invalid_utf8", "too_long", "time_limit"]
Parsed = dict[str, object]
Continues = Callable[[Sequence[bytes], bytes], bool]
"""Whether a line belongs to the entry that the lines before it have begun."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        parse: returns the fields of an entry, or why it has none.
        continues: how lines are joined; None where each line is an entry.
        begins: whether a line begins an entry for certain; an entry that has outgrown the limits ends there.
        entry_start: the byte that begins an entry that needs no joining, a JSON object's brace; None where
            every line has to be looked at.
        level: paths of the level, the first that has a value counts.
        message: paths of what happened, in words.
        error: paths of an exception's text.
        time: paths of when.
        default_level: of an entry that says none.
        defaults: paths of what the rules look for, by its name in the configuration.
    """

    parse: Callable[[bytes], Parsed | Reason]
    continues: Continues | None = None
    begins: Callable[[bytes], bool] | None = None
    entry_start: int | None = None
    level: Sequence[str] = ("level",)
    message: Sequence[str] = ("message",)
    error: Sequence[str] = ()
    time: Sequence[str] = ("time",)
    default_level: str = "unknown"
    defaults: Mapping[str, Sequence[str]] = field(default_factory=dict)


def bad_text(raw: bytes) -> Reason | None:
    """Return why `raw` is no text; None if it is."""
    if b"\0" in raw:
        return "binary"
    try:
        raw.decode()
    except UnicodeDecodeError:
        # A picture has bytes that no text has; a name in Latin-1 only has the wrong encoding.
        return "binary" if raw.translate(None, _CONTROL) != raw else "invalid_utf8"
    return None


_CONTROL = bytes({*range(32), 127} - set(b"\t\r\n\x1b"))


def as_text(raw: bytes) -> str | Reason:
    """Decode `raw`, for a format that is not JSON."""
    return raw.decode("utf-8", "replace")
