"""Backups: how old and how large the newest is, and when one was last verified; from files or a query."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from specter_core import metrics
from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.postgres.model import Backup, Fact, facts
from specter_exporters.postgres.session import Session

SETTLED = 60.0
"""Seconds since the last change after which a file is taken for a whole backup."""
THREAD = "backup files"
FILES_WITHIN = 1.0
"""Seconds in which the file system answers, or is not waited for."""


class BackupError(SpecterError):
    """What was found is no backup, or cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Newest:
    """What is known of a kind of backups; times are Unix time (s)."""

    count: int
    at: float | None = None
    size: float | None = None
    verified: float | None = None


class Backups:
    """The collector.

    Args:
        backups: what to look for.
        clock: the time.
    """

    def __init__(self, backups: Sequence[Backup], clock: Clock) -> None:
        self._backups = backups
        self._clock = clock
        self._looking: threading.Thread | None = None

    def __call__(self, session: Session) -> Iterable[Fact]:
        """Look at the files, ask the queries, and yield what is known.

        Raises:
            TimeoutError: the file system does not answer.
            BackupError: a query answers something else than a backup.
        """
        found = self._files()
        for backup in self._backups:
            newest = found[backup.name]
            if backup.query is not None:
                newest = _merged(_asked(session, backup), newest)
            yield from _told(backup, newest)

    def _files(self) -> dict[str, Newest]:
        """Look in a thread of its own: a file system that hangs hangs whoever asks it."""
        if self._looking is not None and self._looking.is_alive():
            raise TimeoutError("the file system has not answered since an earlier scrape")
        found: dict[str, Newest] = {}
        failed: list[OSError] = []
        self._looking = threading.Thread(target=self._look, args=(found, failed), name=THREAD, daemon=True)
        self._looking.start()
        self._looking.join(FILES_WITHIN)
        if self._looking.is_alive():
            raise TimeoutError(f"the file system did not answer within {FILES_WITHIN:g} s")
        if failed:
            raise BackupError(f"{failed[0].filename}: {failed[0].strerror}")
        return found

    def _look(self, found: dict[str, Newest], failed: list[OSError]) -> None:
        now = self._clock.time()
        for backup in self._backups:
            try:
                found[backup.name] = looked_at(backup.files, backup.verified_file, now)
            except OSError as error:
                failed.append(error)


def looked_at(pattern: str | None, marker: Path | None, now: float) -> Newest:
    """Return what files say: the newest of `pattern` that is not being written, and the age of `marker`.

    Raises:
        OSError: a file cannot be looked at.
    """
    whole: list[tuple[float, float]] = []
    # Not glob(), for which a folder that cannot be read is an empty one.
    files = [] if pattern is None else list(Path(pattern).parent.iterdir())
    for path in files:
        if not fnmatchcase(path.name, Path(str(pattern)).name):
            continue
        try:
            told = path.stat()
        except FileNotFoundError:  # rotated away meanwhile
            continue
        if now - told.st_mtime >= SETTLED:
            whole.append((told.st_mtime, float(told.st_size)))
    at, size = max(whole, default=(None, None))
    return Newest(len(whole), at, size, _changed(marker))


def _changed(marker: Path | None) -> float | None:
    try:
        return None if marker is None else marker.stat().st_mtime
    except FileNotFoundError:
        return None


def _asked(session: Session, backup: Backup) -> Newest:
    rows = session.rows(backup.query or "")
    if not rows:
        return Newest(0)
    row = [*rows[0], None, None]
    if len(rows[0]) not in {1, 2, 3}:
        raise BackupError(f"{backup.name}: the query answers {len(rows[0])} columns, expected up to three")
    at, size, verified, *_ = row
    return Newest(len(rows), _time(backup, at), _number(backup, size), _time(backup, verified))


def _time(backup: Backup, value: object) -> float | None:
    return value.timestamp() if isinstance(value, datetime) else _number(backup, value)


def _number(backup: Backup, value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        raise BackupError(f"{backup.name}: the query answers neither a time nor a number") from None


def _merged(asked: Newest, files: Newest) -> Newest:
    """Return what the query says; a marker file may say when it was verified."""
    verified = max((each for each in (asked.verified, files.verified) if each is not None), default=None)
    return Newest(asked.count, asked.at, asked.size, verified)


def _told(backup: Backup, newest: Newest) -> Iterable[Fact]:
    labels = [backup.name]
    yield from facts(
        (metrics.PG_BACKUPS, labels, newest.count),
        (metrics.PG_BACKUP_TIME, labels, newest.at),
        (metrics.PG_BACKUP_BYTES, labels, newest.size),
        (metrics.PG_BACKUP_VERIFIED_TIME, labels, newest.verified),
        (metrics.PG_BACKUP_VERIFIED, labels, newest.verified is not None if backup.verifies else None),
    )
