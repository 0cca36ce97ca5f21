"""Connections to the shop's PostgreSQL: time-outs on each, a bounded pool of them."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_demo.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT = 5
STATEMENT_TIMEOUT = "10s"
LOCK_TIMEOUT = "5s"


class DatabaseError(SpecterError):
    """The shop's database cannot be reached or refused a statement."""


class PoolTimeoutError(SpecterError):
    """Every connection was in use for too long."""


def connect(settings: Settings, *, statement_timeout: str = STATEMENT_TIMEOUT) -> Connection:
    """Open an autocommit connection to the shop's database.

    Statements are planned with their values each time (`LIKE` can use an index then) and by one
    process, so that what a query costs does not depend on what else runs.

    Raises:
        DatabaseError: the connection string is malformed.
        psycopg.OperationalError: the server cannot be reached or refuses the login.
    """
    try:
        parameters = conninfo_to_dict(settings.database_dsn)
    except psycopg.ProgrammingError as error:
        raise DatabaseError("SHOP_DATABASE_DSN: expected a libpq connection string") from error
    if settings.database_password_file:
        parameters["password"] = read_secret_file(
            settings.database_password_file, what="SHOP_DATABASE_PASSWORD_FILE"
        )
    parameters.setdefault("connect_timeout", CONNECT_TIMEOUT)
    parameters.setdefault("application_name", "shop")
    options = {
        "statement_timeout": statement_timeout,
        "lock_timeout": LOCK_TIMEOUT,
        "max_parallel_workers_per_gather": "0",
    }
    parameters["options"] = " ".join(
        [str(parameters.get("options", "")), *(f"-c {name}={value}" for name, value in options.items())]
    ).strip()
    return psycopg.connect(make_conninfo("", **parameters), autocommit=True, prepare_threshold=None)


def reason_of(error: psycopg.Error) -> str:
    """Return the first line of what the server or libpq says, the kind of the error where that is nothing."""
    said = str(error).strip()
    return said.splitlines()[0] if said else type(error).__name__


class Pool:
    """At most `size` connections, opened when first needed, each used by one thread at a time."""

    def __init__(self, opener: Callable[[], Connection], *, size: int = 10, wait: float = 2.0) -> None:
        self._open = opener
        self._wait = wait
        # A slot holds an idle connection, or None where one may still be opened.
        self._slots: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._slots.put(None)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection to the block; one that broke is closed instead of being lent again.

        Raises:
            PoolTimeoutError: none became free within `wait` seconds.
            psycopg.OperationalError: the server cannot be reached.
        """
        try:
            connection = self._slots.get(timeout=self._wait)
        except queue.Empty:
            raise PoolTimeoutError(f"no database connection became free within {self._wait:g} s") from None
        try:
            if connection is None or connection.closed:
                connection = self._open()
            yield connection
        finally:
            broken = connection is None or connection.closed
            if broken:
                self._forget_idle()
            self._slots.put(None if broken else connection)

    def close(self) -> None:
        """Close the idle connections; lent ones are closed by nobody until they come back."""
        self._forget_idle()

    def _forget_idle(self) -> None:
        """Close every idle connection: what broke one (a restart of the server) broke all."""
        slots: list[Connection | None] = []
        while True:
            try:
                slots.append(self._slots.get_nowait())
            except queue.Empty:
                break
        for idle in slots:
            if idle is not None:
                idle.close()
            self._slots.put(None)
