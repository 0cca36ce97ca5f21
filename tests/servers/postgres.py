"""A throw-away PostgreSQL server on a free port, stopped and deleted when the block ends.

PostgreSQL refuses to run as root, so as root it runs as the user `postgres`, in a folder
of its own whose parents that user can enter.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import psycopg
from psycopg.conninfo import make_conninfo

from specter_stack.programs import find_program

USER = "specter"
DATABASE = "postgres"
READY_WITHIN = 30.0
ATTEMPTS = 3
SETTINGS = {
    # Nothing of this outlives the test, so nothing waits for the disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "60",
}
EMPTIED = (
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_wal",
)
PASSING = ("postmaster.", "pgsql_tmp", "pg_internal.init")


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: where it is and how to log in as its superuser."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    password_file: Path
    folder: Path
    pid: int
    programs: Path | None
    """Folder of its programs, None for those that the machine has."""

    @property
    def dsn(self) -> str:
        """The libpq connection string, without the password."""
        return f"host={self.host} port={self.port} dbname={self.database} user={self.user}"


class _Identity(TypedDict, total=False):
    user: str
    group: str
    extra_groups: list[str]


def _identity() -> _Identity:
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def running_postgres(
    settings: dict[str, str] | None = None,
    *,
    password: str = "throw-away",
    primary: PostgresServer | None = None,
    programs: Path | None = None,
) -> Iterator[PostgresServer]:
    """Start a server, yield it, stop it and delete its folder, also when the block fails.

    `settings` are added to, and override, `SETTINGS` (postgresql.conf names and values).
    With `primary`, the server is a standby that streams from it, and has its password and programs.
    Otherwise `programs` is the folder with initdb and postgres, None for those that the machine has.

    Raises:
        MissingProgramsError: PostgreSQL is not installed.
        RuntimeError: it did not start; the message holds the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="specter-postgres-"))
    try:
        folder.chmod(0o711)
        if primary is None:
            data = _initialise(folder, password, programs)
        else:
            password, programs = primary.password, primary.programs
            data = _copy(folder, primary)
        server = _start(folder, data, {**SETTINGS, **(settings or {})}, programs)
        try:
            port = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3])
            secret = folder / "password" if primary is None else primary.password_file
            yield PostgresServer(
                "127.0.0.1", port, USER, DATABASE, password, secret, folder, server.pid, programs
            )
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder)


def _program(name: str, programs: Path | None) -> str:
    return str(find_program(name) if programs is None else programs / name)


def _initialise(folder: Path, password: str, programs: Path | None) -> Path:
    base = folder / "cluster"
    base.mkdir(mode=0o700)
    secret = folder / "password"
    secret.write_text(password + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        shutil.chown(base, "postgres", "postgres")
        shutil.chown(secret, "postgres", "postgres")
    secret.chmod(0o600)
    data = base / "data"
    _run(
        *(_program("initdb", programs), "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
        *("--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
    )
    return data


def _copy(folder: Path, primary: PostgresServer) -> Path:
    """Copy a running server, so that the copy goes on as its standby."""
    base = folder / "cluster"
    base.mkdir(mode=0o700)
    data = base / "data"
    dsn = make_conninfo(primary.dsn, password=primary.password, application_name="standby")
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        _back_up(connection, primary.folder / "cluster" / "data", data)
    (data / "standby.signal").touch()
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"primary_conninfo = {_quoted(dsn)}\n")
    if os.geteuid() == 0:
        for path in (base, *base.rglob("*")):
            shutil.chown(path, "postgres", "postgres")
    return data


def _back_up(connection: "psycopg.Connection[Any]", source: Path, data: Path) -> None:
    """Copy a server's files by its own functions, since pg_basebackup refuses a server newer than itself."""
    if connection.info.server_version >= 150000:
        start = "SELECT pg_backup_start('standby', true)"
        stop = "SELECT labelfile FROM pg_backup_stop(false)"
    else:
        # Before PostgreSQL 15 an exclusive backup is the default, which the last argument refuses.
        start = "SELECT pg_start_backup('standby', true, false)"
        stop = "SELECT labelfile FROM pg_stop_backup(false, false)"
    connection.execute(start.encode())
    shutil.copytree(source, data, symlinks=True, ignore=_left_out(source))
    [(label,)] = connection.execute(stop.encode()).fetchall()
    passing = shutil.ignore_patterns("archive_status", "summaries")
    shutil.copytree(source / "pg_wal", data / "pg_wal", dirs_exist_ok=True, ignore=passing)
    (data / "backup_label").write_text(label, encoding="utf-8")


def _left_out(source: Path) -> Callable[[str, list[str]], list[str]]:
    """Return what says which files of a folder no copy needs, as PostgreSQL's documentation lists them."""
    emptied = {str(source / name) for name in EMPTIED}

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if folder in emptied or name.startswith(PASSING)]

    return ignored


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **_identity(),
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def _start(
    folder: Path, data: Path, settings: dict[str, str], programs: Path | None
) -> subprocess.Popen[bytes]:
    """Start the server; a port that someone else took meanwhile is replaced by another."""
    log = folder / "postgres.log"
    for _ in range(ATTEMPTS):
        options = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        command = [
            *(_program("postgres", programs), "-D", str(data), "-p", str(_free_port())),
            *("-k", str(data.parent), *options),
        ]
        with log.open("ab") as output:
            server = subprocess.Popen(command, cwd="/", stdout=output, stderr=output, **_identity())
        try:
            if _ready(server, data):
                return server
        except BaseException:
            _stop(server)
            raise
        _stop(server)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(server: subprocess.Popen[bytes], data: Path) -> bool:
    """Wait until postmaster.pid says `ready`, its eighth line; False when the server ended instead."""
    deadline = time.monotonic() + READY_WITHIN
    status = data / "postmaster.pid"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return False
        lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        time.sleep(0.02)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended, not waited for
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(timeout=15)
