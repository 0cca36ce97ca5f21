"""Passwords and tokens of a run: generated once, kept in files, never printed."""

from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from tempfile import NamedTemporaryFile

NAMES = (
    *("postgres-password", "postgres-exporter-password", "sql-exporter-password"),
    *("notifications-token", "grafana-admin-password"),
    *("business-token", "coaching-token", "signin-token", "signin-read-token", "payments-token"),
    "jobs-ping-key",
)


def ensure_secret(path: Path, *, mode: int = 0o600) -> Path:
    """Create `path` with a random secret unless it is there; return `path`.

    The file appears complete or not at all, and when several create it at once,
    all of them end up with the first one's secret.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8") as file:
        file.write(token_urlsafe(32))
        file.flush()
        Path(file.name).chmod(mode)
        with suppress(FileExistsError):
            path.hardlink_to(file.name)
    return path
