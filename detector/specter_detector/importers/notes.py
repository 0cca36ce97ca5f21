"""What an import says: the configuration that came of it, and every setting that has no counterpart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """One setting that could not be taken over as it is.

    Attributes:
        path: where it is in the imported file.
        found: what it says there; None where that may be a secret.
        instead: what holds now.
    """

    path: str
    found: str | None
    instead: str

    def __str__(self) -> str:
        found = "" if self.found is None else f" ({self.found})"
        return f"{self.path}{found}: {self.instead}"


@dataclass(slots=True)
class Imported:
    """The document of a configuration of ours, and what has to be said of it."""

    document: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, path: Path, found: object, instead: str) -> None:
        """Say what holds instead of `found`, which stands at `path`."""
        self.notes.append(Note(dotted(path), described(found), instead))

    def secret(self, path: Path, instead: str) -> None:
        """Say what holds instead of a secret, which is not repeated."""
        self.notes.append(Note(dotted(path), None, instead))


def dotted(path: Path) -> str:
    """Return `path` as `models.m.queries[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def described(value: object) -> str:
    """Return `value` in at most 60 characters."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(map(str, value)) + "}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
