"""The kinds of databases, one module each: how to read only, in time, and what an error means."""

from specter_exporters.sql.engines.engine import Engine
from specter_exporters.sql.engines.mysql import MySql
from specter_exporters.sql.engines.postgres import Postgres
from specter_exporters.sql.engines.sqlite import Sqlite

__all__ = ["Engine", "engine_of"]

ENGINES: dict[str, Engine] = {"postgresql": Postgres(), "mysql": MySql(), "sqlite": Sqlite()}


def engine_of(backend: str) -> Engine:
    """Return how a kind of database is asked; `backend` is what SQLAlchemy calls it."""
    return ENGINES[backend]
