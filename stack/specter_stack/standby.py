"""A streaming standby beside the PostgreSQL server of our own: copied anew at each start of a run."""

import os
import shutil
import subprocess
from pathlib import Path

from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.postgres import SUPERUSER, data_folder, server_account, server_service
from specter_stack.programs import find_program
from specter_stack.service import Service

NAME = "postgres-standby"
# Of a slot, which takes no hyphen, and of the connection.
SLOT = "standby"
COPY_SECONDS = 120.0
DROP_SLOT = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'standby'"


def standby_folder(layout: Layout, account: str | None) -> Path:
    """Return where the standby's cluster lives: beside the primary's."""
    return data_folder(layout, account).with_name("standby")


def standby_service(layout: Layout, port: int) -> Service:
    """Return the standby as a service; `copy_primary` makes what it serves."""
    account = server_account()
    return server_service(NAME, standby_folder(layout, account), port, account)


def copy_primary(layout: Layout, primary_port: int, password_file: Path) -> None:
    """Make the standby's cluster a copy of the running primary, in place of what an earlier run left.

    A new copy can always follow and replays, whatever became of the old one and its slot. No standby may run.

    Raises:
        StackError: the primary cannot be copied; the message quotes why.
    """
    account = server_account()
    data = standby_folder(layout, account)
    if data.exists():
        shutil.rmtree(data)
    source = f"host={LOOPBACK} port={primary_port} user={SUPERUSER}"
    password = password_file.read_text(encoding="utf-8").strip()
    _run(account, password, "psql", "-X", "-q", "-c", DROP_SLOT, "-d", f"{source} dbname=postgres")
    _run(
        *(account, password, "pg_basebackup", "-D", str(data), "-R", "-X", "stream", "-C", "-S", SLOT),
        *("--checkpoint=fast", "--no-sync", "-d", f"{source} application_name={SLOT}"),
    )


def _run(account: str | None, password: str, program: str, *arguments: str) -> None:
    command = [
        *(["runuser", "-u", account, "--"] if account else []),
        str(find_program("postgres").resolve().with_name(program)),
        *arguments,
    ]
    environment = {**os.environ, "PGPASSWORD": password}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            timeout=COPY_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{program} took longer than {COPY_SECONDS:g} s") from error
    if done.returncode:
        raise StackError(f"{program} failed: {done.stderr.strip()}")
