"""Secrets, each in a file of its own."""

from pathlib import Path

from specter_core.errors import SpecterError


def read_secret_file(path: Path, *, what: str) -> str:
    """Return the secret in `path` without its trailing newline.

    Raises:
        SpecterError: the file cannot be read, is empty or is not one printable
            line; the message names `what` and the file, never the content.
    """
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SpecterError(f"{what}: cannot read {path}: {reason}") from error
    if not value:
        raise SpecterError(f"{what}: {path} is empty")
    if not value.isprintable():
        raise SpecterError(f"{what}: {path} must hold one line of printable characters")
    return value
