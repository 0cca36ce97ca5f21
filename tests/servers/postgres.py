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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

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
) -> Iterator[PostgresServer]:
    """Start a server, yield it, stop it and delete its folder, also when the block fails.

    `settings` are added to, and override, `SETTINGS` (postgresql.conf names and values).
    With `primary`, the server is a standby that streams from it, and has its password.

    Raises:
        MissingProgramsError: PostgreSQL is not installed.
        RuntimeError: it did not start; the message holds the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="specter-postgres-"))
    try:
        folder.chmod(0o711)
        password = password if primary is None else primary.password
        data = _initialise(folder, password) if primary is None else _copy(folder, primary)
        server = _start(folder, data, {**SETTINGS, **(settings or {})})
        try:
            port = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3])
            secret = folder / "password" if primary is None else primary.password_file
            yield PostgresServer("127.0.0.1", port, USER, DATABASE, password, secret, folder, server.pid)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder)


def _initialise(folder: Path, password: str) -> Path:
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
        *(str(find_program("initdb")), "-D", str(data), "-U", USER, "-A", "scram-sha-256"),
        *("--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
    )
    return data


def _copy(folder: Path, primary: PostgresServer) -> Path:
    """Copy a running server, so that the copy goes on as its standby."""
    base = folder / "cluster"
    base.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(base, "postgres", "postgres")
    data = base / "data"
    program = find_program("initdb").resolve().with_name("pg_basebackup")
    source = f"{primary.dsn} application_name=standby"
    options = ("-D", str(data), "-R", "--no-sync", "-c", "fast")
    _run(str(program), *options, "-d", source, PGPASSWORD=primary.password)
    return data


def _run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd="/",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **_identity(),
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def _start(folder: Path, data: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the server; a port that someone else took meanwhile is replaced by another."""
    log = folder / "postgres.log"
    for _ in range(ATTEMPTS):
        options = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        command = [
            *(str(find_program("postgres")), "-D", str(data), "-p", str(_free_port())),
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
