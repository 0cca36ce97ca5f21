"""Small state files that other processes read at any moment."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of `path`: a reader sees the old text or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
