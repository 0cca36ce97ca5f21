"""Read which servers to ask: one file, every error at once, passwords in files of their own."""

import re
from pathlib import Path
from typing import Annotated

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, model_validator

from specter_core.config import ConfigError, Problem, Schema, load_config
from specter_exporters.logs.schema import Seconds
from specter_exporters.postgres.model import Server

MOST_SERVERS = 50
MOST_DATABASES = 20
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.:-]*")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected letters, digits and _ . : -")
    return text


def _dsn(text: str) -> str:
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        # libpq's own message repeats the text, which may hold a password.
        raise ValueError(
            "is not a connection string such as host=127.0.0.1 dbname=postgres user=specter"
        ) from None
    if "password" in parts:
        raise ValueError("holds a password; write it to a file and name that as password_file")
    return text


class ServerSchema(Schema):
    """One entry of `servers`."""

    name: Annotated[str, AfterValidator(_name)]
    dsn: Annotated[str, AfterValidator(_dsn)] = Field(repr=False)
    password_file: Path | None = None
    databases: tuple[str, ...] = Field(default=(), max_length=MOST_DATABASES)
    idle_limit: Seconds = 600.0
    statements: int = Field(default=20, ge=0, le=100)
    tables: int = Field(default=100, ge=0, le=1000)
    plans: int = Field(default=0, ge=0, le=50)
    plan_interval: Seconds = 60.0
    plan_search_path: tuple[str, ...] = Field(default=("public",), max_length=10)


class PostgresSchema(Schema):
    """The file."""

    servers: tuple[ServerSchema, ...] = Field(min_length=1, max_length=MOST_SERVERS)

    @model_validator(mode="after")
    def _names(self) -> "PostgresSchema":
        names = [each.name for each in self.servers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"servers: {', '.join(twice)} appears twice")
        return self


def load(path: Path) -> tuple[Server, ...]:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read or breaks the schema, or the file of a password is missing.
    """
    schema = load_config(path, PostgresSchema)
    folder = path.parent.resolve()
    servers = tuple(_server(each, folder) for each in schema.servers)
    problems = [
        Problem(str(path), None, f"servers[{index}].password_file", f"{each.password_file} is not a file")
        for index, each in enumerate(servers)
        if each.password_file is not None and not each.password_file.is_file()
    ]
    if problems:
        raise ConfigError(problems)
    return servers


def _server(each: ServerSchema, folder: Path) -> Server:
    return Server(
        each.name,
        each.dsn,
        None if each.password_file is None else folder / each.password_file,
        each.databases,
        each.idle_limit,
        each.statements,
        each.tables,
        each.plans,
        each.plan_interval,
        each.plan_search_path,
    )
