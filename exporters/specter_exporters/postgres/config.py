"""Read which servers to ask: one file, every error at once, passwords in files of their own."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, Field, model_validator

from specter_core.config import Schema, load_config
from specter_core.named_files import file_problem
from specter_exporters.logs.schema import Seconds
from specter_exporters.postgres.model import Backup, Module, PgBouncer, Server, Watched

MOST_SERVERS = 50
MOST_DATABASES = 20
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.:-]*")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected letters, digits and _ . : -")
    return text


def valid_dsn(text: str) -> str:
    """Return `text`, for a schema's field.

    Raises:
        ValueError: it is no connection string of libpq, or holds a password; the message quotes nothing.
    """
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


def _without_place(text: str) -> str:
    if conninfo_to_dict(valid_dsn(text)).keys() & {"host", "hostaddr", "port"}:
        raise ValueError("names a host or port; they come with the request")
    return text


def _without_database(text: str) -> str:
    if "dbname" in conninfo_to_dict(valid_dsn(text)):
        raise ValueError("names a database; it is that of the console")
    return text


class BackupSchema(Schema):
    """One entry of `backups`."""

    name: Annotated[str, AfterValidator(_name)]
    files: str | None = None
    query: str | None = None
    verified_file: Path | None = None
    verifies: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> "BackupSchema":
        if (self.files is None) == (self.query is None):
            raise ValueError("expected one of files and query")
        if self.files is not None and re.search(r"[*?\[]", str(Path(self.files).parent)):
            raise ValueError("files: only the last part of the path may be a pattern")
        if self.verifies and self.query is None and self.verified_file is None:
            raise ValueError("verifies: expected verified_file, or a query that tells it")
        return self


class AskedSchema(Schema):
    """How a server is asked."""

    dsn: Annotated[str, AfterValidator(valid_dsn)] = Field(repr=False)
    password_file: Path | None = None
    databases: tuple[str, ...] = Field(default=(), max_length=MOST_DATABASES)
    idle_limit: Seconds = 600.0
    statements: int = Field(default=20, ge=0, le=100)
    tables: int = Field(default=100, ge=0, le=1000)
    plans: int = Field(default=0, ge=0, le=50)
    plan_interval: Seconds = 60.0
    plan_search_path: tuple[str, ...] = Field(default=("public",), max_length=10)
    backups: tuple[BackupSchema, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _names_of_backups(self) -> "AskedSchema":
        names = [each.name for each in self.backups]
        if len(names) != len(set(names)):
            raise ValueError("backups: a name appears twice")
        return self


class ServerSchema(AskedSchema):
    """One entry of `servers`."""

    name: Annotated[str, AfterValidator(_name)]


class ModuleSchema(AskedSchema):
    """One entry of `modules`."""

    dsn: Annotated[str, AfterValidator(_without_place)] = Field(repr=False)
    targets: tuple[str, ...] = Field(min_length=1, max_length=100)


class PgBouncerSchema(Schema):
    """One entry of `pgbouncers`."""

    name: Annotated[str, AfterValidator(_name)]
    dsn: Annotated[str, AfterValidator(_without_database)] = Field(repr=False)
    password_file: Path | None = None


class PostgresSchema(Schema):
    """The file."""

    servers: tuple[ServerSchema, ...] = Field(default=(), max_length=MOST_SERVERS)
    modules: dict[Annotated[str, AfterValidator(_name)], ModuleSchema] = Field(
        default_factory=dict, max_length=20
    )
    pgbouncers: tuple[PgBouncerSchema, ...] = Field(default=(), max_length=MOST_SERVERS)

    @model_validator(mode="after")
    def _asks(self) -> "PostgresSchema":
        if not (self.servers or self.modules or self.pgbouncers):
            raise ValueError("asks nobody; expected servers, modules or pgbouncers")
        for what, entries in (("servers", self.servers), ("pgbouncers", self.pgbouncers)):
            names = [each.name for each in entries]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what}: {', '.join(twice)} appears twice")
        return self


def load(path: Path) -> Watched:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read or breaks the schema, or the file of a password is missing.
    """
    folder = path.parent.resolve()
    schema = load_config(path, PostgresSchema, lambda each: _missing_files(each, folder))
    return Watched(
        tuple(_server(each, each.name, folder) for each in schema.servers),
        {name: Module(_server(each, name, folder), each.targets) for name, each in schema.modules.items()},
        tuple(PgBouncer(each.name, each.dsn, _in(folder, each.password_file)) for each in schema.pgbouncers),
    )


def _missing_files(schema: PostgresSchema, folder: Path) -> Iterator[tuple[str, str]]:
    places = [
        *((f"servers[{index}]", each.password_file) for index, each in enumerate(schema.servers)),
        *((f"modules.{name}", each.password_file) for name, each in schema.modules.items()),
        *((f"pgbouncers[{index}]", each.password_file) for index, each in enumerate(schema.pgbouncers)),
    ]
    for where, file in places:
        problem = None if file is None else file_problem(folder / file)
        if problem is not None:
            yield f"{where}.password_file", problem


def _server(each: AskedSchema, name: str, folder: Path) -> Server:
    return Server(
        name,
        each.dsn,
        _in(folder, each.password_file),
        each.databases,
        each.idle_limit,
        each.statements,
        each.tables,
        each.plans,
        each.plan_interval,
        each.plan_search_path,
        tuple(_backup(backup, folder) for backup in each.backups),
    )


def _backup(each: BackupSchema, folder: Path) -> Backup:
    return Backup(
        each.name,
        None if each.files is None else str(folder / each.files),
        each.query,
        _in(folder, each.verified_file),
        each.verifies or each.verified_file is not None,
    )


def _in(folder: Path, file: Path | None) -> Path | None:
    return None if file is None else folder / file
