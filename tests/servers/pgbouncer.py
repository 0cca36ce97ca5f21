"""A throw-away PgBouncer on a free port, in front of a PostgreSQL server, in transaction mode."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from specter_stack.programs import find_program
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import free_port

ACCOUNT = "postgres"
READY_WITHIN = 20.0
SETTINGS = {"default_pool_size": "1"}
CONFIG = """\
[databases]
{database} = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
pool_mode = transaction
auth_type = plain
auth_file = {folder}/users
"""


@contextmanager
def running_pgbouncer(
    behind: PostgresServer, users: dict[str, str], settings: dict[str, str] | None = None, port: int = 0
) -> Iterator[int]:
    """Start it with one session of the server for each of `users` (passwords by names); yield its port.

    `settings` are added to, and override, those of a pool of one session; `port` is a free one by default.

    Raises:
        MissingProgramsError: PgBouncer is not installed.
        RuntimeError: it did not start; the message holds the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="specter-pgbouncer-"))
    listen = port or free_port()
    places = {"database": behind.database, "host": behind.host, "port": behind.port, "listen": listen}
    more = "".join(f"{name} = {value}\n" for name, value in {**SETTINGS, **(settings or {})}.items())
    (folder / "pgbouncer.ini").write_text(CONFIG.format(folder=folder, **places) + more, encoding="utf-8")
    lines = [f'"{name}" "{password}"\n' for name, password in users.items()]
    (folder / "users").write_text("".join(lines), encoding="utf-8")
    command = [str(find_program("pgbouncer")), str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to be root
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, ACCOUNT)
        command[1:1] = ["-u", ACCOUNT]
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _ready(process, folder / "log", behind, listen, users)
            yield listen
        finally:
            process.terminate()
            process.wait(timeout=15)
    finally:
        shutil.rmtree(folder)


def _ready(
    process: "subprocess.Popen[bytes]", log: Path, behind: PostgresServer, port: int, users: dict[str, str]
) -> None:
    deadline = time.monotonic() + READY_WITHIN
    [(user, password), *_] = users.items()
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, dbname=behind.database, user=user, password=password
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PgBouncer did not start: {log.read_text(encoding='utf-8')[-2000:]}")
