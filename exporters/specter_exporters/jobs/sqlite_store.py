"""The store in a file: SQLite, whose write-ahead log is on the disk before a write returns."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

from specter_core.files import HeldError, hold
from specter_exporters.jobs.store import (
    EVENT_COLUMNS,
    EVENT_FIELDS,
    JOB_COLUMNS,
    KeptEvent,
    KeptJob,
    KeptPush,
    StoreError,
    event_row,
    job_row,
    kept_jobs,
    not_aside,
    told_aside,
)

FILE = "jobs.db"
ASIDE = "job_set_aside"
VERSION = 1
MOST_PAGES = 16_384
"""Of 4 KiB: the size at which the log is moved into the file in any case, while pings wait."""
_TABLES = """
CREATE TABLE IF NOT EXISTS job (
    name TEXT PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, made INTEGER NOT NULL, schedule TEXT NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    name TEXT NOT NULL, place INTEGER NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    run TEXT NOT NULL, exit_status INTEGER, output TEXT NOT NULL, PRIMARY KEY (name, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS push (key TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
"""
_ASIDE = f"""CREATE TABLE IF NOT EXISTS {ASIDE} (
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, name TEXT NOT NULL, schedule TEXT NOT NULL,
    state TEXT NOT NULL)"""
# Byte for byte, and once: a job that nobody watches any more stays as it is.
_SET_ASIDE = f"""INSERT INTO {ASIDE} (name, schedule, state) SELECT name, schedule, state FROM job
    WHERE name = ? AND NOT EXISTS (
        SELECT 1 FROM {ASIDE} AS kept WHERE kept.name = job.name AND kept.state = job.state)"""  # noqa: S608
# Not OR REPLACE, which writes the index of UUIDs anew each time, all over the file.
_JOB = f"""INSERT INTO job ({JOB_COLUMNS}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
    uuid = excluded.uuid, made = excluded.made, schedule = excluded.schedule, state = excluded.state"""  # noqa: S608
# A job that was renamed keeps its URL: whose that was before is watched no more, or has another one now.
_GIVEN_AWAY = "DELETE FROM job WHERE uuid = ? AND name <> ?"
_EVENT = f"INSERT OR REPLACE INTO event ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_EVENTS = f"SELECT {EVENT_FIELDS} FROM event WHERE name = ? ORDER BY number DESC"  # noqa: S608


class SqliteStore:
    """Jobs and events in a folder, which this process holds; see `Store`.

    Args:
        folder: made if it is missing, for its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: int | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> list[KeptJob]:
        """Return every job; see `Store`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._held is None:
                self._held = hold(self._folder)
            if self._connection is not None:
                self._connection.close()
            self._connection = _connected(self._folder / FILE)
            rows = self._connection.execute(f"SELECT {JOB_COLUMNS} FROM job").fetchall()  # noqa: S608
            return kept_jobs(rows, partial(self._set_aside, self._connection))
        except HeldError as error:
            raise StoreError(f"{self._folder}: is used by another exporter, {error}") from error
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self._folder / FILE}: {error}") from error

    def _set_aside(self, connection: sqlite3.Connection, name: str, why: str) -> int:
        place = str(self._folder / FILE)
        try:
            connection.execute(_ASIDE)
            connection.execute(_SET_ASIDE, (name,))
        except sqlite3.Error as error:
            raise not_aside(place, ASIDE, name, why, error) from error
        told_aside(place, ASIDE, name, why)
        (number,) = connection.execute("SELECT max(number) FROM event WHERE name = ?", (name,)).fetchone()
        return number or 0

    def write(self, jobs: Sequence[KeptJob], events: Sequence[KeptEvent], pushes: Sequence[KeptPush]) -> None:
        """Keep all or none; see `Store`."""
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_GIVEN_AWAY, [(job.uuid, job.name) for job in jobs])
            connection.executemany(_JOB, map(job_row, jobs))
            connection.executemany(_EVENT, map(event_row, events))
            for push in pushes:
                connection.execute(*_pushed(push))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # the reason is on its way up
                connection.execute("ROLLBACK")
            raise StoreError(f"{self._folder / FILE}: {error}") from error

    def events(self, name: str) -> list[KeptEvent]:
        """Return a job's newest events; see `Store`."""
        return [KeptEvent(*row) for row in self._read(_EVENTS, name)]

    def pushes(self) -> list[KeptPush]:
        """Return what was pushed; see `Store`."""
        return [KeptPush(*row) for row in self._read("SELECT key, content FROM push ORDER BY key")]

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        # A connection of its own: the other one may be in the middle of a write.
        path = self._folder / FILE
        try:
            with closing(sqlite3.connect(path, timeout=5.0)) as connection:
                connection.text_factory = _text
                return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    def tidy(self) -> None:
        """Move what is in the log into the file; see `Store`."""
        path = self._folder / FILE
        try:
            with closing(sqlite3.connect(path, timeout=5.0)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """End the connection, and hold the folder no more."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._folder / FILE}: is not open")
        return self._connection


def _pushed(push: KeptPush) -> tuple[str, tuple[str, ...]]:
    if push.content is None:
        return "DELETE FROM push WHERE key = ?", (push.key,)
    return "INSERT OR REPLACE INTO push (key, content) VALUES (?, ?)", (push.key, push.content)


def _text(stored: bytes) -> str:
    """Return a text also where a disk has damaged it: one job must not keep the others from being read."""
    return stored.decode("utf-8", "replace")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.text_factory = _text
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # of WAL: each commit is on the disk
    # `tidy` moves the log into the file, beside the writes; this is for when it does not come to its end.
    connection.execute(f"PRAGMA wal_autocheckpoint = {MOST_PAGES}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in {0, VERSION}:
        connection.close()
        raise StoreError(f"{path}: is of version {version}, this exporter knows {VERSION}")
    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    path.chmod(0o600)
    return connection
