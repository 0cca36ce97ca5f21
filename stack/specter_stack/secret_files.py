"""Passwords and tokens of a run: generated once, kept in files, never printed."""

import os
from pathlib import Path
from secrets import token_urlsafe

NAMES = ("postgres-password", "notifications-token", "grafana-admin-password")


def ensure_secret(path: Path, *, mode: int = 0o600) -> Path:
    """Create `path` with a random secret unless it is there; return `path`.

    The file appears complete or not at all, so that a reader never sees half a secret.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(token_urlsafe(32))
    temporary.rename(path)
    return path
