"""Which version of the shop runs: a file that a release replaces and a starting worker reads."""

import re
from pathlib import Path

from specter_core.errors import SpecterError

FIRST = "1.4.0"
VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")


def read_release(path: Path) -> str:
    """Return the version in `path`, or `FIRST` when nothing was released yet.

    Raises:
        SpecterError: the file holds something else than a version.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return FIRST
    if not VERSION.fullmatch(text):
        raise SpecterError(f"{path}: expected a version such as {FIRST}")
    return text
