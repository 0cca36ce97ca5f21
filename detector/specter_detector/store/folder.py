"""The data folder of a detector: whose it is, what format it has, and a folder in it for each query.

FOLDER/lock                    held by the process that uses the folder; has its number
FOLDER/version                 format of the folder
FOLDER/queries/NAME-HASH/      one query: its history, and what its jobs have learnt
FOLDER/queries/NAME-HASH/used  when it was last configured (Unix s)
"""

import logging
import math
import os
import re
import shutil
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from typing import Self

from specter_core.files import HeldError, hold
from specter_detector.store.atomic import replace_file
from specter_detector.store.errors import StoreError, explained

LOGGER = logging.getLogger(__name__)
FORMAT = 1
USED = "used"
NAMED = re.compile(r"[A-Za-z0-9_-]{1,40}-[0-9a-f]{12}")
"""Names that `query` makes: nothing else is ever removed."""

MIB = 2**20


class DataFolder:
    """A data folder, held by this process; made by `open`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make `path` where it is not there, readable by its owner only, and hold it.

        Raises:
            StoreError: another process holds it, a later Specter wrote it, or the file system refuses.
        """
        with explained("make", path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with explained("write", path):
            lock = _held(path)
            try:
                _check_version(path)
                (path / "queries").mkdir(mode=0o700, exist_ok=True)
            except BaseException:
                os.close(lock)
                raise
        return cls(path, lock)

    def close(self) -> None:
        """Let another process have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def query(self, alias: str, identity: str) -> Path:
        """Return the folder of a query, made where it is not there.

        Args:
            alias: of the query, for whoever looks at the folder.
            identity: whatever makes values belong together: another expression has another folder, and
                finds its own again when it comes back within the retention.

        Raises:
            StoreError: the file system refuses.
        """
        folder = self.path / "queries" / folder_name(alias, identity)
        with explained("make", folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def sweep(self, used: Collection[Path], now: float, retention: float) -> list[Path]:
        """Note that the folders `used` are, and remove those of queries that have not been for `retention`.

        Args:
            used: what `query` returned for every query that is configured.
            now: Unix time (s). A folder that claims to have been used later counts from now on.
            retention: seconds.

        Returns:
            What was removed.

        Raises:
            StoreError: the file system refuses.
        """
        removed = []
        for folder in sorted((self.path / "queries").iterdir()):
            if not NAMED.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
                continue
            last = _last_used(folder)
            if folder in used or not last <= now:
                replace_file(folder / USED, [f"{now:.0f}\n".encode()], durable=False)
            elif now - last > retention:
                with explained("remove", folder):
                    shutil.rmtree(folder)
                days = (now - last) / 86400
                LOGGER.info("%s: removed; its query has not been configured for %.1f days", folder, days)
                removed.append(folder)
        return removed

    def free(self) -> int:
        """Return the bytes that may still be written."""
        with explained("read", self.path):
            return shutil.disk_usage(self.path).free

    def require(self, size: int, what: str) -> None:
        """Check that there is room.

        Args:
            size: bytes that `what` will grow to, beyond what it takes already.
            what: for the message.

        Raises:
            StoreError: there is less.
        """
        free = self.free()
        if free < size:
            message = f"{self.path}: {free / MIB:,.0f} MiB are free, and {what} needs {size / MIB:,.0f} MiB"
            raise StoreError(f"{message}: free space, move the folder, or lower fit_window or max_series")


def folder_name(alias: str, identity: str) -> str:
    """Return a name that is safe on every file system and differs for every alias and identity."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", alias)[:40] or "_"
    digest = sha256(f"{alias}\0{identity}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe}-{digest[:12]}"


def _held(path: Path) -> int:
    try:
        return hold(path)
    except HeldError as error:
        message = f"{path} is in use by another detector (process {error.holder})"
        raise StoreError(f"{message}: stop that one, or give this one a data folder of its own") from None


def _check_version(path: Path) -> None:
    file = path / "version"
    if not file.exists():
        replace_file(file, [f"{FORMAT}\n".encode()])
        return
    text = file.read_text("ascii", "replace").strip()
    if text != str(FORMAT):
        message = f"{file} says {text[:20]!r}, and this Specter knows format {FORMAT}"
        raise StoreError(f"{message}: run the version that wrote it, or move {path} away to begin anew")


def _last_used(folder: Path) -> float:
    """Return when a folder was last used (Unix s), NaN where it does not say."""
    try:
        return float((folder / USED).read_text("ascii"))
    except (OSError, ValueError):
        return math.nan
