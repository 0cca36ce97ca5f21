"""Read the file with databases and checks: every error at once, secrets by place only."""

from collections.abc import Iterator
from pathlib import Path

from specter_core.config import load_config
from specter_exporters.sql.dsn import Dsn, DsnError, Secret, parse_url, secret_in
from specter_exporters.sql.model import (
    BusinessQuery,
    Check,
    Database,
    IntegrityCheck,
    Plan,
    Side,
    SyncCheck,
    Timing,
)
from specter_exporters.sql.schema import DatabaseSchema, SideSchema, SqlSchema, TimedSchema
from specter_exporters.sql.statements import stripped


def load(path: Path) -> Plan:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read, breaks the schema, repeats a name, or uses one that is not there.
    """
    schema = load_config(path, SqlSchema, _problems)
    folder = path.parent.resolve()
    return Plan(tuple(_database(each, folder) for each in schema.databases), tuple(_checks(schema)))


def _problems(schema: SqlSchema) -> Iterator[tuple[str, str]]:
    if not (schema.integrity or schema.business or schema.sync):
        yield "", "asks nothing; expected integrity, business or sync"
    databases: set[str] = set()
    for index, each in enumerate(schema.databases):
        where = f"databases[{index}]"
        if each.name in databases:
            yield f"{where}.name", f"{each.name} appears twice"
        databases.add(each.name)
        yield from _dsn_problems(each, where)
    names: set[str] = set()
    for where, name, used in _used(schema):
        # One name space: what became of a run has no label that says which kind it was of.
        if name in names:
            yield f"{where}.name", f"{name} appears twice"
        names.add(name)
        for place, database in used:
            if database not in databases:
                there = ", ".join(sorted(databases))
                yield f"{where}.{place}", f"{database} is none of the databases; there is {there}"


def _dsn_problems(each: DatabaseSchema, where: str) -> Iterator[tuple[str, str]]:
    if each.dsn is None:
        return
    try:
        url = parse_url(each.dsn, "dsn")
    except DsnError as error:
        yield f"{where}.dsn", str(error).removeprefix("dsn: ")
        return
    if secret_in(url):
        yield f"{where}.dsn", "holds a secret; name its place as password_file or password_env"


def _used(schema: SqlSchema) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield where a check is, its name, and where it uses which databases."""
    for index, check in enumerate(schema.integrity):
        yield f"integrity[{index}]", check.name, [("database", check.database)]
    for index, query in enumerate(schema.business):
        yield f"business[{index}]", query.name, [("database", query.database)]
    for index, sync in enumerate(schema.sync):
        sides = [("source.database", sync.source.database), ("target.database", sync.target.database)]
        yield f"sync[{index}]", sync.name, sides


def _database(each: DatabaseSchema, folder: Path) -> Database:
    what = f"database {each.name}"
    elsewhere = each.dsn_file is not None or each.dsn_env is not None
    dsn = Dsn(
        None if each.dsn is None else parse_url(each.dsn, f"{what}: dsn"),
        _secret(f"{what}: dsn", each.dsn_file, each.dsn_env, folder) if elsewhere else None,
        _secret(f"{what}: password", each.password_file, each.password_env, folder),
        folder,
    )
    return Database(each.name, dsn, each.concurrency)


def _secret(what: str, file: str | None, env: str | None, folder: Path) -> Secret | None:
    if file is None and env is None:
        return None
    return Secret(what, None if file is None else folder / file, env)


def _timing(each: TimedSchema) -> Timing:
    return Timing(each.interval, each.timeout)


def _checks(schema: SqlSchema) -> Iterator[Check]:
    for check in schema.integrity:
        yield IntegrityCheck(
            check.name,
            check.database,
            stripped(check.query),
            _timing(check),
            check.at_most,
            check.at_least,
            check.sample,
            check.key,
            check.severity,
        )
    for query in schema.business:
        yield BusinessQuery(
            query.name, query.database, stripped(query.query), _timing(query), query.by, query.groups
        )
    for sync in schema.sync:
        yield SyncCheck(
            sync.name,
            _side(sync.source),
            _side(sync.target),
            _timing(sync),
            sync.mark,
            sync.most_lag,
            sync.most_mark_difference,
            sync.most_row_difference,
        )


def _side(each: SideSchema) -> Side:
    return Side(
        each.database,
        None if each.rows is None else stripped(each.rows),
        None if each.mark is None else stripped(each.mark),
    )
