"""SQLite, from the standard library."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection

from specter_exporters.sql.engines.engine import Table, fetch

LOOK_EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock: less than a millisecond."""
LOCK_WITHIN = 1.0
INTERRUPTED = "interrupted"


class Sqlite:
    """SQLite.

    Args:
        monotonic: seconds that never step back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic

    def connect(self, url: URL, within: float, timeout: float) -> Any:
        """Return a connection to a file that must be there; SQLite itself may not write to it."""
        file = f"file:{quote(url.database or '')}?mode=ro"
        try:
            return sqlite3.connect(file, uri=True, timeout=min(within, timeout, LOCK_WITHIN))
        except sqlite3.OperationalError as error:
            raise sqlite3.OperationalError(f"{error}: {url.database}") from error

    def close(self, raw: Any) -> None:
        """End the connection."""
        raw.close()

    def deadline(self, raw: Any, timeout: float) -> AbstractContextManager[None]:
        """Let SQLite ask on its way whether the time is over; it ends the query then."""
        ends = self._monotonic() + timeout
        raw.set_progress_handler(lambda: self._monotonic() > ends, LOOK_EVERY)
        return nullcontext()

    def restrict(self, connection: Connection, timeout: float, most_rows: int) -> None:  # noqa: ARG002
        """Refuse to write, to attached databases too."""
        connection.exec_driver_sql("PRAGMA query_only = ON")

    def fetch(self, connection: Connection, query: str, most: int) -> Table:
        """Return at most `most` rows."""
        return fetch(connection, query, most)

    def connection_reason(self, error: BaseException) -> str:
        """Return why the file was not opened."""
        return "refused" if "unable to open" in str(error) else "other"

    def query_reason(self, error: BaseException) -> str:
        """Return why a query failed."""
        text = str(error)
        if text == INTERRUPTED:
            return "timeout"
        if "readonly" in text:
            return "read_only"
        if "locked" in text or "busy" in text:
            return "lock_timeout"
        if "no such" in text or "syntax error" in text or "incomplete input" in text:
            return "query"
        return "connection" if isinstance(error, sqlite3.OperationalError) else "other"

    def message(self, error: BaseException) -> str:
        """Return SQLite's sentence."""
        text = str(error)
        return "ended at its time-out" if text == INTERRUPTED else text
