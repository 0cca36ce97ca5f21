"""Keys of violating rows as they may be shown: whole, in part, or not at all."""

from typing import Any

from specter_exporters.sql.model import Sample

LONGEST = 64
SHOWN_END = 4
MASK = "…"


def as_shown(key: Any, how: Sample) -> str:
    """Return a key as text; masked, it is its end, of four characters and at most half of it."""
    text = "NULL" if key is None else str(key)
    text = " ".join(text.split())
    if how == "masked":
        end = min(SHOWN_END, len(text) // 2)
        return f"{MASK}{text[len(text) - end :]}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}{MASK}"
