"""Ask a database one thing: connect, read, end."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from specter_exporters.sql.dsn import DsnError
from specter_exporters.sql.engines import Engine, engine_of
from specter_exporters.sql.engines.engine import CONNECT_WITHIN, Table
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import Database

LONGEST = 300
"""Characters of a database's message that are shown."""


class Session:
    """A connection in a transaction that only reads."""

    def __init__(self, database: str, engine: Engine, connection: Connection, secret: str) -> None:
        self._database = database
        self._engine = engine
        self._connection = connection
        self._secret = secret

    def table(self, query: str, most: int) -> Table:
        """Return at most `most` rows of `query`.

        Raises:
            CheckError: it failed.
        """
        try:
            return self._engine.fetch(self._connection, query, most)
        except (SQLAlchemyError, psycopg.Error, TimeoutError) as error:
            raise query_error(error, self._database, self._engine, self._secret) from None


class Sessions:
    """Opens sessions, so many at once. What SQLAlchemy has to ask a database about itself, it asks once.

    Args:
        databases: which there are. Each gets a connection more than its `concurrency`, for those that
            compare it with another.
    """

    def __init__(self, databases: Iterable[Database]) -> None:
        self._slots = {each.name: threading.Semaphore(each.concurrency + 1) for each in databases}
        self._lock = threading.Lock()
        self._engines: dict[tuple[str, str], sqlalchemy.Engine] = {}
        self._made = threading.local()

    @contextmanager
    def open(self, database: Database, timeout: float, most: int) -> Iterator[Session]:
        """Yield a session on `database`, on a connection of its own that ends with it.

        Args:
            database: the database.
            timeout: seconds for its queries; a little more, and the connection is cut.
            most: rows that a query gives at most.

        Raises:
            CheckError: no connection was made, or it was cut.
        """
        slots = self._slots[database.name]
        if not slots.acquire(timeout=timeout):
            said = "other checks have taken its connections for as long as this one may take"
            raise CheckError("slots", said, database.name, connected=None)
        try:
            with self._opened(database, timeout, most) as session:
                yield session
        finally:
            slots.release()

    @contextmanager
    def _opened(self, database: Database, timeout: float, most: int) -> Iterator[Session]:
        try:
            url = database.dsn.resolve()
        except DsnError as error:
            raise CheckError("secret", str(error), database.name, connected=False) from None
        kind, secret = engine_of(url.get_backend_name()), url.password or ""
        try:
            raw = kind.connect(url, min(CONNECT_WITHIN, max(timeout, 1.0)), timeout)
        except Exception as error:  # noqa: BLE001  any driver's: what it means is for the engine to say
            reason, said = kind.connection_reason(error), shown(kind.message(error), secret)
            raise CheckError(reason, said, database.name, connected=False) from None
        self._made.connection = raw
        try:
            with (
                kind.deadline(raw, timeout),
                self._engine(database.name, url.drivername).connect() as connection,
            ):
                kind.restrict(connection, timeout, most + 1)
                yield Session(database.name, kind, connection, secret)
        except (SQLAlchemyError, TimeoutError) as error:
            raise query_error(error, database.name, kind, secret) from None
        finally:
            # SQLAlchemy has closed it, unless it failed before it took it over.
            kind.close(raw)

    def _engine(self, database: str, driver: str) -> sqlalchemy.Engine:
        """Return the engine of a database; its URL is the kind alone, and holds no password to be shown."""
        with self._lock:
            if (database, driver) not in self._engines:
                self._engines[database, driver] = create_engine(
                    f"{driver}://", creator=lambda: self._made.connection, poolclass=NullPool
                )
            return self._engines[database, driver]


def query_error(error: Exception, database: str, kind: Engine, secret: str) -> CheckError:
    """Return what became of a query, in the words of the database."""
    if isinstance(error, TimeoutError):
        return CheckError("timeout", str(error), database)
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return CheckError(kind.query_reason(cause), shown(kind.message(cause), secret), database)


def shown(message: str, secret: str) -> str:
    """Return a message as one line that is not long, and without the password, should it hold it."""
    line = " ".join(message.split())
    if secret:
        line = line.replace(secret, "…")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
