"""A throw-away MariaDB server on a free port, stopped and deleted when the block ends.

As root it runs as the user `mysql`, in a folder of its own that this user owns.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from specter_stack.programs import find_program
from tests.servers.prometheus import free_port

USER, PASSWORD = "specter", "throw-away"
ACCOUNT = "mysql"
READY_WITHIN = 30.0
OPTIONS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    # Nothing of this outlives the test, so nothing waits for the disk.
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--aria-log-file-size=8M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
)


@dataclass(frozen=True, slots=True)
class MariaDbServer:
    """A running server: where it is and how to log in with every privilege."""

    host: str
    port: int
    pid: int
    user: str = USER
    password: str = field(default=PASSWORD, repr=False)

    def connect(self, **more: object) -> "pymysql.Connection":
        """Return a connection that commits by itself."""
        named = {"user": self.user, "password": self.password, "autocommit": True, **more}
        return pymysql.connect(host=self.host, port=self.port, **named)


@contextmanager
def running_mariadb() -> Iterator[MariaDbServer]:
    """Start a server, yield it, stop it and delete its folder, also when the block fails.

    Raises:
        MissingProgramsError: MariaDB is not installed.
        RuntimeError: it did not start; the message holds the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="specter-mariadb-"))
    try:
        server, port = _start(folder)
        try:
            _ready(server, folder / "log", port)
            yield MariaDbServer("127.0.0.1", port, server.pid)
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder)


def _start(folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    program, port = find_program("mariadbd"), free_port()
    # One statement a line.
    (folder / "users.sql").write_text(
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n",
        encoding="utf-8",
    )
    account = []
    if os.geteuid() == 0:
        account = [f"--user={ACCOUNT}"]
        shutil.chown(folder, ACCOUNT)
        folder.chmod(0o711)
    data = f"--datadir={folder / 'data'}"
    made = subprocess.run(
        [
            *(str(shutil.which("mariadb-install-db")), "--no-defaults", *account, data),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db failed: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    command = [
        *(str(program), *OPTIONS, *account, data, f"--port={port}"),
        *(f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--init-file={folder}/users.sql"),
    ]
    with (folder / "log").open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output), port


def _ready(server: "subprocess.Popen[bytes]", log: Path, port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD).close()
        except pymysql.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"MariaDB did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(timeout=15)
