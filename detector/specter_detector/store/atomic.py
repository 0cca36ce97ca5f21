"""Replace a file of the store in one step, with advice where the file system refuses."""

from collections.abc import Iterable
from pathlib import Path

from specter_core import files
from specter_detector.store.errors import explained
from specter_detector.store.medium import Writable


def replace_file(path: Path, parts: Iterable[Writable], *, durable: bool = True) -> None:
    """Do what `specter_core.files.replace_file` does.

    Raises:
        StoreError: it cannot be written; the old file is as it was.
    """
    with explained("write", path):
        files.replace_file(path, parts, durable=durable)
